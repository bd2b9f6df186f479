package training

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"time"

	"pascaline/cmd/pillar/internal/network"
	"pascaline/dataset"
	"pascaline/model"
	"pascaline/pillar"
)

// Run trains one network. It is for one goroutine at a time.
type Run struct {
	Options Options
	History []Epoch

	net       *network.Network
	train     *dataset.Set
	held      *dataset.Set // or empty
	data      string
	backend   network.Backend
	path      string // of the checkpoint
	state     *network.State
	step      int // made so far
	steps     map[stepKey]*network.Step
	inference *network.Inference
}

// stepKey is what steps are compiled for.
type stepKey struct {
	penalty network.Penalty
	observe bool
}

// Epoch is what one pass over the images did.
type Epoch struct {
	Epoch    int     `json:"epoch"` // counted from 1
	Loss     float64 `json:"loss"`  // of the labels, the mean over the images
	Penalty  float64 `json:"penalty"`
	Accuracy float64 `json:"accuracy"` // on the images trained on, as they were shown
	Held     float64 `json:"held"`     // on those held out; 0 where none are
	// Escaped is the share of pre-activations beyond the range, and Largest the largest
	// of them, in the batches that were looked at.
	Escaped float64 `json:"escaped"`
	Largest float64 `json:"largest"`
	// HeldLargest is that of the images held out, where nothing is clipped.
	HeldLargest float64 `json:"heldLargest"`
	Rate        float64 `json:"rate"`
	Seconds     float64 `json:"seconds"`
}

// Progress is where a run stands within an epoch.
type Progress struct {
	Epoch, Epochs  int // the epoch is counted from 1
	Images, Of     int // of the epoch
	Loss, Accuracy float64
	Escaped        float64
	Largest        float64
}

// observeEvery is how many steps go by between those that say how far values escape:
// it costs a third of a step.
const observeEvery = 20

// New prepares a run that trains on set and keeps its checkpoint at path. If there is
// one of the same run, the run goes on from there.
func New(o Options, set *dataset.Set, b network.Backend, path string) (*Run, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if err := o.CheckSet(set); err != nil {
		return nil, err
	}
	train, held := o.splitOff(set)
	net, err := o.build(model.Shape{H: set.H, W: set.W, C: set.C}, len(set.Classes))
	if err != nil {
		return nil, err
	}
	r := &Run{Options: o, net: net, train: train, held: held, data: digest(set), backend: b,
		path: path, state: net.Start(optimizers[o.Optimizer], o.seed("weights")), steps: map[stepKey]*network.Step{}}
	if r.inference, err = net.NewInference(b); err != nil {
		return nil, err
	}
	h, state, err := readCheckpoint(path, r.header(), r.state)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		r.History, r.step, r.state = h.History, h.Step, state
	}
	return r, nil
}

// digest returns what tells one set of images from another.
func digest(set *dataset.Set) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d %d %q ", set.H, set.W, set.C, set.Classes)
	h.Write(set.Pixels)
	binary.Write(h, binary.LittleEndian, set.Labels) // a hash takes all
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (r *Run) header() *header {
	return &header{Options: r.Options, Data: r.data, History: r.History, Step: r.step}
}

// Digest returns what tells the images trained on from others, as they are read.
func (r *Run) Digest() string { return r.data }

// Images returns how many images an epoch trains on.
func (r *Run) Images() int { return r.train.Len() / r.Options.Batch * r.Options.Batch }

// Graph returns the network as trained so far, as it will be used.
func (r *Run) Graph() (*model.Graph, error) { return r.net.Fold(r.state) }

// Train trains until all epochs are done. After every epoch it writes the checkpoint,
// then calls done; progress is called after every step.
func (r *Run) Train(ctx context.Context, progress func(Progress), done func(Epoch)) error {
	for len(r.History) < r.Options.Epochs {
		e, err := r.epoch(ctx, len(r.History), progress)
		if err != nil {
			return err
		}
		r.History = append(r.History, *e)
		if err := writeCheckpoint(r.path, r.header(), r.state); err != nil {
			return err
		}
		done(*e)
	}
	return nil
}

// tally adds up what the steps of an epoch say.
type tally struct {
	images, right, observed int
	loss, penalty           float64
	escaped, largest        float64
}

// epoch makes one pass over the images.
func (r *Run) epoch(ctx context.Context, epoch int, progress func(Progress)) (*Epoch, error) {
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	term := r.Options.penalty(epoch)
	perEpoch := r.train.Len() / r.Options.Batch
	steps := perEpoch * r.Options.Epochs
	var t tally
	for b := range r.Options.batches(ctx, r.train, epoch) {
		if ctx.Err() != nil {
			break
		}
		observe := t.images/r.Options.Batch%observeEvery == 0 // the first of every epoch, too
		v := network.Scalars{Rate: r.Options.rate(r.step, steps), Labels: 1, Beta: term.Beta, Step: r.step + 1}
		if term.Alone {
			v.Labels = 0
		}
		next, result, err := r.advance(b, term, v, observe)
		if err != nil {
			return nil, fmt.Errorf("epoch %d: %w", epoch+1, err)
		}
		if !t.add(b, result, r.elements()) {
			return nil, r.diverged(b, epoch, term, v)
		}
		r.state = next
		r.step++
		if progress != nil {
			progress(Progress{Epoch: epoch + 1, Epochs: r.Options.Epochs, Images: t.images, Of: perEpoch * r.Options.Batch,
				Loss: t.loss / float64(t.images), Accuracy: float64(t.right) / float64(t.images),
				Escaped: t.escaped / float64(max(1, t.observed)), Largest: t.largest})
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e := &Epoch{Epoch: epoch + 1, Loss: t.loss / float64(t.images), Penalty: t.penalty * term.Beta / float64(perEpoch),
		Accuracy: float64(t.right) / float64(t.images), Escaped: t.escaped / float64(max(1, t.observed)), Largest: t.largest,
		Rate: r.Options.rate(r.step-1, steps)}
	if r.held.Len() > 0 {
		held, err := r.Evaluate(ctx, r.held)
		if err != nil {
			return nil, err
		}
		e.Held = held.Accuracy()
		for _, v := range held.Largest {
			e.HeldLargest = max(e.HeldLargest, v)
		}
		if finite := e.HeldLargest <= math.MaxFloat32; !finite {
			e.HeldLargest = math.MaxFloat32 // it overflowed, which JSON cannot say
		}
	}
	e.Seconds = time.Since(began).Seconds()
	return e, nil
}

// elements is how many pre-activations an image has.
func (r *Run) elements() (n int) {
	for i := range r.net.Topology.Nodes {
		if node := &r.net.Topology.Nodes[i]; node.Op == model.OpPolynomial {
			n += node.Shape.Len()
		}
	}
	return n
}

// advance makes one step from the present state.
func (r *Run) advance(b *batch, term pillar.Term, v network.Scalars, observe bool) (*network.State, *network.Result, error) {
	key := stepKey{observe: observe}
	if term.Beta > 0 {
		key.penalty = network.Penalty{Gamma: int(term.Gamma), Range: term.Range}
	}
	step := r.steps[key]
	if step == nil {
		var err error
		step, err = r.net.NewStep(r.backend, network.Config{Optimizer: optimizers[r.Options.Optimizer], Penalty: key.penalty,
			Decay: r.Options.Decay, Shards: r.Options.Shards, Observe: observe})
		if err != nil {
			return nil, nil, err
		}
		r.steps[key] = step
	}
	return step.Run(r.state, b.images, b.labels, v)
}

// add adds a step's result, and reports whether it is finite.
func (t *tally) add(b *batch, result *network.Result, elements int) bool {
	finite := !math.IsNaN(result.Penalty) && !math.IsInf(result.Penalty, 0)
	for shard, logits := range result.Logits {
		labels := b.classes[shard]
		for i, label := range labels {
			loss := crossEntropy(logits, len(labels), i, int(label))
			finite = finite && !math.IsNaN(loss) && !math.IsInf(loss, 0)
			t.loss += loss
			if class(logits, len(labels), i) == int(label) {
				t.right++
			}
		}
		t.images += len(labels)
	}
	t.penalty += result.Penalty
	for k := range result.Largest {
		t.largest = max(t.largest, result.Largest[k])
	}
	if len(result.Escaped) > 0 {
		all := 0.0
		for _, v := range result.Escaped {
			all += v
		}
		images := 0
		for _, labels := range b.classes {
			images += len(labels)
		}
		t.escaped += all / float64(images*elements)
		t.observed++
	}
	return finite
}

// crossEntropy returns −log of the probability of the label.
func crossEntropy(logits []float32, n, image, label int) float64 {
	most := math.Inf(-1)
	for c := range len(logits) / n {
		most = math.Max(most, float64(logits[c*n+image]))
	}
	sum := 0.0
	for c := range len(logits) / n {
		sum += math.Exp(float64(logits[c*n+image]) - most)
	}
	return math.Log(sum) + most - float64(logits[label*n+image])
}
