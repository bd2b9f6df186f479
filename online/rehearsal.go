package online

import "pascaline/model"

// Pace says how long the parts of a batch take, in seconds.
type Pace struct {
	Delay float64 // of the link, one way
	Byte  float64 // a byte occupies the link, in one direction; 0 where nothing limits it

	// Message and Copy are what a message, and each of its bytes, take either party:
	// as much to send as to receive.
	Message, Copy float64
	// Product is a multiplication of a linear layer, Weight reading a weight for some
	// of its rows; Element is an element of a node that is opened, added, shifted or
	// summed, and Power each power of an activation's element.
	Product, Weight, Element, Power float64
}

// Rehearsal is how a batch would go.
type Rehearsal struct {
	Seconds float64 // from the inputs to the outputs
	// Server and Client are how long either computes, or handles messages, meanwhile.
	Server, Client float64
	// Up and Down are the bytes of the client's messages and the server's.
	Up, Down                 int
	UpMessages, DownMessages int
}

// Rehearse goes through a batch of n inferences message by message, as [Server] and
// [Client] do and party's loops around them, against a clock: each message in its
// turn takes up its sender, the link and its receiver, and what depends on it waits.
// So layers that travel in bands overlap as they do in earnest.
func (c *Circuit) Rehearse(n int, pace Pace) Rehearsal {
	r := &rehearsal{Pace: pace, c: c, progress: c.progress(n)}
	for i := range r.inputs {
		r.answers = append(r.answers, r.up.carry(r.client.send(r.incoming[i].bytes(), pace), r.incoming[i].bytes(), pace))
	}
	for r.sent < len(r.outgoing) {
		switch {
		case r.unanswered() < MostUnanswered && r.ready():
			r.next()
		case r.unshared():
			r.evaluate()
		default:
			r.step()
		}
	}
	return Rehearsal{
		Seconds: r.client.now, Server: r.server.busy, Client: r.client.busy,
		Up: r.up.bytes, Down: r.down.bytes, UpMessages: r.up.messages, DownMessages: r.down.messages,
	}
}

// rehearsal is a batch under way.
type rehearsal struct {
	Pace
	c *Circuit
	progress
	server, client actor
	up, down       wire
	answers        []float64 // when the client's messages reach the server, by message
}

// actor is a party on the clock. What it sends, it sends beside what it computes,
// one message after the other.
type actor struct {
	now    float64 // when it is free to compute
	outbox float64 // when it is free to send
	busy   float64
}

// work computes.
func (a *actor) work(seconds float64) {
	a.now += seconds
	a.busy += seconds
}

// send sends a message, and returns when it is on the link.
func (a *actor) send(bytes int, p Pace) float64 {
	t := p.Message + float64(bytes)*p.Copy
	a.outbox = max(a.outbox, a.now) + t
	a.busy += t
	return a.outbox
}

// receive takes a message that comes at a time.
func (a *actor) receive(at float64, bytes int, p Pace) {
	a.now = max(a.now, at)
	a.work(p.Message + float64(bytes)*p.Copy)
}

// wire is one direction of the link.
type wire struct {
	free            float64
	bytes, messages int
}

// carry takes a message at a time, and returns when it comes.
func (w *wire) carry(at float64, bytes int, p Pace) float64 {
	w.free = max(w.free, at) + float64(bytes)*p.Byte
	w.bytes += bytes
	w.messages++
	return w.free + p.Delay
}

// next has the server make and send its next message, and the client answer it.
func (r *rehearsal) next() {
	b := &r.outgoing[r.sent]
	for _, step := range b.steps {
		if from, due := r.advance(b, step); due {
			r.server.work(r.compute(b.g1-b.g0, step.node, step.n-from))
		}
	}
	size, output := b.bytes(), r.isOutput(r.sent)
	r.server.work(float64(size/8) * r.Element)
	came := r.down.carry(r.server.send(size, r.Pace), size, r.Pace)
	r.sent++
	r.client.receive(came, size, r.Pace)
	if output {
		r.client.work(float64(size/8) * r.Element)
		return
	}
	r.client.work(r.activations(b))
	r.answers = append(r.answers, r.up.carry(r.client.send(size, r.Pace), size, r.Pace))
}

// evaluate has the server evaluate its shares of what it has sent.
func (r *rehearsal) evaluate() {
	r.server.work(r.activations(&r.outgoing[r.shared]))
	r.shared++
}

// step has the server take the client's next message.
func (r *rehearsal) step() {
	b := &r.incoming[r.received]
	r.server.receive(r.answers[r.received], b.bytes(), r.Pace)
	for r.shared <= r.received-r.inputs {
		r.evaluate()
	}
	r.server.work(float64(b.bytes()/8) * r.Element)
	r.receive()
}

// compute returns what so many rows of a node take the server, in each of some
// inferences.
func (r *rehearsal) compute(inferences, node, rows int) float64 {
	n := &r.c.plan.Nodes[node]
	rows *= inferences
	if n.Op == model.OpLinear {
		return float64(n.Linear.MACs())*float64(rows)/float64(n.Shape.H)*r.Product + float64(n.Linear.WeightLen())*r.Weight
	}
	row := n.Shape.W * n.Shape.C
	switch n.Op {
	case model.OpPool:
		row *= n.Pool.KH * n.Pool.KW
	case model.OpAdd:
		row *= len(n.Inputs)
	}
	return float64(rows*row) * r.Element
}

// activations returns what either party takes to evaluate its shares of a message.
func (r *rehearsal) activations(b *band) float64 {
	sum := 0.0
	for _, p := range b.pieces {
		sum += float64(p.to-p.from) * float64(r.c.plan.Nodes[p.node].Act.Degree()) * r.Power
	}
	return float64(b.g1-b.g0) * sum
}
