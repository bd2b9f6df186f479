package conformance

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pascaline/correlation"
)

func TestARowIsWhatACorrelationCosts(t *testing.T) {
	kinds := []correlation.Kind{triples, powers, linear}
	told := 0
	rows, err := Bench(t.Context(), new(dealing), new(dealing), BenchOptions{
		Kinds: kinds, Elements: 20, InProcess: true, Done: func(Row) { told++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", Table(rows))
	if len(rows) != 3 || told != 3 {
		t.Fatalf("%d rows, %d told", len(rows), told)
	}
	// A head takes 120 bytes and is all that a seed takes: of triples c is
	// explicit at party 0, of powers the six words of the shares of ρ² to ρ⁴, of
	// linear ones y at party 1, which is sent party 0's way round.
	const head, n = 120.0, 20
	image := 8.0 * float64(benchSpec(linear, 1).Shape.OutLen())
	for i, want := range []Row{
		{Pool: "triples", ToClient: head / n, Halves: [2]float64{8 + head/n, head / n}},
		{Pool: "powers/4/52", ToClient: head / n, Halves: [2]float64{48 + head/n, head / n}},
		{Pool: "linear/16x16x32/3x3x32/s1x1/p1x1x1x1", ToServer: image, ToClient: image + head/n, Halves: [2]float64{head / n, image + head/n}},
	} {
		got := rows[i]
		if got.Pool != want.Pool || got.Kind != kinds[i].String() || got.Elements != n {
			t.Errorf("%+v", got)
		}
		if got.ToServer != want.ToServer || got.ToClient != want.ToClient || got.Halves != want.Halves {
			t.Errorf("%s: %v and %v bytes sent, %v held; want %v, %v, %v", want.Pool, got.ToServer, got.ToClient, got.Halves, want.ToServer, want.ToClient, want.Halves)
		}
		if got.Seconds <= 0 || got.PerSecond <= 0 || got.CPUSeconds < 0 {
			t.Errorf("%+v", got)
		}
	}
}

func TestABenchOfWhatIsWrongFails(t *testing.T) {
	for _, c := range []struct {
		dealing
		o    BenchOptions
		want string
	}{
		{wrongHalves[0].dealing, BenchOptions{Kinds: []correlation.Kind{triples}}, "do not add up"},
		{dealing{describe: func(d *correlation.Description) { d.Kinds = d.Kinds[:1] }}, BenchOptions{Kinds: []correlation.Kind{powers}}, "does not make them"},
		{dealing{describe: func(d *correlation.Description) { d.Name = "" }}, BenchOptions{}, "a name is one word"},
		{dealing{}, BenchOptions{Kinds: []correlation.Kind{linear}, Elements: 1 << 20}, "make at most"},
		{dealing{open: func(*dealingRun) error { return errors.New("closed") }}, BenchOptions{}, "measuring triples: opening a run: party 0 failed: closed"},
	} {
		if _, err := Bench(t.Context(), &c.dealing, &c.dealing, c.o); err == nil || !strings.Contains(strings.Replace(err.Error(), "party 1", "party 0", 1), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func TestACheckThatIsInterruptedSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := Check(ctx, new(dealing), new(dealing), Options{sizes: &tiny, Done: func(x Result) {
		if x.Check == checkAnswers {
			cancel()
		}
	}})
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Error(err)
	}
	for _, x := range r.Results[:len(r.Results)-1] {
		if x.Status == Failed {
			t.Errorf("a backend is charged with the interruption: %+v", x)
		}
	}
}

func TestAKindThatIsNotDeclaredCannotBeChecked(t *testing.T) {
	b := &dealing{describe: func(d *correlation.Description) { d.Kinds = d.Kinds[:2] }}
	r := Check(t.Context(), b, b, Options{Kinds: []correlation.Kind{powers}, sizes: &tiny})
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "does not declare powers: it makes triples, squares") {
		t.Error(err)
	}
}
