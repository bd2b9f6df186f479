package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pascaline/internal/commandline"
	"pascaline/link"
)

func sharedCommand() *cobra.Command {
	cmd := commandline.Family(&cobra.Command{
		Use:   "shared",
		Short: "Evaluate models on two servers that know neither the weights nor the inputs",
		Long: `Shared runs models whose weights and inputs are both secret. A model's owner deals
shares of its weights to two servers, a client shares of its inputs; the servers
evaluate the model together, and the client adds up their shares of the result.
Neither server learns a weight, an input or a result, as long as the two do not
put together what they hold: they should belong to different people.`,
	})
	cmd.AddCommand(sharedServeCommand(), sharedDealCommand(), sharedInferCommand())
	return cmd
}

// pairFlags are what an owner and a client need to reach both servers.
type pairFlags struct {
	servers, serverKeys []string
	key                 string
	network             string
}

func (f *pairFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.servers, "server", nil, "address of a server, HOST:PORT; name both")
	flags.StringArrayVar(&f.serverKeys, "server-key", nil, "a server's public key, or a file that holds it; name both, in the order of --server")
	flags.StringVar(&f.key, "key", "", "file of this party's private key (pascaline keygen makes one)")
	addNetworkFlag(cmd, &f.network)
	for _, name := range []string{"server", "server-key", "key"} {
		cmd.MarkFlagRequired(name)
	}
}

// connect connects to both servers.
func (f *pairFlags) connect(ctx context.Context) (conns [2]*link.Conn, disconnect func(), err error) {
	var keys [2]link.PublicKey
	for _, list := range []struct {
		flag  string
		given []string
	}{{"server", f.servers}, {"server-key", f.serverKeys}} {
		if n := len(list.given); n != len(conns) {
			return conns, nil, fmt.Errorf("--%s is given %d times; name both servers, in the same order everywhere", list.flag, n)
		}
	}
	id, err := readIdentity(f.key)
	if err != nil {
		return conns, nil, err
	}
	network, err := parseNetwork(f.network)
	if err != nil {
		return conns, nil, err
	}
	for i := range conns {
		if err := checkAddress("server", f.servers[i], false); err != nil {
			return conns, nil, err
		}
		if keys[i], err = readPublicKey("server-key", f.serverKeys[i]); err != nil {
			return conns, nil, err
		}
	}
	if keys[0] == keys[1] {
		return conns, nil, fmt.Errorf("--server-key names the same key twice; each of the two servers has its own")
	}
	disconnect = func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}
	for i := range conns {
		if conns[i], err = link.Dial(ctx, f.servers[i], id, keys[i], link.Options{Network: network}); err != nil {
			disconnect()
			return conns, nil, err
		}
	}
	return conns, disconnect, nil
}
