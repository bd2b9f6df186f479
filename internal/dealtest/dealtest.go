// Package dealtest is a trusted dealer and a link in memory, for tests of what
// spends correlations.
package dealtest

import (
	"context"
	"fmt"
	"sync"

	"pascaline/correlation"
)

// Dealer deals twin halves to two parties in one process: whoever asks first
// makes the deal, and the other must ask for the same.
type Dealer struct {
	mu    sync.Mutex
	asked [2]int
	kept  map[int]*correlation.Half // halves of the party that has not asked yet, by number
}

// Source is where one party takes its halves.
type Source struct {
	dealer *Dealer
	party  int
}

// Source returns the source of party 0 or 1.
func (d *Dealer) Source(party int) Source { return Source{d, party} }

// Take returns the party's half of its next correlation.
func (s Source) Take(ctx context.Context, spec correlation.Spec) (*correlation.Half, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	d := s.dealer
	d.mu.Lock()
	defer d.mu.Unlock()
	number := d.asked[s.party]
	d.asked[s.party]++
	if kept, ok := d.kept[number]; ok {
		if kept.Spec != spec {
			return nil, fmt.Errorf("correlation %d: party %d asks for %d of %s, the other for %d of %s",
				number, s.party, spec.N, spec.Pool(), kept.Spec.N, kept.Spec.Pool())
		}
		delete(d.kept, number)
		return kept, nil
	}
	if d.kept == nil {
		d.kept = map[int]*correlation.Half{}
	}
	mine, other := correlation.NewHalf(spec, s.party), correlation.NewHalf(spec, 1-s.party)
	if s.party == 1 {
		correlation.Complete(mine, other)
	} else {
		correlation.Complete(other, mine)
	}
	d.kept[number] = other
	return mine, nil
}

// Exchange sends a message and returns the other party's, of at most limit bytes.
type Exchange = func(ctx context.Context, msg []byte, limit int) ([]byte, error)

// Link returns the two ends of a link.
func Link() [2]Exchange {
	up, down := make(chan []byte, 1), make(chan []byte, 1)
	end := func(out, in chan []byte) Exchange {
		return func(ctx context.Context, msg []byte, limit int) ([]byte, error) {
			select {
			case out <- msg:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			select {
			case answer := <-in:
				if len(answer) > limit {
					return nil, fmt.Errorf("a message of %d bytes; at most %d are awaited", len(answer), limit)
				}
				return answer, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	return [2]Exchange{end(up, down), end(down, up)}
}
