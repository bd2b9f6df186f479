package network

import (
	. "github.com/gomlx/gomlx/core/graph"

	"pascaline/ring"
)

// conv returns the convolution of x with w ((KH·KW·C)×K), and what takes the
// gradient of its output to those of x (nil unless wanted) and w.
func (k kernels) conv(x, w *Node, s ring.ConvShape) (*Node, func(dy *Node, wanted bool) (dx, dw *Node)) {
	switch {
	case k.compiled && (s.KH > 1 || s.KW > 1) && !dense(s):
		return builtInConv(x, w, s)
	case same(s) && s.KH*s.KW > 1 && s.StrideH*s.StrideW == 1:
		return sameConv(x, w, s)
	}
	d := x.Shape().Dimensions
	columns := columnsOf(x, s)
	y := Reshape(transposedTimes(w, columns), s.K, d[1], s.OutH(), s.OutW())
	return y, func(dy *Node, wanted bool) (dx, dw *Node) {
		dw = DotGeneral(columns, []int{1}, nil, flat(dy), []int{1}, nil)
		if wanted {
			dx = Reshape(inputGradient(dy, w, s), d...)
		}
		return dx, dw
	}
}

// dense reports whether a convolution is a dense layer behind an image.
func dense(s ring.ConvShape) bool {
	return s.OutH()*s.OutW() == 1 && s.KH == s.H && s.KW == s.W
}

// same reports whether the kernel is centred on every pixel that the stride meets.
func same(s ring.ConvShape) bool {
	return s.KH == 2*s.PadTop+1 && s.KH == 2*s.PadBottom+1 && s.KW == 2*s.PadLeft+1 && s.KW == 2*s.PadRight+1
}

// columnsOf returns the matrix whose column for an output pixel is what the kernel
// sees there: (KH·KW·C)×(B·OH·OW).
func columnsOf(x *Node, s ring.ConvShape) *Node {
	d := x.Shape().Dimensions
	if dense(s) {
		return Reshape(TransposeAllAxes(x, 2, 3, 0, 1), d[2]*d[3]*d[0], d[1])
	}
	p := pad(x, s)
	var taps []*Node
	for i := range s.KH {
		for j := range s.KW {
			taps = append(taps, tap(p, s, i, j))
		}
	}
	if len(taps) == 1 {
		return flat(taps[0])
	}
	return Reshape(Concatenate(taps, 0), len(taps)*d[0], d[1]*s.OutH()*s.OutW())
}

// inputGradient returns the gradient of a convolution's input, of C rows, given
// that of its output: the convolution of dy, spread out by the strides, with the
// kernel turned by 180°.
func inputGradient(dy, w *Node, s ring.ConvShape) *Node {
	d := dy.Shape().Dimensions
	if dense(s) {
		dx := Reshape(Dot(w, flat(dy)).Product(), s.H, s.W, s.C, d[1])
		return TransposeAllAxes(dx, 2, 3, 0, 1)
	}
	if s.KH*s.KW == 1 {
		dx := Reshape(Dot(w, flat(dy)).Product(), s.C, d[1], s.OutH(), s.OutW())
		if s.StrideH*s.StrideW == 1 {
			return dx
		}
		return untap(dx, s, 0, 0)
	}
	spreadH, spreadW := (s.OutH()-1)*s.StrideH+1, (s.OutW()-1)*s.StrideW+1
	if same(s) {
		spread := dy
		if s.StrideH*s.StrideW > 1 {
			spread = Pad(dy, zero(dy), PadAxis{}, PadAxis{},
				PadAxis{Interior: s.StrideH - 1, End: s.H - spreadH}, PadAxis{Interior: s.StrideW - 1, End: s.W - spreadW})
		}
		return unshift(Dot(shiftedWeights(turned(w, s)), shifts(spread, s)).Product(), d[1], s)
	}
	top, left := s.KH-1-s.PadTop, s.KW-1-s.PadLeft
	spread := Pad(dy, zero(dy), PadAxis{}, PadAxis{},
		PadAxis{Start: top, Interior: s.StrideH - 1, End: s.H + s.KH - 1 - spreadH - top},
		PadAxis{Start: left, Interior: s.StrideW - 1, End: s.W + s.KW - 1 - spreadW - left})
	back := ring.ConvShape{H: s.H + s.KH - 1, W: s.W + s.KW - 1, C: s.K, K: s.C, KH: s.KH, KW: s.KW, StrideH: 1, StrideW: 1}
	return transposedTimes(Reshape(turned(w, s), s.KH*s.KW*s.K, s.C), columnsOf(spread, back))
}

// turned returns a kernel turned by 180° with inputs and outputs exchanged:
// (KH·KW)×K×C.
func turned(w *Node, s ring.ConvShape) *Node {
	return TransposeAllAxes(Reverse(Reshape(w, s.KH*s.KW, s.C, s.K), 0), 0, 2, 1)
}

// sameConv is conv for a centred kernel and strides of 1.
func sameConv(x, w *Node, s ring.ConvShape) (*Node, func(dy *Node, wanted bool) (dx, dw *Node)) {
	d := x.Shape().Dimensions
	columns := shifts(x, s)
	taps := s.KH * s.KW
	y := unshift(Dot(shiftedWeights(Reshape(w, taps, s.C, s.K)), columns).Product(), d[1], s)
	return y, func(dy *Node, wanted bool) (dx, dw *Node) {
		spread := flat(frame(dy, s.PadTop, s.PadLeft, 0, 0))
		dw = DotGeneral(columns, []int{1}, nil, spread, []int{1}, nil)
		dw = Reverse(Reshape(Slice(dw, AxisRange(0, taps*s.C)), taps, s.C, s.K), 0)
		if wanted {
			dx = Reshape(inputGradient(dy, w, s), d...)
		}
		return dx, Reshape(dw, taps*s.C, s.K)
	}
}

// shifts returns what columnsOf does for a centred kernel and strides of 1, but
// made of whole copies of the image: Slice goes element by element in the pure-Go
// backend, and Concatenate copies blocks.
//
// The image gets its padding at the bottom and at the right only: what is to the
// left of a row is the padding at the end of the row above it, and what is above an
// image the padding below the one before. Then the kernel's element (i, j) meets the
// flat image shifted by (2p−i) rows and (2p−j) pixels, and the shifted images follow
// each other with zeros between, each as many as the shift grows by, so that each
// begins a shift after its row does. What one runs over into the next row meets
// padding there.
//
// The result is ((KH·KW+1)·C)×(B·(H+p)·(W+p)): the elements of the kernel from the
// last to the first, a row for each channel, and C rows that mean nothing. Pixel
// (r, c) is at (r+p, c+p), and what is above p or left of it means nothing.
func shifts(x *Node, s ring.ConvShape) *Node {
	d := x.Shape().Dimensions
	h, w := s.H+s.PadBottom, s.W+s.PadRight
	padded := frame(x, 0, 0, s.PadBottom, s.PadRight)
	size := padded.Shape().Size()
	image := Reshape(padded, size)
	var parts []*Node
	shift := 0
	for i := range s.KH {
		for j := range s.KW {
			if next := i*w + j; next > shift {
				parts = append(parts, Zeros(x.Graph(), withDims(x, next-shift)))
				shift = next
			}
			parts = append(parts, image)
		}
	}
	parts = append(parts, Zeros(x.Graph(), withDims(x, size-shift)))
	return Reshape(Concatenate(parts, 0), (s.KH*s.KW+1)*d[0], d[1]*h*w)
}

// shiftedWeights brings weights (taps×C×K) into the order of shifts: K×((taps+1)·C),
// zero for the rows that mean nothing.
func shiftedWeights(w *Node) *Node {
	d := w.Shape().Dimensions
	rows := Reshape(Reverse(w, 0), d[0]*d[1], d[2])
	return Transpose(Pad(rows, zero(w), PadAxis{End: d[1]}), 0, 1)
}

// unshift takes the pixels out of a product with shifts: rows×B×H×W.
func unshift(y *Node, batch int, s ring.ConvShape) *Node {
	h, w := s.H+s.PadBottom, s.W+s.PadRight
	return Slice(Reshape(y, y.Shape().Dimensions[0], batch, h, w),
		AxisRange(), AxisRange(), AxisRange(s.PadTop, h), AxisRange(s.PadLeft, w))
}

// transposedTimes returns aᵀ·b. Were the product asked to contract the first axes, the
// pure-Go backend would transpose b too, which is large.
func transposedTimes(a, b *Node) *Node { return Dot(Transpose(a, 0, 1), b).Product() }

// builtInConv is conv by the backend's own convolution, whose gradient GoMLX
// derives rightly.
func builtInConv(x, w *Node, s ring.ConvShape) (*Node, func(dy *Node, wanted bool) (dx, dw *Node)) {
	axes := ConvolveAxesConfig{
		InputChannels: 0, InputBatch: 1, InputSpatial: []int{2, 3},
		KernelSpatial: []int{0, 1}, KernelInputChannels: 2, KernelOutputChannels: 3,
		OutputChannels: 0, OutputBatch: 1, OutputSpatial: []int{2, 3},
	}
	kernel := Reshape(w, s.KH, s.KW, s.C, s.K)
	y := Convolve(x, kernel).AxesConfig(axes).StridePerAxis(s.StrideH, s.StrideW).
		PaddingPerDim([][2]int{{s.PadTop, s.PadBottom}, {s.PadLeft, s.PadRight}}).Done()
	return y, func(dy *Node, wanted bool) (dx, dw *Node) {
		inner := ReduceAllSum(Mul(y, StopGradient(dy)))
		if !wanted {
			return nil, Reshape(Gradient(inner, kernel)[0], w.Shape().Dimensions...)
		}
		g := Gradient(inner, x, kernel)
		return g[0], Reshape(g[1], w.Shape().Dimensions...)
	}
}
