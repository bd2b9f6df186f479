package dealer

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"pascaline/correlation"
	"pascaline/ring"
)

// linear makes the halves of linear correlations (see the package's comment). At
// either party one goroutine sends to the other and another receives, so neither
// ever waits for the other to take something; and one hears of it if the dealer
// fails.
func (d *deal) linear(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if d.Party == 0 {
		group.Go(func() error { return d.sendBlinded(ctx) })
		group.Go(func() error { return d.takeMasked(ctx) })
	} else {
		group.Go(func() error { return d.sendMasked(ctx) })
		group.Go(func() error { return d.takeBlinded(ctx) })
		group.Go(func() error { return d.end(ctx) })
	}
	return group.Wait()
}

// sendBlinded sends F = W − B of each layer that the run has not had yet.
func (d *deal) sendBlinded(ctx context.Context) error {
	for _, s := range d.specs {
		if d.opened[s.Layer] {
			continue
		}
		d.opened[s.Layer] = true
		f := blinding(d.blind, s)
		for i, w := range d.Layers[s.Layer].Weights {
			f[i] = uint64(int64(w)) - f[i]
		}
		if err := sendWords(ctx, d.Twin, f); err != nil {
			return fmt.Errorf("sending the blinded weights of linear layer %d: %w", s.Layer, err)
		}
	}
	return nil
}

// takeMasked takes the dealer's c and the other party's e = r − r′ of each
// inference, and makes s = c + W∗e of them.
func (d *deal) takeMasked(ctx context.Context) error {
	var work errgroup.Group // nothing in it fails
	work.SetLimit(runtime.GOMAXPROCS(0))
	err := d.takeCorrections(ctx, func(b block) error {
		h := d.halves[b.index]
		shape, w := h.Spec.Shape, d.Layers[h.Spec.Layer].Weights
		for n := b.from; n < b.to; n++ {
			e := make([]uint64, shape.InLen())
			if err := recvWords(ctx, d.Twin, e); err != nil {
				return fmt.Errorf("receiving the masked inputs of linear layer %d: %w", h.Spec.Layer, err)
			}
			s := h.Columns[0][n*shape.OutLen():][:shape.OutLen()]
			work.Go(func() error {
				product := make([]uint64, len(s))
				ring.Conv(product, e, w, shape)
				ring.Add(s, s, product)
				return nil
			})
		}
		return nil
	})
	work.Wait()
	return err
}

// sendMasked sends e = r − r′ of each inference.
func (d *deal) sendMasked(ctx context.Context) error {
	for i, r := range d.requests {
		in := r.Spec.Shape.InLen()
		inputs, e := inferenceStream(d.root, inputDomain, i, 0, in), make([]uint64, in)
		for n := range r.Spec.N {
			inputs.Fill(e)
			ring.Sub(e, r.Input[n*in:][:in], e)
			if err := sendWords(ctx, d.Twin, e); err != nil {
				return fmt.Errorf("sending the masked inputs of linear layer %d: %w", r.Spec.Layer, err)
			}
		}
	}
	return nil
}

// takeBlinded takes F of each layer that the run has not had yet, and makes y =
// u + F∗r′ of each inference.
func (d *deal) takeBlinded(ctx context.Context) error {
	for i, h := range d.halves {
		f := d.blinded[h.Spec.Layer]
		if f == nil {
			f = make([]uint64, h.Spec.Shape.WeightLen())
			if err := recvWords(ctx, d.Twin, f); err != nil {
				return fmt.Errorf("receiving the blinded weights of linear layer %d: %w", h.Spec.Layer, err)
			}
			d.blinded[h.Spec.Layer] = f
		}
		if err := d.evaluate(ctx, i, h, f); err != nil {
			return err
		}
		d.Progress(float64(i+1) / float64(len(d.halves)))
	}
	return nil
}

// evaluate makes y of linear correlation i.
func (d *deal) evaluate(ctx context.Context, i int, h *correlation.Half, f []uint64) error {
	shape := h.Spec.Shape
	in, out := shape.InLen(), shape.OutLen()
	inputs := inferenceStream(d.root, inputDomain, i, 0, in)
	y, r, product := make([]uint64, h.Spec.N*out), make([]uint64, in), make([]uint64, out)
	inferenceStream(d.root, outputDomain, i, 0, out).Fill(y) // u
	for n := range h.Spec.N {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		inputs.Fill(r)
		ring.ConvWide(product, r, f, shape)
		ring.Add(y[n*out:][:out], y[n*out:][:out], product)
	}
	h.Columns[0] = y
	return nil
}

// pieceWords bounds the messages between the parties' backends, which carry
// vectors mod 2^64, eight bytes for each element, little-endian: 1 MiB.
const pieceWords = 1 << 17

func sendWords(ctx context.Context, twin correlation.Twin, v []uint64) error {
	for len(v) > 0 {
		n := min(len(v), pieceWords)
		msg := make([]byte, 8*n)
		putWords(msg, v[:n])
		if err := twin.Send(ctx, msg); err != nil {
			return err
		}
		v = v[n:]
	}
	return nil
}

func recvWords(ctx context.Context, twin correlation.Twin, v []uint64) error {
	for len(v) > 0 {
		n := min(len(v), pieceWords)
		msg, err := twin.Recv(ctx, 8*n)
		if err != nil {
			return err
		}
		if len(msg) != 8*n {
			return fmt.Errorf("a message of %d bytes where %d are due", len(msg), 8*n)
		}
		getWords(v, msg)
		v = v[n:]
	}
	return nil
}
