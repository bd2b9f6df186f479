package online

import (
	"fmt"

	"pascaline/correlation"
	"pascaline/model"
	"pascaline/ring"
)

// Client is party 1's side of one batch: it holds the inputs and learns the
// outputs. Its shares of the linear layers are fixed offline, so it computes
// the activations and nothing else. It is not safe for concurrent use.
type Client struct {
	c          *circuit
	inferences []clientInference
	round      int
	started    bool
	over       bool
	outputs    [][]uint64
}

// clientInference is what the client holds for one inference.
type clientInference struct {
	input  []uint64 // r of the input
	output []uint64 // y_C of the output
	acts   []clientActivation
}

// clientActivation is the client's half of one activation layer, laid out for
// use.
type clientActivation struct {
	opening []uint64 // z_C
	rho     []uint64
	powers  []ring.Vec128
	mask    []uint64 // r of the layer's output
}

// NewClient prepares the client's side of a batch of len(bundles) inferences.
func NewClient(plan *model.Plan, bundles []*correlation.Bundle) (*Client, error) {
	c, err := newCircuit(plan)
	if err != nil {
		return nil, fmt.Errorf("preparing the client's side: %w", err)
	}
	if err := c.checkBundles(1, bundles); err != nil {
		return nil, fmt.Errorf("preparing the client's side: %w", err)
	}
	cl := &Client{c: c, inferences: make([]clientInference, len(bundles))}
	each(len(bundles), func(g int) {
		b := bundles[g]
		inf := clientInference{input: b.InputMask(), output: b.Output}
		for l := range c.spec.Activations {
			half := b.Powers[l]
			inf.acts = append(inf.acts, clientActivation{
				opening: b.Opening[l],
				rho:     half.Rho(),
				powers:  half.Powers(),
				mask:    b.ActivationMask(l),
			})
		}
		cl.inferences[g] = inf
	})
	return cl, nil
}

// Start takes the inputs, one vector for each inference of the batch, at the
// plan's fractional bits, and returns the first message: x − r, uniform mod
// 2^64 whatever x is.
func (c *Client) Start(inputs [][]uint64) ([]byte, error) {
	if c.started || c.over {
		return nil, errSpent
	}
	if len(inputs) != len(c.inferences) {
		return nil, fmt.Errorf("starting a batch: %d inputs for %d bundles", len(inputs), len(c.inferences))
	}
	msg := make([]byte, 0, 8*len(inputs)*c.c.spec.Input)
	for g, x := range inputs {
		if len(x) != c.c.spec.Input {
			return nil, fmt.Errorf("starting a batch: input %d has %d elements, the network takes %d", g, len(x), c.c.spec.Input)
		}
		r := c.inferences[g].input
		masked := make([]uint64, len(x))
		ring.Sub(masked, x, r)
		msg = appendVector(msg, masked)
	}
	c.started = true
	return msg, nil
}

// due lists the nodes of which the server's share is due.
func (c *Client) due() (nodes []int, last bool) {
	if c.round == len(c.c.rounds) {
		return []int{len(c.c.plan.Nodes) - 1}, true
	}
	return c.c.rounds[c.round], false
}

// MessageSize returns the length in bytes of the server's message that is due,
// and whether it is the last, with the output.
func (c *Client) MessageSize() (bytes int, last bool) {
	if c.over {
		return 0, false
	}
	nodes, last := c.due()
	return 8 * len(c.inferences) * c.c.elements(nodes), last
}

// Step takes the server's message of this round and returns the client's next:
// p_C − r of the activations of the round. With last set there is none, and
// [Client.Outputs] has the results.
func (c *Client) Step(msg []byte) (next []byte, last bool, err error) {
	if !c.started || c.over {
		return nil, false, errSpent
	}
	nodes, last := c.due()
	if err := checkLength("the server's share", msg, len(c.inferences), c.c.elements(nodes)); err != nil {
		c.over = true
		return nil, false, fmt.Errorf("round %d: %w", c.round, err)
	}
	if last {
		c.finish(msg)
		return nil, true, nil
	}
	size := 8 * c.c.elements(nodes)
	next = make([]byte, len(msg))
	each(len(c.inferences), func(g int) {
		c.activate(&c.inferences[g], nodes, msg[g*size:][:size], next[g*size:][:0:size])
	})
	c.round++
	return next, false, nil
}

// activate opens the given activations with the server's z_S, evaluates the
// client's share p_C of each and appends p_C − r to answer, which has the room.
func (c *Client) activate(inf *clientInference, nodes []int, msg, answer []byte) {
	for _, i := range nodes {
		n := &c.c.plan.Nodes[i]
		l := c.c.layer[i]
		a := &inf.acts[l]
		opened := make([]uint64, n.Shape.Len())
		msg = takeVector(opened, msg)
		ring.OpenMasked(opened, opened, a.opening, n.Act.Fw, n.Act.M)
		share := make([]uint64, len(opened))
		c.c.pascal[l].Eval(share, 1, opened, a.rho, a.powers)
		ring.Sub(share, share, a.mask)
		answer = appendVector(answer, share)
	}
}

// finish adds the server's shares of the outputs to the client's.
func (c *Client) finish(msg []byte) {
	for g := range c.inferences {
		y := make([]uint64, c.c.spec.Output)
		msg = takeVector(y, msg)
		ring.Add(y, y, c.inferences[g].output)
		c.outputs = append(c.outputs, y)
	}
	c.over = true
}

// Outputs returns the outputs of the batch, at the plan's fractional bits, once
// Step has returned last.
func (c *Client) Outputs() [][]uint64 { return c.outputs }
