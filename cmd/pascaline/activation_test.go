package main

import (
	"slices"
	"strings"
	"testing"

	"pascaline/model"
	"pascaline/pillar"
)

// What import replaces and what pillar fits are the same functions, but for those
// that are only left out; and help names them all.
func TestEveryFunctionThatImportReplacesIsFitted(t *testing.T) {
	names := slices.Sorted(slices.Values(append(pillar.Names(), "clip", "softmax")))
	if got := slices.Sorted(slices.Values(model.Functions())); !slices.Equal(got, names) {
		t.Errorf("import knows %v, pillar and the command %v", got, names)
	}
	help := strings.Join(strings.Fields(importCommand().Long), " ")
	for _, name := range names {
		if !strings.Contains(help, name) {
			t.Errorf("the help of import does not name %s", name)
		}
	}
}
