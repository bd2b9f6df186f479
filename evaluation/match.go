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
			output := slices.IndexFunc(p.Labels, func(label string) bool { return strings.EqualFold(label, class) })
			if output < 0 {
				return nil, nil, fmt.Errorf("class %s of the data set is none of the model's (%s): name the folder as the model does, or compile the model with the set's names (--labels)",
					class, few(p.Labels))
			}
			outputs = append(outputs, output)
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
