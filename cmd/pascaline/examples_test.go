package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// What the help of a command shows as examples has the flags and the number of
// arguments that the command takes.
func TestExamplesInTheHelpAreAccepted(t *testing.T) {
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			args, _, _ := strings.Cut(strings.TrimSpace(line), " > ")
			if err := accept(strings.Fields(args), cmd.CommandPath()); err != nil {
				t.Errorf("%s: %v", args, err)
			}
		}
		for _, c := range cmd.Commands() {
			visit(c)
		}
	}
	visit(root())
}

// accept has the command line's parser look at an example.
func accept(args []string, path string) error {
	cmd, rest, err := root().Find(args[1:])
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return flagError(cmd, err)
	}
	if cmd.Args == nil || cmd.CommandPath() != path {
		return nil
	}
	return cmd.Args(cmd, cmd.Flags().Args())
}
