package main

import (
	"context"
	"errors"
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
	f.addPools(cmd)
	cmd.Flags().StringVar(&f.plan, "plan", builtIn, `plan of the served model: a file, or "mnist", the built-in one, or a network of pascaline model zoo`)
}

// addPools adds what commands need that use pools alone.
func (f *clientFlags) addPools(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.server, "server", "127.0.0.1:7100", "address of the server, HOST:PORT")
	flags.StringVar(&f.serverKey, "server-key", "", "the server's public key, or a file that holds it")
	flags.StringVar(&f.key, "key", "", "file of this party's private key (pascaline keygen makes one)")
	flags.StringVar(&f.store, "store", "client-store", "directory of this party's store")
	addNetworkFlag(cmd, &f.network)
	cmd.MarkFlagRequired("server-key")
	cmd.MarkFlagRequired("key")
}

// networkUsage says what a flag of emulated networks takes: link.LAN, link.WAN, or
// what link.ParseNetwork reads.
const networkUsage = "lan (125µs,10Gbit/s), wan (50ms,100Mbit/s), or the delay one way, the bandwidth or both, like 20ms,50Mbit/s"

func addNetworkFlag(cmd *cobra.Command, network *string) {
	cmd.Flags().StringVar(network, "network", "loopback", "emulate a slower network: "+networkUsage)
}

// parseNetwork reads the flag --network.
func parseNetwork(text string) (link.Network, error) {
	n, err := link.ParseNetwork(text)
	if err != nil {
		return n, fmt.Errorf("--network: %w", err)
	}
	return n, nil
}

// readIdentity reads the flag --key.
func readIdentity(path string) (link.Identity, error) {
	id, err := link.ReadIdentity(path)
	if err != nil {
		return id, fmt.Errorf("--key: %w", err)
	}
	return id, nil
}

// readPublicKey reads a flag that takes a public key.
func readPublicKey(flag, pathOrText string) (link.PublicKey, error) {
	k, err := link.ReadPublicKey(pathOrText)
	if err != nil {
		return k, fmt.Errorf("--%s: %w", flag, err)
	}
	return k, nil
}

// connection is a client that has met its server.
type connection struct {
	*party.Client
	plan  *model.Plan
	met   party.Meeting
	conn  *link.Conn
	store *store.Store
}

// connect connects to a server of the plan's model.
func (f *clientFlags) connect(ctx context.Context) (*connection, error) {
	if err := checkAddress("server", f.server, false); err != nil {
		return nil, err
	}
	plan, err := readPlan(f.plan)
	if err != nil {
		return nil, err
	}
	return f.meet(ctx, plan)
}

// connectPools connects to a server of whatever model, to use pools.
func (f *clientFlags) connectPools(ctx context.Context) (*connection, error) {
	if err := checkAddress("server", f.server, false); err != nil {
		return nil, err
	}
	return f.meet(ctx, nil)
}

// meet dials the server, opens the store and meets the server. In this order:
// where nobody answers, no store is made.
func (f *clientFlags) meet(ctx context.Context, plan *model.Plan) (*connection, error) {
	id, err := readIdentity(f.key)
	if err != nil {
		return nil, err
	}
	serverKey, err := readPublicKey("server-key", f.serverKey)
	if err != nil {
		return nil, err
	}
	if serverKey == id.Public() {
		return nil, errors.New("--server-key is the public key of this party's own --key; it must be the server's: are the two swapped?")
	}
	network, err := parseNetwork(f.network)
	if err != nil {
		return nil, err
	}
	conn, err := link.Dial(ctx, f.server, id, serverKey, link.Options{Network: network})
	if err != nil {
		return nil, err
	}
	st, err := store.Open(f.store)
	if err != nil {
		conn.Close()
		return nil, err
	}
	client, met, err := party.NewClient(ctx, conn, serverKey, plan, st)
	if err != nil {
		conn.Close()
		st.Close()
		return nil, err
	}
	if met.Dropped > 0 {
		fmt.Fprintf(os.Stderr, "dropped %s that the server does not hold (any more)\n", count(met.Dropped, "bundle"))
	}
	if met.DroppedBatches > 0 {
		fmt.Fprintf(os.Stderr, "dropped %s that the server does not hold (any more)\n", batches(met.DroppedBatches))
	}
	if met.Ready == 0 && met.Elsewhere > 0 {
		fmt.Fprintf(os.Stderr, "this store holds %s made with another store of the server's, to be used when the server opens that one again\n", count(met.Elsewhere, "bundle"))
	}
	if met.Ready == 0 && met.AtServer > 0 {
		fmt.Fprintf(os.Stderr, "the server holds %s made with another store of this party's: is --store %s the right one? (If that store is gone for good, pascaline store forget drops them there.)\n", count(met.AtServer, "bundle"), f.store)
	}
	return &connection{Client: client, plan: plan, met: met, conn: conn, store: st}, nil
}

// Close ends the connection and releases the store.
func (c *connection) Close() error {
	c.conn.Close()
	return c.store.Close()
}

// checkStore reports a directory that cannot be a store, without making one of
// it.
func checkStore(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) || err == nil && len(entries) == 0 {
		return fmt.Errorf("there is no store at %s: pascaline produce makes one", dir)
	}
	return nil // store.Open says what else may be wrong
}

// batches writes a number of batches.
func batches(n int) string {
	if n == 1 {
		return "1 batch"
	}
	return fmt.Sprintf("%d batches", n)
}
