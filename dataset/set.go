package dataset

import (
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Set is labelled images of one size, a byte for each value, as a network is
// trained and judged on.
type Set struct {
	// Name is the name of the folder that the set was read from, and Format
	// what was found there: "IDX", "CIFAR-10", "CIFAR-100" or "pictures".
	Name, Format string
	Split        Split
	// H, W and C are height, width and channels of every image.
	H, W, C int
	// Classes has the name of each class; where the set has none, the names are
	// the numbers "0", "1", ….
	Classes []string
	// Pixels has Len()×H×W×C values from 0 (black) to 255, image after image,
	// each as in Image.Pixels (NHWC).
	Pixels []uint8
	// Labels has the class of each image, an index of Classes.
	Labels []int32
	// Total is the number of images of the split, more than Len() where a limit
	// left some out.
	Total int
	// Names says where each image came from: the path of a picture in the set's
	// folder, or file and position, "data_batch_3.bin#17". It may be nil.
	Names []string
}

// Len returns the number of images.
func (s *Set) Len() int { return len(s.Labels) }

// Values returns the number of values of one image, H×W×C.
func (s *Set) Values() int { return s.H * s.W * s.C }

// Image returns image i in the form a network takes: its bytes over 255.
func (s *Set) Image(i int) Image {
	im := Image{H: s.H, W: s.W, C: s.C, Pixels: make([]float32, s.Values()), Label: int(s.Labels[i])}
	if s.Names != nil {
		im.Name = s.Names[i]
	}
	for k, v := range s.Pixels[i*len(im.Pixels):][:len(im.Pixels)] {
		im.Pixels[k] = float32(v) / 255
	}
	return im
}

// A Split is a part of a labelled set: what a network is trained on, or what it
// is judged on and has never seen.
type Split uint8

const (
	Train Split = iota
	Test
)

func (s Split) String() string {
	if s == Train {
		return "train"
	}
	return "test"
}

// ParseSplit returns the split of that name, train or test.
func ParseSplit(name string) (Split, error) {
	for _, s := range []Split{Train, Test} {
		if name == s.String() {
			return s, nil
		}
	}
	return 0, fmt.Errorf("there is no split %q: it is train or test", name)
}

// SetOptions say how a labelled set is read. The zero value reads all of it as
// it is.
type SetOptions struct {
	// H and W are the size that images must have or, with Fit, are resized to;
	// both zero, that of the set's own images. C is 1 (luminance) or 3 (red,
	// green, blue), or 0 for the set's own.
	H, W, C int
	// Fit and Invert are those of [Options].
	Fit, Invert bool
	// Limit, unless zero, is the number of images after which reading stops.
	// Folders of pictures are read class by class in turn, so that the first of
	// them are of all classes.
	Limit int
	// TestShare is the share, from 0 to less than 1, of a folder of classes
	// without splits that is held out for Test. Which pictures it takes, their
	// names decide alone, so that Train and Test never overlap.
	TestShare float64
}

// maxSetBytes bounds the pixels of a set.
const maxSetBytes = 1<<31 - 1

// errLargeSet is the end of an error about a set larger than maxSetBytes.
var errLargeSet = errors.New("more than 2 GiB of pixels: pass a limit to read only the first images, or a smaller size to fit them to")

// Errors of TestShare, whose name in a command the caller knows.
var (
	// ErrNoSplits says that a set has no test split and TestShare makes none.
	ErrNoSplits = errors.New("it has no splits: hold out a share of it, or put the pictures into folders train and test, a folder for each class in either")
	// ErrSplits says that there is nothing to hold out for a test split.
	ErrSplits = errors.New("has a test split of its own: hold out nothing")
)

// options returns o for images that are h×w×c by themselves.
func (o SetOptions) options(h, w, c int) (Options, error) {
	p := Options{H: o.H, W: o.W, C: o.C, Fit: o.Fit, Invert: o.Invert}
	if p.H == 0 && p.W == 0 {
		p.H, p.W = h, w
	}
	if p.C == 0 {
		p.C = c
	}
	return p, p.validate()
}

func (o SetOptions) validate() error {
	switch {
	case o.Limit < 0:
		return fmt.Errorf("the limit of images is %d; pass a positive number, or 0 for all", o.Limit)
	case !(o.TestShare >= 0 && o.TestShare < 1):
		return fmt.Errorf("the share for testing is %v; it must be at least 0 and less than 1", o.TestShare)
	}
	// Stands in for the set's own size, to check what is given.
	_, err := o.options(1, 1, 1)
	return err
}

// ReadSet reads a split of the labelled set in the folder dir, which is one of
//
//   - the IDX files of MNIST and its kin, compressed or not:
//     train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-…;
//   - the binary files of CIFAR-10 (data_batch_1.bin to data_batch_5.bin,
//     test_batch.bin) or CIFAR-100 (train.bin, test.bin; the fine labels), in
//     dir or in the folder that their archive makes;
//   - folders of PNG and JPEG pictures by class, dir/train/CLASS and
//     dir/test/CLASS (or dir/val/CLASS), classes in the order of their names;
//   - the same without splits, dir/CLASS: see SetOptions.TestShare.
//
// What is there decides which.
func ReadSet(dir string, split Split, o SetOptions) (*Set, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("reading data set %s: %w", dir, err)
	}
	found, err := findSet(dir)
	if err != nil {
		return nil, fmt.Errorf("reading data set %s: %w", dir, err)
	}
	if o.TestShare > 0 && found.split {
		return nil, fmt.Errorf("reading data set %s: it is %s and %w", dir, found.format, ErrSplits)
	}
	s, err := found.read(split, o)
	if err != nil {
		return nil, fmt.Errorf("reading data set %s (%s, split %s): %w", dir, found.format, split, err)
	}
	s.Name, s.Format, s.Split = filepath.Base(filepath.Clean(dir)), found.format, split
	if abs, err := filepath.Abs(dir); err == nil {
		s.Name = filepath.Base(abs)
	}
	return s, nil
}

// A foundSet is a set in one of the formats.
type foundSet struct {
	format string
	split  bool // it comes in splits
	read   func(split Split, o SetOptions) (*Set, error)
}

// findSet tells the format of the set in dir.
func findSet(dir string) (*foundSet, error) {
	entries, err := list(dir)
	if err != nil {
		return nil, err
	}
	var found []*foundSet
	for _, find := range []func(string, []entry) *foundSet{findIDX, findCIFAR, findClasses} {
		if f := find(dir, entries); f != nil {
			found = append(found, f)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fmt.Errorf("it holds two sets, %s and %s: move one elsewhere", found[0].format, found[1].format)
	}
	return nil, unknownSet(dir, entries)
}

// unknownSet is the error of a folder in which no set was found.
func unknownSet(dir string, entries []entry) error {
	const wanted = "a data set is MNIST's IDX files (train-images-idx3-ubyte, …), CIFAR's binary files (data_batch_1.bin, … or train.bin), " +
		"or folders of PNG or JPEG pictures by class, DIR/train/CLASS and DIR/test/CLASS, or DIR/CLASS"
	var names []string
	for _, e := range entries {
		switch ext := filepath.Ext(e.name); {
		case e.name == "data_batch_1" && !e.dir:
			return errors.New("it holds the Python version of CIFAR-10, which is a program's memory written out: get the binary version (cifar-10-binary.tar.gz)")
		case !e.dir && (ext == ".tar" || ext == ".tgz" || ext == ".zip" || strings.HasSuffix(e.name, ".tar.gz")):
			return fmt.Errorf("it holds an archive, %s: unpack it, and pass the folder that comes out", e.name)
		case e.dir:
			// One level down, as torchvision's MNIST/raw.
			inner := filepath.Join(dir, e.name)
			if in, err := list(inner); err == nil && (findIDX(inner, in) != nil || findCIFAR(inner, in) != nil || findClasses(inner, in) != nil) {
				return fmt.Errorf("it holds no set itself, but %s does: pass that folder", inner)
			}
		}
		names = append(names, e.name)
	}
	if len(names) == 0 {
		return fmt.Errorf("the folder is empty: %s", wanted)
	}
	const few = 5
	more := ""
	if len(names) > few {
		more, names = ", …", names[:few]
	}
	return fmt.Errorf("nothing of what it holds is known (%s%s): %s", strings.Join(names, ", "), more, wanted)
}

// An entry is a file or folder, links followed.
type entry struct {
	name string
	dir  bool
}

// macFolder is what archivers of macOS put beside what they pack: it has the
// attributes of files, under the files' own names.
const macFolder = "__MACOSX"

// isPassedOver reports whether what goes by that name is never part of a set.
func isPassedOver(name string) bool { return strings.HasPrefix(name, ".") || name == macFolder }

// list returns what is in dir, sorted by name, without hidden files and those
// that cannot be looked at.
func list(dir string) ([]entry, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, errors.New("it is a file: pass the folder with all files of the set")
	}
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, e := range all {
		if isPassedOver(e.Name()) {
			continue
		}
		isDir := e.IsDir()
		if e.Type()&os.ModeSymlink != 0 {
			info, err := os.Stat(filepath.Join(dir, e.Name()))
			if err != nil {
				continue // a link that leads nowhere
			}
			isDir = info.IsDir()
		}
		entries = append(entries, entry{e.Name(), isDir})
	}
	return entries, nil
}

// hasFile reports whether entries have a file of that name.
func hasFile(entries []entry, name string) bool { return slices.Contains(entries, entry{name, false}) }

// add appends an image, brought to what o asks for.
func (s *Set) add(img image.Image, o Options, name string, label int) error {
	b := img.Bounds()
	if err := o.checkSize(b.Dx(), b.Dy()); err != nil {
		return err
	}
	if s.Values() > maxSetBytes-len(s.Pixels) {
		return fmt.Errorf("it and what comes before are %w", errLargeSet)
	}
	grey, ok := img.(*image.Gray)
	if ok && b.Dx() == o.W && b.Dy() == o.H && o.C == 1 && !o.Invert && grey.Stride == o.W {
		s.Pixels = append(s.Pixels, grey.Pix...)
	} else {
		s.Pixels = appendBytes(s.Pixels, o.convert(img, upright))
	}
	s.Labels, s.Names = append(s.Labels, int32(label)), append(s.Names, name)
	return nil
}

// appendBytes appends the values of im, rounded to bytes.
func appendBytes(dst []uint8, im Image) []uint8 {
	for _, v := range im.Pixels {
		dst = append(dst, uint8(v*255+0.5))
	}
	return dst
}

// numbers returns the names "0" to n−1.
func numbers(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	return names
}

// Picture returns image i as a picture: grey, or in colour where it has three
// channels.
func (s *Set) Picture(i int) (image.Image, error) {
	px := s.Pixels[i*s.Values():][:s.Values()]
	switch s.C {
	case 1:
		return &image.Gray{Pix: px, Stride: s.W, Rect: image.Rect(0, 0, s.W, s.H)}, nil
	case 3:
		img := image.NewNRGBA(image.Rect(0, 0, s.W, s.H))
		for k := range s.W * s.H {
			copy(img.Pix[4*k:], px[3*k:][:3])
			img.Pix[4*k+3] = 0xff
		}
		return img, nil
	}
	return nil, fmt.Errorf("an image of %d channels is no picture: it has 1 or 3", s.C)
}
