package online_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"pascaline/internal/dealtest"
	"pascaline/online"
)

// Party 0 has a small layer, party 1 an input. Both run the same program; party 1
// alone learns P(W·x + b), and neither what the other put in.
func ExampleSession() {
	layer := func(ctx context.Context, s *online.Session, w, b, x []float64) ([]float64, error) {
		// Each party passes what it has, and nil for what the other has.
		W := s.Input(0, []int{3, 2}, 8, w)
		B := s.Input(0, []int{2}, 18, b)
		X := s.Input(1, []int{2, 3}, 10, x) // two inputs at once
		if err := s.Run(ctx); err != nil {
			return nil, err
		}
		Y := s.MatMul(X, W) // 10 + 8 fractional bits
		if err := s.Run(ctx); err != nil {
			return nil, err
		}
		// About ReLU, from −5 to 5. The argument is rounded to 10 fractional bits on
		// the way.
		P := s.Polynomial(s.Add(Y, B), online.Polynomial{
			Alpha: []int64{322, 512, 160, 0, -3}, Q: 10, ArgFrac: 10, Frac: 10,
		})
		if err := s.Run(ctx); err != nil {
			return nil, err
		}
		out := s.OpenTo(1, P)
		if err := s.Run(ctx); err != nil {
			return nil, err
		}
		return out.Floats(), nil
	}

	// Here both parties are in one process, and a dealer in memory stands for their
	// stores.
	var dealer dealtest.Dealer
	link := dealtest.Link()
	server := online.NewSession(0, dealer.Source(0), link[0])
	client := online.NewSession(1, dealer.Source(1), link[1])
	ctx := context.Background()
	var parties sync.WaitGroup
	parties.Go(func() {
		w := []float64{1, 0.5, -1, 0.25, 2, -1.5}
		b := []float64{0.5, -0.25}
		if _, err := layer(ctx, server, w, b, nil); err != nil {
			log.Print(err)
		}
	})
	y, err := layer(ctx, client, nil, nil, []float64{1, -1, 0.5, 0, 2, 1})
	parties.Wait()
	if err != nil {
		log.Print(err)
	}
	fmt.Printf("%.1f\n", y)
	fmt.Printf("%d rounds, %d bytes from the client, %v\n", client.Rounds(), client.Sent(), client.Spent())
	// Output:
	// [3.5 0.0 0.6 -0.1]
	// 4 rounds, 160 bytes from the client, map[matrix/2x3x2:1 powers/4/54:4]
}
