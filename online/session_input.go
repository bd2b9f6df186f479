package online

import (
	"encoding/binary"
	"slices"

	"pascaline/correlation"
	"pascaline/ring"
)

// Input shares a value that one party holds; the other passes nil. See
// [Encode] for what fits.
//
// The owner sends a fresh seed, 32 bytes, of which the other party's share is
// the expansion: it says nothing of the value, and the owner's share is the rest.
func (s *Session) Input(owner int, shape []int, frac uint, values []float64) *Value {
	if s.err != nil {
		return s.none()
	}
	var words []uint64
	if s.party == owner {
		var err error
		if words, err = Encode(frac, values...); err != nil {
			return s.fail("input of %v: %w", shape, err)
		}
	} else if values != nil {
		return s.fail("input of %v: party %d passes values that are party %d's", shape, s.party, owner)
	}
	return s.InputWords(owner, shape, frac, words)
}

// InputWords is [Session.Input] of integers mod 2^64.
func (s *Session) InputWords(owner int, shape []int, frac uint, words []uint64) *Value {
	if s.err != nil {
		return s.none()
	}
	if err := checkShape(shape); err != nil {
		return s.fail("input: %w", err)
	}
	n := elements(shape)
	switch {
	case owner != 0 && owner != 1:
		return s.fail("input of %v by party %d; there are 0 and 1", shape, owner)
	case s.party != owner && words != nil:
		return s.fail("input of %v: party %d passes values that are party %d's", shape, s.party, owner)
	case s.party == owner && len(words) != n:
		return s.fail("input of %v: %d values for %d elements", shape, len(words), n)
	}
	v := s.result("an input", slices.Clone(shape), frac, nil)
	expand := func(seed ring.Seed) []uint64 {
		share := make([]uint64, n)
		ring.NewStream(seed, "session/input").Fill(share)
		return share
	}
	words = slices.Clone(words)
	return s.enqueue(operation{name: "input", begin: func(*correlation.Half) *opening {
		if s.party != owner {
			return &opening{expect: ring.SeedSize / 8, then: func(theirs []uint64) *opening {
				v.share = expand(ring.Seed(ring.AppendWords(nil, theirs)))
				return nil
			}}
		}
		seed := ring.NewSeed()
		send := make([]uint64, ring.SeedSize/8)
		for i := range send {
			send[i] = binary.LittleEndian.Uint64(seed[8*i:])
		}
		return &opening{send: send, then: func([]uint64) *opening {
			v.share = expand(seed)
			ring.Sub(v.share, words, v.share)
			return nil
		}}
	}}, v)
}

// Share takes a value that the parties share already: each passes its own share,
// mod 2^64. Local truncation (methods [ESPN] and [Tree]) counts on shares that
// are uniform.
func (s *Session) Share(shape []int, frac uint, share []uint64) *Value {
	if s.err != nil {
		return s.none()
	}
	if err := checkShape(shape); err != nil {
		return s.fail("share: %w", err)
	}
	if len(share) != elements(shape) {
		return s.fail("share of %v: %d words for %d elements", shape, len(share), elements(shape))
	}
	return s.result("a share", slices.Clone(shape), frac, slices.Clone(share))
}

// Public makes a shared value of one that both parties know, for use with
// others. Both pass it.
func (s *Session) Public(shape []int, frac uint, values []float64) *Value {
	if s.err != nil {
		return s.none()
	}
	words, err := Encode(frac, values...)
	if err != nil {
		return s.fail("public value of %v: %w", shape, err)
	}
	if s.party == 1 {
		clear(words)
	}
	v := s.Share(shape, frac, words)
	if s.err == nil {
		s.spread(v.share)
	}
	return v
}

// Open opens a value to both parties: one round, 8 bytes per element and party.
func (s *Session) Open(v *Value) *Opened { return s.open("open", v, true, true) }

// OpenTo opens a value to one party, to which the other sends 8 bytes per
// element.
func (s *Session) OpenTo(party int, v *Value) *Opened {
	if party != 0 && party != 1 {
		s.fail("open to party %d; there are 0 and 1", party)
	}
	return s.open("open", v, s.party != party, s.party == party)
}

func (s *Session) open(name string, v *Value, send, receive bool) *Opened {
	o := new(Opened)
	if !s.ready(name, v) {
		return o
	}
	o.frac = v.frac
	s.enqueue(operation{name: name, begin: func(*correlation.Half) *opening {
		var next opening
		if send {
			next.send = v.share
		}
		if receive {
			next.expect = len(v.share)
		}
		next.then = func(theirs []uint64) *opening {
			if receive {
				o.words = slices.Clone(theirs)
				ring.Add(o.words, o.words, v.share)
			}
			return nil
		}
		return &next
	}}, nil)
	return o
}
