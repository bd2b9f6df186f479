package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/link"
	"pascaline/model"
	"pascaline/party"
	"pascaline/store"
)

// noModel is what --model says of a server that keeps pools only.
const noModel = "none"

type serveFlags struct {
	listenFlags
	backend               backendFlags
	model, store, exports string
}

func serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve --allow KEY...",
		Short: "Serve a model to the clients whose keys are allowed",
		Long: `Serve answers clients: it makes bundles and pools of correlated randomness with
them and spends those on their inferences. It serves the keys named with --allow
and nobody else. Clients may have correlations made by the backends named with
--backend and no others: homomorphic encryption (lattigo) unless they are.`,
		Example: "  pascaline serve --key server.key --allow client.key.pub",
		Args:    commandline.NoArguments("for several clients, repeat --allow; a model goes with --model"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) },
	}
	f.listenFlags.add(cmd, "127.0.0.1:7100", "a client")
	f.backend.addMany(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.model, "model", builtIn, `model to serve: a .pasc file, "mnist", the built-in one, a network of pascaline model zoo, or "none", to keep pools only`)
	flags.StringVar(&f.store, "store", "server-store", "directory of this party's store")
	flags.StringVar(&f.exports, "exports", "", "let clients have this party's halves of what they export written to this directory")
	return cmd
}

func (f *serveFlags) run(ctx context.Context) (err error) {
	if err := checkAddress("listen", f.listen, true); err != nil {
		return err
	}
	var m *model.Model
	if f.model != noModel {
		if m, err = readWeights(f.model); err != nil {
			return fmt.Errorf("--model: %w", err)
		}
	}
	log := f.log()
	backends, closeBackends, err := f.backend.many(ctx, f.key, log)
	if err != nil {
		return err
	}
	defer closeBackends()
	// Before the store: where nobody can be served, none is made.
	id, allowed, l, err := f.open()
	if err != nil {
		return err
	}
	defer l.Close()
	st, err := store.Open(f.store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	p, err := party.NewServer(party.Config{Model: m, Store: st, Backends: backends, Exports: f.exports, Log: log})
	if err != nil {
		return err
	}
	s := service{handler: p.Handle, log: log}
	name := "pools"
	if m != nil {
		hash := m.Plan.Hash()
		s.plan = fmt.Sprintf("%x", hash)
		name = fmt.Sprintf("%s (plan %x)", m.Plan.Name, hash[:6])
		if isPublic(f.model) {
			name += ", whose weights are public,"
		}
	}
	s.greet = func(address string, key link.PublicKey) {
		fmt.Printf("serving %s on %s\nto clients that expect the key %s\n", name, address, key)
	}
	return f.serve(ctx, id, allowed, l, s)
}
