package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"pascaline/link"
)

func keygenCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "keygen -o FILE",
		Short: "Make a party's identity: a private key, and the public key to give to others",
		Long: `Keygen writes a new Ed25519 private key to FILE (mode 0600; an existing file is
never overwritten) and its public key to FILE.pub, and prints the public key.
The other party needs the public key, over a channel that you both trust.`,
		Example: "  pascaline keygen -o server.key",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			id, err := link.GenerateIdentity()
			if err != nil {
				return err
			}
			if err := id.WriteFile(out); err != nil {
				return err
			}
			if err := os.WriteFile(out+".pub", []byte(id.Public().String()+"\n"), 0o644); err != nil {
				return fmt.Errorf("writing the public key: %w", err)
			}
			fmt.Println(id.Public())
			fmt.Fprintf(os.Stderr, "private key in %s (keep it), public key in %s.pub (give it away)\n", out, out)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file for the private key")
	cmd.MarkFlagRequired("output")
	return cmd
}
