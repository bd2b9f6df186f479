package commandline

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Family makes cmd, which only has further commands, explain itself, and fail
// where a command is named that it does not have.
func Family(cmd *cobra.Command) *cobra.Command {
	cmd.SuggestionsMinimumDistance = 2
	cmd.DisableFlagsInUseLine = true
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return fmt.Errorf("there is no %q; did you mean %s?", cmd.CommandPath()+" "+args[0], strings.Join(near, " or "))
		}
		return fmt.Errorf("there is no %q; %s --help lists what there is", cmd.CommandPath()+" "+args[0], cmd.CommandPath())
	}
	return cmd
}

// NoArguments refuses arguments that belong to no flag; advice says where they
// may have been meant to go.
func NoArguments(advice string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if advice != "" {
			return fmt.Errorf("%s does not know what to do with %q: %s", cmd.CommandPath(), args[0], advice)
		}
		return fmt.Errorf("%s does not know what to do with %q: it takes flags alone", cmd.CommandPath(), args[0])
	}
}

// OneArgument takes exactly one argument, which is what it says.
func OneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 || args[0] == "":
			return fmt.Errorf("%s needs %s, as in: %s", cmd.CommandPath(), what, FirstExample(cmd))
		case len(args) > 1:
			return fmt.Errorf("%s takes %s, one at a time; %q is too much", cmd.CommandPath(), what, args[1])
		}
		return nil
	}
}

// SomeArguments takes one argument or more.
func SomeArguments(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s needs %s, as in: %s", cmd.CommandPath(), what, FirstExample(cmd))
		}
		return nil
	}
}

func FirstExample(cmd *cobra.Command) string {
	line, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
	return line
}
