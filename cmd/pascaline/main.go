// Command pascaline runs a neural network on a client's input so that the
// client never sees the model and the server never sees the input.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"pascaline/model"
	"pascaline/store"
)

func main() { os.Exit(run()) }

// run is main with an exit status: 0 on success, 1 on any error.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root().ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "pascaline: interrupted")
	default:
		fmt.Fprintln(os.Stderr, "pascaline:", err)
		if hint := hint(err); hint != "" {
			fmt.Fprintln(os.Stderr, "  "+hint)
		}
	}
	return 1
}

// hint says what to do about errors whose package cannot know the command line.
func hint(err error) string {
	if errors.Is(err, store.ErrInUse) {
		return "A store belongs to one process at a time; infer can produce beside its inferences with --keep."
	}
	return ""
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pascaline",
		Short: "Private neural-network inference",
		Long: `pascaline runs a neural network on a client's input so that the client never
sees the model and the server never sees the input.

Correlated randomness is made ahead of time (produce), kept in a store at each
party, and spent, each piece exactly once, on inferences that take milliseconds
(infer). "pascaline demo" shows all of it on this machine.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(keygenCommand(), modelCommand(), serveCommand(), produceCommand(), inferCommand(),
		storeCommand(), samplesCommand(), demoCommand())
	return cmd
}

// printJSON writes v as one line of JSON to the standard output.
func printJSON(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }

// builtIn is the name that stands for the embedded model wherever a file of a
// model or a plan is expected.
const builtIn = "mnist"

// readPlan reads the plan of a .pasc file, with or without weights.
func readPlan(path string) (*model.Plan, error) {
	m, err := readModel(path)
	if err != nil {
		return nil, err
	}
	return m.Plan, nil
}
