package correlation

import (
	"strings"
	"testing"
)

func TestAKindIsParsedFromItsName(t *testing.T) {
	for _, k := range Kinds() {
		if got, err := ParseKind(k.String()); err != nil || got != k {
			t.Errorf("%v parses to %v, %v", k, got, err)
		}
	}
}

func TestAnUnknownKindIsAnsweredWithThoseThereAre(t *testing.T) {
	for _, name := range []string{"", "triple", "Triples", "triples ", " triples", "kind 1", "kind 0", "1", strings.Repeat("x", 1<<20)} {
		_, err := ParseKind(name)
		if err == nil {
			t.Errorf("%.20q is a kind", name)
			continue
		}
		for _, k := range Kinds() {
			if !strings.Contains(err.Error(), k.String()) {
				t.Errorf("error %v does not name %v", err, k)
			}
		}
		if len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

// Kinds are stored and sent by number and by name.
func TestTheNumbersAndNamesOfKindsAreFixed(t *testing.T) {
	want := []string{"kind 0", "triples", "squares", "products", "matrix", "convolution", "powers", "linear", "kind 8", "kind 9"}
	for i, name := range want {
		if got := Kind(i).String(); got != name {
			t.Errorf("kind %d is called %q, not %q", i, got, name)
		}
	}
	if got := Kind(255).String(); got != "kind 255" {
		t.Errorf("kind 255 is called %q", got)
	}
	for i, k := range Kinds() {
		if int(k) != i+1 {
			t.Errorf("kind %d is listed at %d", k, i)
		}
	}
}
