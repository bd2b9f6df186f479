package conformance

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"pascaline/ring"
)

// place says where something was found: in the half of a party.
type place struct {
	*answer
	party int
	name  string // of the column
}

func (p place) String() string {
	what := fmt.Sprintf("party %d's %s", p.party, p.name)
	if p.name == "" {
		what = fmt.Sprintf("party %d's half", p.party)
	}
	return fmt.Sprintf("%s of %s in call %d of run %d", what, label(p.spec), p.call+1, p.run+1)
}

// relate says how two places are related.
func relate(x, y place) string {
	switch {
	case x.party != y.party:
		return "both parties"
	case x.run != y.run:
		return "two runs"
	case x.call != y.call:
		return "two calls of a run"
	case x.answer != y.answer:
		return "two halves of a call"
	}
	return "one half"
}

// Seeds of 256 uniform bits differ in from minDistance to 256 − minDistance bits
// but for a probability of 2^−76.
const minDistance = 48

// seeds tests that the seeds of halves are unlike. What concerns both parties
// goes to leaks.
func (f *findings) seeds(answers []*answer, leaks *findings) {
	type seed struct {
		ring.Seed
		place
	}
	var all []seed
	for _, a := range answers {
		for party, h := range a.halves {
			if slices.ContainsFunc(h.Columns, func(c []uint64) bool { return c == nil }) {
				all = append(all, seed{h.Seed, place{a, party, ""}})
			}
		}
	}
	differences := map[ring.Seed][2]place{}
	for i, x := range all {
		if f.tests++; tooClose(x.Seed, ring.Seed{}) {
			f.add(ofSeeds, "the seed of %v is hardly random", x.place)
			return
		}
		for _, y := range all[:i] {
			to, how := f.against(y.place, x.place, leaks)
			to.tests++
			switch {
			case x.Seed == y.Seed:
				to.add(ofSeeds, "the same seed for %s: of %v, and of %v", how, y.place, x.place)
				return
			case tooClose(x.Seed, y.Seed):
				to.add(ofSeeds, "seeds that are nearly the same, or opposite, for %s: of %v, and of %v", how, y.place, x.place)
				return
			}
		}
		for _, y := range all[:i] {
			d := difference(x.Seed, y.Seed)
			if before, found := differences[d]; found {
				to, how := f.against(y.place, x.place, leaks)
				to.add(ofSeeds, "seeds that differ by what other seeds differ by, for %s: of %v and %v, and of %v and %v", how, y.place, x.place, before[0], before[1])
				return
			}
			differences[d] = [2]place{y.place, x.place}
		}
	}
}

// against says how two places are related, and whose finding is what they have
// in common: that of leaks where it tells of the other party or another column.
func (f *findings) against(x, y place, leaks *findings) (to *findings, how string) {
	to = f
	if x.party != y.party || x.name != y.name {
		to = leaks
	}
	return to, relate(x, y)
}

func difference(x, y ring.Seed) (d ring.Seed) {
	for i := range d {
		d[i] = x[i] ^ y[i]
	}
	return d
}

func tooClose(x, y ring.Seed) bool {
	n := 0
	for _, b := range difference(x, y) {
		n += bits.OnesCount8(b)
	}
	return n < minDistance || n > 8*ring.SeedSize-minDistance
}

// twice tests that no word of a party's view comes twice. Words of 64 bits are
// taken up to their sign, so that opposite ones count too.
func (f *findings) twice(cs []*class, leaks *findings) {
	for party := range 2 {
		var words []located
		var places []place
		type column struct {
			bits  uint
			words []located
		}
		var narrow []column // of less than 64 bits
		for _, c := range cs {
			c.expand()
			for p := range c.columns {
				for _, col := range c.columns[p] {
					if p != party && col.product {
						continue
					}
					var mine []located
					for i, a := range c.answers {
						places = append(places, place{a, p, col.name})
						for _, w := range col.of(i) {
							mine = append(mine, located{w, int32(len(places) - 1)})
						}
					}
					if col.bits < 64 {
						narrow = append(narrow, column{col.bits, mine})
					} else {
						words = append(words, mine...)
					}
				}
			}
			for _, a := range c.answers {
				if a.r != nil && a.input == uniform {
					places = append(places, place{a, 1, inputName})
					for _, w := range a.r {
						words = append(words, located{w, int32(len(places) - 1)})
					}
				}
			}
			c.release()
		}
		for i, w := range words {
			words[i].word = min(w.word, -w.word)
		}
		f.repeats(words, 63, places, leaks)
		for _, col := range narrow {
			f.repeats(col.words, col.bits, places, leaks)
		}
	}
}

// located is a word and the index of its place.
type located struct {
	word uint64
	at   int32
}

// repeats tests that words below 2^width do not come twice more often than by
// chance.
func (f *findings) repeats(words []located, width uint, places []place, leaks *findings) {
	most, ok := chanceRepeats(len(words), width)
	if !ok {
		return
	}
	f.tests++
	slices.SortFunc(words, func(x, y located) int {
		if x.word != y.word {
			return cmp.Compare(x.word, y.word)
		}
		return cmp.Compare(x.at, y.at)
	})
	count, firstCount := 0, map[[2]int32]int{}
	for i := 1; i < len(words); i++ {
		if words[i].word == words[i-1].word {
			count++
			firstCount[[2]int32{words[i-1].at, words[i].at}]++
		}
	}
	if count <= most {
		return
	}
	var worst [2]int32
	for pair, n := range firstCount {
		if n > firstCount[worst] || n == firstCount[worst] && slices.Compare(pair[:], worst[:]) < 0 {
			worst = pair
		}
	}
	x, y := places[worst[0]], places[worst[1]]
	to, how := f.against(x, y, leaks)
	if worst[0] == worst[1] {
		to.add(ofRepeats, "%d words come twice, up to their sign, in %s: in %v", count, how, x)
		return
	}
	to.add(ofRepeats, "%d words come twice, up to their sign, for %s: most in %v, and in %v", count, how, x, y)
}

// chanceRepeats returns how many of m uniform words below 2^width may repeat an
// earlier one: more do with a probability of at most 2^−levelBits. It is not ok
// where so many may that the test says nothing.
func chanceRepeats(m int, width uint) (most int, ok bool) {
	if m < 2 {
		return 0, false
	}
	each := 2*math.Log2(float64(m)) - float64(width) // of m·(m/2^width)
	if each > -4 {
		return 0, false
	}
	log := 0.0 // of the bound for r repeats
	for r := 1; ; r++ {
		if log += each - math.Log2(float64(r)); log <= -levelBits {
			return r - 1, true
		}
	}
}

// repeatedRuns tests that the answers of a class do not follow from one another:
// each column of one, against the same of one in another call, and of one in
// another run.
func (f *findings) repeatedRuns(c *class) {
	for _, how := range []string{"two calls of a run", "two runs"} {
		x, y, n := 0, 0, 0 // the pair with the most elements
		for j, b := range c.answers {
			for i, a := range c.answers[:j] {
				if m := min(a.spec.N, b.spec.N); m > n && relate(place{answer: a}, place{answer: b}) == how && (b.r == nil || a.input == b.input) {
					x, y, n = i, j, m
				}
			}
		}
		if n == 0 {
			continue
		}
		for party := range c.columns {
			for _, col := range c.columns[party] {
				f.pair(&column{words: col.of(x), bits: col.bits}, &column{words: col.of(y), bits: col.bits}, nil, nil,
					fmt.Sprintf("%v (%s)", col, pool(c.spec)), "the same column of another call (of "+how+")")
			}
		}
	}
}
