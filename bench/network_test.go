package bench

import (
	"bytes"
	"encoding/json"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pascaline/link"
)

// sample is a report of one network.
func sample() *Report {
	n := &Network{Name: "resnet18", Degree: 4, Offline: []Offline{{Backend: "lattigo", Seconds: 3, ClientCPU: 2, ServerCPU: 4, SentMB: 100, ReceivedMB: 200}}}
	for i, setting := range []string{"50ms", "loopback", "wan", "10ms", "25ms"} {
		n.Online = append(n.Online, Online{
			Setting: setting, Batch: 1, Latency: []float64{1.9, 0.105, 2.5, 0.46, 1}[i], Floor: []float64{1.82, 0.02, 2.2, 0.38, 0.92}[i],
			SentBytes: 4.5e6, ReceivedBytes: 4.5e6, ClientCPU: 0.05, ServerCPU: 0.06,
		})
	}
	return &Report{Networks: []*Network{n}}
}

func TestTheFloorIsRoundTripsBytesAndMultiplications(t *testing.T) {
	m := Machine{Cores: 2, Peak: 25e9}
	for _, c := range []struct {
		network link.Network
		want    float64
	}{
		{link.Network{}, 0.01},
		{link.Network{Delay: 50 * time.Millisecond}, 1.81},
		{link.WAN, 1.81 + 0.36},
	} {
		if got := Floor(c.network, 18, 4.5e6, 0.5e9, m); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("over %v: %v s, want %v", c.network, got, c.want)
		}
	}
}

func TestAnOutputAgreesByItsClassAndLogitsUnlessTheyTie(t *testing.T) {
	var c Check
	c.Add([]float64{1, 2, -3}, []float64{1.01, 2, -3})
	c.Add([]float64{2, 1.99, -8}, []float64{1.99, 2, -8})
	if !c.Sound() {
		t.Errorf("%+v is not sound", c)
	}
	c.Add([]float64{2, 1}, []float64{1.7, 2})
	want := Check{Agree: 1, Ties: 1, Of: 3, Difference: 1, Range: 10}
	if math.Abs(c.Difference-want.Difference) > 1e-12 || c.Agree != want.Agree || c.Ties != want.Ties || c.Of != want.Of || c.Range != want.Range {
		t.Errorf("%+v, want %+v", c, want)
	}
	if c.Sound() {
		t.Errorf("%+v is sound", c)
	}
}

func TestReportsAreComparedFigureByFigure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.json")
	b, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	old, err := ReadReport(path)
	if err != nil {
		t.Fatal(err)
	}
	now := sample()
	now.Networks[0].Online[1].Latency = 0.09
	now.Networks[0].Offline[0].SentMB = 150
	now.Networks[0].Online[2].Batch = 4                                                                            // something else, with nothing to compare
	now.Networks[0].Offline = append(now.Networks[0].Offline, Offline{Backend: "lattigo", Bundles: 8, Seconds: 1}) // and so is this
	now.Networks = append(now.Networks, &Network{Name: "vgg16", Degree: 4, Online: []Online{{Setting: "wan", Latency: 1}}})
	changes := Compare(old, now)
	if len(changes) != 4*3+3 {
		t.Errorf("%d figures compared, want 15: %v", len(changes), changes)
	}
	var moved []string
	for _, c := range changes {
		if c.Moved() {
			moved = append(moved, c.String())
		}
	}
	want := []string{
		"resnet18, loopback, batch 1: latency (s) 0.09, was 0.105 (×0.86)",
		"resnet18, lattigo: MB 350, was 300 (×1.17)",
	}
	if strings.Join(moved, "\n") != strings.Join(want, "\n") {
		t.Errorf("moved:\n%s\nwant:\n%s", strings.Join(moved, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatIsNoReportIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	for _, content := range []string{"", "{}", "[1,2]", "no JSON", `{"networks":[]}`} {
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadReport(path); err == nil || !strings.Contains(err.Error(), "r.json") {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestAPlotIsAPictureOfTheMeasuredDelays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plot.png")
	n := sample().Networks[0]
	if err := PlotLatency(path, n); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if size := picture.Bounds().Size(); size.X < 900 || size.Y < 500 {
		t.Errorf("the picture is %v", size)
	}
	n.Online = n.Online[2:4] // one of them has a limit of bandwidth
	if err := PlotLatency(path, n); err == nil || !strings.Contains(err.Error(), "a line needs two") {
		t.Errorf("one point: %v", err)
	}
}

func TestEveryKernelIsMeasuredOnEveryShape(t *testing.T) {
	results, err := Kernels(t.Context(), 1, time.Microsecond)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Rate <= 0 || r.Peak <= 0 || r.MACs <= 0 {
			t.Errorf("%+v", r)
		}
	}
}
