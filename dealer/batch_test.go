package dealer

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pascaline/correlation"
	"pascaline/ring"
)

// batchOf is what a dealer makes of matched requests.
func batchOf(specs ...correlation.Spec) *batch {
	return match(&request{key: someone, specs: specs, blind: ring.NewSeed()}, &request{key: other, party: 1, specs: specs}).batch
}

func TestCorrectionsAreWhatCompletesTheHalves(t *testing.T) {
	specs := kinds()
	b := batchOf(specs...)
	at, column := 0, make(map[int][][]uint64) // by correlation: party 0's products
	order := slices.Collect(blocks(specs))
	err := b.corrections(t.Context(), 3, func(_ context.Context, msg []byte) error {
		k := order[at]
		at++
		s := specs[k.index]
		if len(msg) != 8*(k.to-k.from)*correctionWords(s) {
			t.Fatalf("%d bytes for %+v", len(msg), k)
		}
		if column[k.index] == nil {
			column[k.index] = make([][]uint64, len(s.Columns(0)))
		}
		for i, c := range s.Columns(0) {
			if c.Product {
				v := words(msg[:8*(k.to-k.from)*c.Width])
				msg = msg[8*len(v):]
				column[k.index][i] = append(column[k.index][i], v...)
			}
		}
		return nil
	})
	if err != nil || at != len(order) {
		t.Fatalf("%d messages of %d, %v", at, len(order), err)
	}
	for i, s := range specs {
		h := newHalf(s, 0, b.roots[0], i)
		correlation.Complete(h, newHalf(s, 1, b.roots[1], i))
		for j, c := range s.Columns(0) {
			if c.Product && !slices.Equal(h.Columns[j], column[i][j]) {
				t.Errorf("%s: column %s is another than the halves need", describe(s), c.Name)
			}
		}
	}
}

func TestBlocksCoverEveryElementOnce(t *testing.T) {
	specs := kinds()
	next := block{}
	for k := range blocks(specs) {
		if k.index == next.index+1 && next.to == specs[next.index].N {
			next = block{index: k.index}
		}
		if k.index != next.index || k.from != next.to || k.to <= k.from {
			t.Fatalf("%+v follows %+v", k, next)
		}
		if s := specs[k.index]; (k.to-k.from)*correctionWords(s) > max(blockWords, correctionWords(s)) {
			t.Errorf("%+v of %s is too large", k, describe(s))
		}
		next = k
	}
	if next.index != len(specs)-1 || next.to != specs[next.index].N {
		t.Errorf("the last block is %+v", next)
	}
}

func TestTheCutOfBlocksIsPartOfTheProtocol(t *testing.T) {
	var got []block
	for k := range blocks([]correlation.Spec{
		triples(1<<15 + 1),
		{Kind: correlation.Powers, N: 6000, Degree: 4, MaskBits: 56},
		correlation.MatrixSpec(2, 2, 1<<14, 2, true),
	}) {
		got = append(got, k)
	}
	want := []block{{0, 0, 1 << 15}, {0, 1 << 15, 1<<15 + 1}, {1, 0, 5461}, {1, 5461, 6000}, {2, 0, 1}, {2, 1, 2}}
	if !slices.Equal(got, want) {
		t.Errorf("blocks %v, not %v", got, want)
	}
}

func TestABatchEndsWithTheFirstErrorOfSending(t *testing.T) {
	b := batchOf(triples(1 << 20))
	sent, broken := 0, errors.New("broken")
	err := b.corrections(t.Context(), 3, func(context.Context, []byte) error {
		if sent++; sent == 4 {
			return broken
		}
		return nil
	})
	if err != broken || sent != 4 {
		t.Errorf("%v after %d messages", err, sent)
	}
}

func TestABatchEndsWhenItIsCancelled(t *testing.T) {
	b := batchOf(triples(1 << 20))
	ctx, cancel := context.WithCancelCause(t.Context())
	gone, sent := errors.New("gone"), 0
	err := b.corrections(ctx, 3, func(context.Context, []byte) error {
		sent++
		cancel(gone)
		return nil
	})
	if !errors.Is(err, gone) || sent > 4 {
		t.Errorf("%v after %d messages", err, sent)
	}
}

func TestMemoryDoesNotGrowWithTheBatch(t *testing.T) {
	for _, s := range kinds() {
		_, one := batchOf(s).memory(8)
		large := s
		large.N = 1 << 17
		if s.N < large.N && blockElements(s) == blockElements(large) {
			if _, many := batchOf(large, large, large).memory(8); many != one {
				t.Errorf("%s takes %d bytes, three times %d elements %d", describe(s), one, large.N, many)
			}
		}
	}
	if _, bytes := batchOf(triples(1 << 25)).memory(2); bytes > 32<<20 {
		t.Errorf("2^25 triples take %d bytes", bytes)
	}
}
