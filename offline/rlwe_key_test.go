package offline

import (
	"bytes"
	"slices"
	"testing"

	"pascaline/ring"
)

func TestKeyPairsAreFreshAndComeBack(t *testing.T) {
	const n = 8192
	r := testRing(t, n)
	var errors, secrets [][]int64
	var public [2][]byte
	for i := range public {
		public[i] = make([]byte, r.publicKeySize())
		minusS := r.keyPair(public[i], "test")
		read, err := r.readPublicKey(public[i])
		if err != nil {
			t.Fatal(err)
		}
		sub, e := r.sub[0], make([]uint64, n)
		// b − a·(−s), all but −s in Montgomery form
		sub.MulCoeffsMontgomery(read[1][0], minusS[0], e)
		b := slices.Clone(read[0][0])
		sub.IMForm(b, b)
		sub.Sub(b, e, e)
		sub.INTT(e, e)
		noise := centred(e, sub.Modulus)
		if !haveVariance(noise, errorVariance) {
			t.Errorf("errors of variance %v, not %v", variance(noise), errorVariance)
		}
		sub.INTT(minusS[0], minusS[0])
		secret := centred(minusS[0], sub.Modulus)
		if !haveVariance(secret, 2.0/3) {
			t.Errorf("a secret of variance %v, not 2/3", variance(secret))
		}
		errors, secrets = append(errors, noise), append(secrets, secret)
	}
	if !independent(errors[0], errors[1]) || !independent(secrets[0], secrets[1]) {
		t.Error("two key pairs are correlated")
	}
	if bytes.Equal(public[0][:ring.SeedSize], public[1][:ring.SeedSize]) {
		t.Error("two key pairs have one seed")
	}
}

func TestResiduesAboveTheirPrimesAreRefused(t *testing.T) {
	r := testRing(t, 64)
	for l, q := range r.q {
		for _, c := range []struct {
			x  uint64
			ok bool
		}{{0, true}, {q - 1, true}, {q, false}, {1<<61 - 1, false}} {
			v := make([]uint64, 64)
			v[13] = c.x
			packed := make([]byte, packedSize(64, 61))
			packBits(packed, v, 61)
			got := make([]uint64, 64)
			rest, err := r.unpackResidues(got, packed, l)
			if (err == nil) != c.ok || err == nil && (len(rest) != 0 || !slices.Equal(got, v)) {
				t.Errorf("%d modulo %d: %v", c.x, q, err)
			}
		}
	}
}
