package commandline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// ExitInterrupted is the exit status of a command that Ctrl-C ended, as shells
// expect it.
const ExitInterrupted = 130

// Run runs a program and returns its exit status: 0 on success, ExitInterrupted
// where a signal ended it, 1 on any other error. Errors go to the standard error,
// and with them what hint, unless nil, says to do about those whose package cannot
// know the command line.
func Run(root *cobra.Command, hint func(command string, err error) string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A second Ctrl-C does not wait. Some who end a process signal it and its group, at
	// the same time: that is once.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second/2, stop) })
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	name := root.Name() + ":"
	if ctx.Err() != nil {
		var partial *Partial
		if errors.As(err, &partial) {
			fmt.Fprintln(os.Stderr, name, "interrupted:", partial.Done)
		} else {
			fmt.Fprintln(os.Stderr, name, "interrupted")
		}
		return ExitInterrupted
	}
	fmt.Fprintln(os.Stderr, name, err)
	if hint != nil {
		if advice := hint(cmd.Name(), err); advice != "" {
			fmt.Fprintln(os.Stderr, "  "+advice)
		}
	}
	return 1
}

// Partial is the error of a command that has done some of its work for good before
// it failed or was interrupted.
type Partial struct {
	Err  error
	Done string // how much, and how to go on
}

func (e *Partial) Error() string { return e.Err.Error() + "; " + e.Done }
func (e *Partial) Unwrap() error { return e.Err }

// Program makes cmd, which has further commands, the root of a program.
func Program(cmd *cobra.Command) *cobra.Command {
	Family(cmd)
	cmd.Version = version()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.PersistentPreRunE = CheckFlags
	cmd.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	cmd.SetFlagErrorFunc(FlagError)
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
