package offline

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"pascaline/correlation"
	"pascaline/ring"
)

// BilinearParty is one party's side of matrix and convolution correlations: its
// own key and the other party's public key, good for any number of products. It is
// safe for concurrent use.
type BilinearParty struct {
	party  int
	ring   *bilinearRing
	key    *BilinearKey
	public bilinearPublic
}

// NewBilinearParty returns the side of party 0 or 1, for the other party's public
// key.
func NewBilinearParty(party int, key *BilinearKey, publicKey []byte) (*BilinearParty, error) {
	if party != 0 && party != 1 {
		return nil, fmt.Errorf("preparing products: party %d; there are 0 and 1", party)
	}
	public, err := key.ring.readPublic(publicKey)
	if err != nil {
		return nil, err
	}
	return &BilinearParty{party, key.ring, key, public}, nil
}

// Format keeps the key out of logs, errors and debug output, whatever the verb.
func (p BilinearParty) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "party %d(redacted)", p.party) }

// Multiply makes the products of a plan. Of this party's shares, a are those of the
// first operands, one after the other, b those of the second (one, if it is fixed),
// all mod 2^64. At party 0, c holds those of the products, uniform and used for
// nothing else; at party 1, Multiply sets c to the shares that go with them. Both
// parties call it at the same time. Progress, where not nil, is told how much is
// done, from 0 to 1. After an error c is worthless.
//
// Memory: at most 300 MiB for ciphertexts, where a unit of the plan ([bilinearUnit])
// is as large as it can be, and usually a tenth of that; two vectors of the size of
// c; and, where transposes are made, copies of all operands.
func (p *BilinearParty) Multiply(ctx context.Context, plan *BilinearPlan, a, b, c []uint64, twin correlation.Twin, progress func(fraction float64)) error {
	for _, v := range []struct {
		name      string
		got, want int
	}{
		{"first operands", len(a), plan.firstLen()},
		{"second operands", len(b), plan.secondLen()},
		{"products", len(c), plan.productLen()},
	} {
		if v.got != v.want {
			return fmt.Errorf("multiplying under encryption: %s of %d elements, not %d", v.name, v.got, v.want)
		}
	}
	if progress == nil {
		progress = func(float64) {}
	}
	m := &multiplication{BilinearParty: p, plan: plan, twin: twin, progress: progress, a: a, b: b, c: c}
	if made := plan.made; plan.transposed {
		n, rows, inner, columns := made.count, made.shape.K, made.shape.C, made.shape.H
		m.a, m.b = transposed(b, n, inner, columns), transposed(a, n, rows, inner)
		m.c = transposed(c, n, rows, columns)
	}
	group, ctx := errgroup.WithContext(ctx)
	if p.party == 0 {
		m.answer0(ctx, group)
	} else {
		m.answer1(ctx, group)
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("multiplying under encryption: %w", err)
	}
	if plan.transposed && p.party == 1 {
		copy(c, transposed(m.c, plan.made.count, plan.made.shape.H, plan.made.shape.K))
	}
	return nil
}

// transposed returns the transposes of n matrices, one after the other.
func transposed(v []uint64, n, rows, columns int) []uint64 {
	t := make([]uint64, len(v))
	for i := range n {
		from, to := v[i*rows*columns:][:rows*columns], t[i*rows*columns:][:rows*columns]
		for y := range rows {
			for x, e := range from[y*columns:][:columns] {
				to[x*rows+y] = e
			}
		}
	}
	return t
}

// multiplication is one call of Multiply. Its operands and products are those that
// the plan makes, perhaps transposes.
//
// Units overlap. Party 0 sends the queries of unit 0, those of unit 1, the replies
// of unit 0, the queries of unit 2, the replies of unit 1 and so on; party 1 sends
// queries and replies of unit 0, of unit 1 and so on. Each has one goroutine that
// receives and one that sends. Neither can wait for the other for ever: each
// message depends on earlier ones only, and what has been received and cannot be
// used yet, the queries of one unit at party 1, has room.
//
// Replies i of both parties carry the same outputs. Party 0 evaluates while party
// 1 does; each of its replies waits for the other's, of which its mask is made.
type multiplication struct {
	*BilinearParty
	plan     *BilinearPlan
	twin     correlation.Twin
	progress func(float64)
	a, b, c  []uint64
}

// answer0 runs party 0. Its masks are C_0 − A_0∗B_0 − D_0.
func (m *multiplication) answer0(ctx context.Context, group *errgroup.Group) {
	units := m.plan.units
	local := m.local(ctx, group)
	var masks []uint64
	replies := make(chan []byte, runtime.GOMAXPROCS(0))
	group.Go(func() error {
		for i := range len(units) + 1 {
			if i < len(units) {
				if err := m.ask(ctx, &units[i]); err != nil {
					return err
				}
			}
			if i == 0 {
				continue
			}
			for range units[i-1].replies() {
				reply, err := take(ctx, replies)
				if err != nil {
					return err
				}
				if err := m.send(ctx, "reply", reply); err != nil {
					return err
				}
			}
		}
		return nil
	})
	group.Go(func() error {
		for i := range units {
			u := &units[i]
			queries, err := m.receiveQueries(ctx, u)
			if err != nil {
				return err
			}
			err = m.evaluate(ctx, u, queries, func(ctx context.Context, j int, reply []byte) error {
				if masks == nil {
					products, err := take(ctx, local)
					if err != nil {
						return err
					}
					ring.Sub(products, m.c, products)
					masks = products
				}
				if err := m.receiveReply(ctx, u, j, func(at int, v uint64) { masks[at] -= v }); err != nil {
					return err
				}
				m.mask(u, j, reply, masks)
				return put(ctx, replies, reply)
			})
			if err != nil {
				return err
			}
			m.progress(float64(i+1) / float64(len(units)))
		}
		return nil
	})
}

// answer1 runs party 1, whose masks are M_1. Its products are A_1∗B_1 + M_1 + D_1.
func (m *multiplication) answer1(ctx context.Context, group *errgroup.Group) {
	units := m.plan.units
	masks := make([]uint64, len(m.c))
	ring.NewStream(ring.NewSeed(), "bilinear/mask").Fill(masks)
	copy(m.c, masks)
	local := m.local(ctx, group)
	asked := make(chan [][]byte, 1)
	group.Go(func() error {
		for i := range units {
			u := &units[i]
			if err := m.ask(ctx, u); err != nil {
				return err
			}
			queries, err := take(ctx, asked)
			if err != nil {
				return err
			}
			err = m.evaluate(ctx, u, queries, func(ctx context.Context, j int, reply []byte) error {
				m.mask(u, j, reply, masks)
				return m.send(ctx, "reply", reply)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		for i := range len(units) + 1 {
			if i < len(units) {
				queries, err := m.receiveQueries(ctx, &units[i])
				if err != nil {
					return err
				}
				if err := put(ctx, asked, queries); err != nil {
					return err
				}
			}
			if i == 0 {
				continue
			}
			u := &units[i-1]
			for j := range u.replies() {
				if err := m.receiveReply(ctx, u, j, func(at int, v uint64) { m.c[at] += v }); err != nil {
					return err
				}
			}
			if i == len(units) {
				products, err := take(ctx, local)
				if err != nil {
					return err
				}
				ring.Add(m.c, m.c, products)
			}
			m.progress(float64(i) / float64(len(units)))
		}
		return nil
	})
}

// put sends v on a channel, and take receives from one, unless ctx ends.
func put[T any](ctx context.Context, c chan<- T, v T) error {
	select {
	case c <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func take[T any](ctx context.Context, c <-chan T) (v T, err error) {
	select {
	case v = <-c:
		return v, nil
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// local makes the products of this party's own shares, while queries are
// exchanged.
func (m *multiplication) local(ctx context.Context, group *errgroup.Group) <-chan []uint64 {
	made := make(chan []uint64, 1)
	group.Go(func() error {
		c := make([]uint64, len(m.c))
		if err := m.plan.made.multiply(ctx, c, m.a, m.b, localWork); err != nil {
			return err
		}
		made <- c
		return nil
	})
	return made
}

// ask sends a unit's queries.
func (m *multiplication) ask(ctx context.Context, u *bilinearUnit) error {
	images, size := u.group*u.images, m.plan.made.shape.InLen()
	a := split(m.a[u.first*size:][:images*size], images)
	return ordered(ctx, u.queries(),
		func(context.Context, int) (struct{}, error) { return struct{}{}, nil },
		func(i int, _ struct{}) ([]byte, error) {
			seg, j := u.query(i)
			return m.key.query(u.packing, a, seg, j), nil
		},
		func(ctx context.Context, _ int, query []byte) error { return m.send(ctx, "query", query) })
}

func (m *multiplication) send(ctx context.Context, what string, message []byte) error {
	if err := m.twin.Send(ctx, message); err != nil {
		return fmt.Errorf("sending a %s: %w", what, err)
	}
	return nil
}

// receive receives a message of exactly the given size.
func (m *multiplication) receive(ctx context.Context, what string, size int) ([]byte, error) {
	message, err := m.twin.Recv(ctx, size)
	if err != nil {
		return nil, fmt.Errorf("receiving a %s: %w", what, err)
	}
	if len(message) != size {
		return nil, fmt.Errorf("a %s of %d bytes where %d were expected; do both parties run the same version of pascaline?",
			what, len(message), size)
	}
	return message, nil
}

func (m *multiplication) receiveQueries(ctx context.Context, u *bilinearUnit) ([][]byte, error) {
	queries := make([][]byte, u.queries())
	for i := range queries {
		var err error
		if queries[i], err = m.receive(ctx, "query", bilinearQuerySize); err != nil {
			return nil, err
		}
	}
	return queries, nil
}

// receiveReply receives reply i of a unit and calls out for each of its outputs:
// element at of all products.
func (m *multiplication) receiveReply(ctx context.Context, u *bilinearUnit, i int, out func(at int, v uint64)) error {
	seg, k := u.reply(i)
	message, err := m.receive(ctx, "reply", bilinearReplySize(u.packing, seg, k))
	if err != nil {
		return err
	}
	size := m.plan.made.shape.OutLen()
	return m.key.decrypt(u.packing, seg, k, message, func(g, e int, v uint64) { out((u.first+g)*size+e, v) })
}

// mask masks reply i of a unit.
func (m *multiplication) mask(u *bilinearUnit, i int, reply []byte, masks []uint64) {
	seg, k := u.reply(i)
	size := m.plan.made.shape.OutLen()
	maskReply(u.packing, seg, k, reply, func(g, e int) uint64 { return masks[(u.first+g)*size+e] })
}

// evaluate multiplies a unit's queries by this party's share of the second operands
// and hands out the replies, in order and still to be masked.
func (m *multiplication) evaluate(ctx context.Context, u *bilinearUnit, packed [][]byte, emit func(ctx context.Context, i int, reply []byte) error) error {
	queries := make([]cipher, len(packed))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range queries {
		group.Go(func() (err error) {
			queries[i], err = m.ring.readQuery(packed[i])
			packed[i] = nil
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b := m.b
	if !m.plan.made.fixed {
		b = b[u.first*m.plan.made.shape.WeightLen():]
	}
	// A job takes some groups of output channels and all segments. Where there are
	// too few groups for all cores, it takes one group and some of the segments.
	// Either way replies keep their order.
	n, cores := u.to-u.from, runtime.GOMAXPROCS(0)
	groups := max(1, min(bilinearGroups, bilinearSums/n, u.replyGroups/cores))
	size := ceilDiv(n, ceilDiv(cores, u.replyGroups))
	parts := ceilDiv(n, size)
	next := 0
	return ordered(ctx, ceilDiv(u.replyGroups, groups)*parts,
		func(context.Context, int) (struct{}, error) { return struct{}{}, nil },
		func(i int, _ struct{}) ([][]byte, error) {
			k0, first := i/parts*groups, i%parts*size
			k1, last := min(k0+groups, u.replyGroups), min(first+size, n)
			sums := m.ring.products(u.packing, b, k0, k1, queries[first*u.queryGroups:last*u.queryGroups])
			replies := make([][]byte, len(sums))
			for j, sum := range sums {
				seg, k, seed := u.from+first+j%(last-first), k0+j/(last-first), ring.NewSeed()
				m.ring.addZero(sum, m.public, seed)
				replies[j] = m.ring.reply(u.packing, seg, k, sum, flood(u.outputCount(seg, k), seed))
			}
			return replies, nil
		},
		func(ctx context.Context, _ int, replies [][]byte) error {
			for _, r := range replies {
				if err := emit(ctx, next, r); err != nil {
					return err
				}
				next++
			}
			return nil
		})
}
