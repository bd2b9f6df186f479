package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/party"
)

// preparationReport is the JSON form of a deal, per inference prepared.
type preparationReport struct {
	Inferences int        `json:"inferences"`
	Seconds    float64    `json:"seconds"`               // making the correlations, in all
	CPU        [2]float64 `json:"cpu_ms_per_inference"`  // of each server
	SentMB     [2]float64 `json:"sent_mb_per_inference"` // by each to the other
	OwnerMB    [2]float64 `json:"owner_sent_mb"`         // to the servers in the order of --server, in all
}

type sharedDealFlags struct {
	pair       pairFlags
	inferences int
	asJSON     bool
}

func sharedDealCommand() *cobra.Command {
	var f sharedDealFlags
	cmd := &cobra.Command{
		Use:   "deal MODEL",
		Short: "Deal a model's weights to two servers, each of which learns none",
		Long: `Deal sends each of two servers a share of a model's weights: a .pasc file, or
"mnist", the built-in model. It waits until they have made the correlated
randomness for --inferences inferences. When those are spent, or a server was
started again, deal once more. Clients need the plan.`,
		Example: "  pascaline shared deal --server a.example.org:7300 --server-key a.key.pub --server b.example.org:7300 --server-key b.key.pub --key owner.key --inferences 100 model.pasc",
		Args:    commandline.OneArgument(`a model, a .pasc file or "mnist"`),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args[0]) },
	}
	f.pair.add(cmd)
	cmd.Flags().IntVar(&f.inferences, "inferences", 100, "how many inferences to prepare for")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print the report as JSON")
	return cmd
}

func (f *sharedDealFlags) run(ctx context.Context, path string) error {
	if f.inferences < 1 {
		return fmt.Errorf("--inferences is %d; ask for at least 1", f.inferences)
	}
	m, err := readModel(path)
	if err != nil {
		return err
	}
	if m.Weights == nil {
		return fmt.Errorf("%s is a plan, without the weights; deal the .pasc file that was written beside it", path)
	}
	conns, disconnect, err := f.pair.connect(ctx)
	if err != nil {
		return err
	}
	defer disconnect()
	progress, finish := productionProgress(0, f.inferences, "inference")
	p, err := party.DealShared(ctx, conns, m, f.inferences, func(fraction float64) { progress(fraction * float64(f.inferences)) })
	finish()
	if err != nil {
		return err
	}
	r := preparationReport{Inferences: f.inferences, Seconds: p.Took.Seconds()}
	for i, c := range conns {
		r.CPU[i] = 1e3 * p.CPU[i] / float64(f.inferences)
		r.SentMB[i] = float64(p.Sent[i]) / 1e6 / float64(f.inferences)
		r.OwnerMB[i] = float64(c.Traffic().SentBytes) / 1e6
	}
	if f.asJSON {
		return printJSON(r)
	}
	fmt.Printf("both servers are ready for %s of %s; preparing took %.1f s\n", count(r.Inferences, "inference"), m.Plan.Name, r.Seconds)
	fmt.Printf("each took %.0f ms of CPU and %.2f MB between the servers\n", r.CPU[0]+r.CPU[1], r.SentMB[0]+r.SentMB[1])
	return nil
}
