package evaluation

import (
	"fmt"
	"image"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pascaline/dataset"
	"pascaline/model"
)

// many evaluates 50 classes of coloured 8×8 images, of which the network takes the
// images of class 40 for 41.
func many(t testing.TB) *Evaluation {
	t.Helper()
	const classes, each = 50, 3
	s := &dataset.Set{Name: "things", Format: "pictures", Split: dataset.Train, H: 8, W: 8, C: 3, Total: classes * each}
	for k := range classes {
		s.Classes = append(s.Classes, fmt.Sprintf("thing %d", k))
		for i := range each {
			px := make([]uint8, 8*8*3)
			px[k] = uint8(100 + i)
			if k == 40 {
				px[41] = 200
			}
			s.Pixels, s.Labels, s.Names = append(s.Pixels, px...), append(s.Labels, int32(k)), append(s.Names, fmt.Sprintf("train/thing %d/%d.png", k, i))
		}
	}
	return evaluated(t, brightest(t, model.Shape{H: 8, W: 8, C: 3}, classes), s)
}

func pageOf(t testing.TB, e *Evaluation) string {
	t.Helper()
	var b strings.Builder
	if err := e.WritePage(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestThePageAsksForNothingFromOutside(t *testing.T) {
	for name, e := range map[string]*Evaluation{"five": five(t), "many": many(t)} {
		text := pageOf(t, e)
		// Pictures are 64 letters in any order, "//w" among them.
		bare := regexp.MustCompile(`base64,[^"]*`).ReplaceAllString(text, "")
		if found := regexp.MustCompile(`(?i)https?:|//[a-z]|@import|<script|url\(|javascript:`).FindString(bare); found != "" {
			t.Errorf("%s: the page has %q", name, found)
		}
		for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
			if !strings.HasPrefix(m[1], "data:") {
				t.Errorf("%s: the page refers to %q", name, m[1])
			}
		}
	}
}

func TestNamesOnThePageAreTextWhateverTheyAre(t *testing.T) {
	evil := `"><script>alert('x')</script>`
	set := images([]string{evil, "b"}, []int32{0, 1}, [4]uint8{1, 200}, [4]uint8{200, 1})
	set.Name, set.Names = evil, []string{evil, "two"}
	e := evaluated(t, brightest(t, model.Shape{H: 2, W: 2, C: 1}, 2), set)
	e.Command = evil
	text := pageOf(t, e)
	if strings.Contains(text, "<script") || strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "ZgotmplA") {
		t.Error("a name has become a part of the page")
	}
	if n := strings.Count(text, "alert(&#39;x&#39;)"); n < 8 {
		t.Errorf("the name is shown %d times", n)
	}
}

func TestThePageSaysHowManyPicturesItLeavesOut(t *testing.T) {
	var labels []int32
	var values [][4]uint8
	for i := range shownCases + 9 {
		labels, values = append(labels, 0), append(values, [4]uint8{uint8(i), 200})
	}
	e := evaluated(t, brightest(t, model.Shape{H: 2, W: 2, C: 1}, 2), images([]string{"a", "b"}, labels, values...))
	text := pageOf(t, e)
	if n := strings.Count(text, "<img "); n != shownCases {
		t.Errorf("%d pictures are shown, want %d", n, shownCases)
	}
	for _, want := range []string{fmt.Sprintf("%d in all", shownCases+9), "9 are left out", "7 left out"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestColoursOfTheMatrixFollowItsCounts(t *testing.T) {
	for _, c := range []struct {
		v     float64
		right bool
		worst float64
		want  string
	}{{0, true, 0, "zero"}, {0, false, 1, "zero"}, {1, true, 0, "right10"}, {0.01, true, 1, "right1"}, {0.5, true, 1, "right5"},
		{0.02, false, 0.02, "wrong10"}, {0.001, false, 0.02, "wrong1"}, {0.3, false, 0.6, "wrong5"}} {
		if got := heat(c.v, c.right, c.worst); got != c.want {
			t.Errorf("%v, right %v, worst %v: %s, want %s", c.v, c.right, c.worst, got, c.want)
		}
	}
}

func TestPicturesAreShownAtAWholeMultipleOfTheirSize(t *testing.T) {
	for _, c := range []struct {
		w, h, shownW, shownH int
		pixels               bool
	}{{28, 28, 140, 140, true}, {32, 32, 128, 128, true}, {100, 50, 100, 50, true}, {224, 112, 140, 70, false}, {5000, 3, 140, 1, false}} {
		if w, h, pixels := shownSize(c.w, c.h); w != c.shownW || h != c.shownH || pixels != c.pixels {
			t.Errorf("%d×%d is shown as %d×%d, %v", c.w, c.h, w, h, pixels)
		}
	}
	e := many(t)
	img, err := e.set.Picture(120)
	if err != nil {
		t.Fatal(err)
	}
	// Value 40 of the image, at 100, and value 41, at 200, are the green and the blue
	// of pixel 13.
	if px := img.(*image.NRGBA).Pix[4*13:][:4]; !slices.Equal(px, []uint8{0, 100, 200, 255}) {
		t.Errorf("pixel 13 is %v", px)
	}
}
