package training

import (
	"math"
	"slices"
	"testing"

	"pascaline/ring"
)

// Every image is shown once in an epoch, in another order in each, and its label stays
// with it.
func TestAnEpochShowsEveryImageOnce(t *testing.T) {
	set := stripes(64)
	o := quick()
	o.Augment = Augmentation{}
	pixels := map[string]int32{}
	for i := range set.Len() {
		pixels[string(set.Pixels[64*i:64*(i+1)])] = set.Labels[i]
	}
	var orders [][]string
	for epoch := range 2 {
		var shown []string
		for b := range o.batches(t.Context(), set, epoch) {
			for shard, x := range b.images {
				n := x.Shape().Dimensions[1]
				x.MustConstFlatData(func(flat any) {
					for i := range n {
						var image []byte
						for _, v := range flat.([]float32)[64*i : 64*(i+1)] {
							image = append(image, byte(math.Round(255*float64(v))))
						}
						if label, known := pixels[string(image)]; !known || label != b.classes[shard][i] {
							t.Errorf("epoch %d shows an image that is not in the set with this label", epoch)
						}
						shown = append(shown, string(image))
					}
				})
			}
		}
		if len(shown) != 64 {
			t.Fatalf("epoch %d shows %d images of 64", epoch, len(shown))
		}
		orders = append(orders, slices.Clone(shown))
		slices.Sort(shown)
		if len(slices.Compact(shown)) != len(pixels) {
			t.Errorf("epoch %d shows %d different images of %d", epoch, len(shown), len(pixels))
		}
	}
	if slices.Equal(orders[0], orders[1]) {
		t.Error("two epochs have the same order")
	}
}

// An image of one light pixel shows where augmentation puts it.
func TestAugmentationMovesMirrorsAndCovers(t *testing.T) {
	src := make([]uint8, 25)
	src[1*5+3] = 255 // row 1, column 3
	for name, c := range map[string]struct {
		view view
		want int // or -1
	}{
		"as it is":       {view{}, 8},
		"down and left":  {view{down: 2, right: -3}, 15},
		"out":            {view{right: 2}, -1},
		"mirrored":       {view{flip: true}, 6},
		"mirrored, down": {view{flip: true, down: 1}, 11},
		"covered":        {view{top: 0, left: 2, covered: 2}, -1},
		"beside a cover": {view{top: 2, left: 2, covered: 2}, 8},
	} {
		v := c.view
		v.h, v.w = 5, 5
		dst := make([]float32, 25)
		v.copy(dst, src, 1)
		if got := slices.Index(dst, 1); got != c.want {
			t.Errorf("%s: the pixel is at %d, want %d", name, got, c.want)
		}
	}
	a := Augmentation{Shift: 3, Flip: true, Cutout: 2}
	s := ring.NewStream(ring.Seed{1}, "views")
	flips, least, most := 0, 0, 0
	for range 1000 {
		v := a.draw(s, 5, 5)
		if v.flip {
			flips++
		}
		least, most = min(least, v.down, v.right), max(most, v.down, v.right)
	}
	if flips < 400 || flips > 600 || least != -3 || most != 3 {
		t.Errorf("of 1000 views %d are mirrored, and they move by %d to %d", flips, least, most)
	}
}

// The cosine falls from the rate to nothing; one cycle rises to the rate first.
func TestSchedulesReachTheRate(t *testing.T) {
	for schedule, want := range map[string][3]float64{ // at the first step, at most, at the last
		"cosine":   {1, 1, 0},
		"onecycle": {cycleFirst, 1, cycleLast},
	} {
		o := Options{Schedule: schedule, Rate: 1}
		const steps = 10_000
		most := 0.0
		for i := range steps {
			most = max(most, o.rate(i, steps))
		}
		for k, got := range []float64{o.rate(0, steps), most, o.rate(steps-1, steps)} {
			if math.Abs(got-want[k]) > 1e-3 {
				t.Errorf("%s: the rates begin, peak and end with %v, %v, %v, want %v", schedule, o.rate(0, steps), most, o.rate(steps-1, steps), want)
			}
		}
	}
}
