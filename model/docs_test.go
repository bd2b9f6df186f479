package model

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The page for those who train in PyTorch has the code that the fixtures are made
// with, names every operator that is imported, and every function that is replaced.
func TestThePageOnPyTorchIsTrueToTheCode(t *testing.T) {
	data, err := os.ReadFile("../docs/pytorch.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	rest := page
	for _, file := range []string{"pillar.py", "digits.py"} {
		want, err := os.ReadFile(filepath.Join("testdata/pytorch", file))
		if err != nil {
			t.Fatal(err)
		}
		_, code, found := strings.Cut(rest, "```python\n")
		code, after, closed := strings.Cut(code, "```")
		if !found || !closed {
			t.Fatalf("the page has no code for %s", file)
		}
		if code != string(want) {
			t.Errorf("the page's code is not that of %s: copy one to the other", file)
		}
		rest = after
	}
	for op := range operators {
		if !strings.Contains(page, "`"+op+"`") {
			t.Errorf("the page does not name %s", op)
		}
	}
	for op := range constantOperators {
		if !strings.Contains(page, "`"+op+"`") {
			t.Errorf("the page does not name %s", op)
		}
	}
	for _, f := range functions {
		if !strings.Contains(page, "`"+f+"`") {
			t.Errorf("the page does not name %s", f)
		}
	}
	for _, f := range dropped {
		if !strings.Contains(page, f+"=drop") {
			t.Errorf("the page does not say %s=drop", f)
		}
	}
}
