package main

import (
	"strings"
	"testing"

	"pascaline/model"
	"pascaline/ring"
)

// Nothing is opened then, and nothing differs from what is random.
func TestANetworkWithoutActivationsIsShown(t *testing.T) {
	g := &model.Graph{Name: "linear", Nodes: []model.GraphNode{
		{Name: "input", Op: model.OpInput, Shape: model.Shape{H: 1, W: 1, C: 2}},
		{Name: "fc", Op: model.OpLinear, Inputs: []int{0}, Shape: model.Shape{H: 1, W: 1, C: 1}, Linear: ring.LinearShape(2, 1), W: []float32{1, 2}, Bias: []float32{0}},
	}}
	m, _, err := model.Compile(g, [][]float32{{1, 1}}, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text := printed(t, func() { printPlan(m.Plan) })
	for _, want := range []string{"one inference: 1 round, ", "privacy: 0 opened values; all together they differ from random ones by at most 0\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("printed is\n%s\nwhich lacks %q", text, want)
		}
	}
}
