package model

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// fixture is a network as PyTorch exported it, with PyTorch's own outputs:
// testdata/pytorch/export.py.
type fixture struct {
	Name        string
	Samples     int
	Input       []int // C×H×W, or features
	Outputs     int
	Pixels      bool // inputs are in [0, 1]
	Activations map[string][]float64
}

// fixtures calls f with every fixture, and with its inputs in the graph's order and
// PyTorch's outputs.
func fixtures(t *testing.T, f func(t *testing.T, fix *fixture, inputs [][]float32, outputs [][]float64)) {
	const dir = "testdata/pytorch"
	data, err := os.ReadFile(filepath.Join(dir, "fixtures.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []fixture
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, fix := range all {
		t.Run(fix.Name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, fix.Name+".bin"))
			if err != nil {
				t.Fatal(err)
			}
			n := count(fix.Input)
			if len(data) != 4*fix.Samples*(n+fix.Outputs) {
				t.Fatalf("%d bytes for %d samples of %d inputs and %d outputs", len(data), fix.Samples, n, fix.Outputs)
			}
			next := func() float64 {
				v := math.Float32frombits(binary.LittleEndian.Uint32(data))
				data = data[4:]
				return float64(v)
			}
			var inputs [][]float32
			for range fix.Samples {
				a := newArray(append([]int{1}, fix.Input...)...)
				for i := range a.data {
					a.data[i] = next()
				}
				x := make([]float32, n)
				for i, v := range channelsLast(a) {
					x[i] = float32(v)
				}
				inputs = append(inputs, x)
			}
			var outputs [][]float64
			for range fix.Samples {
				y := make([]float64, fix.Outputs)
				for i := range y {
					y[i] = next()
				}
				outputs = append(outputs, y)
			}
			f(t, &fix, inputs, outputs)
		})
	}
}

// imports imports a fixture with the polynomials that its outputs were computed
// with.
func (fix *fixture) imports(t *testing.T) (*Graph, []string) {
	opts := ImportOptions{Activations: fix.Activations}
	if fix.Pixels {
		opts.High = 1
	}
	g, notes, err := ImportONNXFile(filepath.Join("testdata/pytorch", fix.Name+".onnx"), opts)
	if err != nil {
		t.Fatal(err)
	}
	return g, notes
}

func TestWhatPyTorchExportsComputesWhatPyTorchComputes(t *testing.T) {
	fixtures(t, func(t *testing.T, fix *fixture, inputs [][]float32, outputs [][]float64) {
		g, notes := fix.imports(t)
		for _, n := range notes {
			t.Log(n)
		}
		worst := 0.0
		for k, x := range inputs {
			wide := make([]float64, len(x))
			for i, v := range x {
				wide[i] = float64(v)
			}
			got, err := g.Float(wide)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(outputs[k]) {
				t.Fatalf("%d outputs, not %d", len(got), len(outputs[k]))
			}
			for i, want := range outputs[k] {
				off := math.Abs(got[i]-want) / max(1, math.Abs(want))
				if worst = max(worst, off); !(off <= 1e-4) {
					t.Fatalf("sample %d: output %d is %v, not %v", k, i, got[i], want)
				}
			}
		}
		t.Logf("off by %.2g at most", worst)
	})
}

// The bound is one part in forty of the largest output: the networks are random, and
// some have linear layers in a row, which share few bits. What the compilation states,
// and import prints, must hold of PyTorch's own outputs too.
func TestWhatPyTorchExportsKeepsItsOutputsInFixedPoint(t *testing.T) {
	fixtures(t, func(t *testing.T, fix *fixture, inputs [][]float32, outputs [][]float64) {
		g, _ := fix.imports(t)
		m, r, err := Compile(g, inputs, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.OutputError > r.OutputMax/40 {
			t.Errorf("outputs are off by %.3g where the largest is %.3g", r.OutputError, r.OutputMax)
		}
		e, err := NewFixedEvaluator(m)
		if err != nil {
			t.Fatal(err)
		}
		for k, x := range inputs {
			in, err := m.Plan.EncodeInput(x)
			if err != nil {
				t.Fatal(err)
			}
			v, err := e.Eval(in)
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range m.Plan.DecodeOutput(v) {
				want := outputs[k][i]
				if off := math.Abs(got - want); off > r.OutputError+1e-4*max(1, math.Abs(want)) {
					t.Errorf("sample %d: output %d is off by %.3g, more than the %.3g that the compilation states", k, i, off, r.OutputError)
				}
			}
		}
	})
}
