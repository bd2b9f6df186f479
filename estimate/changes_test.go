package estimate

import (
	"math"
	"strings"
	"testing"

	"pascaline/link"
)

func TestChangesAreReadInAnyOrder(t *testing.T) {
	c, err := ParseChanges([]string{"sigma=50", "margin=1.25", "degree=2", "batch=8"})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.String(); got != "degree=2 sigma=50 margin=1.25 batch=8" {
		t.Errorf("read as %q", got)
	}
	for _, k := range keys {
		if !strings.Contains(Keys(), k.name+" ") {
			t.Errorf("%s is not described", k.name)
		}
	}
}

func TestChangesThatAreNoneAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "degree, sigma, margin, fa, fw, batch, bundles",
		"depth=3":           "degree, sigma, margin, fa, fw, batch, bundles",
		"degree":            "from 2 to 8",
		"degree=":           "from 2 to 8",
		"degree=1":          "from 2 to 8",
		"degree=9":          "from 2 to 8",
		"degree=2.5":        "whole number",
		"sigma=61":          "from 30 to 60",
		"sigma=NaN":         "from 30 to 60",
		"margin=0.9":        "a number from 1 to 1024",
		"margin=Inf":        "a number from 1 to 1024",
		"fa=3":              "from 4 to 24",
		"fw=25":             "from 4 to 24",
		"batch=0":           "from 1 to 1048576",
		"bundles=-1":        "from 1 to 1048576",
		"bundles=1e300":     "from 1",
		"degree=2 degree=2": "twice",
	} {
		if _, err := ParseChanges(strings.Split(text, " ")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestALowerDegreeCostsLess(t *testing.T) {
	m := builtIn(t)
	o := Options{Networks: []link.Network{link.WAN}, Rates: EPYC()}
	last := 0.0
	for _, degree := range []string{"2", "3", "4", "5", "6", "7", "8"} {
		c, err := ParseChanges([]string{"degree=" + degree})
		if err != nil {
			t.Fatal(err)
		}
		changed, o, err := c.Apply(m, o)
		if err != nil {
			t.Fatal(err)
		}
		e, err := New(changed, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range e.Nodes {
			if a := n.Activation; a != nil && string(rune('0'+a.Degree)) != degree {
				t.Errorf("degree %s: node %q has %d", degree, n.Name, a.Degree)
			}
		}
		if cpu := e.Backends[0].CPU(); cpu <= last {
			t.Errorf("degree %s takes %v s, less than the one before", degree, cpu)
		} else {
			last = cpu
		}
		if s := m.Plan.Summary(); e.Rounds != s.Rounds || e.BytesUp != s.BytesUp {
			t.Errorf("degree %s: %d rounds and %d bytes", degree, e.Rounds, e.BytesUp)
		}
	}
}

func TestMoreHidingTakesBitsFromScales(t *testing.T) {
	m := builtIn(t)
	changed, _, err := Changes{Sigma: 46}.Apply(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	before, after := m.Plan.Distance(), changed.Plan.OpeningDistance()
	if bits := math.Log2(before / after); bits < 5.5 {
		t.Errorf("six bits more make the distance %v bits less", bits)
	}
	for i, n := range changed.Plan.Nodes {
		if n.Act != nil && (n.Act.M > 16 || m.Plan.Nodes[i].Act.M <= 16) {
			t.Errorf("node %q is below 2^%d, and was below 2^%d", n.Name, n.Act.M, m.Plan.Nodes[i].Act.M)
		}
	}
	if changed.Weights != nil {
		t.Error("there are weights for scales that they were not rounded to")
	}
}

func TestHowAModelIsUsedChangesNothingInIt(t *testing.T) {
	m := builtIn(t)
	changed, o, err := Changes{Batch: 8, Bundles: 3}.Apply(m, Options{Batch: 1})
	if err != nil || changed != m || o.Batch != 8 || o.Bundles != 3 {
		t.Errorf("%v, %+v, %v", changed == m, o, err)
	}
}

func TestAChangeBeyondTheBudgetNamesTheLayer(t *testing.T) {
	m := builtIn(t)
	for text, wants := range map[string][]string{
		"sigma=58":         {`layer "`, "σ = 58", "it fits with σ = "},
		"fa=20 fw=20":      {`layer "`, "20"},
		"fa=12 fw=12":      {`layer "`, "ask for fewer"},
		"margin=1000 fw=9": {`layer "`, "ask for fewer"},
	} {
		c, err := ParseChanges(strings.Split(text, " "))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.Apply(m, Options{})
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nlacks %s", text, err, want)
			}
		}
	}
	// A plan alone does not hold what calibration saw.
	c := Changes{Margin: 2}
	if _, _, err := c.Apply(m.PlanOnly(), Options{}); err == nil || !strings.Contains(err.Error(), "margin") {
		t.Errorf("another margin of a plan: %v", err)
	}
}
