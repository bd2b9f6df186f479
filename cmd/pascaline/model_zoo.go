package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pascaline/model"
	"pascaline/model/zoo"
)

func zooCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "zoo [NETWORK[/DEGREE]]",
		Short: "List the paper's networks, or write one as a compiled model",
		Long: `Zoo lists the networks that the paper measures. Their weights are drawn at random,
the same on every machine: what they say of a picture means nothing, and what they
cost is what a trained network of the same shape costs. Any command takes them by
name where it takes a model or a plan: resnet18, or resnet18/2 with activations of
degree 2 (there are 2, 4 and 6; 4 unless named). It takes lenet and resnet8 as well,
which are small: what pillar train trains in minutes, here for digits of 28×28.

With a network and -o OUT.pasc it writes the model, and OUT.plan beside it.`,
		Example: "  pascaline model zoo\n  pascaline model zoo resnet18 -o resnet18.pasc",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%s takes one network at a time", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				if out != "" {
					return fmt.Errorf("which network is %s to hold? There are %s", out, strings.Join(zoo.Trainable(), ", "))
				}
				return printZoo()
			}
			n, err := zoo.Parse(args[0])
			if err != nil {
				return err
			}
			if out == "" {
				return fmt.Errorf("name the file to write with -o, as in: pascaline model zoo %v -o %s.pasc; pascaline model show %v only shows it", n, args[0], n)
			}
			plan, err := planBeside(out)
			if err != nil {
				return err
			}
			if err := checkOutputs(out, plan); err != nil {
				return err
			}
			m, err := n.Compile()
			if err != nil {
				return err
			}
			if err := writeModel(out, plan, m); err != nil {
				return err
			}
			fmt.Printf("%s holds %v with its weights, for the server\n%s holds the plan, for clients\n", out, n, plan)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file for the compiled model, ending in .pasc")
	return cmd
}

func printZoo() error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NETWORK\tINPUT\tOUTPUTS\tACTIVATIONS\tLAYERS OF THEM\tMILLION MACS\tPARAMETERS")
	for _, name := range zoo.Names() {
		n, err := zoo.Parse(name)
		if err != nil {
			return err
		}
		g := n.Topology()
		activations, layers, macs, parameters := 0, 0, 0, 0
		for _, node := range g.Nodes {
			switch node.Op {
			case model.OpPolynomial:
				activations += node.Shape.Len()
				layers++
			case model.OpLinear:
				macs += node.Linear.MACs()
				parameters += node.Linear.WeightLen() + node.Linear.K
			}
		}
		fmt.Fprintf(w, "%s\t%v\t%d\t%d\t%d\t%.0f\t%d\n", name, g.Nodes[0].Shape, g.Nodes[len(g.Nodes)-1].Shape.Len(),
			activations, layers, float64(macs)/1e6, parameters)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Println("\nlenet and resnet8, which pillar train trains in minutes, go by name as well")
	return nil
}
