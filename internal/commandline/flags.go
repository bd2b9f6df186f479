package commandline

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// FlagError puts what is wrong with a flag in our words.
func FlagError(cmd *cobra.Command, err error) error {
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
		case "float64":
			takes = "a number"
		case "bool":
			takes = "no value, or =true or =false"
		}
		return fmt.Errorf("%s is %q, and it takes %s: %s", flagName(f), invalid.GetValue(), takes, f.Usage)
	}
	return err
}

// CheckFlags finds the flags that are missing or given as nothing, the way an
// unset variable of the shell gives them.
func CheckFlags(cmd *cobra.Command, _ []string) (err error) {
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
