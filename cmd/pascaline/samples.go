package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/internal/digits"
)

func samplesCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "samples -o DIR",
		Short:   "Write sample digits, drawn by pascaline itself, as PNG files",
		Example: "  pascaline samples -o samples",
		Args:    commandline.NoArguments("name the folder with -o"),
		RunE: func(*cobra.Command, []string) error {
			paths, err := digits.WritePNGs(out)
			if err != nil {
				return err
			}
			fmt.Printf("%s in %s\n", count(len(paths), "picture"), out)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "folder for the pictures")
	cmd.MarkFlagRequired("output")
	return cmd
}
