package commandline

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// CheckExamples parses what the help of a program's commands shows as examples:
// they must have the flags and the number of arguments that the command takes. root
// returns the program anew.
func CheckExamples(root func() *cobra.Command) error {
	var wrong []error
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			args, _, _ := strings.Cut(strings.TrimSpace(line), " > ")
			if err := accept(root(), strings.Fields(args), cmd.CommandPath()); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", args, err))
			}
		}
		for _, c := range cmd.Commands() {
			visit(c)
		}
	}
	visit(root())
	return errors.Join(wrong...)
}

// accept has the command line's parser look at an example.
func accept(root *cobra.Command, args []string, path string) error {
	cmd, rest, err := root.Find(args[1:])
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return FlagError(cmd, err)
	}
	if cmd.Args == nil || cmd.CommandPath() != path {
		return nil
	}
	return cmd.Args(cmd, cmd.Flags().Args())
}
