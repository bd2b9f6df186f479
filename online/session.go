package online

import (
	"context"
	"fmt"
	"maps"

	"pascaline/correlation"
	"pascaline/ring"
)

// A Source hands out this party's halves of correlations, each once. Both
// parties' sources hand out twin halves: the k-th half of one belongs to the
// k-th of the other, of the same specification.
type Source interface {
	Take(ctx context.Context, spec correlation.Spec) (*correlation.Half, error)
}

// An Exchange carries one round: it sends msg to the other party and returns the
// message that the other sent, of at most limit bytes. Either may be empty. It
// must not wait for the other's message before it sends.
type Exchange func(ctx context.Context, msg []byte, limit int) ([]byte, error)

// A Session computes on values that both parties share mod 2^64 (design section
// 4, second half; docs/session.md). Both parties run the same program on their
// sessions: the same operations in the same order.
//
// Operations that need no message have their results at once. The others are
// queued, and their results are pending until [Session.Run], which runs all that
// is queued at the same time; to use a pending result before is an error. An
// operation that cannot be is recorded, not returned: Run and [Session.Err]
// report the first. After an error the session is over: what it took from its
// source is spent, and its values are of no use.
//
// A Session is not safe for concurrent use.
type Session struct {
	party    int
	source   Source
	exchange Exchange
	queue    []operation
	err      error
	rounds   int
	sent     int64
	spent    map[string]int
	spreads  uint64 // calls of spread so far
}

// NewSession begins a session of party 0 or 1.
func NewSession(party int, source Source, exchange Exchange) *Session {
	s := &Session{party: party, source: source, exchange: exchange, spent: map[string]int{}}
	if party != 0 && party != 1 {
		s.err = fmt.Errorf("a session of party %d; there are 0 and 1", party)
	}
	return s
}

// Party returns 0 or 1.
func (s *Session) Party() int { return s.party }

// Err returns the error that ended the session, or nil.
func (s *Session) Err() error { return s.err }

// Rounds returns the number of rounds so far, and Sent the bytes that this party
// sent in them.
func (s *Session) Rounds() int { return s.rounds }
func (s *Session) Sent() int64 { return s.sent }

// Spent returns the elements taken from the source so far, by
// [correlation.Spec.Pool].
func (s *Session) Spent() map[string]int { return maps.Clone(s.spent) }

// operation is an operation in the queue.
type operation struct {
	name string
	// spec is what it takes from the source; of Kind 0 if nothing.
	spec  correlation.Spec
	begin func(*correlation.Half) *opening
}

// opening is what an operation sends and awaits in one round.
type opening struct {
	send   []uint64
	expect int // elements of the other's message
	// then takes the other's elements and returns the opening of the next round,
	// or nil at the end.
	then func(theirs []uint64) *opening
}

// Run runs the queued operations, in as many rounds as the longest of them
// needs; they share its messages. If none is queued it does nothing.
func (s *Session) Run(ctx context.Context) error {
	if s.err == nil {
		s.err = s.run(ctx)
	}
	return s.err
}

func (s *Session) run(ctx context.Context) error {
	var openings []*opening
	for _, o := range s.queue {
		half, err := s.take(ctx, o.spec)
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		openings = append(openings, o.begin(half))
	}
	s.queue = nil
	for len(openings) > 0 {
		theirs, err := s.round(ctx, openings)
		if err != nil {
			return err
		}
		var next []*opening
		for _, o := range openings {
			if following := o.then(theirs[:o.expect:o.expect]); following != nil {
				next = append(next, following)
			}
			theirs = theirs[o.expect:]
		}
		openings = next
	}
	return nil
}

// take takes a half from the source and checks that it is the one asked for.
func (s *Session) take(ctx context.Context, spec correlation.Spec) (*correlation.Half, error) {
	if spec.Kind == 0 {
		return nil, nil
	}
	half, err := s.source.Take(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("taking %d of %s: %w", spec.N, spec.Pool(), err)
	}
	if half.Spec != spec || half.Party != s.party {
		return nil, fmt.Errorf("taking %d of %s: the source gave %d of %s for party %d",
			spec.N, spec.Pool(), half.Spec.N, half.Spec.Pool(), half.Party)
	}
	if err := half.Validate(); err != nil {
		return nil, fmt.Errorf("taking %d of %s: %w", spec.N, spec.Pool(), err)
	}
	s.spent[spec.Pool()] += spec.N
	return half, nil
}

// round exchanges one message each way.
func (s *Session) round(ctx context.Context, openings []*opening) ([]uint64, error) {
	send, expect := 0, 0
	for _, o := range openings {
		send, expect = send+len(o.send), expect+o.expect
	}
	msg := make([]byte, 0, 8*send)
	for _, o := range openings {
		msg = ring.AppendWords(msg, o.send)
	}
	answer, err := s.exchange(ctx, msg, 8*expect)
	if err != nil {
		return nil, fmt.Errorf("round %d of the session: %w", s.rounds+1, err)
	}
	if len(answer) != 8*expect {
		return nil, fmt.Errorf("round %d of the session: the other party sent %d bytes, not %d; both must run the same operations in the same order",
			s.rounds+1, len(answer), 8*expect)
	}
	s.rounds++
	s.sent += int64(len(msg))
	theirs := make([]uint64, expect)
	ring.Words(theirs, answer)
	return theirs, nil
}

// fail records an error, if it is the first.
func (s *Session) fail(format string, args ...any) *Value {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
	return s.none()
}

// none is the result of an operation that cannot be.
func (s *Session) none() *Value { return &Value{session: s} }

// ready reports whether an operation can be on these operands; if not, the
// session has failed.
func (s *Session) ready(name string, operands ...*Value) bool {
	for i, v := range operands {
		switch {
		case s.err != nil:
		case v == nil:
			s.fail("%s: operand %d is nil", name, i+1)
		case v.session != s:
			s.fail("%s: operand %d belongs to another session", name, i+1)
		case v.share == nil:
			s.fail("%s: operand %d is pending, the result of %s; call Run first", name, i+1, v.origin)
		}
	}
	return s.err == nil
}

// result returns a value of a valid shape with this share; nil if it is pending.
func (s *Session) result(name string, shape []int, frac uint, share []uint64) *Value {
	if frac > maxFrac {
		return s.fail("%s: the result would have %d fractional bits; there can be %d: truncate before", name, frac, maxFrac)
	}
	return &Value{session: s, origin: name, shape: shape, frac: frac, share: share}
}

// enqueue queues an operation with its result, unless either is impossible.
func (s *Session) enqueue(o operation, v *Value) *Value {
	if o.spec.Kind != 0 && s.err == nil {
		if err := o.spec.Validate(); err != nil {
			return s.fail("%s: %w", o.name, err)
		}
	}
	if s.err == nil {
		s.queue = append(s.queue, o)
	}
	return v
}

// spread adds a sharing of zero to a share, uniform mod 2^64, from a stream that
// everybody knows. It hides nothing. It is for shares that are not uniform, so
// that a local truncation ([localTruncate]) of what follows from them is wrong no
// more often than of others.
func (s *Session) spread(share []uint64) {
	u := make([]uint64, len(share))
	ring.NewStream(ring.Seed{}, "session/spread", s.spreads).Fill(u)
	s.spreads++
	if s.party == 0 {
		ring.Add(share, share, u)
	} else {
		ring.Sub(share, share, u)
	}
}
