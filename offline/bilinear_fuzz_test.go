package offline

import (
	"context"
	"errors"
	"testing"

	"pascaline/ring"
)

// script is a connection that takes everything and returns given messages.
type script struct {
	messages [][]byte
	exact    bool // cut or fill messages to what is expected
}

func (s *script) Send(context.Context, []byte) error { return nil }

func (s *script) Recv(_ context.Context, limit int) ([]byte, error) {
	if len(s.messages) == 0 {
		return nil, errNoMore
	}
	m := s.messages[0]
	s.messages = s.messages[1:]
	if s.exact {
		whole := make([]byte, limit)
		copy(whole, m)
		return whole, nil
	}
	if len(m) > limit {
		return nil, errors.New("a message above the limit")
	}
	return m, nil
}

// FuzzBilinear gives either party's messages to the other, changed at one place,
// cut, and repeated in another order.
func FuzzBilinear(f *testing.F) {
	parties := newBilinearParties(f)
	r := newBilinearRun(f, conv(3, 3, 2, 2, 2, 1, 0), 3, false)
	r.must(f, parties)
	sent := [2][][]byte{r.wires[0].sent, r.wires[1].sent}
	f.Add(byte(0), []byte{}, 0, byte(0), false)
	f.Add(byte(1), []byte{0, 1}, 0, byte(0x77), false)
	f.Add(byte(0), []byte{0, 1}, 1+ring.SeedSize+7, byte(0xff), false)
	f.Add(byte(1), []byte{1, 0}, 200, byte(1), true)
	f.Add(byte(0), []byte{0, 0, 0}, -1, byte(0), true)
	f.Fuzz(func(t *testing.T, party byte, order []byte, at int, v byte, exact bool) {
		party %= 2
		connection := &script{exact: exact}
		for _, i := range order[:min(len(order), 8)] {
			if i == 255 {
				connection.messages = append(connection.messages, order)
				continue
			}
			m := append([]byte{}, sent[1-party][int(i)%len(sent[1-party])]...)
			if at >= 0 && at < len(m) {
				m[at] ^= v
			}
			if at < 0 && -at <= len(m) {
				m = m[:-at]
			}
			connection.messages = append(connection.messages, m)
		}
		c := make([]uint64, r.plan.productLen())
		_ = parties[party].Multiply(t.Context(), r.plan, r.a[party], r.b[party], c, connection, nil)
	})
}

// FuzzBilinearKey takes public keys.
func FuzzBilinearKey(f *testing.F) {
	parties := newBilinearParties(f)
	f.Add([]byte{}, 0, byte(0))
	f.Add(parties[0].key.PublicKey(), 0, byte(1))
	f.Add(parties[0].key.PublicKey(), 1+ring.SeedSize+7, byte(0xff))
	f.Fuzz(func(t *testing.T, m []byte, at int, v byte) {
		m = append([]byte{}, m...)
		if at >= 0 && at < len(m) {
			m[at] ^= v
		}
		if p, err := NewBilinearParty(0, parties[0].key, m); err == nil && len(m) != bilinearKeySize {
			t.Errorf("%v of a key of %d bytes", p, len(m))
		}
	})
}

func TestBadBilinearMessagesAreErrors(t *testing.T) {
	parties := newBilinearParties(t)
	r := newBilinearRun(t, matrixShape(3, 4, 5), 1, false)
	r.must(t, parties)
	change := func(m []byte, at int, v byte) []byte {
		m = append([]byte{}, m...)
		m[at] = v
		return m
	}
	high := append([]byte{}, r.wires[1].sent[0]...)
	for i := 1 + ring.SeedSize; i < len(high); i++ {
		high[i] = 0xff
	}
	for party := range 2 {
		theirs := r.wires[1-party].sent // a query and a reply
		for name, messages := range map[string][][]byte{
			"empty query":         {{}},
			"short query":         {theirs[0][:100]},
			"long query":          {append(theirs[0][:len(theirs[0]):len(theirs[0])], 0)},
			"version of a query":  {change(theirs[0], 0, 0x77), theirs[1]},
			"residues of a query": {high, theirs[1]},
			"empty reply":         {theirs[0], {}},
			"short reply":         {theirs[0], theirs[1][:100]},
			"version of a reply":  {theirs[0], change(theirs[1], 0, 0x77)},
		} {
			c := make([]uint64, len(r.c[party]))
			err := parties[party].Multiply(t.Context(), r.plan, r.a[party], r.b[party], c, &script{messages: messages}, nil)
			if err == nil || errors.Is(err, errNoMore) {
				t.Errorf("party %d, %s: %v", party, name, err)
			}
		}
	}
	key := parties[0].key.PublicKey()
	high = append([]byte{}, key...)
	for i := 1 + ring.SeedSize; i < len(high); i++ {
		high[i] = 0xff
	}
	for name, m := range map[string][]byte{
		"empty": {}, "short": key[:100], "long": append(key[:len(key):len(key)], 0), "version": change(key, 0, 0x77), "residues": high,
	} {
		if _, err := NewBilinearParty(0, parties[0].key, m); err == nil {
			t.Errorf("public key, %s: no error", name)
		}
	}
}
