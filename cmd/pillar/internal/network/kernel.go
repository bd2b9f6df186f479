package network

import (
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"pascaline/ring"
)

// kernels are the operations whose best form depends on the backend. All tensors
// are C×B×H×W.
type kernels struct {
	// compiled says that the backend fuses and compiles, as XLA does; the pure-Go
	// backend runs one operation after the other, and only matrix products fast.
	compiled bool
}

// widestDiagonal is the number of channels up to which multiplying by a diagonal
// matrix is quicker than broadcasting in the pure-Go backend.
const widestDiagonal = 64

// scale multiplies each channel of x by its element of s (C).
func (k kernels) scale(x, s *Node) *Node {
	d := x.Shape().Dimensions
	if k.compiled || d[0] > widestDiagonal {
		return Mul(x, Reshape(s, d[0], 1, 1, 1))
	}
	return Reshape(Dot(diagonal(s), flat(x)).Product(), d...)
}

// affine returns scale·x + offset, channel by channel.
func (k kernels) affine(x, scale, offset *Node) *Node {
	return Add(k.scale(x, scale), k.spread(offset, x))
}

// spread returns a tensor of x's shape whose channels are the constants t (C).
func (k kernels) spread(t, x *Node) *Node {
	d := x.Shape().Dimensions
	if k.compiled {
		return Reshape(t, d[0], 1, 1, 1)
	}
	ones := Ones(x.Graph(), withDims(x, 1, d[1]*d[2]*d[3]))
	return Reshape(Dot(Reshape(t, d[0], 1), ones).Product(), d...)
}

// sums returns the sum of each channel of x (C).
func (k kernels) sums(x *Node) *Node {
	if k.compiled {
		return ReduceSum(x, 1, 2, 3)
	}
	f := flat(x)
	return Reshape(Dot(f, Ones(x.Graph(), withDims(x, f.Shape().Dimensions[1], 1))).Product(), f.Shape().Dimensions[0])
}

// products returns the sum of x·y in each channel (C).
func (k kernels) products(x, y *Node) *Node {
	if k.compiled {
		return ReduceSum(Mul(x, y), 1, 2, 3)
	}
	return DotGeneral(flat(x), []int{1}, []int{0}, flat(y), []int{1}, []int{0})
}

// pad adds a layer's padding to an image.
func pad(x *Node, s ring.ConvShape) *Node {
	return frame(x, s.PadTop, s.PadLeft, s.PadBottom, s.PadRight)
}

// frame adds zeros around an image. Concatenate copies rows, where Pad goes element
// by element in the pure-Go backend.
func frame(x *Node, top, left, bottom, right int) *Node {
	return extend(extend(x, 3, left, right), 2, top, bottom)
}

// extend adds zeros before and behind the elements of an axis.
func extend(x *Node, axis, before, behind int) *Node {
	zeros := func(count int) *Node {
		dims := slices.Clone(x.Shape().Dimensions)
		dims[axis] = count
		return Zeros(x.Graph(), withDims(x, dims...))
	}
	parts := []*Node{x}
	if before > 0 {
		parts = []*Node{zeros(before), x}
	}
	if behind > 0 {
		parts = append(parts, zeros(behind))
	}
	if len(parts) == 1 {
		return x
	}
	return Concatenate(parts, axis)
}

// tap returns, of a padded image, the pixels that the kernel's element (i, j)
// meets: C×B×OH×OW.
func tap(padded *Node, s ring.ConvShape, i, j int) *Node {
	d := padded.Shape().Dimensions
	if d[2] == s.OutH() && d[3] == s.OutW() {
		return padded
	}
	return Slice(padded, AxisRange(), AxisRange(),
		AxisRange(i, i+(s.OutH()-1)*s.StrideH+1).Stride(s.StrideH),
		AxisRange(j, j+(s.OutW()-1)*s.StrideW+1).Stride(s.StrideW))
}

// untap is the transpose of tap: it puts y where tap takes it from.
func untap(y *Node, s ring.ConvShape, i, j int) *Node {
	h, w := s.H+s.PadTop+s.PadBottom, s.W+s.PadLeft+s.PadRight
	return Pad(y, zero(y), PadAxis{}, PadAxis{},
		PadAxis{Start: i, Interior: s.StrideH - 1, End: h - i - (s.OutH()-1)*s.StrideH - 1},
		PadAxis{Start: j, Interior: s.StrideW - 1, End: w - j - (s.OutW()-1)*s.StrideW - 1})
}

// pool returns the average pool of x, and what takes the gradient of its output to
// that of x.
func (k kernels) pool(x *Node, s ring.ConvShape, divisor float64) (*Node, func(dy *Node) *Node) {
	d := x.Shape().Dimensions
	if s.KH == s.StrideH && s.KW == s.StrideW && s.KH*s.OutH() == s.H && s.KW*s.OutW() == s.W {
		// Windows that tile the image: KH rows after one another are a row of a
		// matrix, and a pool is a product.
		windows := Const(x.Graph(), tiles(s, divisor))
		windows = ConvertDType(windows, x.DType())
		rows := Reshape(x, d[0]*d[1]*s.OutH(), s.KH*s.W)
		y := Reshape(Dot(rows, windows).Product(), d[0], d[1], s.OutH(), s.OutW())
		return y, func(dy *Node) *Node {
			return Reshape(Dot(Reshape(dy, d[0]*d[1]*s.OutH(), s.OutW()), Transpose(windows, 0, 1)).Product(), d...)
		}
	}
	padded := pad(x, s)
	var y *Node
	for i := range s.KH {
		for j := range s.KW {
			y = sum(y, tap(padded, s, i, j))
		}
	}
	return DivScalar(y, divisor), func(dy *Node) *Node {
		dy = DivScalar(dy, divisor)
		var dx *Node
		for i := range s.KH {
			for j := range s.KW {
				dx = sum(dx, untap(dy, s, i, j))
			}
		}
		if padded == x {
			return dx
		}
		return Slice(dx, AxisRange(), AxisRange(), AxisRange(s.PadTop, s.PadTop+s.H), AxisRange(s.PadLeft, s.PadLeft+s.W))
	}
}

// tiles returns the matrix that takes KH rows of an image to a row of its pool.
func tiles(s ring.ConvShape, divisor float64) [][]float64 {
	m := make([][]float64, s.KH*s.W)
	for i := range m {
		m[i] = make([]float64, s.OutW())
		m[i][i%s.W/s.KW] = 1 / divisor
	}
	return m
}

// sum adds b to a, which may be nil.
func sum(a, b *Node) *Node {
	if a == nil {
		return b
	}
	return Add(a, b)
}

// flat returns x as a matrix whose rows are its channels.
func flat(x *Node) *Node {
	d := x.Shape().Dimensions
	return Reshape(x, d[0], x.Shape().Size()/d[0])
}

// diagonal returns the matrix with s on its diagonal.
func diagonal(s *Node) *Node {
	n := s.Shape().Dimensions[0]
	row, column := Iota(s.Graph(), withDims(s, n, n), 0), Iota(s.Graph(), withDims(s, n, n), 1)
	return Where(Equal(row, column), BroadcastToDims(Reshape(s, n, 1), n, n), ZerosLike(row))
}

// withDims returns a shape of x's type.
func withDims(x *Node, dims ...int) shapes.Shape { return shapes.Make(x.DType(), dims...) }

func zero(x *Node) *Node { return ScalarZero(x.Graph(), x.DType()) }
