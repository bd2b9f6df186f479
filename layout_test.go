// Package pascaline_test holds what must be true of the repository as a whole.
package pascaline_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// floors lists the packages of the project from the ground up. A package imports
// none of its own floor or above, but for internal packages, which anybody may
// import and which import what they serve.
var floors = [][]string{
	{"api", "ring"},
	{"correlation", "dataset", "link", "pillar", "store"},
	{"model", "mpspdz", "dealer"},
	{"model/zoo", "offline", "online"},
	{"bench", "party", "plugins", "plugins/conformance", "plugins/sdk"},
	{"estimate", "evaluation"},
	{"cmd/pascaline", "cmd/pillar", "examples/backend-file", "examples/session"},
}

func TestImportsPointDown(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatalf("listing the packages: %v", err)
	}
	floorOf := map[string]int{}
	for i, floor := range floors {
		for _, p := range floor {
			floorOf["pascaline/"+p] = i
		}
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg, imports := fields[0], fields[1:]
		if !strings.HasPrefix(pkg, "pascaline/cmd/pillar") && slices.ContainsFunc(imports, func(p string) bool { return strings.HasPrefix(p, "github.com/gomlx/") }) {
			t.Errorf("%s imports a framework of machine learning: only cmd/pillar does", pkg)
		}
		if pkg == "pascaline" || strings.Contains(pkg, "/internal/") {
			continue
		}
		floor, known := floorOf[pkg]
		if !known {
			t.Errorf("%s has no floor: give it one here, and in the README", pkg)
			continue
		}
		for _, imported := range imports {
			if !strings.HasPrefix(imported, "pascaline/") || strings.Contains(imported, "/internal/") {
				continue
			}
			if below, ok := floorOf[imported]; !ok || below >= floor {
				t.Errorf("%s imports %s, which is not below it", pkg, imported)
			}
		}
		if pkg == "pascaline/ring" && slices.ContainsFunc(imports, func(p string) bool { return strings.HasPrefix(p, "pascaline/") }) {
			t.Error("ring imports something of the project")
		}
	}
}

// The backend in docs/backends.md is complete, as it says there.
func TestTheBackendInTheDocumentationCompiles(t *testing.T) {
	page, err := os.ReadFile("docs/backends.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, found := strings.Cut(string(page), "```go\n")
	code, _, closed := strings.Cut(code, "```")
	if !found || !closed {
		t.Fatal("docs/backends.md has no Go code")
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(code), 0o666); err != nil {
		t.Fatal(err)
	}
	// An overlay puts it into the module, where the SDK is.
	place, err := filepath.Abs("examples/documented/main.go")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {place: source}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "build", "-overlay", list, "-o", filepath.Join(dir, "backend"), "./examples/documented").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
