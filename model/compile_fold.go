package model

import (
	"fmt"
	"math"
	"slices"
)

// foldDivisors returns a network equal to g up to the meaning of values between
// pools and linear layers, in which every pool's divisor is a power of two:
// those become fractional bits (the sum is exact, only its unit is smaller). Any
// other divisor goes into the weights of the linear layers behind the pool, or
// of those before it. Nodes keep their indices; g is left as it is.
func foldDivisors(g *Graph) (*Graph, error) {
	f := folding{
		nodes: append([]GraphNode(nil), g.Nodes...),
		users: make([][]int, len(g.Nodes)),
	}
	for i := range f.nodes {
		for _, j := range f.nodes[i].Inputs {
			f.users[j] = append(f.users[j], i)
		}
	}
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.Op != OpPool {
			continue
		}
		if frac, _ := math.Frexp(n.Divisor); frac == 0.5 && n.Divisor >= 1 {
			continue
		}
		if layers, ok := f.behind(i, everything); ok {
			for _, l := range layers {
				f.divide(l, n.Divisor)
			}
		} else if layers, ok := f.before(n.Inputs[0], i, nil); ok {
			for l := range layers {
				f.divide(reach{l, everything}, n.Divisor)
				f.nodes[l].Bias = divided(f.nodes[l].Bias, n.Divisor)
			}
		} else {
			return nil, fmt.Errorf("pool %q divides by %v, which is no power of two, and no linear layer next to it can take the factor; "+
				"use windows of 2^k elements, or put a convolution or linear layer directly before or after the pool", n.Name, n.Divisor)
		}
		n.Divisor = 1
	}
	return &Graph{Name: g.Name, Nodes: f.nodes}, nil
}

type folding struct {
	nodes []GraphNode
	users [][]int
}

// span is some channels of a tensor: those that modulo period are in from to
// from + n. The period divides the number of channels.
type span struct{ from, n, period int }

// everything is all channels of any tensor.
var everything = span{0, 1, 1}

func (s span) has(channel int) bool {
	c := channel % s.period
	return c >= s.from && c < s.from+s.n
}

// reach is the weights of a linear node for some channels of its input.
type reach struct {
	layer    int
	channels span
}

// behind returns the weights for the given channels of node i of all the linear
// nodes that take them, directly or through pools, reshapes and concatenations; it
// reports false if something else takes them too.
func (f *folding) behind(i int, s span) (layers []reach, ok bool) {
	for k, u := range f.users[i] {
		var next []reach
		switch n := &f.nodes[u]; n.Op {
		case OpLinear:
			next, ok = []reach{{u, s}}, true
		case OpPool:
			next, ok = f.behind(u, s)
		case OpReshape:
			if ok = n.Shape.C%s.period == 0; ok {
				next, ok = f.behind(u, s)
			}
		case OpConcat:
			if slices.Index(f.users[i], u) < k {
				continue // it takes the node several times
			}
			next, ok = f.behindConcat(i, u, s)
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
		layers = append(layers, next...)
	}
	return layers, len(f.users[i]) > 0 // the network's output has no users
}

// behindConcat is behind for the places that channels of node i have in the
// concatenation u.
func (f *folding) behindConcat(i, u int, s span) (layers []reach, ok bool) {
	at := 0
	for _, p := range f.nodes[u].Parts {
		if p.Input >= 0 && f.nodes[u].Inputs[p.Input] == i {
			from, to := p.From, p.From+p.Channels
			switch s.period {
			case 1:
			case f.nodes[i].Shape.C:
				from, to = max(from, s.from), min(to, s.from+s.n)
			default:
				return nil, false
			}
			if from < to {
				next, ok := f.behind(u, span{at + from - p.From, to - from, f.nodes[u].Shape.C})
				if !ok {
					return nil, false
				}
				layers = append(layers, next...)
			}
		}
		at += p.Channels
	}
	return layers, true
}

// divide divides the weights of a linear node for some channels.
func (f *folding) divide(r reach, by float64) {
	n := &f.nodes[r.layer]
	w := slices.Clone(n.W)
	for i := range w {
		if r.channels.has(i / n.Linear.K % n.Linear.C) {
			w[i] = float32(float64(w[i]) * (1 / by))
		}
	}
	n.W = w
}

// before adds to layers the linear nodes that make up node j, whose only user
// must be node user; it reports false if it is made up of something else too.
func (f *folding) before(j, user int, layers map[int]bool) (map[int]bool, bool) {
	if layers == nil {
		layers = make(map[int]bool)
	}
	if u := f.users[j]; len(u) != 1 || u[0] != user {
		return nil, false
	}
	switch f.nodes[j].Op {
	case OpLinear:
		layers[j] = true
	case OpPool, OpReshape, OpAdd, OpConcat:
		for _, k := range f.nodes[j].Inputs {
			if _, ok := f.before(k, j, layers); !ok {
				return nil, false
			}
		}
	default:
		return nil, false
	}
	return layers, true
}

func divided(v []float32, by float64) []float32 {
	s := make([]float32, len(v))
	for i, x := range v {
		s[i] = float32(float64(x) * (1 / by))
	}
	return s
}
