package model

import (
	"slices"
	"strconv"
	"strings"
)

// A layout says where the elements of a tensor, in ONNX's order, lie among those
// of a step, in the graph's. ONNX has images as N×C×H×W and flattens them in that
// order, the graph as H×W×C: transpositions and reshapes of the one are another
// view of the same elements of the other.
//
// Each axis, from the outside in, is written out in factors, from the outside in
// too: its index in mixed radix, each digit with the distance that it moves in the
// step. Neighbours that are one run are one factor, and a digit of size 1 is left
// out, so two layouts are the same exactly if they are equal.
type layout [][]factor

// factor is a digit of an index: its size, and how far a step of it moves.
type factor struct{ size, stride int }

// imageLayout is that of 1×C×H×W over an image of the graph.
func imageLayout(s Shape) layout {
	return layout{nil, axis(factor{s.C, 1}), axis(factor{s.H, s.W * s.C}), axis(factor{s.W, s.C})}
}

// vectorLayout is that of 1×n over the vector 1×1×n.
func vectorLayout(n int) layout { return layout{nil, axis(factor{n, 1})} }

// axis joins factors that are one run.
func axis(factors ...factor) []factor {
	var a []factor
	for _, f := range factors {
		switch last := len(a) - 1; {
		case f.size == 1:
		case last >= 0 && a[last].stride == f.size*f.stride:
			a[last] = factor{a[last].size * f.size, f.stride}
		default:
			a = append(a, f)
		}
	}
	return a
}

func size(axis []factor) int {
	n := 1
	for _, f := range axis {
		n *= f.size
	}
	return n
}

// dims returns the tensor's shape.
func (l layout) dims() []int {
	dims := make([]int, len(l))
	for i, a := range l {
		dims[i] = size(a)
	}
	return dims
}

func (l layout) equal(m layout) bool { return slices.EqualFunc(l, m, slices.Equal[[]factor]) }

// flat returns the factors of all axes as those of one.
func (l layout) flat() []factor { return axis(slices.Concat(l...)...) }

// reshaped returns the layout of the same elements in the same order with another
// shape; false if that cannot be written, because an axis would end within a run
// that its size does not divide.
func (l layout) reshaped(dims []int) (layout, bool) {
	rest := l.flat()
	out := make(layout, len(dims))
	// From the inside out, each axis takes factors until it is full.
	for i := len(dims) - 1; i >= 0; i-- {
		var a []factor
		for need := dims[i]; need > 1; {
			if len(rest) == 0 {
				return nil, false
			}
			last := &rest[len(rest)-1]
			n := min(need, last.size)
			if need%n != 0 || last.size%n != 0 {
				return nil, false
			}
			a = append(a, factor{n, last.stride})
			need /= n
			if last.size /= n; last.size == 1 {
				rest = rest[:len(rest)-1]
			} else {
				last.stride *= n
			}
		}
		slices.Reverse(a)
		out[i] = axis(a...)
	}
	return out, len(rest) == 0
}

// transposed returns the layout with axis perm[i] of l as its axis i.
func (l layout) transposed(perm []int) layout {
	out := make(layout, len(perm))
	for i, p := range perm {
		out[i] = l[p]
	}
	return out
}

// without returns the layout without some axes, which must be of size 1.
func (l layout) without(drop map[int]bool) layout {
	out := layout{}
	for i, a := range l {
		if !drop[i] {
			out = append(out, a)
		}
	}
	return out
}

// ranked returns the layout with axes of size 1 in front, up to rank.
func (l layout) ranked(rank int) layout {
	if len(l) >= rank {
		return l
	}
	return append(make(layout, rank-len(l)), l...)
}

// offset returns where in the step element i of an axis is, the others being 0.
func offset(axis []factor, i int) int {
	at := 0
	for k := len(axis) - 1; k >= 0; k-- {
		at += i % axis[k].size * axis[k].stride
		i /= axis[k].size
	}
	return at
}

// coordinate returns the index along an axis of what is at a place of the step.
func coordinate(axis []factor, at int) int {
	i := 0
	for _, f := range axis {
		i = i*f.size + at/f.stride%f.size
	}
	return i
}

// within reports whether a step of an axis stays inside of n neighbours.
func within(axis []factor, n int) bool {
	return !slices.ContainsFunc(axis, func(f factor) bool { return f.size*f.stride > n || n%(f.size*f.stride) != 0 })
}

// beyond reports whether a step of an axis skips whole groups of n neighbours.
func beyond(axis []factor, n int) bool {
	return !slices.ContainsFunc(axis, func(f factor) bool { return f.stride%n != 0 })
}

// scaled returns the layout over groups of m neighbours where they were of n, of
// axes that skip whole groups.
func (l layout) scaled(n, m int) layout {
	out := make(layout, len(l))
	for i, a := range l {
		for _, f := range a {
			out[i] = append(out[i], factor{f.size, f.stride / n * m})
		}
	}
	return out
}

// shapeText writes a shape as 1×3×32×32.
func shapeText(dims []int) string {
	if len(dims) == 0 {
		return "no dimensions"
	}
	text := make([]string, len(dims))
	for i, d := range dims {
		text[i] = strconv.Itoa(d)
	}
	return strings.Join(text, "×")
}
