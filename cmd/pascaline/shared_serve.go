package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/link"
	"pascaline/offline"
	"pascaline/party"
	"pascaline/store"
)

type sharedServeFlags struct {
	listenFlags
	backend       backendFlags
	owners        []string
	peer, peerKey string
	store         string
	network       string
}

func sharedServeCommand() *cobra.Command {
	var f sharedServeFlags
	cmd := &cobra.Command{
		Use:   "serve --peer-key KEY --owner KEY... --allow KEY...",
		Short: "Be one of two servers of shared models",
		Long: `Serve is one of two servers: start the one without --peer first, and the other with
--peer, the first one's address. They take models from the owners named with
--owner and inputs from the clients named with --allow, and from nobody else.
Shares of models are kept in memory alone: when a server is started again, or the
two have lost each other, owners deal their models again.`,
		Example: `  pascaline shared serve --key a.key --peer-key b.key.pub --owner owner.key.pub --allow client.key.pub
  pascaline shared serve --key b.key --peer-key a.key.pub --peer a.example.org:7300 --owner owner.key.pub --allow client.key.pub`,
		Args: commandline.NoArguments("models come from their owners (pascaline shared deal)"),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) },
	}
	f.listenFlags.add(cmd, "127.0.0.1:7300", "a client")
	f.backend.add(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.owners, "owner", nil, "public key of a model's owner, or a file that holds it; repeat for more")
	flags.StringVar(&f.peer, "peer", "", "address of the other server, HOST:PORT; at one of the two")
	flags.StringVar(&f.peerKey, "peer-key", "", "the other server's public key, or a file that holds it")
	flags.StringVar(&f.store, "store", "shared-store", "directory of this server's store")
	addNetworkFlag(cmd, &f.network)
	cmd.MarkFlagRequired("owner")
	cmd.MarkFlagRequired("peer-key")
	return cmd
}

func (f *sharedServeFlags) run(ctx context.Context) (err error) {
	if err := checkAddress("listen", f.listen, true); err != nil {
		return err
	}
	network, err := parseNetwork(f.network)
	if err != nil {
		return err
	}
	if f.peer == "" && network != (link.Network{}) {
		return errors.New("--network goes with --peer: the server that connects emulates it")
	}
	config := party.SharedConfig{Log: f.log()}
	if config.Peer, err = readPublicKey("peer-key", f.peerKey); err != nil {
		return err
	}
	for _, o := range f.owners {
		k, err := readPublicKey("owner", o)
		if err != nil {
			return err
		}
		config.Owners = append(config.Owners, k)
	}
	backend, closeBackend, err := f.backend.one(ctx, f.key, config.Log)
	if err != nil {
		return err
	}
	defer closeBackend()
	config.Backends = []offline.Backend{backend}
	// Before the store: where nobody can be served, none is made.
	id, allowed, l, err := f.open()
	if err != nil {
		return err
	}
	defer l.Close()
	if config.Peer == id.Public() {
		return errors.New("--peer-key is the public key of this server's own --key; it must be the other's: are the two swapped?")
	}
	config.Clients = allowed
	if err := config.Validate(); err != nil {
		return err
	}
	if f.peer != "" {
		if config.Dial, err = f.dial(ctx, id, config.Peer, network); err != nil {
			return err
		}
	}
	if config.Store, err = store.Open(f.store); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, config.Store.Close()) }()
	server, err := party.NewSharedServer(config)
	if err != nil {
		return err
	}
	defer server.Close()
	return f.serve(ctx, id, server.Allowed(), l, service{
		handler: server.Handle,
		log:     config.Log,
		greet: func(address string, key link.PublicKey) {
			fmt.Printf("serving shared models on %s as party %d\nto owners and clients that expect the key %s\n", address, server.Party(), key)
		},
	})
}

// dial returns how to connect to the other server, which it tries first: a wrong
// address or key is noticed now, not with the first deal.
func (f *sharedServeFlags) dial(ctx context.Context, id link.Identity, peer link.PublicKey, network link.Network) (func(context.Context) (*link.Conn, error), error) {
	if err := checkAddress("peer", f.peer, false); err != nil {
		return nil, err
	}
	dial := func(ctx context.Context) (*link.Conn, error) {
		return link.Dial(ctx, f.peer, id, peer, link.Options{Network: network})
	}
	conn, err := dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("--peer: %w", err)
	}
	return dial, conn.Close()
}
