package online

import (
	"encoding/binary"
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
// use; by itself it works on all cores.
//
// While [Server.Next] has a message, that is what the client waits for; else
// [Server.Evaluate] has work, perhaps, and else the client's next message is due.
type Server struct {
	c          *Circuit
	inferences []serverInference
	progress
	failed bool
}

// serverInference is what the server holds for one inference.
type serverInference struct {
	// shares[i] is the server's share of node i mod 2^64, of which the rows that
	// progress says are known: d for an input or activation once the client's
	// message is in, y_S for what follows from it. Before that an activation's
	// elements are p_S once they are evaluated, and a linear layer's s + b, what it
	// adds to W·d.
	shares [][]uint64
	acts   []serverActivation
	dither []uint64 // of the output: see [model.Plan.DitherBits]
}

// serverActivation is the server's half of one activation layer, laid out for
// use.
type serverActivation struct {
	mask    []uint64 // R_S + off; once it is sent, z_S
	opening []uint64 // z_C
	rho     []uint64
	powers  []ring.Vec128
}

// NewServer prepares the server's side of a batch of len(bundles) inferences. It
// expands everything that can be known before the client's first message, so that
// the steps do only what depends on it. The circuit must have its weights.
func NewServer(c *Circuit, bundles []*correlation.Bundle) (*Server, error) {
	if c.weights == nil {
		return nil, fmt.Errorf("preparing the server's side: the model %w", model.ErrNoWeights)
	}
	if err := c.checkBundles(0, bundles); err != nil {
		return nil, fmt.Errorf("preparing the server's side: %w", err)
	}
	s := &Server{c: c, inferences: make([]serverInference, len(bundles)), progress: c.progress(len(bundles))}
	ring.Parallel(len(bundles), func(g int) { s.inferences[g] = c.prepare(bundles[g]) })
	return s, nil
}

func (c *Circuit) prepare(b *correlation.Bundle) serverInference {
	inf := serverInference{
		shares: make([][]uint64, len(c.plan.Nodes)),
		dither: b.Dither(c.plan.DitherBits()),
	}
	for i := range c.plan.Nodes {
		n := &c.plan.Nodes[i]
		switch n.Op {
		case model.OpLinear:
			l := c.layer[i]
			blind, bias := slices.Clone(b.Linear[l].S()), c.weights.Layers[l].Bias
			for e := range blind {
				blind[e] += bias[e%len(bias)]
			}
			inf.shares[i] = blind
			continue
		case model.OpPolynomial:
			l := c.layer[i]
			half := b.Powers[l]
			a := serverActivation{opening: b.Opening[l], rho: half.Rho(), powers: half.Powers()}
			a.mask = b.OpeningMask(l)
			off := ring.OpeningOffset(n.Act.Fw, n.Act.M)
			for e := range a.mask {
				a.mask[e] += off
			}
			inf.acts = append(inf.acts, a)
		}
		inf.shares[i] = make([]uint64, n.Shape.Len())
	}
	return inf
}

// Due returns the length in bytes of the client's message that is due, 0 after the
// last.
func (s *Server) Due() int {
	if s.failed || s.received == len(s.incoming) {
		return 0
	}
	return s.incoming[s.received].bytes()
}

// LongestMessage returns the length in bytes of the longest message either way.
func (s *Server) LongestMessage() int { return longest(s.incoming, s.outgoing) }

// Step takes the client's next message, p_C − r of some elements, and makes them
// d = p_S + (p_C − r) = p − r. The input has no share at the server.
func (s *Server) Step(msg []byte) error {
	if s.failed || s.received == len(s.incoming) {
		return errSpent
	}
	b := &s.incoming[s.received]
	activation := s.received - s.inputs
	switch {
	case !s.answered():
		s.failed = true
		return fmt.Errorf("message %d of the client came before what it answers was sent", s.received+1)
	case len(msg) != b.bytes():
		s.failed = true
		return fmt.Errorf("message %d: the client's masked share %w", s.received+1, wrongLength(msg, b))
	}
	for s.shared <= activation {
		s.Evaluate()
	}
	blocks := b.blocks(additionBlock)
	ring.Parallel(len(blocks), func(i int) {
		k := blocks[i]
		d := s.inferences[k.g].shares[k.node][k.from:k.to]
		ring.AddWords(d, msg[8*k.at:][:8*len(d)])
	})
	s.receive()
	return nil
}

// Next returns the next message for the client, in buf if that is long enough:
// z_S of some activations or, with output set, y_S of a part of the output. It
// returns nil if none can be made: before another message of the client's is in,
// after the last one, or after an error.
func (s *Server) Next(buf []byte) (msg []byte, output bool) {
	if s.failed || s.sent == len(s.outgoing) || !s.ready() {
		return nil, false
	}
	b := &s.outgoing[s.sent]
	for _, step := range b.steps {
		s.compute(b, step)
	}
	msg = slices.Grow(buf[:0], b.bytes())[:b.bytes()]
	output = s.isOutput(s.sent)
	blocks := b.blocks(additionBlock)
	ring.Parallel(len(blocks), func(i int) {
		k := blocks[i]
		if inf := &s.inferences[k.g]; output {
			inf.send(msg[8*k.at:], k)
		} else {
			s.open(msg[8*k.at:], inf, k)
		}
	})
	s.sent++
	return msg, output
}

// MostUnanswered bounds what is sent of a batch before answers are taken, in bytes.
// It is less than a link's windows hold (link.Options): else both parties could wait
// for room to send.
const MostUnanswered = 12 << 20

// Unanswered returns how many bytes the client has been sent that it has not
// answered: answers have the length of what they answer.
func (s *Server) Unanswered() int { return s.unanswered() }

// Done reports whether everything has been sent.
func (s *Server) Done() bool { return s.sent == len(s.outgoing) }

// compute computes the rows of a step that are not there yet, in all inferences of
// a band.
func (s *Server) compute(b *band, step rows) {
	from, due := s.advance(b, step)
	if !due {
		return
	}
	inferences := s.inferences[b.g0:b.g1]
	n := &s.c.plan.Nodes[step.node]
	if n.Op == model.OpLinear {
		// y_S = W·d + s + b
		dst, src := make([][]uint64, len(inferences)), make([][]uint64, len(inferences))
		for g := range inferences {
			dst[g], src[g] = inferences[g].shares[step.node], inferences[g].shares[n.Inputs[0]]
		}
		s.c.kernels[s.c.layer[step.node]].AddRows(dst, src, from, step.n)
		return
	}
	ring.Parallel(len(inferences), func(g int) {
		inf := &inferences[g]
		in := make([][]uint64, len(n.Inputs))
		for j, k := range n.Inputs {
			in[j] = inf.shares[k]
		}
		s.c.plan.PublicRows(step.node, from, step.n, inf.shares[step.node], in...)
	})
}

// open writes z_S = y_S + R_S + off of a block of an activation to msg. With z_C in
// its bundle the server knows C as soon as the client does.
func (s *Server) open(msg []byte, inf *serverInference, k block) {
	z := inf.acts[s.c.layer[k.node]].mask[k.from:k.to]
	ring.Add(z, z, inf.shares[s.c.plan.Nodes[k.node].Inputs[0]][k.from:k.to])
	ring.PutWords(msg[:8*len(z)], z)
}

// send writes y_S of a block of the output to msg, dithered.
func (inf *serverInference) send(msg []byte, k block) {
	y, dither := inf.shares[k.node][k.from:k.to], inf.dither[k.from:k.to]
	for e := range y {
		binary.LittleEndian.PutUint64(msg[8*e:], y[e]+dither[e])
	}
}

// Evaluate computes the server's shares p_S of the activations of one message sent,
// if there is one whose are not computed. Step does it when the client's answer is
// in; calling it while that is on its way saves the time.
func (s *Server) Evaluate() bool {
	if s.failed || !s.unshared() {
		return false
	}
	blocks := s.outgoing[s.shared].blocks(evaluationBlock)
	ring.Parallel(len(blocks), func(i int) {
		k := blocks[i]
		n, l, inf := &s.c.plan.Nodes[k.node], s.c.layer[k.node], &s.inferences[k.g]
		a := &inf.acts[l]
		var room [maxPowers]ring.Vec128
		s.c.pascal[l].Activate(inf.shares[k.node][k.from:k.to], 0, a.mask[k.from:k.to], a.opening[k.from:k.to], a.rho[k.from:k.to],
			ring.Slice128(room[:0], a.powers, k.from, k.to), n.Act.Fw, n.Act.M)
	})
	s.shared++
	return true
}

// maxPowers is how many vectors of shares an activation has at most: of ρ² to ρ^d.
const maxPowers = correlation.MaxDegree - 1
