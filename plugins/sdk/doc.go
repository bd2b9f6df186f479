// Package sdk is all that the author of a backend of pascaline imports. A backend
// makes correlated randomness between two parties; it is a program of its own,
// which pascaline starts at each party:
//
//	package main
//
//	import (
//		"context"
//
//		"pascaline/plugins/sdk"
//	)
//
//	func main() {
//		sdk.Serve(sdk.Simple{
//			Description: sdk.Description{
//				Name: "mine", Version: "1",
//				Trust: "whom its users must trust, and what with",
//				Kinds: []sdk.Kind{sdk.Triples},
//			},
//			Deal: func(ctx context.Context, run sdk.Run, ask sdk.Request) (*sdk.Half, error) {
//				theirs := sdk.NewHalf(ask.Spec, 1) // a seed
//				if run.Party == 0 {
//					if err := run.Twin.Send(ctx, theirs.Seed[:]); err != nil {
//						return nil, err
//					}
//					mine := sdk.NewHalf(ask.Spec, 0)
//					sdk.Complete(mine, theirs)
//					return mine, nil
//				}
//				seed, err := run.Twin.Recv(ctx, sdk.SeedSize)
//				if err != nil || len(seed) != sdk.SeedSize {
//					return nil, fmt.Errorf("receiving a seed: %w", err)
//				}
//				return sdk.SeedHalf(ask.Spec, 1, sdk.Seed(seed)), nil
//			},
//		})
//	}
//
// (That one works, and protects nothing: party 0 learns both halves.) What is
// made in one go, or needs keys, implements [Backend] instead. examples/backend-file
// is a whole one.
//
// # The two parties
//
// The same program runs at both, as party 0 and as party 1, and both are asked
// for the same at the same time. They reach each other through [Run].Twin, and
// only there: messages are in order and whole, of at most 64 MiB, and one
// goroutine may send while another receives. The twin is there while Open or
// Generate is at work. What it carries the other party sees.
//
// # Duties
//
// A half has fresh randomness in every call: [NewHalf], [NewSeed] and [NewStream]
// give it, math/rand does not. After an error the run is over, and nothing of it
// is used. A panic becomes such an error, but for one in a goroutine of the
// author's own, which ends the process and every run in it. When ctx is over the
// backend must return soon, or its process is killed.
//
// # The process
//
// The program is started with the environment that the host gives all plugins
// (package plugins lists it) and in the host's working directory; what it needs to
// know comes as [Run].Settings. It ends when its standard input does, which the
// host holds. What it prints or logs with [Log] appears in the host's log under
// its name.
package sdk
