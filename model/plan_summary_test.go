package model

import (
	"encoding/json"
	"testing"
)

func TestTheSummaryCountsWhatAnInferenceCosts(t *testing.T) {
	s := sampleModel(t).Plan.Summary()
	for name, c := range map[string][2]int{
		"inputs":      {s.Inputs, 32},
		"outputs":     {s.Outputs, 5},
		"activations": {s.Activations, 48 + 12},
		"MACs":        {s.MACs, 48*9*2 + 48*9*3 + 60},
		"parameters":  {s.Parameters, 9*2*3 + 3 + 9*3*3 + 3 + 60 + 5},
		"rounds":      {s.Rounds, 3},
		"bytes up":    {s.BytesUp, 8 * (32 + 60)},
		"bytes down":  {s.BytesDown, 8 * (60 + 5)},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %d, not %d", name, c[0], c[1])
		}
	}
	a := s.Nodes[6].Activation
	if a == nil || a.Round != 2 || a.Degree != 4 || a.HidingBits != 40 || a.Range != 16 || a.Coefficients[1] != 0.5 {
		t.Errorf("the second activation is %+v", a)
	}
	// 4·12 + 10 − 12 bits dropped, of at most 3·(2^16 + 1)^4 + 160·(2^16 + 1)^2·2^24 and so on.
	if a.RangeBits != 22 || a.TruncatedBits != 46 || a.ValueBits != 66 || a.ExactRange < 4096 || a.TruncationError != 0 || a.Calibrated != 0 {
		t.Errorf("the second activation is %+v", a)
	}
	m := compiledModel(t)
	if a := m.Summary().Nodes[2].Activation; a.Calibrated != m.Calibration.Nodes[1].Max || a.Calibrated > a.Range/DefaultMargin {
		t.Errorf("the activation of a compiled model is %+v", a)
	}
	if w := s.Nodes[1].WeightFrac; w != 9 {
		t.Errorf("the first layer's weights have %d fractional bits, not 9", w)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Summary
	if err := json.Unmarshal(b, &back); err != nil || back.Hash != s.Hash || len(back.Nodes) != len(s.Nodes) {
		t.Errorf("the summary does not survive JSON: %v", err)
	}
}
