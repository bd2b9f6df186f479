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
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pascaline/ring"
	"pascaline/store"
)

func main() { os.Exit(run()) }

// exitInterrupted is the exit status of a command that Ctrl-C ended, as shells
// expect it.
const exitInterrupted = 130

// run is main with an exit status: 0 on success, exitInterrupted where a signal
// ended the command, 1 on any other error.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A second Ctrl-C does not wait. Some who end a process signal it and its group, at
	// the same time: that is once.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second/2, stop) })
	if err := errors.Join(ring.SelectKernel(""), checkPriority()); err != nil {
		fmt.Fprintln(os.Stderr, "pascaline:", err)
		return 1
	}
	cmd, err := root().ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		var partial *partialError
		if errors.As(err, &partial) {
			fmt.Fprintln(os.Stderr, "pascaline: interrupted:", partial.done)
		} else {
			fmt.Fprintln(os.Stderr, "pascaline: interrupted")
		}
		return exitInterrupted
	}
	fmt.Fprintln(os.Stderr, "pascaline:", err)
	if hint := hint(cmd.Name(), err); hint != "" {
		fmt.Fprintln(os.Stderr, "  "+hint)
	}
	return 1
}

// partialError is the error of a command that has done some of its work for
// good before it failed or was interrupted.
type partialError struct {
	err  error
	done string // how much, and how to go on
}

func (e *partialError) Error() string { return e.err.Error() + "; " + e.done }
func (e *partialError) Unwrap() error { return e.err }

// hint says what to do about errors whose package cannot know the command line.
func hint(command string, err error) string {
	if errors.Is(err, store.ErrInUse) && (command == "infer" || command == "produce") {
		return "A store belongs to one process at a time; infer can produce beside its inferences with --keep."
	}
	return ""
}

func root() *cobra.Command {
	cmd := family(&cobra.Command{
		Use:   "pascaline",
		Short: "Private neural-network inference",
		Long: `pascaline runs a neural network on a client's input so that the client never
sees the model and the server never sees the input.

Correlated randomness is made ahead of time (produce), kept in a store at each
party, and spent, each piece exactly once, on inferences that take milliseconds
(infer). "pascaline demo" shows all of it on this machine.`,
		Version:           version(),
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: checkFlags,
	})
	cmd.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	cmd.SetFlagErrorFunc(flagError)
	cmd.AddCommand(keygenCommand(), modelCommand(), serveCommand(), produceCommand(), inferCommand(),
		sharedCommand(), dealerCommand(), backendCommand(), storeCommand(), benchCommand(), samplesCommand(), demoCommand())
	return cmd
}

// version says which build this is, as far as the build recorded it.
func version() string {
	version := "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return fmt.Sprintf("%s %s %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// printJSON writes v as one line of JSON to the standard output.
func printJSON(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }
