package conformance

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// levelBits: the level of every elementary test is 2^−levelBits.
const levelBits = 64

// hoeffding bounds |2k − n|/√n, where k of n parities are 1.
var hoeffding = math.Sqrt(2 * (levelBits + 1) * math.Ln2)

// fewWords are too few for any parity: below hoeffding², even all of them would
// not be enough.
const fewWords = 91

// A grade says how much a finding tells: what tells most is told first.
type grade int

const (
	ofSeeds     grade = iota
	ofRepeats         // words that come twice
	ofWords           // words that are all the same
	ofEquations       // linear equations
	ofFixedBits       // bits that are all the same
	ofBits
	grades
)

// findings are what the tests of one check found, in words, and their number.
type findings struct {
	all   [grades][]string
	tests int
}

func (f *findings) add(g grade, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(f.all[g], text) {
		f.all[g] = append(f.all[g], text)
	}
}

// err puts the first of what was found in a sentence that ends with what it
// means.
func (f *findings) err(meaning string) error {
	const most = 3
	all := slices.Concat(f.all[:]...)
	if len(all) == 0 {
		return nil
	}
	if more := len(all) - most; more > 0 {
		all = append(all[:most], fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%s: %s", strings.Join(all, "; "), meaning)
}

// constant reports whether words below 2^width are all the same, where that is
// no coincidence.
func constant(words []uint64, width uint) bool {
	if uint(len(words)) < 2+levelBits/width {
		return false
	}
	for _, w := range words {
		if w != words[0] {
			return false
		}
	}
	return true
}

// uniform tests that words are uniform below 2^width. One finding for each
// subject is enough.
func (f *findings) uniform(subject string, words []uint64, width uint) bool {
	if f.tests++; constant(words, width) {
		f.add(ofWords, "%s is the same word in all %d places", subject, len(words))
		return false
	}
	n := len(words)
	if n < fewWords {
		return true
	}
	bound := hoeffding * math.Sqrt(float64(n))
	for at := uint(0); at < width; at += 8 {
		var counts [256]int32
		size := min(8, width-at)
		mask := uint64(1)<<size - 1
		for _, w := range words {
			counts[w>>at&mask]++
		}
		values := counts[:1<<size]
		f.tests += len(values)
		entropy := relativeEntropy(values, n)
		walshHadamard(values)
		// The bit, or else the set of bits, that is furthest from balance.
		worst, furthest := 0, 0.0
		for set := 1; set < len(values); set++ {
			d := math.Abs(float64(values[set]))
			if bits.OnesCount(uint(set)) > 1 {
				d /= 1.5
			}
			if math.Abs(float64(values[set])) >= bound && d > furthest {
				worst, furthest = set, d
			}
		}
		switch ones := (n - int(values[worst])) / 2; {
		case worst == 0:
			if tooFar(entropy, len(values)) {
				f.add(ofBits, "bits %d to %d of %s take some values more often than others", at, at+size-1, subject)
				return false
			}
		case worst&(worst-1) == 0:
			bit := int(at) + bits.TrailingZeros(uint(worst))
			f.add(gradeOf(ones == 0 || ones == n), "bit %d of %s is set in %d of %d words", bit, subject, ones, n)
			return false
		default:
			f.add(ofBits, "the parity of bits %v of %s is odd in %d of %d words", bitsOf(worst, int(at)), subject, ones, n)
			return false
		}
	}
	return true
}

func gradeOf(every bool) grade {
	if every {
		return ofFixedBits
	}
	return ofBits
}

// bitsOf lists the bits of a set, counted from at.
func bitsOf(set, at int) (list []int) {
	for ; set != 0; set &= set - 1 {
		list = append(list, at+bits.TrailingZeros(uint(set)))
	}
	return list
}

// walshHadamard replaces counts by value, v, by the sums Σ (−1)^|v & set|·count(v):
// for each set of bits, how much oftener its parity is even than odd.
func walshHadamard(v []int32) {
	for h := 1; h < len(v); h *= 2 {
		for i := 0; i < len(v); i += 2 * h {
			for j := i; j < i+h; j++ {
				v[j], v[j+h] = v[j]+v[j+h], v[j]-v[j+h]
			}
		}
	}
}

// relativeEntropy returns n·D, in nats, of the empirical distribution from the
// uniform one.
func relativeEntropy(counts []int32, n int) float64 {
	d, expected := 0.0, float64(n)/float64(len(counts))
	for _, c := range counts {
		if c > 0 {
			d += float64(c) * math.Log(float64(c)/expected)
		}
	}
	return d
}

// tooFar reports whether a relative entropy has a probability below the level
// (see the package's comment).
func tooFar(nD float64, values int) bool {
	k := float64(values - 1)
	return nD > k && nD-k*(1+math.Log(nD/k)) >= levelBits*math.Ln2
}

// planes are the bits of words, the same bit of all words side by side: bit i of
// planes[j][w] is bit j of word 64w + i. Words beyond the last multiple of 64 are
// left out.
type planes struct {
	bits [64][]uint64
	n    int
}

func newPlanes(words []uint64) *planes {
	p := &planes{n: len(words) / 64 * 64}
	backing := make([]uint64, p.n)
	for j := range p.bits {
		p.bits[j], backing = backing[:p.n/64], backing[p.n/64:]
	}
	var block [64]uint64
	for w := range p.n / 64 {
		copy(block[:], words[64*w:])
		transpose(&block)
		for j := range block {
			p.bits[j][w] = block[j]
		}
	}
	return p
}

// transpose exchanges bit j of word i and bit i of word j.
func transpose(m *[64]uint64) {
	for h, mask := 32, uint64(1<<32-1); h > 0; h, mask = h/2, mask^mask<<(h/2) {
		for i := 0; i < 64; i = (i + h + 1) &^ h {
			t := (m[i]>>h ^ m[i+h]) & mask
			m[i] ^= t << h
			m[i+h] ^= t
		}
	}
}

// agree tests that no bit of one column agrees with one of another more often
// than not; of a column with itself, that no two bits do.
func (f *findings) agree(x, y *planes, widthX, widthY uint, subjectX, subjectY string) bool {
	n := min(x.n, y.n)
	if n < fewWords {
		return true
	}
	bound := hoeffding * math.Sqrt(float64(n))
	found, worstI, worstJ, agreeing := 0.0, 0, 0, 0
	for i := range int(widthX) {
		first := 0
		if x == y {
			first = i + 1
		}
		for j := first; j < int(widthY); j++ {
			f.tests++
			differ := 0
			b := y.bits[j][:n/64]
			for w, v := range x.bits[i][:n/64] {
				differ += bits.OnesCount64(v ^ b[w])
			}
			if d := math.Abs(float64(n - 2*differ)); d >= bound && d > found {
				found, worstI, worstJ, agreeing = d, i, j, n-differ
			}
		}
	}
	if found > 0 {
		f.add(gradeOf(found == float64(n)), "bit %d of %s and bit %d of %s agree in %d of %d elements", worstI, subjectX, worstJ, subjectY, agreeing, n)
	}
	return found == 0
}
