package digits

import (
	"bytes"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pascaline/dataset"
)

// each calls f with every picture.
func each(t *testing.T, f func(name string, im *image.Gray)) {
	t.Helper()
	for digit := range 10 {
		for variant := range Variants {
			im, err := Draw(digit, variant)
			if err != nil {
				t.Fatal(err)
			}
			f(Name(digit, variant), im)
		}
	}
}

func TestDigitsHaveThePlaceAndSizeThatMNISTGivesThem(t *testing.T) {
	each(t, func(name string, im *image.Gray) {
		if im.Rect != image.Rect(0, 0, 28, 28) {
			t.Fatalf("%s is %v", name, im.Rect)
		}
		c := centre(im)
		if math.Abs(c.x-14) > 0.3 || math.Abs(c.y-14) > 0.3 {
			t.Errorf("%s: the centre of mass is (%.2f, %.2f), want (14, 14)", name, c.x, c.y)
		}
		ink := image.Rectangle{}
		for y := range Size {
			for x := range Size {
				if im.GrayAt(x, y).Y >= 128 {
					ink = ink.Union(image.Rect(x, y, x+1, y+1))
				}
			}
		}
		if side := max(ink.Dx(), ink.Dy()); side < 19 || side > 21 {
			t.Errorf("%s: the ink is %v, want 20 pixels at its larger side", name, ink.Size())
		}
		if !ink.In(image.Rect(1, 1, 27, 27)) {
			t.Errorf("%s: the ink reaches %v", name, ink)
		}
	})
}

func TestDrawingIsDeterministicAndNoTwoPicturesAreAlike(t *testing.T) {
	seen := map[string]string{}
	each(t, func(name string, im *image.Gray) {
		if other, ok := seen[string(im.Pix)]; ok {
			t.Errorf("%s and %s are the same picture", name, other)
		}
		seen[string(im.Pix)] = name
	})
	each(t, func(name string, im *image.Gray) {
		if seen[string(im.Pix)] != name {
			t.Errorf("%s is another picture the second time", name)
		}
	})
}

func TestWhatIsNoDigitIsAnError(t *testing.T) {
	for _, c := range [][2]int{{-1, 0}, {10, 0}, {3, -1}, {3, Variants}} {
		if im, err := Draw(c[0], c[1]); err == nil || im != nil {
			t.Errorf("digit %d, variant %d is drawn", c[0], c[1])
		}
		Name(c[0], c[1])
	}
}

func TestSamplesAreLightOnDarkAndLabelled(t *testing.T) {
	set, err := Images()
	if err != nil {
		t.Fatal(err)
	}
	if len(set) != 10*Variants {
		t.Fatalf("%d images", len(set))
	}
	for _, im := range set {
		if im.DarkOnLight() {
			t.Errorf("%s looks dark on light", im.Name)
		}
		if !strings.HasPrefix(im.Name, "digit-"+string(rune('0'+im.Label))) {
			t.Errorf("%s has label %d", im.Name, im.Label)
		}
	}
}

func TestWrittenPNGsReadBackAsTheSamePictures(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "samples")
	paths, err := WritePNGs(dir)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Images()
	if err != nil {
		t.Fatal(err)
	}
	got, err := dataset.Read(dataset.Options{H: Size, W: Size, C: 1}, paths...)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d pictures, want %d", len(got), len(want))
	}
	for i := range got {
		for j := range got[i].Pixels {
			if got[i].Pixels[j] != want[i].Pixels[j] {
				t.Fatalf("%s: pixel %d is %v, want %v", paths[i], j, got[i].Pixels[j], want[i].Pixels[j])
			}
		}
	}
	// Again is no harm; another file in the way is left alone.
	if _, err := WritePNGs(dir); err != nil {
		t.Error(err)
	}
	mine := []byte("mine")
	if err := os.WriteFile(paths[7], mine, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := WritePNGs(dir); err == nil || !strings.Contains(err.Error(), paths[7]) {
		t.Errorf("another file in the way: %v", err)
	}
	if b, err := os.ReadFile(paths[7]); err != nil || !bytes.Equal(b, mine) {
		t.Errorf("the file in the way is now %q, %v", b, err)
	}
}
