package main

import (
	"bufio"
	"encoding/gob"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/internal/cpu"
)

// measuredRun is what a measured client says of one batch.
type measuredRun struct {
	Seconds  float64    `json:"seconds"`
	Rounds   int        `json:"rounds"`
	Sent     int64      `json:"sent_bytes"` // on the wire
	Received int64      `json:"received_bytes"`
	CPU      float64    `json:"cpu_s"` // while the batch was under way
	Outputs  [][]uint64 `json:"outputs"`
}

// measuredClientCommand is the client's process of bench network: for every other
// line of its standard input it claims a batch, and for those between it runs it.
// What happens in between is for its parent to measure.
func measuredClientCommand() *cobra.Command {
	var f clientFlags
	var inputs string
	cmd := &cobra.Command{
		Use:    "network-client",
		Hidden: true,
		Args:   commandline.NoArguments(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			batches, err := readInputs(inputs)
			if err != nil {
				return err
			}
			c, err := f.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			lines := bufio.NewScanner(os.Stdin)
			for i := 0; lines.Scan(); i++ {
				batch := batches[i%len(batches)]
				b, err := c.Warm(cmd.Context(), len(batch))
				if err != nil {
					return err
				}
				if err := printJSON(spent{cpu.Seconds()}); err != nil || !lines.Scan() {
					return err
				}
				before := cpu.Seconds()
				outputs, run, err := b.Infer(cmd.Context(), batch)
				if err != nil {
					return err
				}
				if err := printJSON(measuredRun{
					Seconds: run.Latency.Seconds(), Rounds: run.Rounds, Sent: run.Traffic.SentBytes,
					Received: run.Traffic.ReceivedBytes, CPU: cpu.Seconds() - before, Outputs: outputs,
				}); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&inputs, "inputs", "", "file of the inputs, as bench network writes it")
	return cmd
}

// writeInputs and readInputs pass the inputs of all batches from bench network to its
// client.
func writeInputs(path string, inputs [][][]uint64) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing the inputs: %w", err)
	}
	defer f.Close()
	if err := gob.NewEncoder(f).Encode(inputs); err != nil {
		return fmt.Errorf("writing the inputs: %w", err)
	}
	return f.Close()
}

func readInputs(path string) (inputs [][][]uint64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the inputs: %w", err)
	}
	defer f.Close()
	if err := gob.NewDecoder(f).Decode(&inputs); err != nil {
		return nil, fmt.Errorf("reading the inputs: %w", err)
	}
	if len(inputs) == 0 {
		return nil, fmt.Errorf("reading the inputs: %s has none", path)
	}
	return inputs, nil
}
