package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestReadTakesPicturesFoldersAndSetsAlike(t *testing.T) {
	dir := t.TempDir()
	one := write(t, filepath.Join(dir, "one.png"), pngBytes(t, wedge(28, 28)))
	set := write(t, filepath.Join(dir, "some-images-idx3-ubyte.gz"), gzipBytes(t, idxBytes(sequence(3*784), 3, 28, 28)))
	labels := write(t, filepath.Join(dir, "some-labels-idx1-ubyte"), idxBytes([]byte{3, 1, 4}, 3))
	write(t, filepath.Join(dir, "two.JPG"), jpegBytes(t, wedge(28, 28)))
	write(t, filepath.Join(dir, ".hidden.png"), []byte("not a picture"))
	write(t, filepath.Join(dir, "notes.txt"), []byte("not a picture"))

	read := func(o Options, paths ...string) (names []string, labels []int) {
		t.Helper()
		images, err := Read(o, paths...)
		if err != nil {
			t.Fatal(err)
		}
		for _, im := range images {
			if len(im.Pixels) != 784 {
				t.Fatalf("%s has %d values", im.Name, len(im.Pixels))
			}
			names, labels = append(names, filepath.Base(im.Name)), append(labels, im.Label)
		}
		return names, labels
	}
	base := filepath.Base(set)
	names, _ := read(mnistSize, one, dir, set)
	if want := []string{"one.png", "one.png", "two.JPG", base + "#0", base + "#1", base + "#2"}; !slices.Equal(names, want) {
		t.Errorf("read %q, want %q", names, want)
	}
	limited := mnistSize
	limited.Limit = 4
	names, _ = read(limited, one, dir, set, "never looked at")
	if want := []string{"one.png", "one.png", "two.JPG", base + "#0"}; !slices.Equal(names, want) {
		t.Errorf("read %q, want %q", names, want)
	}
	limited.Limit = 1
	if names, _ = read(limited, dir); !slices.Equal(names, []string{"one.png"}) {
		t.Errorf("read %q", names)
	}
	withLabels := mnistSize
	withLabels.Labels = labels
	if _, got := read(withLabels, set); !slices.Equal(got, []int{3, 1, 4}) {
		t.Errorf("labels are %v", got)
	}
	_, err := Read(withLabels, one)
	wantError(t, err, "not an IDX file", "leave the labels out")
	_, err = Read(withLabels, set, set)
	wantError(t, err, "one IDX file")
}

// The folder of a labelled set is one of pictures as well: the first of them are of
// all its classes.
func TestFoldersInAFolderAreReadInTurn(t *testing.T) {
	picture := pngBytes(t, wedge(28, 28))
	for name, c := range map[string]struct {
		files []string
		limit int
		want  []string
	}{
		"classes":      {[]string{"b/1.png", "a/2.png", "a/1.png", "a/3.png", "c/x.png"}, 0, []string{"a/1.png", "b/1.png", "c/x.png", "a/2.png", "a/3.png"}},
		"some of them": {[]string{"b/1.png", "a/2.png", "a/1.png", "c/x.png"}, 3, []string{"a/1.png", "b/1.png", "c/x.png"}},
		"splits": {[]string{"train/a/1.png", "train/a/2.png", "train/b/1.png", "test/a/1.png"}, 0,
			[]string{"test/a/1.png", "train/a/1.png", "train/b/1.png", "train/a/2.png"}},
		"pictures beside folders": {[]string{"a/1.png", "z.png", "b.png"}, 0, []string{"b.png", "z.png"}},
		"folders in a class":      {[]string{"a/1.png", "a/thumbs/1.png", "b/1.png"}, 0, []string{"a/1.png", "b/1.png"}},
		"what is no class":        {[]string{"a/1.png", "__MACOSX/._1.png", "__MACOSX/a.png", ".cache/a.png", "a/b/c/deep.png"}, 0, []string{"a/1.png"}},
	} {
		dir := t.TempDir()
		for _, f := range c.files {
			place(t, picture, dir, f)
		}
		o := mnistSize
		o.Limit = c.limit
		set, err := Read(o, dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, im := range set {
			got = append(got, filepath.ToSlash(im.Name[len(dir)+1:]))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: read %q, want %q", name, got, c.want)
		}
	}
}

// A folder of pictures stays one, whatever folders lie in it.
func TestFoldersBesidePicturesDoNotMatter(t *testing.T) {
	dir := t.TempDir()
	place(t, pngBytes(t, wedge(28, 28)), dir, "a.png")
	place(t, pngBytes(t, wedge(7, 7)), dir, "thumbs/a.png")
	if err := os.Mkdir(filepath.Join(dir, "lost+found"), 0); err != nil {
		t.Fatal(err)
	}
	link(t, ".", filepath.Join(dir, "self"))
	set, err := Read(mnistSize, dir)
	if err != nil || len(set) != 1 {
		t.Errorf("read %d images, %v", len(set), err)
	}
}

func TestNothingIsLeftOutInSilence(t *testing.T) {
	picture := pngBytes(t, wedge(28, 28))
	for name, c := range map[string]struct {
		make func(dir string) string // returns what the error names
		want string
	}{
		"a picture that is a link to nowhere": {func(dir string) string {
			return link(t, "nowhere", filepath.Join(dir, "a", "2.png"))
		}, "no such file"},
		"a folder that is a link": {func(dir string) string { return link(t, ".", filepath.Join(dir, "self")) }, "link to a folder"},
		"a folder that nobody may read": {func(dir string) string {
			path := filepath.Join(dir, "lost+found")
			if err := os.Mkdir(path, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := os.ReadDir(path); err == nil {
				return "" // of root
			}
			return path
		}, "permission denied"},
	} {
		dir := t.TempDir()
		place(t, picture, dir, "a/1.png")
		path := c.make(dir)
		if path == "" {
			continue
		}
		_, err := Read(mnistSize, dir)
		if err == nil {
			t.Errorf("%s: read", name)
			continue
		}
		wantError(t, err, path, c.want)
	}
}

// link makes a symbolic link and returns its path.
func link(t *testing.T, to, path string) string {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Skip(err)
	}
	return path
}

func TestReadSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	_, err := Read(mnistSize)
	wantError(t, err, "no path")
	_, err = Read(mnistSize, filepath.Join(dir, "absent"))
	wantError(t, err, "absent")
	_, err = Read(mnistSize, dir)
	wantError(t, err, dir, "no PNG or JPEG")
	write(t, filepath.Join(dir, "t10k-images-idx3-ubyte"), idxBytes(sequence(16), 1, 4, 4))
	_, err = Read(mnistSize, dir)
	wantError(t, err, "t10k-images-idx3-ubyte", "pass one of those")
	_, err = Read(mnistSize, filepath.Join(dir, "t10k-images-idx3-ubyte"))
	wantError(t, err, "image 1 of 1", "4 pixels wide", "28×28", "--fit")
	write(t, filepath.Join(dir, "bad.png"), []byte("\x89PNG\r\n\x1a\n"))
	_, err = Read(mnistSize, dir)
	wantError(t, err, "bad.png", "damaged")
	_, err = Read(mnistSize, write(t, filepath.Join(dir, "photo"), []byte("\x00\x00\x00\x18ftypheic")))
	wantError(t, err, "HEIC")
}

func TestASetIsFittedLikeAPicture(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "set"), idxBytes(slices.Repeat([]byte{255}, 2*14*14), 2, 14, 14))
	set, err := Read(Options{H: 28, W: 28, C: 3, Fit: true}, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, im := range set {
		for i, v := range im.Pixels {
			if v < 0.999 {
				t.Fatalf("%s: value %d is %v", im.Name, i, v)
			}
		}
	}
}

func FuzzOrientation(f *testing.F) {
	f.Add(append([]byte("\xff\xd8"), exif(6, false)...))
	f.Add(append([]byte("\xff\xd8\xff\xe0\x00\x02\xff"), exif(3, true)...))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v := jpegOrientation(b); v < upright || v > quarterTurned {
			t.Fatalf("orientation %d", v)
		}
	})
}
