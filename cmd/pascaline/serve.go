package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"

	"pascaline/link"
	"pascaline/party"
	"pascaline/store"
)

// listening is the line that serve --json prints once it takes connections.
type listening struct {
	Address string `json:"address"`
	Key     string `json:"key"`
	Plan    string `json:"plan"`
}

func serveCommand() *cobra.Command {
	var (
		modelPath, keyPath, storeDir, listen string
		allow                                []string
		verbose, asJSON                      bool
	)
	cmd := &cobra.Command{
		Use:   "serve --allow KEY...",
		Short: "Serve a model to the clients whose keys are allowed",
		Long: `Serve answers clients: it makes bundles with them and spends those on their
inferences. It serves the keys named with --allow and nobody else.`,
		Example: "  pascaline serve --key server.key --allow client.key.pub",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := readModel(modelPath)
			if err != nil {
				return err
			}
			id, err := link.ReadIdentity(keyPath)
			if err != nil {
				return err
			}
			var allowed []link.PublicKey
			for _, a := range allow {
				k, err := link.ReadPublicKey(a)
				if err != nil {
					return err
				}
				allowed = append(allowed, k)
			}
			level := &slog.HandlerOptions{Level: slog.LevelInfo}
			if verbose {
				level.Level = slog.LevelDebug
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, level))
			if asJSON {
				log = slog.New(slog.NewJSONHandler(os.Stderr, level))
			}
			st, err := store.Open(storeDir)
			if err != nil {
				return err
			}
			defer st.Close()
			p, err := party.NewServer(m, st, log)
			if err != nil {
				return err
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("listening for clients: %w; choose another address with --listen", err)
			}
			server, err := link.NewServer(id, link.Allow(allowed...), p.Handle, link.Options{Log: log})
			if err != nil {
				return err
			}
			address, hash := l.Addr().String(), m.Plan.Hash()
			if asJSON {
				if err := printJSON(listening{Address: address, Key: id.Public().String(), Plan: fmt.Sprintf("%x", hash)}); err != nil {
					return err
				}
			} else {
				fmt.Printf("serving %s (plan %x) on %s\nto clients that expect the key %s\n", m.Plan.Name, hash[:6], address, id.Public())
			}
			stopped := make(chan error, 1)
			go func() { stopped <- server.Serve(l) }()
			select {
			case err := <-stopped:
				return errors.Join(err, st.Close())
			case <-cmd.Context().Done():
				server.Stop()
				return nil
			}
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&modelPath, "model", builtIn, `model to serve: a .pasc file, or "mnist", the built-in one`)
	flags.StringVar(&keyPath, "key", "", "this party's private key (pascaline keygen)")
	flags.StringArrayVar(&allow, "allow", nil, "public key of a client to serve, or a file that holds it; repeat for more")
	flags.StringVar(&storeDir, "store", "server-store", "directory of this party's store")
	flags.StringVar(&listen, "listen", "127.0.0.1:7100", "address to listen on")
	flags.BoolVar(&verbose, "verbose", false, "log every step of every client")
	flags.BoolVar(&asJSON, "json", false, "print the address and the log as JSON")
	cmd.MarkFlagRequired("key")
	cmd.MarkFlagRequired("allow")
	return cmd
}
