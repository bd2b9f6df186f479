package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/link"
)

func keygenCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "keygen -o FILE",
		Short: "Make a party's identity: a private key, and the public key to give to others",
		Long: `Keygen writes a new Ed25519 private key to FILE (mode 0600) and its public key to
FILE.pub, and prints the public key. Files that exist are never overwritten.
The other party needs the public key, over a channel that you both trust.`,
		Example: "  pascaline keygen -o server.key",
		Args:    commandline.NoArguments("name the file with -o"),
		RunE: func(*cobra.Command, []string) error {
			key, err := generateKey(out)
			if err != nil {
				return err
			}
			fmt.Println(key)
			fmt.Fprintf(os.Stderr, "private key in %s (keep it), public key in %s.pub (give it away)\n", out, out)
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file for the private key")
	cmd.MarkFlagRequired("output")
	return cmd
}

// generateKey writes a new identity to path and its public key to path.pub:
// both, or neither.
func generateKey(path string) (link.PublicKey, error) {
	id, err := link.GenerateIdentity()
	if err != nil {
		return link.PublicKey{}, err
	}
	if err := id.WriteFile(path); err != nil {
		return link.PublicKey{}, err
	}
	if err := id.Public().WriteFile(path + ".pub"); err != nil {
		// Nobody has seen the private key yet.
		return link.PublicKey{}, errors.Join(err, os.Remove(path))
	}
	return id.Public(), nil
}
