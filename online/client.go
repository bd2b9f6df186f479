package online

import (
	"encoding/binary"
	"fmt"
	"slices"

	"pascaline/correlation"
	"pascaline/ring"
)

// Client is party 1's side of one batch: it holds the inputs and learns the
// outputs. Its shares of the linear layers are fixed offline, so it computes
// the activations and nothing else: it answers message by message. It is not safe
// for concurrent use; by itself it works on all cores.
type Client struct {
	c          *Circuit
	inferences []clientInference

	inputs   [][]uint64 // nil before Start
	input    []band
	sent     int    // of input
	incoming []band // the activations', then the output's
	answers  int    // of incoming: how many are answered
	received int    // of incoming
	failed   bool
	outputs  [][]uint64
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
func NewClient(c *Circuit, bundles []*correlation.Bundle) (*Client, error) {
	if err := c.checkBundles(1, bundles); err != nil {
		return nil, fmt.Errorf("preparing the client's side: %w", err)
	}
	cl := &Client{c: c, inferences: make([]clientInference, len(bundles)), outputs: make([][]uint64, len(bundles))}
	input, activations, output := c.schedule(len(bundles))
	cl.input, cl.incoming, cl.answers = input, append(activations, output...), len(activations)
	ring.Parallel(len(bundles), func(g int) {
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
		cl.outputs[g] = make([]uint64, c.spec.Output)
	})
	return cl, nil
}

// Start takes the inputs, one vector for each inference of the batch, at the
// plan's fractional bits.
func (c *Client) Start(inputs [][]uint64) error {
	if c.inputs != nil || c.failed {
		return errSpent
	}
	if len(inputs) != len(c.inferences) {
		return fmt.Errorf("starting a batch: %d inputs for %d bundles", len(inputs), len(c.inferences))
	}
	for g, x := range inputs {
		if len(x) != c.c.spec.Input {
			return fmt.Errorf("starting a batch: input %d has %d elements, the network takes %d", g, len(x), c.c.spec.Input)
		}
	}
	c.inputs = inputs
	return nil
}

// Next returns the next of the client's first messages, in buf if that is long
// enough: x − r, uniform mod 2^64 whatever x is. It returns nil after the last of
// them, before [Client.Start] and after an error.
func (c *Client) Next(buf []byte) []byte {
	if c.inputs == nil || c.failed || c.sent == len(c.input) {
		return nil
	}
	b := &c.input[c.sent]
	msg := slices.Grow(buf[:0], b.bytes())[:b.bytes()]
	for _, k := range b.blocks(additionBlock) {
		x, r, out := c.inputs[k.g][k.from:k.to], c.inferences[k.g].input[k.from:k.to], msg[8*k.at:]
		for e := range x {
			binary.LittleEndian.PutUint64(out[8*e:], x[e]-r[e])
		}
	}
	c.sent++
	return msg
}

// Due returns the length in bytes of the server's message that is due, 0 after the
// last, and whether it is one with the output.
func (c *Client) Due() (bytes int, output bool) {
	if c.failed || c.received == len(c.incoming) {
		return 0, false
	}
	return c.incoming[c.received].bytes(), c.received >= c.answers
}

// LongestMessage returns the length in bytes of the longest message either way.
func (c *Client) LongestMessage() int { return longest(c.input, c.incoming) }

// Step takes the server's next message and returns the client's answer, in the
// memory of msg: p_C − r of the activations opened. The output has no answer; after
// its last message, done, [Client.Outputs] has the results.
func (c *Client) Step(msg []byte) (answer []byte, done bool, err error) {
	if c.sent < len(c.input) || c.failed || c.received == len(c.incoming) {
		return nil, false, errSpent
	}
	b := &c.incoming[c.received]
	if len(msg) != b.bytes() {
		c.failed = true
		return nil, false, fmt.Errorf("message %d: the server's share %w", c.received+1, wrongLength(msg, b))
	}
	output := c.received >= c.answers
	blocks := b.blocks(evaluationBlock)
	ring.Parallel(len(blocks), func(i int) {
		if k := blocks[i]; output {
			c.finish(msg[8*k.at:], k)
		} else {
			c.activate(msg[8*k.at:], k)
		}
	})
	c.received++
	if output {
		return nil, c.received == len(c.incoming), nil
	}
	return msg, false, nil
}

// activate opens a block of an activation with the server's z_S in msg, evaluates
// the client's share p_C of it and puts p_C − r in the place of z_S.
func (c *Client) activate(msg []byte, k block) {
	n, l := &c.c.plan.Nodes[k.node], c.c.layer[k.node]
	a := &c.inferences[k.g].acts[l]
	msg = msg[:8*(k.to-k.from)]
	var room [maxPowers]ring.Vec128
	c.c.pascal[l].Answer(msg, msg, a.opening[k.from:k.to], a.rho[k.from:k.to], ring.Slice128(room[:0], a.powers, k.from, k.to),
		a.mask[k.from:k.to], n.Act.Fw, n.Act.M)
}

// finish adds the server's share of a block of the output, in msg, to the client's.
func (c *Client) finish(msg []byte, k block) {
	out := c.outputs[k.g][k.from:k.to]
	copy(out, c.inferences[k.g].output[k.from:k.to])
	ring.AddWords(out, msg[:8*len(out)])
}

// Outputs returns the outputs of the batch, at the plan's fractional bits, once
// Step has returned done.
func (c *Client) Outputs() [][]uint64 {
	if c.received < len(c.incoming) {
		return nil
	}
	return c.outputs
}
