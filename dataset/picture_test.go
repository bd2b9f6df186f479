package dataset

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var mnistSize = Options{H: 28, W: 28, C: 1}

// wedge is a grey picture whose pixel (x, y) tells x and y apart.
func wedge(w, h int) *image.Gray {
	im := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			im.SetGray(x, y, color.Gray{Y: uint8(7*x + 3*y)})
		}
	}
	return im
}

func pngBytes(t testing.TB, im image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, im); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegBytes(t testing.TB, im image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, im, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, path string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustRead(t testing.TB, path string, o Options) Image {
	t.Helper()
	im, err := ReadImage(path, o)
	if err != nil {
		t.Fatal(err)
	}
	if im.H != o.H || im.W != o.W || im.C != o.C || len(im.Pixels) != o.len() {
		t.Fatalf("image is %d×%d×%d with %d values", im.H, im.W, im.C, len(im.Pixels))
	}
	if im.Label != NoLabel || im.Name != path {
		t.Fatalf("image is called %q with label %d", im.Name, im.Label)
	}
	for i, v := range im.Pixels {
		if !(v >= 0 && v <= 1) {
			t.Fatalf("value %d is %v", i, v)
		}
	}
	return im
}

func TestAGreyPNGComesBackExactly(t *testing.T) {
	src := wedge(28, 28)
	path := write(t, filepath.Join(t.TempDir(), "a.png"), pngBytes(t, src))
	im := mustRead(t, path, mnistSize)
	for i, v := range src.Pix {
		if im.Pixels[i] != float32(v)/255 {
			t.Fatalf("pixel %d is %v, want %v", i, im.Pixels[i], float32(v)/255)
		}
	}
	inverted := mnistSize
	inverted.Invert = true
	for i, v := range mustRead(t, path, inverted).Pixels {
		if want := float32(255-src.Pix[i]) / 255; v != want {
			t.Fatalf("inverted pixel %d is %v, want %v", i, v, want)
		}
	}
}

func TestAJPEGComesBackWithinItsLoss(t *testing.T) {
	src := image.NewGray(image.Rect(0, 0, 28, 28))
	for i := range src.Pix {
		src.Pix[i] = uint8(5*(i%28) + 3*(i/28))
	}
	im := mustRead(t, write(t, filepath.Join(t.TempDir(), "a.jpg"), jpegBytes(t, src)), mnistSize)
	for i, v := range src.Pix {
		if d := math.Abs(float64(im.Pixels[i]) - float64(v)/255); d > 3.0/255 {
			t.Fatalf("pixel %d is wrong by %v", i, d)
		}
	}
}

func TestColoursKeepTheirChannelsAndLuminanceTheirWeights(t *testing.T) {
	src := image.NewNRGBA(image.Rect(0, 0, 4, 1))
	colours := []color.NRGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {10, 20, 30, 255}}
	for x, c := range colours {
		src.SetNRGBA(x, 0, c)
	}
	path := write(t, filepath.Join(t.TempDir(), "c.png"), pngBytes(t, src))
	rgb := mustRead(t, path, Options{H: 1, W: 4, C: 3})
	grey := mustRead(t, path, Options{H: 1, W: 4, C: 1})
	for x, c := range colours {
		for i, v := range []uint8{c.R, c.G, c.B} {
			if rgb.Pixels[3*x+i] != float32(v)/255 {
				t.Errorf("pixel %d, channel %d is %v", x, i, rgb.Pixels[3*x+i])
			}
		}
		want := (0.299*float64(c.R) + 0.587*float64(c.G) + 0.114*float64(c.B)) / 255
		if math.Abs(float64(grey.Pixels[x])-want) > 1e-4 {
			t.Errorf("luminance %d is %v, want %v", x, grey.Pixels[x], want)
		}
	}
}

func TestWhatIsTransparentIsBackgroundEitherWay(t *testing.T) {
	// White ink and black ink, each at half strength, beside nothing.
	src := image.NewNRGBA(image.Rect(0, 0, 3, 1))
	src.SetNRGBA(0, 0, color.NRGBA{255, 255, 255, 128})
	src.SetNRGBA(1, 0, color.NRGBA{0, 0, 0, 128})
	path := write(t, filepath.Join(t.TempDir(), "t.png"), pngBytes(t, src))
	half := float32(128) / 255
	for _, c := range []struct {
		invert bool
		want   []float32
	}{{false, []float32{half, 0, 0}}, {true, []float32{0, half, 0}}} {
		im := mustRead(t, path, Options{H: 1, W: 3, C: 1, Invert: c.invert})
		for i, v := range im.Pixels {
			if math.Abs(float64(v-c.want[i])) > 1e-4 {
				t.Errorf("invert %v: pixel %d is %v, want %v", c.invert, i, v, c.want[i])
			}
		}
	}
}

func TestAnotherSizeIsAnErrorThatSaysWhatToDo(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "big.png"), pngBytes(t, wedge(40, 30)))
	_, err := ReadImage(path, mnistSize)
	wantError(t, err, "big.png", "40 pixels wide and 30 high", "takes 28×28", "resize it to 28×28", "--fit")
}

func TestFitKeepsTheAspectAndCentres(t *testing.T) {
	// A white bar of 200×100 becomes 28×14, with 7 rows of nothing around it.
	src := image.NewGray(image.Rect(0, 0, 200, 100))
	for i := range src.Pix {
		src.Pix[i] = 255
	}
	o := mnistSize
	o.Fit = true
	im := mustRead(t, write(t, filepath.Join(t.TempDir(), "bar.png"), pngBytes(t, src)), o)
	for y := range 28 {
		for x := range 28 {
			want := float32(0)
			if y >= 7 && y < 21 {
				want = 1
			}
			if v := im.Pixels[y*28+x]; math.Abs(float64(v-want)) > 1e-3 {
				t.Fatalf("pixel (%d, %d) is %v, want %v", x, y, v, want)
			}
		}
	}
	// Black on white, inverted, is the same picture: the rest is background.
	for i := range src.Pix {
		src.Pix[i] = 0
	}
	o.Invert = true
	inverted := mustRead(t, write(t, filepath.Join(t.TempDir(), "ink.png"), pngBytes(t, src)), o)
	for i, v := range inverted.Pixels {
		if math.Abs(float64(v-im.Pixels[i])) > 1e-3 {
			t.Fatalf("inverted pixel %d is %v, want %v", i, v, im.Pixels[i])
		}
	}
}

func TestFitTakesPicturesOfAnyProportion(t *testing.T) {
	o := mnistSize
	o.Fit = true
	for _, s := range [][2]int{{1, 1}, {1, 500}, {500, 1}, {27, 28}, {29, 28}, {1000, 1000}} {
		im, err := FromImage("generated", wedge(s[0], s[1]), o)
		if err != nil {
			t.Errorf("%d×%d: %v", s[0], s[1], err)
		} else if len(im.Pixels) != 784 {
			t.Errorf("%d×%d: %d values", s[0], s[1], len(im.Pixels))
		}
	}
	_, err := FromImage("generated", image.NewGray(image.Rect(0, 0, 0, 5)), o)
	wantError(t, err, "no pixels")
}

// exif returns a JPEG segment that records the orientation.
func exif(v byte, bigEndian bool) []byte {
	tiff := []byte("II*\x00\x08\x00\x00\x00\x02\x00" + // two entries
		"\x0f\x01\x02\x00\x01\x00\x00\x00abc\x00" + // maker
		"\x12\x01\x03\x00\x01\x00\x00\x00" + string(v) + "\x00\x00\x00\x00\x00\x00\x00")
	if bigEndian {
		tiff = []byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(v) + "\x00\x00\x00\x00\x00\x00")
	}
	body := append([]byte("Exif\x00\x00"), tiff...)
	n := len(body) + 2
	return append([]byte{0xff, 0xe1, byte(n >> 8), byte(n)}, body...)
}

func TestASidewaysPhotographIsTurnedUpright(t *testing.T) {
	// The upright picture is 16×8: bright at the top left, black at the
	// right, half bright at the bottom left.
	const w, h = 16, 8
	upper := func(x, y int) uint8 {
		switch {
		case x >= w/2:
			return 0
		case y < h/2:
			return 240
		}
		return 120
	}
	for v := upright; v <= quarterTurned; v++ {
		sw, sh := v.size(w, h)
		stored := image.NewGray(image.Rect(0, 0, sw, sh))
		for y := range h {
			for x := range w {
				sx, sy := v.source(x, y, w, h)
				if !(image.Point{sx, sy}).In(stored.Rect) {
					t.Fatalf("orientation %d: (%d, %d) is stored at (%d, %d)", v, x, y, sx, sy)
				}
				stored.SetGray(sx, sy, color.Gray{Y: upper(x, y)})
			}
		}
		plain := jpegBytes(t, stored)
		for _, big := range []bool{false, true} {
			b := append(append(append([]byte{}, plain[:2]...), exif(byte(v), big)...), plain[2:]...)
			path := write(t, filepath.Join(t.TempDir(), "p.jpeg"), b)
			im := mustRead(t, path, Options{H: h, W: w, C: 1})
			for y := range h {
				for x := range w {
					if math.Abs(float64(im.Pixels[y*w+x])-float64(upper(x, y))/255) > 0.03 {
						t.Fatalf("orientation %d: pixel (%d, %d) is %v", v, x, y, im.Pixels[y*w+x])
					}
				}
			}
			// Resized to half, it stands upright too.
			small := mustRead(t, path, Options{H: h / 2, W: w / 2, C: 1, Fit: true})
			if a, b, c := small.Pixels[0], small.Pixels[w/2-1], small.Pixels[(h/2-1)*w/2]; a < 0.9 || b > 0.06 || c < 0.4 || c > 0.55 {
				t.Fatalf("orientation %d, resized: corners are %v, %v and %v", v, a, b, c)
			}
		}
	}
}

// Orientations 6 and 8 by hand: what Exif means by them does not depend on the
// code that undoes them.
func TestAQuarterTurnGoesTheWayExifMeans(t *testing.T) {
	// Stored top left is upright top right for 6, and bottom left for 8.
	if x, y := quarterTurn.source(7, 0, 8, 16); x != 0 || y != 0 {
		t.Errorf("6: top right is stored at (%d, %d)", x, y)
	}
	if x, y := quarterTurned.source(0, 15, 8, 16); x != 0 || y != 0 {
		t.Errorf("8: bottom left is stored at (%d, %d)", x, y)
	}
}

func TestFilesThatAreNoPictureAreNamedForWhatTheyAre(t *testing.T) {
	dir := t.TempDir()
	whole := pngBytes(t, wedge(28, 28))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 0x40
	jpg := jpegBytes(t, wedge(28, 28))
	for name, c := range map[string]struct {
		b    []byte
		want []string
	}{
		"text":     {[]byte("hello, world\n"), []string{"not a PNG or JPEG", `"hello, w"`, "save"}},
		"empty":    {nil, []string{"empty file"}},
		"gif":      {[]byte("GIF89a..."), []string{"GIF", "save it as PNG"}},
		"heic":     {[]byte("\x00\x00\x00\x18ftypheic"), []string{"HEIC", "export it as JPEG"}},
		"idx":      {[]byte("\x00\x00\x08\x03"), []string{"IDX file", "set"}},
		"cut":      {whole[:len(whole)/2], []string{"damaged or incomplete PNG", "again"}},
		"header":   {whole[:12], []string{"damaged or incomplete PNG"}},
		"flipped":  {flipped, []string{"damaged or incomplete PNG"}},
		"cutjpeg":  {jpg[:len(jpg)-40], []string{"damaged or incomplete JPEG"}},
		"headjpeg": {jpg[:20], []string{"damaged or incomplete JPEG"}},
	} {
		_, err := ReadImage(write(t, filepath.Join(dir, name), c.b), mnistSize)
		wantError(t, err, append(c.want, name)...)
	}
	_, err := ReadImage(dir, mnistSize)
	wantError(t, err, "is a folder")
	if _, err = ReadImage(filepath.Join(dir, "absent"), mnistSize); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
}

func TestAHugePictureIsRefusedBeforeItIsDecoded(t *testing.T) {
	// The header promises 60,000×60,000; nothing of it follows.
	b := pngBytes(t, wedge(28, 28))
	copy(b[16:], "\x00\x00\xea\x60\x00\x00\xea\x60")
	copy(b[29:], pngCRC(b[12:29]))
	o := mnistSize
	o.Fit = true
	path := write(t, filepath.Join(t.TempDir(), "huge.png"), b)
	var err error
	taken := memoryOf(func() { _, err = ReadImage(path, o) })
	wantError(t, err, "60000 pixels wide", "make it smaller")
	if taken > 1<<20 {
		t.Errorf("refusing it took %d bytes of memory", taken)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{H: 28, W: 28, C: 2}, {H: 0, W: 28, C: 1}, {H: 28, W: -1, C: 3}, {H: 1 << 40, W: 1, C: 1},
		{H: 28, W: 28, C: 1, Limit: -1}, {}} {
		if _, err := FromImage("x", wedge(28, 28), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
		if _, err := Read(o, "x"); err == nil {
			t.Errorf("Read accepts %+v", o)
		}
	}
}

// wantError checks that err is there and says all of want.
func wantError(t testing.TB, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one that says %q", want)
		return
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func TestInkOnATransparentGroundIsBlankUnlessInverted(t *testing.T) {
	ink := image.NewNRGBA(image.Rect(0, 0, 28, 28))
	for i := 5; i < 20; i++ {
		ink.Set(14, i, color.NRGBA{A: 255})
	}
	for _, c := range []int{1, 3} {
		for _, invert := range []bool{false, true} {
			im, err := FromImage("ink", ink, Options{H: 28, W: 28, C: c, Invert: invert})
			if err != nil {
				t.Fatal(err)
			}
			if im.Blank() == invert {
				t.Errorf("%d channels, invert %v: blank is %v", c, invert, im.Blank())
			}
		}
	}
	// A plain colour is blank, and an image of nothing no reason to panic.
	if flat := (Image{H: 1, W: 2, C: 3, Pixels: []float32{0, 0.5, 1, 0, 0.5, 1}}); !flat.Blank() {
		t.Error("a plain colour is not blank")
	}
	if !(Image{C: 1}).Blank() {
		t.Error("no pixels are not blank")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(pngBytes(f, wedge(28, 28)), true)
	f.Add(jpegBytes(f, wedge(20, 30)), true)
	b := jpegBytes(f, wedge(28, 28))
	f.Add(append(append(append([]byte{}, b[:2]...), exif(6, false)...), b[2:]...), false)
	f.Add(append(append(append([]byte{}, b[:2]...), exif(8, true)...), b[2:]...), true)
	f.Add([]byte("GIF89a"), false)
	f.Fuzz(func(t *testing.T, b []byte, fit bool) {
		o := Options{H: 28, W: 28, C: 3, Fit: fit}
		// A valid header of many pixels takes long to decode, honestly.
		if c, _, err := image.DecodeConfig(bytes.NewReader(b)); err == nil && c.Width*c.Height > 1<<16 {
			t.Skip()
		}
		im, err := decode(bytes.NewReader(b), o)
		if err != nil {
			return
		}
		for _, v := range im.Pixels {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("value %v", v)
			}
		}
	})
}

func TestAGreyPictureIsTheSameInEveryFormInMemory(t *testing.T) {
	large := wedge(40, 40)
	part := large.SubImage(image.Rect(5, 9, 33, 37)).(*image.Gray)
	coloured := image.NewNRGBA64(part.Rect)
	for y := part.Rect.Min.Y; y < part.Rect.Max.Y; y++ {
		for x := part.Rect.Min.X; x < part.Rect.Max.X; x++ {
			coloured.Set(x, y, part.At(x, y))
		}
	}
	for _, invert := range []bool{false, true} {
		o := mnistSize
		o.Invert = invert
		a, err := FromImage("grey", part, o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := FromImage("coloured", coloured, o)
		if err != nil {
			t.Fatal(err)
		}
		for i := range a.Pixels {
			if a.Pixels[i] != b.Pixels[i] {
				t.Fatalf("invert %v: pixel %d is %v in grey and %v in colour", invert, i, a.Pixels[i], b.Pixels[i])
			}
		}
	}
}
