package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"pascaline/link"
	"pascaline/model"
	"pascaline/party"
	"pascaline/store"
)

// clientFlags are what every command of the client's needs to reach a server.
type clientFlags struct {
	server    string
	serverKey string
	key       string
	plan      string
	store     string
	network   string
}

func (f *clientFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.server, "server", "127.0.0.1:7100", "address of the server")
	flags.StringVar(&f.serverKey, "server-key", "", "the server's public key, or a file that holds it")
	flags.StringVar(&f.key, "key", "", "this party's private key (pascaline keygen)")
	flags.StringVar(&f.plan, "plan", builtIn, `plan of the served model: a file, or "mnist", the built-in one`)
	flags.StringVar(&f.store, "store", "client-store", "directory of this party's store")
	flags.StringVar(&f.network, "network", "", "emulate a slower network: lan, wan, or like 50ms,100Mbit/s")
	cmd.MarkFlagRequired("server-key")
	cmd.MarkFlagRequired("key")
}

// connection is a client that has met its server.
type connection struct {
	*party.Client
	plan  *model.Plan
	met   party.Meeting
	conn  *link.Conn
	store *store.Store
}

// connect opens the store, dials the server and meets it.
func (f *clientFlags) connect(ctx context.Context) (_ *connection, err error) {
	plan, err := readPlan(f.plan)
	if err != nil {
		return nil, err
	}
	id, err := link.ReadIdentity(f.key)
	if err != nil {
		return nil, err
	}
	serverKey, err := link.ReadPublicKey(f.serverKey)
	if err != nil {
		return nil, err
	}
	var options link.Options
	if f.network != "" {
		if options.Network, err = link.ParseNetwork(f.network); err != nil {
			return nil, err
		}
	}
	st, err := store.Open(f.store)
	if err != nil {
		return nil, err
	}
	conn, err := link.Dial(ctx, f.server, id, serverKey, options)
	if err != nil {
		st.Close()
		return nil, err
	}
	client, met, err := party.NewClient(ctx, conn, serverKey, plan, st)
	if err != nil {
		conn.Close()
		st.Close()
		return nil, err
	}
	if met.Dropped > 0 {
		fmt.Fprintf(os.Stderr, "dropped %d bundles that the server does not hold (any more)\n", met.Dropped)
	}
	return &connection{Client: client, plan: plan, met: met, conn: conn, store: st}, nil
}

// Close ends the connection and releases the store.
func (c *connection) Close() error {
	c.conn.Close()
	return c.store.Close()
}
