package conformance

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"pascaline/correlation"
)

// Status says how a check ended.
type Status string

// How checks end. NotRun is for those that another's failure makes impossible.
const (
	Passed Status = "ok"
	Failed Status = "FAILED"
	NotRun Status = "not run"
)

// Result is the result of one check.
type Result struct {
	Kind   string `json:"kind,omitempty"` // empty where it concerns the whole backend
	Check  string `json:"check"`
	Status Status `json:"status"`
	// Detail says what was looked at, or, of a check that failed, which fault was
	// found and what it means.
	Detail string `json:"detail,omitempty"`
}

// Report is what [Check] found.
type Report struct {
	Backend    string   `json:"backend"`
	Version    string   `json:"version"`
	Trust      string   `json:"trust"`
	Results    []Result `json:"results"`
	Throughput []Row    `json:"throughput"`
	// Tests counts the elementary statistical tests, each of a level of 2^−64.
	Tests   int     `json:"tests"`
	Seconds float64 `json:"seconds"`
}

// Err is nil if nothing failed, and else names the first fault and counts the
// others.
func (r *Report) Err() error {
	var first *Result
	failed := 0
	for i, x := range r.Results {
		if x.Status == Failed {
			if failed++; first == nil {
				first = &r.Results[i]
			}
		}
	}
	if first == nil {
		return nil
	}
	more := ""
	if failed > 1 {
		more = fmt.Sprintf(" (and %d more checks failed)", failed-1)
	}
	return fmt.Errorf("backend %s: %s: %s%s", r.Backend, strings.TrimSpace(first.Kind+" "+first.Check), first.Detail, more)
}

// Confidence returns b where a correct backend fails some statistical test with a
// probability of at most 2^−b.
func (r *Report) Confidence() float64 {
	return levelBits - math.Log2(float64(max(1, r.Tests)))
}

// String returns the report as a table.
func (r *Report) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s\ntrust: %s\n\n", r.Backend, r.Version, r.Trust)
	w := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	counts := map[Status]int{}
	kind := ""
	for _, x := range r.Results {
		counts[x.Status]++
		name := x.Kind
		if name == kind {
			name = ""
		}
		kind = x.Kind
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", name, x.Check, x.Status, x.Detail)
	}
	w.Flush()
	if len(r.Throughput) > 0 {
		text.WriteString("\n" + Table(r.Throughput))
	}
	fmt.Fprintf(&text, "\n%d checks passed, %d failed, %d not run, in %.1f s; %d statistical tests, of which a correct\nbackend fails any with a probability below 2^-%d\n",
		counts[Passed], counts[Failed], counts[NotRun], r.Seconds, r.Tests, int(r.Confidence()))
	return text.String()
}

// Row is what correlations of one kind cost.
type Row struct {
	Kind     string  `json:"kind"`
	Pool     string  `json:"pool"` // which: correlation.Spec.Pool
	Elements int     `json:"elements"`
	Seconds  float64 `json:"seconds"`
	// PerSecond is elements a second, both parties on this machine.
	PerSecond float64 `json:"elements_per_second"`
	// CPUSeconds is both parties' processor time, where they are in this process.
	CPUSeconds float64 `json:"cpu_seconds,omitempty"`
	// ToServer and ToClient are bytes through the twin for each element.
	ToServer float64 `json:"to_server_bytes_per_element"`
	ToClient float64 `json:"to_client_bytes_per_element"`
	// Halves are the bytes of the server's and the client's half for each element.
	Halves [2]float64 `json:"half_bytes_per_element"`
}

// newRow is the row of an answer whose call took so long, and of the traffic
// before and after it.
func newRow(a *answer, took time.Duration, before, after [2]int64) Row {
	n := float64(a.spec.N)
	row := Row{
		Kind: a.spec.Kind.String(), Pool: pool(a.spec), Elements: a.spec.N,
		Seconds: took.Seconds(), PerSecond: n / max(took, time.Microsecond).Seconds(),
		ToClient: float64(after[0]-before[0]) / n, ToServer: float64(after[1]-before[1]) / n,
	}
	for party, h := range a.halves {
		row.Halves[party] = float64(size(h)) / n
	}
	return row
}

// size is how many bytes a half takes in a store.
func size(h *correlation.Half) int {
	head, _, err := h.Slice(0, 1).Encode()
	if err != nil {
		return 0 // for a half that is not valid, which generate refused
	}
	return len(head) + h.Spec.N*h.RowSize()
}

// Table returns rows as a table.
func Table(rows []Row) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 3, ' ', tabwriter.AlignRight)
	cpu := false
	for _, r := range rows {
		cpu = cpu || r.CPUSeconds > 0
	}
	columns := []string{"correlations", "elements", "seconds", "a second", "CPU s", "to server", "to client", "server holds", "client holds"}
	line := func(cells []string) {
		if !cpu {
			cells = append(append([]string{}, cells[:4]...), cells[5:]...)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t")+"\t")
	}
	line(columns)
	for _, r := range rows {
		line([]string{
			r.Pool, fmt.Sprint(r.Elements), fmt.Sprintf("%.3f", r.Seconds), fmt.Sprintf("%.0f", r.PerSecond), fmt.Sprintf("%.3f", r.CPUSeconds),
			fmt.Sprintf("%.1f B", r.ToServer), fmt.Sprintf("%.1f B", r.ToClient), fmt.Sprintf("%.1f B", r.Halves[0]), fmt.Sprintf("%.1f B", r.Halves[1]),
		})
	}
	w.Flush()
	return text.String() + "bytes are for each element: through the twin, and in the store\n"
}
