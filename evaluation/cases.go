package evaluation

import (
	"cmp"
	"slices"

	"pascaline/bench"
	"pascaline/model"
)

// A Case is an image that is worth a look.
type Case struct {
	Image int    `json:"image"` // its number in the set
	Name  string `json:"name"`
	Label int    `json:"label"`
	// Tie reports that every disagreement about it is one between classes whose
	// logits are so close that rounding may decide either way.
	Tie     bool     `json:"tie,omitempty"`
	Float   *Verdict `json:"float"`
	Fixed   *Verdict `json:"fixed"`
	Private *Verdict `json:"private,omitempty"`
}

// A Verdict is what was computed for an image.
type Verdict struct {
	Class int `json:"class"`
	// Scores has the three largest logits, and that of the true class.
	Scores []Score `json:"scores"`
}

// A Score is the logit of a class.
type Score struct {
	Class int     `json:"class"`
	Logit float64 `json:"logit"`
}

// Margin returns by how much the class that was named is ahead of the true one.
func (v *Verdict) Margin(label int) float64 {
	for _, s := range v.Scores {
		if s.Class == label {
			return v.Scores[0].Logit - s.Logit
		}
	}
	return 0
}

// topScores is how many of the largest logits a verdict has.
const topScores = 3

func verdict(logits []float64, label int) *Verdict {
	order := make([]Score, len(logits))
	for k, v := range logits {
		order[k] = Score{k, v}
	}
	slices.SortStableFunc(order, func(a, b Score) int { return cmp.Compare(b.Logit, a.Logit) })
	v := &Verdict{Class: order[0].Class, Scores: slices.Clone(order[:min(topScores, len(order))])}
	if !slices.ContainsFunc(v.Scores, func(s Score) bool { return s.Class == label }) {
		v.Scores = append(v.Scores, Score{label, logits[label]})
	}
	return v
}

// compare holds the ways of computing against each other and collects the cases.
func (e *Evaluation) compare() {
	e.FixedFloat, e.PrivateFixed = &bench.Check{}, nil
	if e.private != nil {
		e.PrivateFixed = &bench.Check{}
	}
	e.Disagreements, e.Mistakes = []Case{}, []Case{}
	for i := range e.fixed {
		agree, tie := add(e.FixedFloat, e.fixed[i], e.float[i])
		if i < len(e.private) {
			same, near := add(e.PrivateFixed, e.private[i], e.fixed[i])
			// Of two disagreements, both must be ties.
			tie = (agree || tie) && (same || near)
			agree = agree && same
		}
		wrong := model.Class(e.fixed[i]) != e.labels[i]
		if agree && !wrong {
			continue
		}
		c := Case{Image: i, Name: e.name(i), Label: e.labels[i], Tie: !agree && tie,
			Float: verdict(e.float[i], e.labels[i]), Fixed: verdict(e.fixed[i], e.labels[i])}
		if i < len(e.private) {
			c.Private = verdict(e.private[i], e.labels[i])
		}
		if !agree {
			e.Disagreements = append(e.Disagreements, c)
		}
		if wrong {
			e.Mistakes = append(e.Mistakes, c)
		}
	}
	slices.SortStableFunc(e.Mistakes, func(a, b Case) int {
		return cmp.Compare(b.Fixed.Margin(b.Label), a.Fixed.Margin(a.Label))
	})
}

// add counts an output, and reports whether both name the same class, or classes
// that tie.
func add(c *bench.Check, got, want []float64) (agree, tie bool) {
	before := *c
	c.Add(got, want)
	return c.Agree > before.Agree, c.Ties > before.Ties
}
