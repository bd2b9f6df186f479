package dataset

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// place writes a file and the folders above it.
func place(t testing.TB, b []byte, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, name, b)
}

// mustReadSet reads a set and checks that its parts fit together.
func mustReadSet(t testing.TB, dir string, split Split, o SetOptions) *Set {
	t.Helper()
	s, err := ReadSet(dir, split, o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Split != split || s.Len() == 0 || s.Total < s.Len() || o.Limit == 0 && s.Total > s.Len() || len(s.Names) != s.Len() || len(s.Pixels) != s.Len()*s.Values() || s.Values() != s.H*s.W*s.C {
		t.Fatalf("split %s: %d labels of %d, %d names, %d values of %d×%d×%d", s.Split, s.Len(), s.Total, len(s.Names), len(s.Pixels), s.H, s.W, s.C)
	}
	for i, label := range s.Labels {
		if label < 0 || int(label) >= len(s.Classes) {
			t.Fatalf("%s has label %d of %d classes", s.Names[i], label, len(s.Classes))
		}
	}
	return s
}

func placeIDX(t testing.TB, dir, images, labels string, n int) {
	t.Helper()
	pack := func(name string, b []byte) []byte {
		if strings.HasSuffix(name, ".gz") {
			return gzipBytes(t, b)
		}
		return b
	}
	place(t, pack(images, idxBytes(sequence(n*3*4), uint32(n), 3, 4)), dir, images)
	place(t, pack(labels, idxBytes(slices.Repeat([]byte{2, 0, 5}, n)[:n], uint32(n))), dir, labels)
}

func TestIDXFilesAreASetInEverySpelling(t *testing.T) {
	dir := t.TempDir()
	placeIDX(t, dir, "train-images-idx3-ubyte.gz", "train-labels.idx1-ubyte", 6)
	placeIDX(t, dir, "t10k-images.idx3-ubyte", "t10k-labels-idx1-ubyte.gz", 3)
	s := mustReadSet(t, dir, Train, SetOptions{})
	if s.Format != "IDX" || s.Name != filepath.Base(dir) || s.H != 3 || s.W != 4 || s.C != 1 {
		t.Errorf("read as %s %s of %d×%d×%d", s.Format, s.Name, s.H, s.W, s.C)
	}
	if !bytes.Equal(s.Pixels, sequence(6*3*4)) || !slices.Equal(s.Labels, []int32{2, 0, 5, 2, 0, 5}) || s.Names[4] != "train-images-idx3-ubyte.gz#4" {
		t.Errorf("pixels %v, labels %v, names %v", s.Pixels, s.Labels, s.Names)
	}
	s = mustReadSet(t, dir, Test, SetOptions{Limit: 2, Invert: true})
	if !slices.Equal(s.Labels, []int32{2, 0}) || s.Total != 3 || s.Pixels[1] != 255-11 {
		t.Errorf("labels %v, pixel 1 is %d", s.Labels, s.Pixels[1])
	}
	// A limit changes nothing about the classes.
	if !slices.Equal(s.Classes, []string{"0", "1", "2", "3", "4", "5"}) {
		t.Errorf("classes %q", s.Classes)
	}
	im := s.Image(1)
	if im.Name != "t10k-images.idx3-ubyte#1" || im.Label != 0 || im.Pixels[0] != float32(s.Pixels[12])/255 {
		t.Errorf("image 1 is %+v", im)
	}
}

func TestASetIsBroughtToTheSizeAskedFor(t *testing.T) {
	dir := t.TempDir()
	placeIDX(t, dir, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", 3)
	o := SetOptions{H: 6, W: 8, C: 3}
	_, err := ReadSet(dir, Train, o)
	wantError(t, err, "train-images-idx3-ubyte", "4 pixels wide", "8×6", "--fit")
	o.Fit = true
	s := mustReadSet(t, dir, Train, o)
	// By the other way into the package, to the rounding of a byte.
	same, err := Read(Options{H: 6, W: 8, C: 3, Fit: true}, filepath.Join(dir, "train-images-idx3-ubyte"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range same {
		for k, v := range s.Image(i).Pixels {
			if math.Abs(float64(v-same[i].Pixels[k])) > 0.5001/255 {
				t.Fatalf("image %d, value %d is %v, and read alone %v", i, k, v, same[i].Pixels[k])
			}
		}
	}
}

// cifarRecord is a record whose pixel (x, y) is (base+x, base+y, base).
func cifarRecord(base byte, labels ...byte) []byte {
	b := slices.Clone(labels)
	for c := range 3 {
		for y := range cifarSide {
			for x := range cifarSide {
				b = append(b, base+[]byte{byte(x), byte(y), 0}[c])
			}
		}
	}
	return b
}

const cifarNames = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"

func placeCIFAR10(t testing.TB, dir string) {
	t.Helper()
	for i := range byte(5) {
		place(t, append(cifarRecord(10*i, i), cifarRecord(10*i+5, 9-i)...), dir, fmt.Sprintf("data_batch_%d.bin", i+1))
	}
	place(t, cifarRecord(100, 7), dir, "test_batch.bin")
	place(t, []byte(cifarNames), dir, "batches.meta.txt")
}

func TestCIFARIsTurnedFromPlanesToPixels(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "cifar-10-batches-bin")
	placeCIFAR10(t, dir)
	for _, path := range []string{dir, outer} {
		s := mustReadSet(t, path, Train, SetOptions{})
		if s.Format != "CIFAR-10" || s.H != 32 || s.W != 32 || s.C != 3 || s.Classes[3] != "cat" {
			t.Fatalf("read as %s of %d×%d×%d, class 3 is %q", s.Format, s.H, s.W, s.C, s.Classes[3])
		}
		if !slices.Equal(s.Labels, []int32{0, 9, 1, 8, 2, 7, 3, 6, 4, 5}) || s.Names[3] != "data_batch_2.bin#1" {
			t.Fatalf("labels %v, image 3 is %s", s.Labels, s.Names[3])
		}
		for y := range 32 {
			for x := range 32 {
				if got := s.Pixels[((3*32+y)*32+x)*3:][:3]; got[0] != 15+byte(x) || got[1] != 15+byte(y) || got[2] != 15 {
					t.Fatalf("pixel (%d, %d) of image 3 is %v", x, y, got)
				}
			}
		}
	}
	s := mustReadSet(t, dir, Test, SetOptions{})
	if !slices.Equal(s.Labels, []int32{7}) || s.Pixels[0] != 100 {
		t.Errorf("the test set has labels %v and begins with %d", s.Labels, s.Pixels[0])
	}
	// The general way, of an image in memory, is the same as the quick one.
	inverted := mustReadSet(t, dir, Train, SetOptions{Invert: true, Limit: 3})
	plain := mustReadSet(t, dir, Train, SetOptions{})
	for i, v := range inverted.Pixels {
		if v != 255-plain.Pixels[i] {
			t.Fatalf("value %d is %d, inverted %d", i, plain.Pixels[i], v)
		}
	}
	if inverted.Len() != 3 || inverted.Total != 10 {
		t.Errorf("%d images of %d, and the limit is 3 of 10", inverted.Len(), inverted.Total)
	}
	if grey := mustReadSet(t, dir, Test, SetOptions{C: 1}); grey.Pixels[0] != 100 || grey.Values() != 1024 {
		t.Errorf("in grey it begins with %d and has %d values", grey.Pixels[0], grey.Values())
	}
}

func TestCIFAR100HasTheFineLabels(t *testing.T) {
	dir := t.TempDir()
	place(t, append(cifarRecord(1, 19, 99), cifarRecord(2, 0, 42)...), dir, "train.bin")
	s := mustReadSet(t, dir, Train, SetOptions{})
	if s.Format != "CIFAR-100" || !slices.Equal(s.Labels, []int32{99, 42}) || len(s.Classes) != 100 || s.Classes[99] != "99" {
		t.Errorf("%s with labels %v of %d classes", s.Format, s.Labels, len(s.Classes))
	}
	place(t, []byte("apple\nbear\n"), dir, "fine_label_names.txt")
	_, err := ReadSet(dir, Train, SetOptions{})
	wantError(t, err, "fine_label_names.txt", "2 names", "100 classes")
}

func TestDamagedCIFARFilesAreErrorsThatSayWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"cut":   {append(cifarRecord(0, 1), cifarRecord(0, 2)[:3000]...), "ends in record 2"},
		"empty": {nil, "it is empty"},
		"label": {append(cifarRecord(0, 1), cifarRecord(0, 10)...), "record 2 has label 10"},
		"other": {cifarRecord(0, 3, 77), "of another set"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			placeCIFAR10(t, dir)
			place(t, c.b, dir, "data_batch_4.bin")
			_, err := ReadSet(dir, Train, SetOptions{})
			wantError(t, err, dir, "data_batch_4.bin", c.want, "copy it again")
			// What comes before it can be read.
			mustReadSet(t, dir, Train, SetOptions{Limit: 6})
		})
	}
	dir := t.TempDir()
	placeCIFAR10(t, dir)
	if err := os.Remove(filepath.Join(dir, "data_batch_2.bin")); err != nil {
		t.Fatal(err)
	}
	_, err := ReadSet(dir, Train, SetOptions{})
	wantError(t, err, "data_batch_2.bin is missing", "copy it there")
}

// flat is a grey picture of one value.
func flat(w, h int, v uint8) *image.Gray {
	im := image.NewGray(image.Rect(0, 0, w, h))
	for i := range im.Pix {
		im.Pix[i] = v
	}
	return im
}

func TestFoldersOfPicturesAreClassesInTheOrderOfTheirNames(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"dog/b.png", "dog/a.png", "dog/c.png", "cat/x.PNG", "owl/o.png"} {
		place(t, pngBytes(t, flat(5, 4, uint8(10*i))), dir, "train", name)
	}
	place(t, []byte("not a picture"), dir, "train", "dog", "notes.txt")
	place(t, pngBytes(t, flat(5, 4, 99)), dir, "val", "dog", "z.png")
	s := mustReadSet(t, dir, Train, SetOptions{})
	if s.Format != "pictures" || s.H != 4 || s.W != 5 || s.C != 1 {
		t.Errorf("read as %s of %d×%d×%d", s.Format, s.H, s.W, s.C)
	}
	// In turn, so that a limit leaves pictures of all classes.
	want := []string{"train/cat/x.PNG", "train/dog/a.png", "train/owl/o.png", "train/dog/b.png", "train/dog/c.png"}
	if !slices.Equal(s.Classes, []string{"cat", "dog", "owl"}) || !slices.Equal(s.Names, want) || !slices.Equal(s.Labels, []int32{0, 1, 2, 1, 1}) {
		t.Errorf("classes %q, names %q, labels %v", s.Classes, s.Names, s.Labels)
	}
	for i, v := range []uint8{30, 10, 40, 0, 20} {
		if s.Pixels[20*i] != v || s.Pixels[20*i+19] != v {
			t.Errorf("%s is of value %d, want %d", s.Names[i], s.Pixels[20*i], v)
		}
	}
	// The classes of the other split are numbered alike.
	if s := mustReadSet(t, dir, Test, SetOptions{}); !slices.Equal(s.Labels, []int32{1}) || len(s.Classes) != 3 {
		t.Errorf("labels of the test split are %v, classes %q", s.Labels, s.Classes)
	}
	if s := mustReadSet(t, dir, Train, SetOptions{Limit: 3}); !slices.Equal(s.Labels, []int32{0, 1, 2}) || s.Total != 5 {
		t.Errorf("the first three have labels %v", s.Labels)
	}
}

func TestWhatAnArchiverLeavesIsNoClass(t *testing.T) {
	dir := t.TempDir()
	place(t, pngBytes(t, flat(2, 2, 50)), dir, "cat", "a.png")
	place(t, []byte("attributes"), dir, "__MACOSX", "cat", "._a.png")
	if s := mustReadSet(t, dir, Train, SetOptions{}); !slices.Equal(s.Classes, []string{"cat"}) {
		t.Errorf("classes are %q", s.Classes)
	}
}

func TestASetIsColouredIfOneOfItsPicturesIs(t *testing.T) {
	dir := t.TempDir()
	red := image.NewRGBA(image.Rect(0, 0, 2, 2))
	for i := range 4 {
		red.Set(i%2, i/2, color.RGBA{R: 200, A: 255})
	}
	place(t, pngBytes(t, flat(2, 2, 50)), dir, "train", "a", "grey.png")
	place(t, pngBytes(t, red), dir, "train", "b", "red.png")
	s := mustReadSet(t, dir, Train, SetOptions{})
	if s.C != 3 || !slices.Equal(s.Pixels[:3], []uint8{50, 50, 50}) || !slices.Equal(s.Pixels[12:15], []uint8{200, 0, 0}) {
		t.Errorf("%d channels, pixels %v", s.C, s.Pixels)
	}
}

func TestWhatIsHeldOutIsNeverInBothSplits(t *testing.T) {
	dir := t.TempDir()
	for i := range 60 {
		place(t, pngBytes(t, flat(1, 1, uint8(i))), dir, []string{"even", "odd"}[i%2], fmt.Sprintf("%d.png", i))
	}
	whole := mustReadSet(t, dir, Train, SetOptions{})
	o := SetOptions{TestShare: 0.25}
	train, test := mustReadSet(t, dir, Train, o), mustReadSet(t, dir, Test, o)
	seen := slices.Concat(train.Names, test.Names)
	slices.Sort(seen)
	all := slices.Sorted(slices.Values(whole.Names))
	if whole.Len() != 60 || !slices.Equal(seen, all) {
		t.Errorf("of %d pictures %d are for training and %d for testing", whole.Len(), train.Len(), test.Len())
	}
	if test.Len() < 7 || test.Len() > 23 { // four standard deviations
		t.Errorf("%d of 60 are held out, and a quarter was asked for", test.Len())
	}
	if !slices.Equal(train.Classes, test.Classes) || len(train.Classes) != 2 {
		t.Errorf("classes %q and %q", train.Classes, test.Classes)
	}
	if again := mustReadSet(t, dir, Test, o); !slices.Equal(again.Names, test.Names) {
		t.Error("it is another share the next time")
	}
}

func TestASetThatIsIncompleteIsAnErrorThatSaysWhatIsMissing(t *testing.T) {
	picture := pngBytes(t, flat(2, 2, 1))
	many := map[string][]byte{}
	for i := range 8 {
		many[fmt.Sprintf("a/%d.png", i)] = picture
	}
	for name, c := range map[string]struct {
		files map[string][]byte
		split Split
		o     SetOptions
		want  []string
	}{
		"nothing":      {nil, Train, SetOptions{}, []string{"the folder is empty", "train-images-idx3-ubyte"}},
		"unknown":      {map[string][]byte{"a.csv": nil, "b/c.txt": nil}, Train, SetOptions{}, []string{"a.csv, b", "DIR/train/CLASS"}},
		"archive":      {map[string][]byte{"cifar-10-binary.tar.gz": nil}, Train, SetOptions{}, []string{"unpack it"}},
		"python":       {map[string][]byte{"data_batch_1": nil, "test_batch": nil}, Train, SetOptions{}, []string{"binary version"}},
		"deeper":       {map[string][]byte{"raw/train-images-idx3-ubyte": nil}, Train, SetOptions{}, []string{"raw does"}},
		"labels":       {map[string][]byte{"train-images-idx3-ubyte": nil}, Train, SetOptions{}, []string{"no labels", "train-labels-idx1-ubyte is missing"}},
		"split":        {map[string][]byte{"train-images-idx3-ubyte": nil}, Test, SetOptions{}, []string{"split test", "no images", "t10k-images-idx3-ubyte"}},
		"two":          {map[string][]byte{"train-images-idx3-ubyte": nil, "train.bin": nil}, Test, SetOptions{}, []string{"two sets, IDX and CIFAR-100"}},
		"counts":       {map[string][]byte{"t10k-images-idx3-ubyte": idxBytes(sequence(8), 2, 2, 2), "t10k-labels-idx1-ubyte": idxBytes([]byte{1}, 1)}, Test, SetOptions{}, []string{"2 images", "1 labels", "one set"}},
		"cut labels":   {map[string][]byte{"t10k-images-idx3-ubyte": idxBytes(sequence(8), 2, 2, 2), "t10k-labels-idx1-ubyte": idxBytes([]byte{1}, 2)}, Test, SetOptions{Limit: 1}, []string{"t10k-labels", "item 2 of 2"}},
		"cut images":   {map[string][]byte{"t10k-images-idx3-ubyte": idxBytes(sequence(7), 2, 2, 2), "t10k-labels-idx1-ubyte": idxBytes([]byte{1, 0}, 2)}, Test, SetOptions{}, []string{"t10k-images", "item 2 of 2"}},
		"empty class":  {map[string][]byte{"train/cat/a.png": picture, "train/dog/a.txt": nil}, Train, SetOptions{}, []string{filepath.Join("train", "dog"), "no PNG or JPEG"}},
		"no class":     {map[string][]byte{"train/cat/a.png": picture, "train/b.png": picture}, Train, SetOptions{}, []string{"b.png", "its class is not known"}},
		"no classes":   {map[string][]byte{"train/notes.txt": nil}, Train, SetOptions{}, []string{"no folders"}},
		"no test":      {map[string][]byte{"train/cat/a.png": picture}, Test, SetOptions{}, []string{"no folder test"}},
		"new class":    {map[string][]byte{"train/cat/a.png": picture, "test/dog/a.png": picture}, Test, SetOptions{}, []string{"class dog"}},
		"no splits":    {map[string][]byte{"cat/a.png": picture}, Test, SetOptions{}, []string{"no splits", "hold out"}},
		"all held out": {map[string][]byte{"cat/a.png": picture}, Test, SetOptions{TestShare: 1e-9}, []string{"no picture", "another share"}},
		"two splits":   {map[string][]byte{"train/cat/a.png": picture}, Train, SetOptions{TestShare: 0.1}, []string{"a test split of its own"}},
		"other size":   {map[string][]byte{"cat/a.png": picture, "dog/b.png": pngBytes(t, flat(3, 2, 1))}, Train, SetOptions{}, []string{filepath.Join("dog", "b.png"), "3 pixels wide and 2 high", "cat/a.png is 2×2", "--fit"}},
		"wrong size":   {map[string][]byte{"cat/a.png": picture}, Train, SetOptions{H: 3, W: 3}, []string{"a.png", "takes 3×3", "--fit"}},
		"no picture":   {map[string][]byte{"cat/a.png": []byte("GIF89a")}, Train, SetOptions{}, []string{"a.png", "a GIF"}},
		"damaged":      {map[string][]byte{"cat/a.png": picture[:len(picture)-20]}, Train, SetOptions{}, []string{"a.png", "damaged"}},
		"too much":     {many, Train, SetOptions{H: 1 << 14, W: 1 << 14, C: 1, Fit: true}, []string{"8 pictures", "2 GiB"}},
		"half a size":  {map[string][]byte{"cat/a.png": picture}, Train, SetOptions{W: 3}, []string{"height and width"}},
		"share":        {nil, Train, SetOptions{TestShare: math.NaN()}, []string{"less than 1"}},
		"limit":        {nil, Train, SetOptions{Limit: -1}, []string{"limit"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for path, b := range c.files {
				place(t, b, dir, path)
			}
			var err error
			taken := memoryOf(func() { _, err = ReadSet(dir, c.split, c.o) })
			wantError(t, err, append(c.want, dir)...)
			if taken > 4<<20 {
				t.Errorf("refusing it took %d bytes of memory", taken)
			}
		})
	}
	file := write(t, filepath.Join(t.TempDir(), "train-images-idx3-ubyte"), nil)
	_, err := ReadSet(file, Train, SetOptions{})
	wantError(t, err, "it is a file", "pass the folder")
	_, err = ReadSet(file+"x", Train, SetOptions{})
	wantError(t, err, "no such file")
}

func TestImagesOfASetArePictures(t *testing.T) {
	grey := &Set{H: 1, W: 2, C: 1, Pixels: []uint8{1, 2, 30, 40}, Labels: []int32{0, 0}}
	img, err := grey.Picture(1)
	if err != nil || img.Bounds().Dx() != 2 || img.Bounds().Dy() != 1 || img.At(1, 0) != (color.Gray{Y: 40}) {
		t.Errorf("the grey one is %+v, %v", img, err)
	}
	coloured := &Set{H: 2, W: 1, C: 3, Pixels: []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, Labels: []int32{0, 0}}
	if img, err = coloured.Picture(1); err != nil || img.Bounds().Dy() != 2 || img.At(0, 1) != (color.NRGBA{R: 10, G: 11, B: 12, A: 255}) {
		t.Errorf("the coloured one is %+v, %v", img, err)
	}
	if _, err := (&Set{H: 1, W: 1, C: 2, Pixels: []uint8{1, 2}, Labels: []int32{0}}).Picture(0); err == nil {
		t.Error("two channels are a picture")
	}
}

func TestSplitsHaveNames(t *testing.T) {
	for _, s := range []Split{Train, Test} {
		if got, err := ParseSplit(s.String()); err != nil || got != s {
			t.Errorf("%s is read as %s, %v", s, got, err)
		}
	}
	_, err := ParseSplit("valid")
	wantError(t, err, `"valid"`, "train or test")
}

func TestMNISTAndFashionMNISTAreSets(t *testing.T) {
	for _, name := range []string{"mnist", "fashion-mnist"} {
		dir := filepath.Dir(shared(t, name+"/train-images-idx3-ubyte.gz"))
		for split, n := range map[Split]int{Train: 60_000, Test: 10_000} {
			s := mustReadSet(t, dir, split, SetOptions{H: 28, W: 28, C: 1})
			if s.Len() != n || len(s.Classes) != 10 {
				t.Errorf("%s, %s: %d images of %d classes", name, split, s.Len(), len(s.Classes))
			}
		}
	}
}

func FuzzCIFAR(f *testing.F) {
	f.Add(cifarRecord(3, 9), false)
	f.Add(append(cifarRecord(3, 19, 99), cifarRecord(3, 1, 2)...), true)
	f.Add(cifarRecord(3, 10)[:100], false)
	f.Fuzz(func(t *testing.T, b []byte, hundred bool) {
		c := cifars[0]
		if hundred {
			c = cifars[1]
		}
		n := 0
		err := c.decode(bytes.NewReader(b), func(planes []byte, label int) error {
			if len(planes) != 3072 || label < 0 || label >= c.classes[len(c.classes)-1] {
				t.Fatalf("%d values with label %d", len(planes), label)
			}
			if n++; n == 3 {
				return io.EOF
			}
			return nil
		})
		if record := 3072 + len(c.classes); err == nil && n < 3 && n*record != len(b) {
			t.Fatalf("%d records were read of %d bytes", n, len(b))
		}
	})
}
