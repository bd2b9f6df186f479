package evaluation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pascaline/dataset"
	"pascaline/model"
)

// match finds out which output of the network each class of the set is. It
// returns the names of the outputs, and the output of each class: the one of the
// same name where both sides have names, and of the same number otherwise.
func match(p *model.Plan, set *dataset.Set) (names []string, outputs []int, err error) {
	n := p.Nodes[len(p.Nodes)-1].Shape.Len()
	if n < 2 {
		return nil, nil, fmt.Errorf("the model has %s, and classes need one each: evaluate a classifier", count(n, "output"))
	}
	if len(p.Labels) > 0 && !numbered(set.Classes) {
		for _, class := range set.Classes {
			same := named(p.Labels, class)
			switch {
			case len(same) == 0:
				return nil, nil, fmt.Errorf("class %s of the data set is none of the model's (%s): name the folder as the model does, or compile the model with the set's names (--labels)",
					class, few(p.Labels))
			case len(same) > 1:
				return nil, nil, fmt.Errorf("class %s of the data set may be output %d of the model or %d, which have the same name: compile it with names that differ, and name the folders like them",
					class, same[0], same[1])
			}
			outputs = append(outputs, same[0])
		}
		return p.Labels, outputs, nil
	}
	switch {
	case len(set.Classes) > n:
		return nil, nil, fmt.Errorf("the data set has %s (%s), and the model has %s: it is a model for other images",
			count(len(set.Classes), "class"), few(set.Classes), count(n, "output"))
	case len(set.Classes) < n && !numbered(set.Classes):
		// By their numbers they would mean something else.
		return nil, nil, fmt.Errorf("the data set has %s (%s), and the model has %s without names: compile it with names for them (--labels)",
			count(len(set.Classes), "class"), few(set.Classes), count(n, "output"))
	}
	names = slices.Clone(p.Labels)
	if len(names) == 0 {
		names = slices.Clone(set.Classes)
	}
	for i := range n {
		if i < len(set.Classes) {
			outputs = append(outputs, i)
		}
		if i >= len(names) {
			names = append(names, strconv.Itoa(i))
		}
	}
	return names, outputs, nil
}

// named returns the outputs of a class's name, in whatever case if there is none
// spelled like it.
func named(labels []string, class string) []int {
	var exact, alike []int
	for i, label := range labels {
		switch {
		case label == class:
			exact = append(exact, i)
		case strings.EqualFold(label, class):
			alike = append(alike, i)
		}
	}
	if exact != nil {
		return exact
	}
	return alike
}

// numbered reports whether classes are named by their numbers.
func numbered(classes []string) bool {
	for i, name := range classes {
		if name != strconv.Itoa(i) {
			return false
		}
	}
	return true
}

// few lists some names.
func few(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
