// Command pascaline runs a neural network on a client's input so that the
// client never sees the model and the server never sees the input.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/ring"
	"pascaline/store"
)

func main() { os.Exit(run()) }

// run is main with an exit status.
func run() int {
	if err := errors.Join(ring.SelectKernel(""), checkPriority()); err != nil {
		fmt.Fprintln(os.Stderr, "pascaline:", err)
		return 1
	}
	return commandline.Run(root(), hint)
}

// hint says what to do about errors whose package cannot know the command line.
func hint(command string, err error) string {
	if errors.Is(err, store.ErrInUse) && (command == "infer" || command == "produce") {
		return "A store belongs to one process at a time; infer can produce beside its inferences with --keep."
	}
	return ""
}

func root() *cobra.Command {
	cmd := commandline.Program(&cobra.Command{
		Use:   "pascaline",
		Short: "Private neural-network inference",
		Long: `pascaline runs a neural network on a client's input so that the client never
sees the model and the server never sees the input.

Correlated randomness is made ahead of time (produce), kept in a store at each
party, and spent, each piece exactly once, on inferences that take milliseconds
(infer). "pascaline demo" shows all of it on this machine.`,
	})
	cmd.AddCommand(keygenCommand(), modelCommand(), serveCommand(), produceCommand(), inferCommand(), evalCommand(),
		sharedCommand(), dealerCommand(), backendCommand(), storeCommand(), benchCommand(), planCommand(), samplesCommand(), demoCommand())
	return cmd
}

// printJSON writes v as one line of JSON to the standard output.
func printJSON(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }
