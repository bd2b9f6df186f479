package pillar

import (
	"errors"
	"math/big"
)

// basis is a basis of the lattice of polynomials with integer coefficients and,
// behind it, the target, with their Gram-Schmidt orthogonalisation in integers
// (Cohen, A Course in Computational Algebraic Number Theory, section 2.6.3). It is
// the QR decomposition of the weighted Vandermonde matrix without its square roots:
// nothing is rounded, however badly conditioned the matrix.
//
// With b*_k the part of row k orthogonal to the rows above,
//
//	|b*_k|² = d_k / d_{k−1}     (d_k the determinant of the Gram matrix of rows 0 … k)
//	⟨b_i, b*_j⟩ / |b*_j|² = lambda[i][j] / d_j     (j < i).
type basis struct {
	n      int          // rows of the lattice; row n is the target
	rows   [][]*big.Int // coefficients: row n is the target less these, in polynomials
	lambda [][]*big.Int
	det    []*big.Int
}

// newBasis returns the powers 1, x, …, x^degree and the target.
func newBasis(f *quadratic) (*basis, error) {
	n := len(f.linear)
	b := &basis{n: n, rows: make([][]*big.Int, n+1), lambda: make([][]*big.Int, n+1), det: make([]*big.Int, n+1)}
	product := func(i, j int) *big.Int {
		switch {
		case i < n:
			return f.gram[i][j]
		case j < n:
			return f.linear[j]
		}
		return f.constant
	}
	t := new(big.Int)
	for i := range b.rows {
		b.rows[i], b.lambda[i] = zeros(n), zeros(i)
		if i < n {
			b.rows[i][i].SetInt64(1)
		}
		for j := range i + 1 {
			u := new(big.Int).Set(product(i, j))
			for k := range j {
				u.Mul(u, b.det[k])
				u.Sub(u, t.Mul(b.lambda[i][k], b.lambda[j][k]))
				if k > 0 {
					u.Quo(u, b.det[k-1])
				}
			}
			if j < i {
				b.lambda[i][j] = u
			} else {
				b.det[i] = u
			}
		}
		if i < n && b.det[i].Sign() == 0 {
			return nil, errors.New("the weights leave too few points: nearly all of the weight is on fewer points than there are coefficients; take a wider weight")
		}
	}
	return b, nil
}

// before returns d_{k−1}.
func (b *basis) before(k int) *big.Int {
	if k == 0 {
		return big.NewInt(1)
	}
	return b.det[k-1]
}

// optimum returns the real combination of the rows that is closest to the target,
// times volume: the numerators of Cramer's rule.
func (b *basis) optimum() (numerators []*big.Int, volume *big.Int) {
	volume = b.det[b.n-1]
	numerators = zeros(b.n)
	t := new(big.Int)
	for k := b.n - 1; k >= 0; k-- {
		v := new(big.Int).Mul(b.lambda[b.n][k], volume)
		for j := k + 1; j < b.n; j++ {
			v.Sub(v, t.Mul(numerators[j], b.lambda[j][k]))
		}
		numerators[k].Quo(v, b.det[k]) // without a remainder
	}
	return numerators, volume
}

// reduce makes the basis short and nearly orthogonal (Lenstra, Lenstra and Lovász;
// Cohen, algorithm 2.6.7), and brings the target close to the origin by subtracting
// whole rows, the last first (Babai's nearest plane). A search over it is quick
// whatever the range: the powers themselves are a good basis on [−5, 5], and a
// hopeless one on [−1, 1] or [10, 11].
func (b *basis) reduce() {
	for k := 1; k < b.n; {
		b.sizeReduce(k, k-1)
		if b.outOfOrder(k) {
			b.swap(k)
			k = max(1, k-1)
			continue
		}
		for l := k - 2; l >= 0; l-- {
			b.sizeReduce(k, l)
		}
		k++
	}
	for l := b.n - 1; l >= 0; l-- {
		b.sizeReduce(b.n, l)
	}
}

// outOfOrder is Lovász's condition, for 0.99.
func (b *basis) outOfOrder(k int) bool {
	have := new(big.Int).Mul(b.det[k], b.before(k-1))
	t := new(big.Int).Mul(b.lambda[k][k-1], b.lambda[k][k-1])
	have.Add(have, t).Mul(have, big.NewInt(100))
	want := t.Mul(b.det[k-1], b.det[k-1])
	return have.Cmp(want.Mul(want, big.NewInt(99))) < 0
}

// sizeReduce subtracts row l from row k as often as leaves the least of it.
func (b *basis) sizeReduce(k, l int) {
	times := nearest(b.lambda[k][l], b.det[l])
	if times.Sign() == 0 {
		return
	}
	t := new(big.Int)
	for i, v := range b.rows[l] {
		b.rows[k][i].Sub(b.rows[k][i], t.Mul(times, v))
	}
	b.lambda[k][l].Sub(b.lambda[k][l], t.Mul(times, b.det[l]))
	for i := range l {
		b.lambda[k][i].Sub(b.lambda[k][i], t.Mul(times, b.lambda[l][i]))
	}
}

// swap exchanges rows k−1 and k.
func (b *basis) swap(k int) {
	b.rows[k-1], b.rows[k] = b.rows[k], b.rows[k-1]
	for j := range k - 1 {
		b.lambda[k-1][j], b.lambda[k][j] = b.lambda[k][j], b.lambda[k-1][j]
	}
	lambda := b.lambda[k][k-1]
	t := new(big.Int)
	det := new(big.Int).Mul(b.det[k], b.before(k-1))
	det.Add(det, t.Mul(lambda, lambda)).Quo(det, b.det[k-1])
	for i := k + 1; i <= b.n; i++ {
		old := b.lambda[i][k]
		v := new(big.Int).Mul(b.det[k], b.lambda[i][k-1])
		v.Sub(v, t.Mul(lambda, old)).Quo(v, b.det[k-1])
		b.lambda[i][k] = v
		u := b.lambda[i][k-1]
		u.Mul(det, old).Add(u, t.Mul(lambda, v)).Quo(u, b.det[k])
	}
	b.det[k-1] = det
}

// nearest returns a/b rounded to the nearest integer, for positive b.
func nearest(a, b *big.Int) *big.Int {
	v := new(big.Int).Lsh(a, 1)
	v.Add(v, b)
	return v.Div(v, new(big.Int).Lsh(b, 1)) // Div rounds down
}
