package training

import (
	"fmt"
	"math"

	"pascaline/cmd/pillar/internal/network"
	"pascaline/pillar"
)

// Diverged is the error of a training run whose numbers became infinite or none.
type Diverged struct {
	Layer string // where they did so first
	Epoch int    // counted from 1
	Step  int    // of the run
	Kept  int    // epochs in the checkpoint
	Helps string // what to do about it
}

func (e *Diverged) Error() string {
	kept := "there is no checkpoint yet"
	if e.Kept > 0 {
		kept = fmt.Sprintf("the checkpoint has the network after epoch %d", e.Kept)
	}
	return fmt.Sprintf("training diverged in epoch %d, step %d: the first values that are no numbers are in %s; %s. %s",
		e.Epoch, e.Step+1, e.Layer, kept, e.Helps)
}

// diverged finds the layer where a batch's values are infinite or no numbers first.
func (r *Run) diverged(b *batch, epoch int, term pillar.Term, v network.Scalars) error {
	e := &Diverged{Layer: "the outputs", Epoch: epoch + 1, Step: r.step, Kept: len(r.History), Helps: r.Options.calms()}
	_, result, err := r.advance(b, term, v, true)
	if err != nil {
		return fmt.Errorf("epoch %d: %w", epoch+1, err)
	}
	for k, largest := range result.Largest {
		if math.IsNaN(largest) || math.IsInf(largest, 0) {
			e.Layer = fmt.Sprintf("what enters activation %q", r.net.Activations()[k])
			break
		}
	}
	return e
}

// calms says what keeps training from diverging.
func (o *Options) calms() string {
	switch {
	case o.Activation == Relu:
		return "A lower learning rate helps"
	case !o.Clip:
		return "A lower learning rate or clipping helps"
	case o.Penalty.Beta > 0:
		return "A lower learning rate or a smaller penalty helps"
	}
	return "A lower learning rate or a penalty helps"
}
