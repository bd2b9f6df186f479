package figure

import (
	"fmt"
	"strings"
	"testing"
)

func TestAxesHaveRoundNumbers(t *testing.T) {
	for _, axis := range []struct {
		least, most float64
		want        string
	}{
		{0, 107, "0 20 40 60 80 100"},
		{0, 5.6, "0 1 2 3 4 5"},
		{0, 0.3, "0 0.05 0.1 0.15 0.2 0.25 0.3"},
		{-7.5, 7.5, "-6 -4 -2 0 2 4 6"},
		{-0.55, 0.57, "-0.4 -0.2 0 0.2 0.4"},
	} {
		var labels []string
		for _, tick := range ticks(axis.least, axis.most) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != axis.want {
			t.Errorf("from %v to %v: %s, want %s", axis.least, axis.most, got, axis.want)
		}
	}
}

func TestNumbersAreShort(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 0.1: "0.1", 0.25: "0.25", 4.5: "4.5", 1. / 3: "0.3333", 10: "10", 1000: "1000", 10000: "10000", 123456: "1.235e5",
		1e5: "1e5", 1e6: "1e6", 0.05: "5e-2", 5e-4: "5e-4", 1e-4 * 128 / 96 * 96 / 128: "1e-4", -2: "-2", 99999.96: "100000",
	} {
		if got := Number(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

func TestLogarithmicAxesHavePowersOfTen(t *testing.T) {
	for _, axis := range []struct {
		least, most float64
		want        string
		ticks       int
	}{
		{1, 1000, "1 10 100 1000", 28},
		{5e-7, 2e-2, "1e-6 1e-5 1e-4 1e-3 1e-2", 5 + 9*4 + 2},
		{3, 40, "5 10 20", 11},
	} {
		var labels []string
		ticks := logTicks(axis.least, axis.most)
		for _, tick := range ticks {
			if tick.Label != "" {
				labels = append(labels, tick.Label)
			}
		}
		if got := strings.Join(labels, " "); got != axis.want || len(ticks) != axis.ticks {
			t.Errorf("from %v to %v: %s in %d ticks, want %s in %d", axis.least, axis.most, got, len(ticks), axis.want, axis.ticks)
		}
	}
}

func TestManyLinesAreToldApart(t *testing.T) {
	seen := map[string]bool{}
	for i := range MostSeries {
		hue, dashes := Series(i)
		seen[fmt.Sprint(hue, dashes)] = true
	}
	if len(seen) != MostSeries {
		t.Errorf("%d lines have %d looks", MostSeries, len(seen))
	}
}

func TestFiguresGoToPNGFilesInFoldersThatExist(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir + "/plot.png":        "",
		dir + "/plot.jpg":        "must end in .png",
		dir + "/absent/plot.png": "no folder",
	} {
		err := CheckPath(path)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
