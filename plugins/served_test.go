package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"pascaline/offline"
	"pascaline/plugins/internal/wire"
	"pascaline/plugins/sdk"
)

// serveTest serves the backend of that name; the names of those that are written
// against the raw protocol begin with "raw-".
func serveTest(name string) {
	switch {
	case name == "lattigo":
		sdk.Serve(offline.Lattigo{})
	case name == "silent":
		select {}
	case name == "early":
		fmt.Println("not a handshake, but an early word")
		fmt.Fprintln(os.Stderr, "[WARN] trouble ahead")
		os.Exit(3)
	case name == "chatty":
		fmt.Println("a word before the handshake")
		sdk.Log.Warn("it starts", "answer", 42)
		sdk.Serve(&backend{name: name})
	case strings.HasPrefix(name, "raw-"):
		serveRaw(name)
	case name == "echo-inline": // as where there are no blocks
		os.Unsetenv(wire.BlocksVariable)
		sdk.Serve(&backend{name: "echo"})
	default:
		sdk.Serve(&backend{name: name})
	}
}

// backend is a backend of an author who errs in the way of its name. Its triples
// are zeros, so that its twin is free for the test.
type backend struct{ name string }

func (b *backend) Describe(ctx context.Context) (sdk.Description, error) {
	switch b.name {
	case "die-describe":
		fmt.Fprintln(os.Stderr, "no use going on")
		os.Exit(7)
	case "hang-describe":
		<-ctx.Done()
		select {}
	case "panic-describe":
		panic("nothing to say")
	case "bad-name":
		return sdk.Description{Name: "two words", Version: "1", Trust: "nobody", Kinds: sdk.Kinds()}, nil
	}
	return sdk.Description{Name: "test", Version: "1", Trust: "nobody", Kinds: []sdk.Kind{sdk.Triples, sdk.Squares}}, nil
}

func (b *backend) Open(ctx context.Context, run sdk.Run) (sdk.Generator, error) {
	switch b.name {
	case "die-open":
		os.Exit(7)
	case "fail-open":
		return nil, errors.New("no luck\nwith \x1b[31mthis")
	case "nil-open":
		return nil, nil
	}
	if pid := run.Settings["tell"]; pid != "" {
		if err := run.Twin.Send(ctx, fmt.Append(nil, os.Getpid())); err != nil {
			return nil, err
		}
	}
	return &generator{b.name, run}, nil
}

type generator struct {
	name string
	run  sdk.Run
}

// zeros returns halves that are all zero.
func zeros(requests []sdk.Request, party int) []*sdk.Half {
	halves := make([]*sdk.Half, len(requests))
	for i, r := range requests {
		halves[i] = sdk.NewHalf(r.Spec, party)
		for c := range halves[i].Columns {
			halves[i].Columns[c] = make([]uint64, r.Spec.N)
		}
	}
	return halves
}

func (g *generator) Generate(ctx context.Context, requests []sdk.Request) ([]*sdk.Half, error) {
	halves := zeros(requests, g.run.Party)
	switch g.name {
	case "die":
		sdk.Log.Error("I cannot go on", "why", "tired")
		os.Exit(2)
	case "die-panic":
		go panic("in a goroutine")
		select {}
	case "panic":
		var none []int
		return nil, fmt.Errorf("unreachable: %d", none[requests[0].Spec.N])
	case "hang":
		g.run.Twin.Send(ctx, []byte("hanging"))
		select {}
	case "wait":
		g.run.Twin.Send(ctx, []byte("waiting"))
		<-ctx.Done()
		return nil, ctx.Err()
	case "short":
		return halves[1:], nil
	case "wrong-party":
		return zeros(requests, 1-g.run.Party), nil
	case "wrong-length":
		halves[0].Columns[1] = halves[0].Columns[1][1:]
	case "progress":
		for i := range 100000 {
			g.run.Progress(float64(i) / 100000)
		}
		g.run.Progress(2)
	case "logs":
		sdk.Log.Debug("a debug line")
		sdk.Log.Error("an error line", "key", strings.Repeat("v", 5000))
		fmt.Println("printed")
		fmt.Fprintln(os.Stderr, "[WARN] bracketed")
		fmt.Fprintln(os.Stderr, strings.Repeat("long", 10000))
		fmt.Fprintln(os.Stderr, `{"@message": 5, "@level": [1]}`)
		fmt.Fprintln(os.Stderr, "\x1b[2Jclear")
	case "environment":
		g.run.Twin.Send(ctx, []byte(strings.Join(os.Environ(), "\n")))
	case "settings":
		g.run.Twin.Send(ctx, fmt.Append(nil, g.run.Settings, g.run.Party, len(g.run.Layers)))
	case "bench-send", "bench-recv", "bench-both", "bench-small":
		return halves, g.bench(ctx)
	case "echo", "echo-small":
		return halves, g.echo(ctx)
	case "twin-big":
		return halves, g.run.Twin.Send(ctx, make([]byte, 64<<20+1))
	}
	return halves, nil
}

// echoSizes are the sizes of what is sent: around that of a piece, and one that
// is larger than all that may be on its way otherwise.
func echoSizes(name string) []int {
	sizes := []int{0, 1, 255, wire.PieceSize, wire.PieceSize + 1}
	if name == "echo" {
		sizes = append(sizes, wire.MaxUnsentBytes+1, 3, 5<<20, 1<<20)
	}
	for range 200 {
		sizes = append(sizes, 100)
	}
	return sizes
}

// echo sends messages of many sizes while it receives the other party's, and
// checks those: each is its number, over and over.
func (g *generator) echo(ctx context.Context) error {
	sizes := echoSizes(g.name)
	var wg sync.WaitGroup
	var sent error
	wg.Go(func() {
		for i, n := range sizes {
			msg := bytes.Repeat([]byte{byte(i)}, n)
			if sent = g.run.Twin.Send(ctx, msg); sent != nil {
				return
			}
			clear(msg) // it is not kept
		}
	})
	for i, n := range sizes {
		msg, err := g.run.Twin.Recv(ctx, n)
		if err != nil {
			return err
		}
		if !bytes.Equal(msg, bytes.Repeat([]byte{byte(i)}, n)) {
			return fmt.Errorf("message %d is not what was sent", i)
		}
	}
	wg.Wait()
	return sent
}

// bench moves 64 MiB, or exchanges a hundred small messages.
func (g *generator) bench(ctx context.Context) error {
	messages, size := 64, 1<<20
	if g.name == "bench-small" {
		messages, size = 100, 100
		for range messages {
			if err := g.run.Twin.Send(ctx, make([]byte, size)); err != nil {
				return err
			}
			if _, err := g.run.Twin.Recv(ctx, size); err != nil {
				return err
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	var sent, received error
	if g.name != "bench-recv" {
		wg.Go(func() {
			msg := make([]byte, size)
			for i := 0; i < messages && sent == nil; i++ {
				sent = g.run.Twin.Send(ctx, msg)
			}
		})
	}
	if g.name != "bench-send" {
		for i := 0; i < messages && received == nil; i++ {
			_, received = g.run.Twin.Recv(ctx, size)
		}
	}
	wg.Wait()
	return errors.Join(sent, received)
}

func (g *generator) Close() error {
	switch g.name {
	case "fail-close":
		return errors.New("cannot end")
	case "hang-close":
		select {}
	case "panic-close":
		panic("at the end")
	}
	return nil
}
