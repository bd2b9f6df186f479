package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pascaline/dealer"
	"pascaline/internal/commandline"
	"pascaline/link"
)

func dealerCommand() *cobra.Command {
	var f listenFlags
	cmd := &cobra.Command{
		Use:   "dealer --allow KEY...",
		Short: "Deal correlated randomness to parties that trust this machine to collude with neither",
		Long: `Dealer makes correlated randomness for pairs of parties (produce --backend dealer).
It sees neither models nor inputs, and stores nothing; but together with either
party it could read everything of the other's. It serves the keys named with
--allow and nobody else.`,
		Example: "  pascaline dealer --key dealer.key --allow server.key.pub --allow client.key.pub",
		Args:    commandline.NoArguments("for several parties, repeat --allow"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return deal(cmd.Context(), &f) },
	}
	f.add(cmd, "127.0.0.1:7200", "a party")
	return cmd
}

func deal(ctx context.Context, f *listenFlags) error {
	id, allowed, l, err := f.open()
	if err != nil {
		return err
	}
	defer l.Close()
	log := f.log()
	return f.serve(ctx, id, allowed, l, service{
		handler: dealer.NewServer(log).Handle,
		log:     log,
		greet: func(address string, key link.PublicKey) {
			fmt.Printf("dealing on %s\nto parties that expect the key %s\n", address, key)
		},
	})
}
