package main

import (
	"strings"
	"testing"

	"pascaline/cmd/pillar/internal/training"
	"pascaline/dataset"
)

func TestGreyImagesAmongColouredOnesAreCounted(t *testing.T) {
	s := &dataset.Set{Name: "pets", H: 1, W: 2, C: 3, Classes: []string{"cat", "dog"}}
	for i := range 20 {
		pixel := []uint8{uint8(i), uint8(i), uint8(i)}
		s.Pixels, s.Labels = append(append(s.Pixels, pixel...), pixel...), append(s.Labels, int32(i%2))
	}
	s.Pixels[len(s.Pixels)-1]++
	f := trainFlags{Options: training.Options{Epochs: 100, Batch: 1}}
	var out strings.Builder
	f.warn(&out, s)
	if want := "warning: 19 of 20 images are grey"; !strings.Contains(out.String(), want) {
		t.Errorf("not said: %s\n%s", want, out.String())
	}
	f.channel = 3
	out.Reset()
	if f.warn(&out, s); out.Len() > 0 {
		t.Errorf("coloured images were asked for: %s", out.String())
	}
	f.channel = 0
	s.Pixels[0]++
	s.Pixels[6]++
	s.Pixels[12]++
	out.Reset()
	if f.warn(&out, s); strings.Contains(out.String(), "grey") {
		t.Errorf("4 coloured images of 20: %s", out.String())
	}
	s.C, s.W = 1, 6
	out.Reset()
	if f.warn(&out, s); strings.Contains(out.String(), "grey") {
		t.Errorf("grey images of a grey set: %s", out.String())
	}
}
