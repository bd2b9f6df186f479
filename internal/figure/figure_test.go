package figure

import (
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
