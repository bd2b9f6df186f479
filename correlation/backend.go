package correlation

import (
	"context"
	"fmt"
	"slices"

	"pascaline/ring"
)

// A Backend makes correlations between two parties, for one of them. Both
// parties run the same one: homomorphic encryption, a trusted dealer, or
// anybody's.
type Backend interface {
	// Describe says what the backend is and can.
	Describe(ctx context.Context) (Description, error)
	// Open begins a run: keys are made, what the requests share is exchanged.
	// Both parties open with the same layers, in the same order.
	Open(ctx context.Context, run Run) (Generator, error)
}

// Description is what a backend says of itself.
type Description struct {
	Name    string // one word
	Version string
	Trust   string // whom and what its users must trust, in a sentence
	Kinds   []Kind
	// Settings says what can be set, by name.
	Settings map[string]string
}

// Makes reports whether the backend makes correlations of a kind.
func (d Description) Makes(k Kind) bool { return slices.Contains(d.Kinds, k) }

// Run is what the requests of a production run have in common.
type Run struct {
	Party    int  // 0 or 1
	Twin     Twin // the same run at the other party
	Layers   []Layer
	Settings map[string]string
	// Progress, where not nil, is told how much of the present Generate is done,
	// from 0 to 1.
	Progress func(fraction float64)
}

// Layer is a linear layer of a model. Party 0 alone has its weights, KH×KW×C×K
// with the output channel innermost.
type Layer struct {
	Shape   ring.ConvShape
	Weights []int16
}

// Format keeps the weights out of logs, errors and debug output, whatever the
// verb.
func (l Layer) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "layer(%s, %d weights, redacted)", shapeText(l.Shape), len(l.Weights))
}

// Twin carries messages to and from the other party's backend, in order and
// whole. What it carries the other party sees. One goroutine may send while
// another receives.
type Twin interface {
	Send(ctx context.Context, msg []byte) error
	// Recv returns the next message, which holds at most limit bytes.
	Recv(ctx context.Context, limit int) ([]byte, error)
}

// Request asks for one correlation.
type Request struct {
	Spec Spec
	// Input is r of a Linear at party 1, mod 2^64: N inferences one after the
	// other, each InLen words. Else it is nil.
	Input []uint64
}

// Format keeps the input out of logs, errors and debug output, whatever the verb.
func (r Request) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "request(%v, input of %d elements, redacted)", r.Spec, len(r.Input))
}

// Check reports what makes a specification impossible in a run.
func (r Run) Check(s Spec) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("a request for %w", err)
	}
	if s.Kind == Linear && (s.Layer >= len(r.Layers) || r.Layers[s.Layer].Shape != s.Shape) {
		return fmt.Errorf("a request for linear correlations of layer %d, which this run does not have in that shape", s.Layer)
	}
	return nil
}

// InputLen returns how many elements the input of a request has at this party.
func (r Run) InputLen(s Spec) int {
	if s.Kind != Linear || r.Party != 1 {
		return 0
	}
	return s.N * s.Shape.InLen()
}

// Validate reports what makes a request impossible in a run.
func (r Request) Validate(run Run) error {
	s := r.Spec
	if err := run.Check(s); err != nil {
		return err
	}
	if s.Kind == Linear && run.Party == 0 {
		if w := run.Layers[s.Layer].Weights; len(w) != s.Shape.WeightLen() {
			return fmt.Errorf("a request for linear correlations of layer %d, which has %d weights and not %d", s.Layer, len(w), s.Shape.WeightLen())
		}
	}
	if want := run.InputLen(s); len(r.Input) != want {
		return fmt.Errorf("a request for %v with an input of %d elements, not %d", s.Kind, len(r.Input), want)
	}
	return nil
}

// Generator is one party's side of a run.
type Generator interface {
	// Generate makes correlations, all of one kind; both parties ask for the
	// same at the same time, in the same order. It returns this party's halves,
	// of the specifications asked for; each has a seed of its own if it has one.
	// After an error the run is over: what was made in part is never used.
	Generate(ctx context.Context, requests []Request) ([]*Half, error)
	// Close ends the run.
	Close() error
}

// Metered is a [Generator] that works in another process and can say what that has
// cost.
type Metered interface {
	// CPU returns the processor seconds of the run so far.
	CPU() float64
}
