package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"pascaline/internal/cpu"
	"pascaline/link"
)

// listening is the line that a command that serves others prints with --json
// once it takes connections.
type listening struct {
	Address string `json:"address"`
	Key     string `json:"key"`
	Plan    string `json:"plan,omitempty"`
}

// spent is what a command that serves others says for every line of its standard
// input, with --stop-with-stdin.
type spent struct {
	CPU float64 `json:"cpu_s"`
}

// listenFlags are what every command needs that serves others.
type listenFlags struct {
	key, listen     string
	allow           []string
	verbose, asJSON bool
	stopWithStdin   bool
}

// add adds the flags; whom says who is allowed.
func (f *listenFlags) add(cmd *cobra.Command, address, whom string) {
	flags := cmd.Flags()
	flags.StringVar(&f.key, "key", "", "file of this party's private key (pascaline keygen makes one)")
	flags.StringArrayVar(&f.allow, "allow", nil, "public key of "+whom+" to serve, or a file that holds it; repeat for more")
	flags.StringVar(&f.listen, "listen", address, "address to listen on, HOST:PORT")
	flags.BoolVar(&f.verbose, "verbose", false, "log every step")
	flags.BoolVar(&f.asJSON, "json", false, "print the address and the log as JSON")
	flags.BoolVar(&f.stopWithStdin, "stop-with-stdin", false, "stop when the standard input ends, as it does with the program that holds it; a line there is answered with the processor time spent so far")
	cmd.MarkFlagRequired("key")
	cmd.MarkFlagRequired("allow")
}

func (f *listenFlags) log() *slog.Logger {
	level := &slog.HandlerOptions{Level: slog.LevelInfo}
	if f.verbose {
		level.Level = slog.LevelDebug
	}
	if f.asJSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, level))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, level))
}

// open checks the flags and listens.
func (f *listenFlags) open() (id link.Identity, allowed []link.PublicKey, l net.Listener, err error) {
	if err := checkAddress("listen", f.listen, true); err != nil {
		return id, nil, nil, err
	}
	if id, err = readIdentity(f.key); err != nil {
		return id, nil, nil, err
	}
	for _, a := range f.allow {
		k, err := readPublicKey("allow", a)
		if err != nil {
			return id, nil, nil, err
		}
		allowed = append(allowed, k)
	}
	l, err = net.Listen("tcp", f.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return id, nil, nil, fmt.Errorf("--listen %s: another program listens there; stop it, or choose another address", f.listen)
	}
	if err != nil {
		return id, nil, nil, fmt.Errorf("--listen %s: %w; choose another address", f.listen, err)
	}
	return id, allowed, l, nil
}

// service is what a listening command offers.
type service struct {
	handler link.Handler
	log     *slog.Logger
	plan    string
	// greet says to a person what is served.
	greet func(address string, key link.PublicKey)
}

// serve serves on l until ctx ends or something fails.
func (f *listenFlags) serve(ctx context.Context, id link.Identity, allowed []link.PublicKey, l net.Listener, s service) error {
	server, err := link.NewServer(id, link.Allow(allowed...), s.handler, link.Options{Log: s.log})
	if err != nil {
		return err
	}
	address := l.Addr().String()
	if f.asJSON {
		if err := printJSON(listening{Address: address, Key: id.Public().String(), Plan: s.plan}); err != nil {
			return err
		}
	} else {
		s.greet(address, id.Public())
	}
	if f.stopWithStdin {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		go func() {
			defer cancel()
			for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
				if printJSON(spent{cpu.Seconds()}) != nil {
					return
				}
			}
		}()
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(l) }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
		server.Stop()
		return nil
	}
}
