// Command pillar makes networks for private inference: it fits the polynomials
// that stand in for activation functions, trains networks with them, and compares
// what came out.
package main

import (
	"encoding/json"
	"os"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
)

func main() { os.Exit(run()) }

// run is main with an exit status.
func run() int { return commandline.Run(root(), nil) }

func root() *cobra.Command {
	cmd := commandline.Program(&cobra.Command{
		Use:   "pillar",
		Short: "Networks for private inference",
		Long: `pillar makes networks whose activations are polynomials, which pascaline can
evaluate without seeing the input.`,
	})
	cmd.AddCommand(fitCommand(), trainCommand(), compareCommand())
	return cmd
}

// printJSON writes v as one line of JSON to the standard output.
func printJSON(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }
