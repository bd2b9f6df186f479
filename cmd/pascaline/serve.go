package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"pascaline/link"
	"pascaline/offline"
	"pascaline/party"
	"pascaline/store"
)

// listening is the line that serve --json prints once it takes connections.
type listening struct {
	Address string `json:"address"`
	Key     string `json:"key"`
	Plan    string `json:"plan"`
}

type serveFlags struct {
	model, key, store, listen string
	allow                     []string
	verbose, asJSON           bool
	stopWithStdin             bool
}

func serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve --allow KEY...",
		Short: "Serve a model to the clients whose keys are allowed",
		Long: `Serve answers clients: it makes bundles with them and spends those on their
inferences. It serves the keys named with --allow and nobody else.`,
		Example: "  pascaline serve --key server.key --allow client.key.pub",
		Args:    noArguments("for several clients, repeat --allow; a model goes with --model"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.model, "model", builtIn, `model to serve: a .pasc file, or "mnist", the built-in one`)
	flags.StringVar(&f.key, "key", "", "file of this party's private key (pascaline keygen makes one)")
	flags.StringArrayVar(&f.allow, "allow", nil, "public key of a client to serve, or a file that holds it; repeat for more")
	flags.StringVar(&f.store, "store", "server-store", "directory of this party's store")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:7100", "address to listen on, HOST:PORT")
	flags.BoolVar(&f.verbose, "verbose", false, "log every step of every client")
	flags.BoolVar(&f.asJSON, "json", false, "print the address and the log as JSON")
	flags.BoolVar(&f.stopWithStdin, "stop-with-stdin", false, "stop when the standard input ends, as it does with the program that holds it")
	cmd.MarkFlagRequired("key")
	cmd.MarkFlagRequired("allow")
	return cmd
}

func (f *serveFlags) run(ctx context.Context) error {
	if err := checkAddress("listen", f.listen, true); err != nil {
		return err
	}
	m, err := readWeights("model", f.model)
	if err != nil {
		return err
	}
	id, err := readIdentity(f.key)
	if err != nil {
		return err
	}
	var allowed []link.PublicKey
	for _, a := range f.allow {
		k, err := readPublicKey("allow", a)
		if err != nil {
			return err
		}
		allowed = append(allowed, k)
	}
	// Before the store: where nobody can be served, none is made.
	l, err := net.Listen("tcp", f.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("--listen %s: another program listens there; stop it, or choose another address", f.listen)
	}
	if err != nil {
		return fmt.Errorf("--listen %s: %w; choose another address", f.listen, err)
	}
	defer l.Close()
	st, err := store.Open(f.store)
	if err != nil {
		return err
	}
	defer st.Close()
	log := f.log()
	p, err := party.NewServer(m, st, []offline.Backend{lattigo}, log)
	if err != nil {
		return err
	}
	server, err := link.NewServer(id, link.Allow(allowed...), p.Handle, link.Options{Log: log})
	if err != nil {
		return err
	}
	address, hash := l.Addr().String(), m.Plan.Hash()
	if f.asJSON {
		if err := printJSON(listening{Address: address, Key: id.Public().String(), Plan: fmt.Sprintf("%x", hash)}); err != nil {
			return err
		}
	} else {
		fmt.Printf("serving %s (plan %x) on %s\nto clients that expect the key %s\n", m.Plan.Name, hash[:6], address, id.Public())
	}
	if f.stopWithStdin {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(l) }()
	select {
	case err := <-stopped:
		return errors.Join(err, st.Close())
	case <-ctx.Done():
		server.Stop()
		return nil
	}
}

func (f *serveFlags) log() *slog.Logger {
	level := &slog.HandlerOptions{Level: slog.LevelInfo}
	if f.verbose {
		level.Level = slog.LevelDebug
	}
	if f.asJSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, level))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, level))
}
