package offline

import (
	"context"
	"errors"
	"fmt"

	"pascaline/correlation"
)

// Lattigo is the backend that makes correlations by homomorphic encryption
// between the two parties (design section 6). Party 1 encrypts, party 0
// evaluates (each does both for matrices and convolutions): party 0's halves are
// seeds, and party 1's are seeds but for their shares of products.
type Lattigo struct{}

// lattigoVersion changes with every message of the exchanges.
const lattigoVersion = "2"

// Describe says what the backend is and can.
func (Lattigo) Describe(context.Context) (correlation.Description, error) {
	return correlation.Description{
		Name:    "lattigo",
		Version: lattigoVersion,
		Trust:   "nobody but the two parties, each of whom follows the protocol; 128-bit security from ring learning with errors",
		Kinds:   correlation.Kinds(),
	}, nil
}

// Open begins a run. Keys are made and exchanged with the first correlations
// that need them.
func (Lattigo) Open(_ context.Context, run correlation.Run) (correlation.Generator, error) {
	if run.Party != 0 && run.Party != 1 {
		return nil, fmt.Errorf("opening a run of lattigo: party %d; there are 0 and 1", run.Party)
	}
	if run.Progress == nil {
		run.Progress = func(float64) {}
	}
	return &lattigoRun{Run: run}, nil
}

// lattigoRun is one party's side of a run: its keys, as far as they were needed.
type lattigoRun struct {
	correlation.Run
	over bool

	powersEncryptors   map[powersKey]*PowersEncryptor
	powersEvaluators   map[powersKey]*PowersEvaluator
	productsEncryptors map[correlation.Kind]*ProductsEncryptor
	productsEvaluators map[correlation.Kind]*ProductsEvaluator
	linearEncryptor    *LinearEncryptor
	linearEvaluator    *LinearEvaluator
	bilinearParty      *BilinearParty
}

// powersKey is what the keys of powers depend on.
type powersKey struct {
	degree   int
	maskBits uint
}

var errLattigoOver = errors.New("this run of lattigo has failed or is closed; open another")

func (g *lattigoRun) Close() error {
	*g = lattigoRun{over: true}
	return nil
}

// Generate makes correlations of one kind. What is of one specification but for
// its number of elements shares its ciphertexts.
func (g *lattigoRun) Generate(ctx context.Context, requests []correlation.Request) ([]*correlation.Half, error) {
	if g.over {
		return nil, errLattigoOver
	}
	halves, err := g.generate(ctx, requests)
	if err != nil {
		g.over = true // a failed exchange is thrown away whole
		return nil, err
	}
	return halves, nil
}

func (g *lattigoRun) generate(ctx context.Context, requests []correlation.Request) ([]*correlation.Half, error) {
	halves := make([]*correlation.Half, len(requests))
	for i, r := range requests {
		if err := r.Validate(g.Run); err != nil {
			return nil, err
		}
		if r.Spec.Kind != requests[0].Spec.Kind {
			return nil, fmt.Errorf("a request for %v and %v at once", requests[0].Spec.Kind, r.Spec.Kind)
		}
		halves[i] = correlation.NewHalf(r.Spec, g.Party)
	}
	if len(requests) == 0 {
		return halves, nil
	}
	var err error
	switch kind := requests[0].Spec.Kind; kind {
	case correlation.Powers:
		err = g.powers(ctx, halves)
	case correlation.Triples, correlation.Squares, correlation.Products:
		err = g.products(ctx, kind, halves)
	case correlation.Matrix, correlation.Convolution:
		err = g.bilinear(ctx, halves)
	case correlation.Linear:
		err = g.linear(ctx, requests, halves)
	default:
		err = fmt.Errorf("lattigo does not make %v", kind)
	}
	return halves, err
}

// keyLimit bounds the messages with public keys.
const keyLimit = 8 << 20

// sendKey sends party 1's public key.
func (g *lattigoRun) sendKey(ctx context.Context, key []byte) error {
	if err := g.Twin.Send(ctx, key); err != nil {
		return fmt.Errorf("sending a public key: %w", err)
	}
	return nil
}

// takeKey receives it.
func (g *lattigoRun) takeKey(ctx context.Context) ([]byte, error) {
	key, err := g.Twin.Recv(ctx, keyLimit)
	if err != nil {
		return nil, fmt.Errorf("receiving a public key: %w", err)
	}
	return key, nil
}

// recvExactly receives a message of the given size.
func (g *lattigoRun) recvExactly(ctx context.Context, size int) ([]byte, error) {
	msg, err := g.Twin.Recv(ctx, size)
	if err == nil && len(msg) != size {
		err = fmt.Errorf("a message of %d bytes where %d are due", len(msg), size)
	}
	return msg, err
}
