package online

// progress is how far the server's side of a batch is: which messages have passed,
// and what is known of each node since.
type progress struct {
	incoming []band // the input's, then the activations'
	outgoing []band // the activations', then the output's
	inputs   int    // of incoming
	received int    // of incoming
	sent     int    // of outgoing
	shared   int    // of outgoing: the activations of so many are in the server's shares

	rows [][]int // by inference and node: so many are known
}

// progress returns the beginning of a batch of n inferences.
func (c *Circuit) progress(n int) progress {
	input, activations, output := c.schedule(n)
	p := progress{inputs: len(input), incoming: append(input, activations...), outgoing: append(activations, output...)}
	for range n {
		p.rows = append(p.rows, make([]int, len(c.plan.Nodes)))
	}
	return p
}

// isOutput reports whether message i of the server's carries the output.
func (p *progress) isOutput(i int) bool { return i >= len(p.incoming)-p.inputs }

// answered reports whether what the client's next message answers has been sent.
func (p *progress) answered() bool { return p.received-p.inputs < p.sent }

// receive notes that the client's next message is in.
func (p *progress) receive() {
	b := &p.incoming[p.received]
	for _, rows := range p.rows[b.g0:b.g1] {
		for _, piece := range b.pieces {
			rows[piece.node] = piece.end
		}
	}
	p.received++
}

// ready reports whether what the next message depends on is there.
func (p *progress) ready() bool {
	b := &p.outgoing[p.sent]
	for _, rows := range p.rows[b.g0:b.g1] {
		for _, need := range b.needs {
			if rows[need.node] < need.n {
				return false
			}
		}
	}
	return true
}

// advance notes that the rows of a step are computed, in all inferences of a band,
// and returns from which on they were not there yet, and whether any were not:
// messages go in order, so all inferences have the same.
func (p *progress) advance(b *band, step rows) (from int, due bool) {
	from = p.rows[b.g0][step.node]
	if from >= step.n {
		return from, false
	}
	for _, rows := range p.rows[b.g0:b.g1] {
		rows[step.node] = step.n
	}
	return from, true
}

// unshared reports whether there is a message sent whose activations are not in the
// server's shares.
func (p *progress) unshared() bool { return p.shared < min(p.sent, len(p.incoming)-p.inputs) }

// unanswered is [Server.Unanswered].
func (p *progress) unanswered() int {
	n := 0
	for i := max(0, p.received-p.inputs); i < min(p.sent, len(p.incoming)-p.inputs); i++ {
		n += p.outgoing[i].bytes()
	}
	return n
}
