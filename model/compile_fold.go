package model

import (
	"fmt"
	"math"
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
		scale: make([]float64, len(g.Nodes)),
		bias:  make([]float64, len(g.Nodes)),
	}
	for i := range f.nodes {
		f.scale[i], f.bias[i] = 1, 1
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
		if layers, ok := f.behind(i, nil); ok {
			for l := range layers {
				f.scale[l] /= n.Divisor
			}
		} else if layers, ok := f.before(n.Inputs[0], i, nil); ok {
			for l := range layers {
				f.scale[l] /= n.Divisor
				f.bias[l] /= n.Divisor
			}
		} else {
			return nil, fmt.Errorf("pool %q divides by %v, which is no power of two, and no linear layer next to it can take the factor; "+
				"use windows of 2^k elements, or put a convolution or linear layer directly before or after the pool", n.Name, n.Divisor)
		}
		n.Divisor = 1
	}
	for l := range f.nodes {
		n := &f.nodes[l]
		n.W = scaled(n.W, f.scale[l])
		n.Bias = scaled(n.Bias, f.bias[l])
	}
	return &Graph{Name: g.Name, Nodes: f.nodes}, nil
}

type folding struct {
	nodes []GraphNode
	users [][]int
	// scale and bias are the factors of each linear node's weights and biases.
	scale, bias []float64
}

// behind adds to layers the linear nodes that take the output of node i,
// directly or through pools and reshapes; it reports false if something else
// takes it too.
func (f *folding) behind(i int, layers map[int]bool) (map[int]bool, bool) {
	if layers == nil {
		layers = make(map[int]bool)
	}
	for _, u := range f.users[i] {
		switch f.nodes[u].Op {
		case OpLinear:
			layers[u] = true
		case OpPool, OpReshape:
			if _, ok := f.behind(u, layers); !ok {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	return layers, len(f.users[i]) > 0 // the network's output has no users
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
	case OpPool, OpReshape, OpAdd:
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

func scaled(v []float32, by float64) []float32 {
	if by == 1 {
		return v
	}
	s := make([]float32, len(v))
	for i, x := range v {
		s[i] = float32(float64(x) * by)
	}
	return s
}
