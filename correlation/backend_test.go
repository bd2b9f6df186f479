package correlation

import (
	"strings"
	"testing"

	"pascaline/ring"
)

func TestRequestsAreChecked(t *testing.T) {
	shape := ring.LinearShape(4, 3)
	linear := Spec{Kind: Linear, N: 2, Shape: shape, Layer: 1}
	layers := []Layer{{Shape: testShape()}, {Shape: shape, Weights: make([]int16, 12)}}
	at := [2]Run{{Party: 0, Layers: layers}, {Party: 1, Layers: []Layer{{Shape: testShape()}, {Shape: shape}}}}
	with := func(change func(*Spec)) Spec {
		s := linear
		change(&s)
		return s
	}
	for _, tc := range []struct {
		request Request
		run     Run
		want    string // nothing where the request is good
	}{
		{Request{Spec: Spec{Kind: Triples, N: 5}}, at[0], ""},
		{Request{Spec: Spec{Kind: Powers, N: 5, Degree: 4, MaskBits: 50}}, at[1], ""},
		{Request{Spec: MatrixSpec(1, 2, 3, 4, true)}, Run{Party: 1}, ""},
		{Request{Spec: linear}, at[0], ""},
		{Request{Spec: linear, Input: make([]uint64, 8)}, at[1], ""},
		{Request{}, at[0], "a request for correlation of unknown kind 0"},
		{Request{Spec: Spec{Kind: Triples}}, at[0], "a request for triples of 0 elements"},
		{Request{Spec: Spec{Kind: Triples, N: 1 << 40}}, at[0], "a request for triples of 1099511627776 elements"},
		{Request{Spec: Spec{Kind: Triples, N: 5}, Input: make([]uint64, 5)}, at[1], "a request for triples with an input of 5 elements, not 0"},
		{Request{Spec: linear}, at[1], "a request for linear with an input of 0 elements, not 8"},
		{Request{Spec: linear, Input: make([]uint64, 4)}, at[1], "an input of 4 elements, not 8"},
		{Request{Spec: linear, Input: make([]uint64, 8)}, at[0], "an input of 8 elements, not 0"},
		{Request{Spec: with(func(s *Spec) { s.Layer = 0 })}, at[0], "layer 0, which this run does not have in that shape"},
		{Request{Spec: with(func(s *Spec) { s.Layer = 2 })}, at[0], "layer 2, which this run does not have"},
		{Request{Spec: with(func(s *Spec) { s.Layer = MaxElements })}, at[0], "layer 268435456, which this run does not have"},
		{Request{Spec: with(func(s *Spec) { s.Layer = -1 })}, at[0], "linear: layer -1"},
		{Request{Spec: linear}, Run{}, "layer 1, which this run does not have"},
		{Request{Spec: linear}, Run{Layers: at[1].Layers}, "layer 1, which has 0 weights and not 12"},
	} {
		err := tc.request.Validate(tc.run)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%v at party %d: error %v, want one with %q", tc.request, tc.run.Party, err, tc.want)
		}
	}
}

func TestABackendMakesTheKindsItSays(t *testing.T) {
	d := Description{Kinds: []Kind{Powers, Linear}}
	for _, k := range Kinds() {
		if d.Makes(k) != (k == Powers || k == Linear) {
			t.Errorf("%v: %v", k, d.Makes(k))
		}
	}
}
