// Command session shows how two parties compute with values that neither shows
// the other. Each of two clinics has a patient's eight measurements; together
// they want a risk score, a polynomial of a weighted sum of both, and nothing
// else to be known.
//
//	go run ./examples/session
//
// Both parties run in this process here, connected by TLS over loopback; between
// machines the same two functions run apart.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"pascaline/correlation"
	"pascaline/link"
	"pascaline/offline"
	"pascaline/online"
	"pascaline/party"
	"pascaline/store"
)

const (
	measurements = 8
	frac         = 12 // fractional bits of the values
	name         = "risk"
)

// risk is σ(x) ≈ 0.5 + 0.197 x − 0.004 x³ near zero, over 2^10.
var risk = online.Polynomial{Alpha: []int64{512, 202, 0, -4}, Q: 10, ArgFrac: frac, Frac: frac}

// needs are the correlations that one run of the program spends.
var needs = []correlation.Spec{
	{Kind: correlation.Triples, N: measurements}, // the products
	risk.Spec(1, 2*frac),                         // the polynomial
}

// program is what both parties run. Party 0's values are the measurements, party
// 1's the weights; each passes its own and nil for the other's.
func program(values []float64, result *float64) party.Program {
	return func(ctx context.Context, j *party.Joint) error {
		// Both stores mark the correlations as spent before anything depends on
		// them.
		if err := j.Reserve(ctx, needs...); err != nil {
			return err
		}
		s := online.NewSession(j.Party(), j, j.Exchange)
		mine := [2][]float64{}
		mine[j.Party()] = values
		x := s.Input(0, []int{measurements}, frac, mine[0])
		w := s.Input(1, []int{measurements}, frac, mine[1])
		if err := s.Run(ctx); err != nil { // one round: both inputs
			return err
		}
		products := s.Mul(x, w)
		if err := s.Run(ctx); err != nil {
			return err
		}
		score := s.Polynomial(s.Sum(products, 0), risk)
		if err := s.Run(ctx); err != nil {
			return err
		}
		opened := s.OpenTo(1, score)
		if err := s.Run(ctx); err != nil {
			return err
		}
		if j.Party() == 1 {
			*result = opened.Floats()[0]
		}
		return nil
	}
}

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal("session: ", err)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "pascaline-session-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	clinic, err := link.GenerateIdentity()
	if err != nil {
		return err
	}
	lab, err := link.GenerateIdentity()
	if err != nil {
		return err
	}
	// Correlations are made by homomorphic encryption, between the two.
	backend, err := offline.NewBackend(ctx, offline.Lattigo{}, nil)
	if err != nil {
		return err
	}

	// Party 0 serves.
	measured := []float64{0.7, -1.2, 0.1, 2.0, 0.4, -0.3, 1.1, 0.9}
	address, stop, err := serve(clinic, lab.Public(), filepath.Join(dir, "clinic-store"), backend, program(measured, nil))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()

	// Party 1 connects, makes what is needed, and runs its side.
	weights := []float64{0.5, 0.25, -1, 0.75, 0.1, 0.6, -0.2, 0.3}
	var score float64
	if err := join(ctx, lab, clinic.Public(), address, filepath.Join(dir, "lab-store"), backend, program(weights, &score)); err != nil {
		return err
	}
	sum := 0.0
	for i := range weights {
		sum += weights[i] * measured[i]
	}
	fmt.Printf("private    %.4f\ncleartext  %.4f\n", score, 0.5+202.0/1024*sum-4.0/1024*sum*sum*sum)
	return nil
}

// serve is party 0: it answers the party with the given key.
func serve(id link.Identity, peer link.PublicKey, dir string, backend offline.Backend, p party.Program) (address string, stop func() error, err error) {
	st, err := store.Open(dir)
	if err != nil {
		return "", nil, err
	}
	s, err := party.NewServer(party.Config{
		Store:    st,
		Backends: []offline.Backend{backend},
		Programs: map[string]party.Program{name: p},
		Log:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", nil, err
	}
	server, err := link.NewServer(id, link.Allow(peer), s.Handle, link.Options{})
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go server.Serve(l)
	return l.Addr().String(), func() error {
		server.Stop()
		return st.Close()
	}, nil
}

// join is party 1: it produces correlations with party 0 until there are enough
// for ten runs, and runs its side of the program once.
func join(ctx context.Context, id link.Identity, peer link.PublicKey, address, dir string, backend offline.Backend, p party.Program) (err error) {
	st, err := store.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	conn, err := link.Dial(ctx, address, id, peer, link.Options{})
	if err != nil {
		return err
	}
	defer conn.Close()
	client, _, err := party.NewClient(ctx, conn, peer, nil, st)
	if err != nil {
		return err
	}
	for _, spec := range needs {
		spec.N *= 10
		made, err := client.ProducePool(ctx, spec, backend, nil)
		if err != nil {
			return err
		}
		fmt.Printf("%5d %s ready\n", made.Ready, spec.Pool())
	}
	return client.Run(ctx, name, p)
}
