package main

import (
	"fmt"

	"pascaline/cmd/pillar/internal/training"
	"pascaline/internal/figure"
)

// optionText names an option and its value.
func optionText(name, value string) string {
	switch value {
	case "true":
		return name
	case "false":
		return "no " + name
	}
	return name + " " + value
}

// options are those that a table names where they differ, by the names of their
// flags; one that does not apply is empty.
var options = []struct {
	name string
	of   func(o *training.Options) string
}{
	{"epochs", func(o *training.Options) string { return fmt.Sprint(o.Epochs) }},
	{"batch", func(o *training.Options) string { return fmt.Sprint(o.Batch) }},
	{"shards", func(o *training.Options) string { return fmt.Sprint(o.Shards) }},
	{"optimizer", func(o *training.Options) string { return o.Optimizer }},
	{"rate", func(o *training.Options) string { return figure.Number(o.Rate) }},
	{"schedule", func(o *training.Options) string { return o.Schedule }},
	{"decay", func(o *training.Options) string { return figure.Number(o.Decay) }},
	{"shift", func(o *training.Options) string { return fmt.Sprint(o.Augment.Shift) }},
	{"flip", func(o *training.Options) string { return fmt.Sprint(o.Augment.Flip) }},
	{"cutout", func(o *training.Options) string { return fmt.Sprint(o.Augment.Cutout) }},
	{"hold-out", func(o *training.Options) string { return fmt.Sprint(o.HoldOut) }},
	{"clip", func(o *training.Options) string {
		if o.Activation == training.Relu {
			return ""
		}
		return fmt.Sprint(o.Clip)
	}},
	{"penalty-range", func(o *training.Options) string { return ofPenalty(o, o.Penalty.Range) }},
	{"penalty-gamma", func(o *training.Options) string { return ofPenalty(o, o.Penalty.Gamma) }},
}

func ofPenalty(o *training.Options, v float64) string {
	if o.Penalty.Beta == 0 {
		return ""
	}
	return figure.Number(v)
}

// alike reports whether two runs have all options in common that apply to both, but for
// the activation, its penalty and the seed.
func alike(a, b *training.Options) bool {
	for _, option := range options {
		if x, y := option.of(a), option.of(b); x != "" && y != "" && x != y {
			return false
		}
	}
	return true
}

// difference names the first option in which two runs differ, apart from the seed, as
// the one has it and as the other has it. Numbers may differ in places that are not
// shown.
func difference(a, b *training.Options) (ofA, ofB string, differ bool) {
	same := *b
	if same.Seed = a.Seed; *a == same {
		return "", "", false
	}
	for _, pair := range [][3]string{
		{"network", a.Network, b.Network}, {"activation", a.Activation, b.Activation},
		{"penalty", figure.Number(userBeta(a)), figure.Number(userBeta(b))},
	} {
		if pair[1] != pair[2] {
			return optionText(pair[0], pair[1]), optionText(pair[0], pair[2]), true
		}
	}
	for _, option := range options {
		if x, y := option.of(a), option.of(b); x != y {
			return optionText(option.name, x), optionText(option.name, y), true
		}
	}
	return "an option", "one that differs in its last places", true
}
