// Package evaluation judges a compiled network on labelled images: by the
// network of real numbers, by its fixed-point arithmetic in the clear, and by
// private inference, one held against the other. It writes what it found for a
// terminal, as JSON, and as a page for a browser.
package evaluation

import (
	"encoding/hex"
	"fmt"
	"time"

	"pascaline/bench"
	"pascaline/dataset"
	"pascaline/model"
)

// An Evaluation is what several ways of computing one network make of the same
// images.
type Evaluation struct {
	Model string    `json:"model"`
	Plan  string    `json:"plan"` // the plan's hash
	Data  Data      `json:"data"`
	Made  time.Time `json:"made"`
	// Command is what made it, as a shell takes it, or empty.
	Command string `json:"command,omitempty"`
	// Classes are the names of the network's outputs.
	Classes []string `json:"classes"`

	Float   *Outcome `json:"float,omitempty"`
	Fixed   *Outcome `json:"fixed,omitempty"`
	Private *Outcome `json:"private,omitempty"`
	// FixedFloat holds fixed point against float, and PrivateFixed private
	// inference against fixed point.
	FixedFloat   *bench.Check `json:"fixed_against_float,omitempty"`
	PrivateFixed *bench.Check `json:"private_against_fixed,omitempty"`
	// Disagreements are the images of which two ways of computing name different
	// classes, and Mistakes those of which fixed point names a wrong one, the
	// worst first.
	Disagreements []Case `json:"disagreements"`
	Mistakes      []Case `json:"mistakes"`

	model  *model.Model
	set    *dataset.Set
	labels []int // of the images, as outputs of the network
	// The logits by image, as far as they have been computed.
	float, fixed, private [][]float64
}

// Data says which images an evaluation is of: the first ones of a split.
type Data struct {
	Name   string `json:"name"`
	Format string `json:"format"`
	Split  string `json:"split"`
	Images int    `json:"images"`
	Of     int    `json:"of"` // the images of the split
}

// LeftOut returns how many images of the split were not looked at.
func (d *Data) LeftOut() int { return d.Of - d.Images }

// New prepares the evaluation of m, with its weights, on set.
func New(m *model.Model, set *dataset.Set) (*Evaluation, error) {
	if m.Weights == nil {
		return nil, fmt.Errorf("evaluating model: it %w", model.ErrNoWeights)
	}
	in := m.Plan.Nodes[0].Shape
	if in != (model.Shape{H: set.H, W: set.W, C: set.C}) {
		return nil, fmt.Errorf("the images of data set %s are %d×%d×%d, and model %s takes %v: fit them to that (--fit)", set.Name, set.H, set.W, set.C, m.Plan.Name, in)
	}
	if set.Len() == 0 {
		return nil, fmt.Errorf("data set %s has no images", set.Name)
	}
	names, outputs, err := match(m.Plan, set)
	if err != nil {
		return nil, fmt.Errorf("evaluating model %s on data set %s: %w", m.Plan.Name, set.Name, err)
	}
	hash := m.Plan.Hash()
	e := &Evaluation{
		Model: m.Plan.Name, Plan: hex.EncodeToString(hash[:]), Made: time.Now(), Classes: names,
		Data:  Data{Name: set.Name, Format: set.Format, Split: set.Split.String(), Images: set.Len(), Of: max(set.Total, set.Len())},
		model: m, set: set, labels: make([]int, set.Len()),
		Disagreements: []Case{}, Mistakes: []Case{}, // in JSON, lists even where there are none
	}
	for i, label := range set.Labels {
		e.labels[i] = outputs[label]
	}
	return e, nil
}

// SetPrivate adds the logits of private inference on the first images, which
// fixed point has evaluated before. How says what made them.
func (e *Evaluation) SetPrivate(logits [][]float64, how string) error {
	if len(logits) > len(e.fixed) {
		return fmt.Errorf("private inference has %d outputs for the %d images that were evaluated in the clear", len(logits), len(e.fixed))
	}
	for i, v := range logits {
		if len(v) != len(e.Classes) {
			return fmt.Errorf("private inference has %d logits for %s, and the model has %d outputs", len(v), e.name(i), len(e.Classes))
		}
	}
	e.private = logits
	e.Private = e.outcome(how, logits)
	e.compare()
	return nil
}

// name returns the name of an image.
func (e *Evaluation) name(i int) string {
	if e.set.Names == nil {
		return fmt.Sprintf("image %d", i)
	}
	return e.set.Names[i]
}
