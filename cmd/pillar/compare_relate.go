package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"pascaline/internal/figure"
)

// sort orders the rows by network, degree and penalty, ReLU last.
func (c *comparison) sort() {
	degree := func(e *entry) int {
		if e.degree == 0 {
			return math.MaxInt
		}
		return e.degree
	}
	slices.SortStableFunc(c.Entries, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.Data, b.Data), cmp.Compare(a.Network, b.Network), cmp.Compare(degree(a), degree(b)), cmp.Compare(a.Penalty, b.Penalty))
	})
}

// relate finds out what only the whole comparison tells.
func (c *comparison) relate() {
	for _, e := range c.Entries {
		if baseline := c.baseline(e); baseline != nil {
			difference := e.accuracy().Mean - baseline.Float.Mean
			e.ToRelu = &difference
		}
	}
	for _, option := range options {
		var values []string
		for _, e := range c.Entries {
			values = append(values, option.of(e.options))
		}
		applied := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
		slices.Sort(applied)
		if len(slices.Compact(applied)) < 2 {
			continue
		}
		for i, e := range c.Entries {
			if values[i] != "" {
				e.Others = append(e.Others, optionText(option.name, values[i]))
			}
		}
	}
}

// baseline returns the first finished run of the network of e with ReLU and all else
// the same.
func (c *comparison) baseline(e *entry) *entry {
	if e.degree == 0 || e.Float == nil {
		return nil
	}
	for _, b := range c.Entries {
		if b.degree == 0 && b.Float != nil && b.Network == e.Network && b.Data == e.Data && b.digest == e.digest && b.TestImages == e.TestImages && alike(b.options, e.options) {
			return b
		}
	}
	return nil
}

// warnings returns what makes a comparison less than one. A report from before it
// had a name for its data set is taken as it is.
func (c *comparison) warnings() (all []string) {
	var known []*entry // the first of every data set
	for _, e := range c.Entries {
		for _, p := range e.Unfinished {
			all = append(all, fmt.Sprintf("%s is not finished: %d of %d epochs are trained", p.Folder, p.Epoch, p.Epochs))
		}
		if e.Data == "" {
			continue
		}
		i := slices.IndexFunc(known, func(k *entry) bool { return k.Data == e.Data })
		if i < 0 {
			known = append(known, e)
			if k := known[0]; k != e {
				all = append(all, fmt.Sprintf("%s is of %s, and %s of %s: their accuracies are of different things", k.Folder, k.Data, e.Folder, e.Data))
			}
			continue
		}
		switch k := known[i]; {
		case k.TestImages != e.TestImages:
			all = append(all, fmt.Sprintf("%s was tested with %d images of %s, and %s with %d", k.Folder, k.TestImages, e.Data, e.Folder, e.TestImages))
		case k.digest != e.digest:
			all = append(all, fmt.Sprintf("%s and %s were trained on different images of %s, because of --count, --fit or --channels, or of another set of this name", k.Folder, e.Folder, e.Data))
		}
	}
	return all
}

// trait is something in which runs may differ.
type trait func(e *entry) string

func (e *entry) activationName() string {
	if e.degree == 0 {
		return "ReLU"
	}
	return e.Activation
}

// polynomialName is empty where there is none.
func (e *entry) polynomialName() string {
	if e.degree == 0 {
		return ""
	}
	return e.Activation
}

func (e *entry) rangeName() string { return "range ±" + figure.Number(e.bound) }

func (e *entry) penaltyName() string {
	switch {
	case e.degree == 0:
		return ""
	case e.Penalty == 0:
		return "no penalty"
	}
	return "β = " + figure.Number(e.Penalty)
}

func (e *entry) networkName() string { return e.Network }
func (e *entry) dataName() string    { return e.Data }
func (e *entry) othersName() string  { return strings.Join(e.Others, ", ") }

// describe returns what entries have in common, and of each what others have not.
// A trait that some entries do not have, all the others may have in common.
func describe(entries []*entry, traits ...trait) (common string, own []string) {
	own = make([]string, len(entries))
	for _, of := range traits {
		var values []string
		for _, e := range entries {
			if v := of(e); v != "" && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		if len(values) == 1 {
			common = join(common, values[0])
			continue
		}
		for i, e := range entries {
			own[i] = join(own[i], of(e))
		}
	}
	return common, own
}

// names are what to call entries in a plot, each by what tells it from the others.
func names(entries []*entry) (common string, own []string) {
	common, own = describe(entries, (*entry).networkName, (*entry).dataName, (*entry).polynomialName, (*entry).penaltyName, (*entry).othersName)
	for i, e := range entries {
		switch {
		case e.degree == 0:
			own[i] = join("ReLU", own[i])
		case own[i] == "":
			own[i] = e.Activation
		}
	}
	count := map[string]int{}
	for _, name := range own {
		count[name]++
	}
	for i, name := range own {
		if count[name] > 1 {
			own[i] = join(name, entries[i].Folder)
		}
	}
	return common, own
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}
