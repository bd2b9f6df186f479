package dealer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/ring"
)

// run is one party's side of a run.
type run struct {
	correlation.Run
	conn *link.Conn     // to the dealer
	own  link.PublicKey // this party's
	peer link.PublicKey // the other party's
	over atomic.Bool

	met     bool     // the two parties' backends have greeted each other
	nonces  [64]byte // both parties'; since they have met
	batches uint64   // so many have been asked for

	blind   ring.Seed        // of B, by layer; party 0
	opened  map[int]bool     // layers whose F party 1 has; party 0
	blinded map[int][]uint64 // F, by layer; party 1
}

func newRun(r correlation.Run, conn *link.Conn, own, peer link.PublicKey) *run {
	g := &run{Run: r, conn: conn, own: own, peer: peer}
	if r.Party == 0 {
		g.blind, g.opened = ring.NewSeed(), make(map[int]bool)
	} else {
		g.blinded = make(map[int][]uint64)
	}
	return g
}

// Format keeps seeds and weights out of logs, errors and debug output, whatever
// the verb.
func (g *run) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "run of the dealer(party %d, redacted)", g.Party)
}

var errOver = errors.New("this run of the dealer has failed or is closed; open another")

// Close closes the connection to the dealer.
func (g *run) Close() error {
	g.over.Store(true)
	return g.conn.Close()
}

// Generate has one batch dealt.
func (g *run) Generate(ctx context.Context, requests []correlation.Request) ([]*correlation.Half, error) {
	if g.over.Load() {
		return nil, errOver
	}
	halves, err := g.generate(ctx, requests)
	if err != nil {
		g.over.Store(true) // the other party may be anywhere in it
		return nil, err
	}
	return halves, nil
}

func (g *run) generate(ctx context.Context, requests []correlation.Request) ([]*correlation.Half, error) {
	for _, r := range requests {
		if err := r.Validate(g.Run); err != nil {
			return nil, err
		}
		if r.Spec.Kind != requests[0].Spec.Kind {
			return nil, fmt.Errorf("a request for %v and %v at once", requests[0].Spec.Kind, r.Spec.Kind)
		}
	}
	if len(requests) == 0 {
		return nil, nil
	}
	if err := g.meet(ctx); err != nil {
		return nil, err
	}
	stream, err := g.conn.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("the dealer: %w", err)
	}
	defer stream.Close()
	d := &deal{run: g, stream: stream, requests: requests}
	if err := d.ask(ctx); err != nil {
		return nil, err
	}
	switch {
	case isLinear(requests[0].Spec):
		err = d.linear(ctx)
	case g.Party == 0:
		err = d.takeCorrections(ctx, func(block) error { return nil })
	default:
		err = d.end(ctx)
	}
	if err != nil {
		return nil, err
	}
	g.Progress(1)
	return d.halves, nil
}

// meet greets the other party's backend, unless it has been met. Both say all
// that a batch is matched by, so that a wrong setting is told at once, at both.
func (g *run) meet(ctx context.Context) error {
	if g.met {
		return nil
	}
	dealer := g.conn.Peer()
	mine := &api.DealHello{Version: protocolVersion, Party: uint32(g.Party), Key: g.own[:], Peer: g.peer[:], Dealer: dealer[:], Nonce: make([]byte, nonceSize)}
	rand.Read(mine.Nonce) // never fails: crypto/rand ends the program instead
	var theirs api.DealHello
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		msg, err := proto.Marshal(mine)
		if err != nil {
			return err
		}
		return g.Twin.Send(ctx, msg)
	})
	group.Go(func() error {
		msg, err := g.Twin.Recv(ctx, helloLimit)
		if err != nil {
			return err
		}
		if err := proto.Unmarshal(msg, &theirs); err != nil {
			return fmt.Errorf("its greeting is malformed: %v", err)
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("meeting the other party's backend: %w", err)
	}
	if err := compareHellos(mine, &theirs); err != nil {
		return fmt.Errorf("meeting the other party's backend: %w", err)
	}
	copy(g.nonces[g.Party*nonceSize:], mine.Nonce)
	copy(g.nonces[(1-g.Party)*nonceSize:], theirs.Nonce)
	g.met = true
	return nil
}

const (
	nonceSize  = 32
	helloLimit = 256
)

// compareHellos reports what keeps two backends from working together. Each of
// them sees the same two hellos, so each reports it.
func compareHellos(mine, theirs *api.DealHello) error {
	if theirs.Version != protocolVersion {
		return fmt.Errorf("it speaks version %d of the dealer's protocol, this one version %d; run the same release on both sides", theirs.Version, protocolVersion)
	}
	for _, b := range [][]byte{theirs.Key, theirs.Peer, theirs.Dealer, theirs.Nonce} {
		if len(b) != nonceSize { // keys have as many bytes
			return fmt.Errorf("its greeting holds a field of %d bytes, not %d", len(b), nonceSize)
		}
	}
	text := func(key []byte) string { return link.PublicKey(key).String() }
	switch {
	case theirs.Party != 1-mine.Party:
		return fmt.Errorf("it says that it is party %d, and this one is party %d", theirs.Party, mine.Party)
	case string(theirs.Key) != string(mine.Peer):
		return fmt.Errorf("it has the key %s, and this party expects %s (setting %q)", text(theirs.Key), text(mine.Peer), settingPeer)
	case string(theirs.Peer) != string(mine.Key):
		return fmt.Errorf("it expects the key %s (setting %q), and this party has %s", text(theirs.Peer), settingPeer, text(mine.Key))
	case string(theirs.Dealer) != string(mine.Dealer):
		return fmt.Errorf("it uses the dealer with the key %s, and this party the one with %s; give both the same --%s", text(theirs.Dealer), text(mine.Dealer), settingDealerKey)
	}
	return nil
}

// batchName names batch n of the run. The other party knows the same name; nobody
// could make it repeat one of another run.
func (g *run) batchName(n uint64) []byte {
	keys := [2]link.PublicKey{g.own, g.peer}
	h := sha256.New()
	io.WriteString(h, "pascaline/v1 dealt batch")
	h.Write(keys[g.Party][:])
	h.Write(keys[1-g.Party][:])
	h.Write(g.nonces[:])
	h.Write(binary.LittleEndian.AppendUint64(nil, n))
	return h.Sum(nil)
}

// A deal is one batch, as a party takes it.
type deal struct {
	*run
	stream   *link.Stream // to the dealer
	requests []correlation.Request
	specs    []correlation.Spec
	root     ring.Seed
	halves   []*correlation.Half
}

var errEndedEarly = errors.New("the dealer ended the exchange early; compare the versions of pascaline")

// replyLimit bounds the dealer's DealReply.
const replyLimit = 64

// ask sends the request and takes the seed. The dealer answers once the other
// party asks too.
func (d *deal) ask(ctx context.Context) error {
	m := &api.Deal{Version: protocolVersion, Batch: d.batchName(d.batches), Party: uint32(d.Party), Peer: d.peer[:]}
	d.batches++
	for _, r := range d.requests {
		spec, err := r.Spec.MarshalBinary()
		if err != nil {
			return err
		}
		m.Specs = append(m.Specs, spec...)
		d.specs = append(d.specs, r.Spec)
	}
	if d.Party == 0 && isLinear(d.specs[0]) {
		m.Blind = d.blind[:]
	}
	if err := api.Send(ctx, d.stream, api.Kind_DEAL, m); err != nil {
		return fmt.Errorf("the dealer: %w", err)
	}
	// Not Recv: how long the dealer waits for the other party is its affair.
	_, payload, err := d.stream.RecvNext(ctx, link.Due{Kind: api.Kind_DEAL_REPLY, Max: replyLimit})
	if err == io.EOF {
		return errEndedEarly
	}
	if err != nil {
		return fmt.Errorf("the dealer: %w", err)
	}
	var reply api.DealReply
	if err := proto.Unmarshal(payload, &reply); err != nil || len(reply.Seed) != ring.SeedSize {
		return fmt.Errorf("the dealer sent a seed of %d bytes, not %d; compare the versions of pascaline", len(reply.Seed), ring.SeedSize)
	}
	d.root = ring.Seed(reply.Seed)
	for i, s := range d.specs {
		d.halves = append(d.halves, newHalf(s, d.Party, d.root, i))
	}
	return nil
}

// takeCorrections takes party 0's explicit columns, all there are, and calls each
// for each block that is there.
func (d *deal) takeCorrections(ctx context.Context, each func(block) error) error {
	done, all := 0, 0
	for _, s := range d.specs {
		all += s.N * correctionWords(s)
	}
	for b := range blocks(d.specs) {
		h := d.halves[b.index]
		size := 8 * (b.to - b.from) * correctionWords(h.Spec)
		msg, err := d.stream.Recv(ctx, api.Kind_DEAL_CORRECTION, size)
		if err != nil {
			return fmt.Errorf("the dealer: %w", err)
		}
		if len(msg) != size {
			return fmt.Errorf("the dealer sent %d bytes of corrections where %d are due", len(msg), size)
		}
		for i, c := range h.Spec.Columns(0) {
			if !c.Product {
				continue
			}
			if b.from == 0 {
				h.Columns[i] = make([]uint64, h.Spec.N*c.Width)
			}
			part := h.Columns[i][b.from*c.Width : b.to*c.Width]
			getWords(part, msg)
			msg = msg[8*len(part):]
		}
		if err := each(b); err != nil {
			return err
		}
		done += size / 8
		d.Progress(float64(done) / float64(all))
	}
	return d.end(ctx)
}

// end waits until the dealer has dealt both parties their halves.
func (d *deal) end(ctx context.Context) error {
	if _, _, err := d.stream.RecvNext(ctx); err != io.EOF {
		return fmt.Errorf("the dealer: %w", err)
	}
	return nil
}
