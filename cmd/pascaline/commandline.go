package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// family makes cmd, which only has further commands, explain itself, and fail
// where a command is named that it does not have.
func family(cmd *cobra.Command) *cobra.Command {
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

// noArguments refuses arguments that belong to no flag; advice says where they
// may have been meant to go.
func noArguments(advice string) cobra.PositionalArgs {
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

// oneArgument takes exactly one argument, which is what it says.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 || args[0] == "":
			return fmt.Errorf("%s needs %s, as in: %s", cmd.CommandPath(), what, firstExample(cmd))
		case len(args) > 1:
			return fmt.Errorf("%s takes %s, one at a time; %q is too much", cmd.CommandPath(), what, args[1])
		}
		return nil
	}
}

// someArguments takes one argument or more.
func someArguments(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s needs %s, as in: %s", cmd.CommandPath(), what, firstExample(cmd))
		}
		return nil
	}
}

func firstExample(cmd *cobra.Command) string {
	line, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
	return line
}

// flagError puts what is wrong with a flag in our words.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = "-" + unknown.GetSpecifiedName()
		}
		return fmt.Errorf("%s has no flag %s; %[1]s --help lists those it has", cmd.CommandPath(), name)
	case errors.As(err, &bare):
		return fmt.Errorf("%s needs a value: %s", flagName(bare.GetFlag()), bare.GetFlag().Usage)
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		takes := "a value of another kind"
		switch f.Value.Type() {
		case "int":
			takes = "a whole number"
		case "uint":
			takes = "a whole number that is not negative"
		case "bool":
			takes = "no value, or =true or =false"
		}
		return fmt.Errorf("%s is %q, and it takes %s: %s", flagName(f), invalid.GetValue(), takes, f.Usage)
	}
	return err
}

// checkFlags finds the flags that are missing or given as nothing, the way an
// unset variable of the shell gives them.
func checkFlags(cmd *cobra.Command, _ []string) (err error) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		_, required := f.Annotations[cobra.BashCompOneRequiredFlag]
		if err != nil || !f.Changed && !required {
			return
		}
		if !f.Changed {
			err = fmt.Errorf("%s is missing: %s", flagName(f), f.Usage)
			return
		}
		empty := f.Value.Type() == "string" && f.Value.String() == ""
		if list, ok := f.Value.(pflag.SliceValue); ok {
			empty = len(list.GetSlice()) == 0
			for _, v := range list.GetSlice() {
				empty = empty || v == ""
			}
		}
		if empty {
			err = fmt.Errorf("%s is empty: %s", flagName(f), f.Usage)
		}
	})
	return err
}

// flagName writes a flag as most people do.
func flagName(f *pflag.Flag) string {
	if f.Shorthand != "" {
		return "-" + f.Shorthand
	}
	return "--" + f.Name
}

// checkAddress checks the form of an address, so that its error can name the
// flag. An address to listen on needs no host, and its port may be 0.
func checkAddress(flag, address string, listen bool) error {
	host, port, err := net.SplitHostPort(address)
	n, err2 := strconv.ParseUint(port, 10, 16)
	if err != nil || err2 != nil || !listen && (host == "" || n == 0) {
		return fmt.Errorf("--%s is %q; it takes HOST:PORT, like 127.0.0.1:7100", flag, address)
	}
	return nil
}

// count writes a number with what it counts: "1 bundle", "2 bundles".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
