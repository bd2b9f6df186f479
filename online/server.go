package online

import (
	"errors"
	"fmt"
	"slices"

	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

// errSpent is returned by a machine that has ended or failed.
var errSpent = errors.New("this batch is over: its correlations are spent; start another with fresh ones")

// Server is party 0's side of one batch: it holds the weights and for every
// tensor p the value d = p − r, never p itself. It is not safe for concurrent
// use.
type Server struct {
	c          *circuit
	weights    *model.Weights
	inferences []serverInference
	round      int
	evaluated  bool // the activations opened last are in their shares
	over       bool
}

// serverInference is what the server holds for one inference.
type serverInference struct {
	// shares[i] is the server's share of node i mod 2^64: d for an input or
	// activation once the client's message is in, y_S for what follows from it.
	shares [][]uint64
	// blind[l] = s + b, what linear layer l adds to W·d mod 2^64.
	blind  [][]uint64
	acts   []serverActivation
	dither []uint64 // of the output: see [model.Plan.DitherBits]
}

// serverActivation is the server's half of one activation layer, laid out for
// use.
type serverActivation struct {
	mask    []uint64 // R_S + off; after the opening, c
	opening []uint64 // z_C
	rho     []uint64
	powers  []ring.Vec128
}

// NewServer prepares the server's side of a batch of len(bundles) inferences.
// It expands everything that can be known before the client's first message,
// so that the steps do only what depends on it.
func NewServer(plan *model.Plan, weights *model.Weights, bundles []*correlation.Bundle) (*Server, error) {
	c, err := newCircuit(plan)
	if err != nil {
		return nil, fmt.Errorf("preparing the server's side: %w", err)
	}
	if err := c.checkBundles(0, bundles); err != nil {
		return nil, fmt.Errorf("preparing the server's side: %w", err)
	}
	if len(weights.Layers) != len(c.spec.Linear) {
		return nil, fmt.Errorf("preparing the server's side: weights of %d layers for a plan of %d", len(weights.Layers), len(c.spec.Linear))
	}
	s := &Server{c: c, weights: weights, inferences: make([]serverInference, len(bundles)), evaluated: true}
	each(len(bundles), func(g int) { s.inferences[g] = s.prepare(bundles[g]) })
	return s, nil
}

func (s *Server) prepare(b *correlation.Bundle) serverInference {
	inf := serverInference{
		shares: make([][]uint64, len(s.c.plan.Nodes)),
		dither: b.Dither(s.c.plan.DitherBits()),
	}
	for i, n := range s.c.plan.Nodes {
		inf.shares[i] = make([]uint64, n.Shape.Len())
		switch n.Op {
		case model.OpLinear:
			l := s.c.layer[i]
			blind, bias := slices.Clone(b.Linear[l].S()), s.weights.Layers[l].Bias
			for e := range blind {
				blind[e] += bias[e%len(bias)]
			}
			inf.blind = append(inf.blind, blind)
		case model.OpPolynomial:
			l := s.c.layer[i]
			half := b.Powers[l]
			a := serverActivation{opening: b.Opening[l], rho: half.Rho(), powers: half.Powers()}
			a.mask = b.OpeningMask(l)
			off := ring.OpeningOffset(n.Act.Fw, n.Act.M)
			for e := range a.mask {
				a.mask[e] += off
			}
			inf.acts = append(inf.acts, a)
		}
	}
	return inf
}

// MessageSize returns the length in bytes of the client's message that is due.
func (s *Server) MessageSize() int {
	if s.over {
		return 0
	}
	return 8 * len(s.inferences) * s.c.elements(s.c.masked(s.round))
}

// Step takes the client's message of this round and returns the server's
// answer: z_S of the activations of the round, or, with last set, y_S of the
// output.
func (s *Server) Step(msg []byte) (reply []byte, last bool, err error) {
	if s.over {
		return nil, false, errSpent
	}
	in := s.c.masked(s.round)
	if err := checkLength("the client's masked share", msg, len(s.inferences), s.c.elements(in)); err != nil {
		s.over = true
		return nil, false, fmt.Errorf("round %d: %w", s.round, err)
	}
	s.Evaluate()
	last = s.round == len(s.c.rounds)
	out := []int{len(s.c.plan.Nodes) - 1}
	if !last {
		out = s.c.rounds[s.round]
	}
	inSize, outSize := 8*s.c.elements(in), 8*s.c.elements(out)
	reply = make([]byte, outSize*len(s.inferences))
	each(len(s.inferences), func(g int) {
		inf := &s.inferences[g]
		s.receive(inf, in, msg[g*inSize:][:inSize])
		s.advance(inf)
		answer := reply[g*outSize:][:0:outSize]
		if last {
			y := inf.shares[out[0]]
			ring.Add(y, y, inf.dither)
			appendVector(answer, y)
		} else {
			s.open(inf, out, answer)
		}
	})
	s.round++
	s.evaluated, s.over = false, last
	return reply, last, nil
}

// receive turns the client's p_C − r into d = p_S + (p_C − r) = p − r. The
// input has no share at the server.
func (s *Server) receive(inf *serverInference, nodes []int, msg []byte) {
	for _, i := range nodes {
		d := inf.shares[i]
		masked := make([]uint64, len(d))
		msg = takeVector(masked, msg)
		ring.Add(d, d, masked)
	}
}

// advance computes the nodes that the last message made computable.
func (s *Server) advance(inf *serverInference) {
	for _, i := range s.c.ready[s.round] {
		n := &s.c.plan.Nodes[i]
		if n.Op == model.OpLinear {
			// y_S = W·d + s + b
			l := s.c.layer[i]
			ring.Conv(inf.shares[i], inf.shares[n.Inputs[0]], s.weights.Layers[l].W, n.Linear)
			ring.Add(inf.shares[i], inf.shares[i], inf.blind[l])
			continue
		}
		in := make([][]uint64, len(n.Inputs))
		for j, k := range n.Inputs {
			in[j] = inf.shares[k]
		}
		s.c.plan.Public(i, inf.shares[i], in...)
	}
}

// open appends z_S = y_S + R_S + off of the given activations to answer, which
// has the room, and opens them for the server: with z_C in its bundle it knows
// C as soon as the client does.
func (s *Server) open(inf *serverInference, nodes []int, answer []byte) {
	for _, i := range nodes {
		n := &s.c.plan.Nodes[i]
		a := &inf.acts[s.c.layer[i]]
		ring.Add(a.mask, a.mask, inf.shares[n.Inputs[0]])
		answer = appendVector(answer, a.mask)
		ring.OpenMasked(a.mask, a.mask, a.opening, n.Act.Fw, n.Act.M)
	}
}

// Evaluate computes the server's shares of the activations opened by the last
// step. Step does it when the next message is in; calling it while that message
// is on its way saves the time.
func (s *Server) Evaluate() {
	if s.evaluated || s.over {
		return
	}
	nodes := s.c.rounds[s.round-1]
	each(len(s.inferences), func(g int) {
		inf := &s.inferences[g]
		for _, i := range nodes {
			l := s.c.layer[i]
			a := &inf.acts[l]
			s.c.pascal[l].Eval(inf.shares[i], 0, a.mask, a.rho, a.powers)
		}
	})
	s.evaluated = true
}
