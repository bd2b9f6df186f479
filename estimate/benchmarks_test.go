package estimate

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pascaline/link"
	"pascaline/model/zoo"
)

// table returns the cells of the first table of docs/benchmarks.md that has the given
// header.
func table(t *testing.T, header string) (rows [][]string) {
	t.Helper()
	page, err := os.ReadFile("../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n| "+header+" |")
	if !found {
		t.Fatalf("docs/benchmarks.md has no table of %s", header)
	}
	for i, line := range strings.Split(rest, "\n") {
		if i < 2 { // the rest of the header, and what separates it
			continue
		}
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(line, "| "), "|")
		for k := range cells {
			cells[k] = strings.TrimSpace(cells[k])
		}
		rows = append(rows, cells)
	}
	return rows
}

// figures reads the numbers of a cell, in seconds where they are times.
func figures(t *testing.T, cell string) (numbers []float64) {
	t.Helper()
	for text := range strings.SplitSeq(cell, ", ") {
		unit := 1.0
		if n, ok := strings.CutSuffix(text, " ms"); ok {
			text, unit = n, 1e-3
		}
		text = strings.TrimSuffix(strings.TrimSuffix(text, " s"), " MB")
		v, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
		if err != nil {
			t.Fatalf("%q is no figure", cell)
		}
		numbers = append(numbers, unit*v)
	}
	return numbers
}

// named returns the network of the zoo that the page calls by a name.
func named(name string) string { return strings.ToLower(strings.ReplaceAll(name, "-", "")) }

// near reports an estimate that is not within a factor of what was measured.
func near(t *testing.T, what string, estimate, measured, factor float64) {
	t.Helper()
	if ratio := estimate / measured; !(ratio < factor && ratio > 1/factor) {
		t.Errorf("%s: %.3g estimated and %.3g measured, %.2f times", what, estimate, measured, ratio)
	} else {
		t.Logf("%s: %.3g estimated, %.3g measured, %+.0f %%", what, estimate, measured, 100*(ratio-1))
	}
}

func TestLatenciesAreEstimatedAsTheyWereMeasured(t *testing.T) {
	rows := table(t, "network | | latency")
	seen := map[string]bool{}
	for _, row := range rows {
		setting, err := link.ParseNetwork(row[1])
		if err != nil {
			t.Fatal(err)
		}
		seen[named(row[0])] = true
		e := estimated(t, shaped(t, named(row[0])), Options{Networks: []link.Network{setting}})
		// Where work counts, both parties share the machine that was measured.
		factor := 1.5
		if setting.Delay >= link.WAN.Delay {
			factor = 1.05
		}
		near(t, row[0]+" over "+row[1], e.Latency[0].Seconds, figures(t, row[2])[0], factor)
	}
	if len(seen) != len(zoo.Names()) {
		t.Errorf("docs/benchmarks.md has %d networks", len(seen))
	}
}

func TestBundlesAreEstimatedAsTheyWereMeasured(t *testing.T) {
	for _, row := range table(t, "network | backend | bundles in a run") {
		bundles := int(figures(t, row[2])[0])
		e := estimated(t, shaped(t, named(row[0])), Options{Bundles: bundles})
		b := e.Backends[slices.IndexFunc(e.Backends, func(b *Backend) bool { return b.Name == row[1] })]
		what := func(figure string) string { return fmt.Sprintf("%s, %s by %s", row[0], figure, row[1]) }
		cpu := []float64{b.ClientCPU, b.ServerCPU, b.DealerCPU}
		for i, measured := range figures(t, row[4]) {
			near(t, what([]string{"CPU of the client", "of the server", "of the dealer"}[i]), cpu[i], measured, 1.4)
		}
		bytes := []float64{b.UpBytes / 1e6, b.DownBytes / 1e6, float64(b.ClientStore) / 1e6, float64(b.ServerStore) / 1e6}
		for i, measured := range slices.Concat(figures(t, row[5]), figures(t, row[6])) {
			// The page has three digits, of bytes on the wire.
			near(t, what([]string{"MB up", "MB down", "client's MB stored", "server's"}[i]), bytes[i], measured, 1.012)
		}
	}
}

// The page says what degree 2 makes of ResNet-18.
func TestADegreeIsEstimatedAsItWasMeasured(t *testing.T) {
	page, err := os.ReadFile("../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(page)), " ")
	if !strings.Contains(text, "At degree 2 ResNet-18 takes 38 ms online, and 2.4 CPU seconds and 99 MB offline by homomorphic encryption.") {
		t.Fatal("docs/benchmarks.md does not say any more what ResNet-18 takes at degree 2")
	}
	e := estimated(t, shaped(t, "resnet18/2"), Options{Bundles: 8, Networks: []link.Network{{}}})
	near(t, "online", e.Latency[0].Seconds, 0.038, 1.5)
	near(t, "CPU", e.Backends[0].CPU(), 2.4, 1.4)
	near(t, "MB", (e.Backends[0].UpBytes+e.Backends[0].DownBytes)/1e6, 99, 1.012)
	if d := e.Backends[0].Distance; math.Abs(math.Log2(d/e.Backends[1].Distance)) > 0.2 {
		t.Errorf("homomorphic encryption makes the distance %v", d)
	}
}
