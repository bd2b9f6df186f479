package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// cifarSide is the height and width of CIFAR's images.
const cifarSide = 32

// A cifar is one of the two sets of Krizhevsky, Nair and Hinton in its binary
// version. A file is records without a header, each
//
//	label                     1 byte, in CIFAR-100 the coarse one and the fine one
//	red, green, blue          32×32 bytes each, row by row
type cifar struct {
	format string
	// dir is the folder that the set's archive makes.
	dir string
	// classes has the number of values of each label; the last label counts.
	classes []int
	// names is the file of the classes' names, a line for each.
	names string
	files map[Split][]string
}

var cifars = []cifar{
	{"CIFAR-10", "cifar-10-batches-bin", []int{10}, "batches.meta.txt", map[Split][]string{
		Train: {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
		Test:  {"test_batch.bin"},
	}},
	{"CIFAR-100", "cifar-100-binary", []int{20, 100}, "fine_label_names.txt", map[Split][]string{
		Train: {"train.bin"},
		Test:  {"test.bin"},
	}},
}

// findCIFAR finds CIFAR-10 or CIFAR-100. One file of it is enough to tell.
func findCIFAR(dir string, entries []entry) *foundSet {
	for _, c := range cifars {
		for _, files := range c.files {
			if slices.ContainsFunc(files, func(name string) bool { return hasFile(entries, name) }) {
				return &foundSet{c.format, true, func(split Split, o SetOptions) (*Set, error) { return c.read(dir, split, o) }}
			}
		}
		if slices.Contains(entries, entry{c.dir, true}) {
			inner := filepath.Join(dir, c.dir)
			return &foundSet{c.format, true, func(split Split, o SetOptions) (*Set, error) { return c.read(inner, split, o) }}
		}
	}
	return nil
}

func (c cifar) read(dir string, split Split, o SetOptions) (*Set, error) {
	p, err := o.options(cifarSide, cifarSide, 3)
	if err != nil {
		return nil, err
	}
	s := &Set{H: p.H, W: p.W, C: p.C}
	if s.Classes, err = c.classNames(dir); err != nil {
		return nil, err
	}
	entries, err := list(dir)
	if err != nil {
		return nil, err
	}
	picture := image.NewNRGBA(image.Rect(0, 0, cifarSide, cifarSide))
	for _, name := range c.files[split] {
		if !hasFile(entries, name) {
			return nil, fmt.Errorf("%s is missing: copy it there", filepath.Join(dir, name))
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		s.Total += int(info.Size()) / c.recordLen()
		if o.Limit > 0 && s.Len() == o.Limit {
			continue
		}
		if err := c.readFile(filepath.Join(dir, name), s, p, o.Limit, picture); err != nil {
			return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, name), err)
		}
	}
	return s, nil
}

// readFile appends a file's images to s until it has limit, unless that is zero.
func (c cifar) readFile(path string, s *Set, o Options, limit int, picture *image.NRGBA) error {
	f, err := open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	base, first := filepath.Base(path), s.Len()
	return c.decode(f, func(planes []byte, label int) error {
		name := fmt.Sprintf("%s#%d", base, s.Len()-first)
		if o.H == cifarSide && o.W == cifarSide && o.C == 3 && !o.Invert && len(s.Pixels) <= maxSetBytes-3*cifarSide*cifarSide {
			// Nothing is to be converted, and the general way is far slower.
			at := len(s.Pixels)
			s.Pixels = slices.Grow(s.Pixels, len(planes))[:at+len(planes)]
			for c := range 3 {
				for i, v := range planes[c*cifarSide*cifarSide:][:cifarSide*cifarSide] {
					s.Pixels[at+3*i+c] = v
				}
			}
			s.Labels, s.Names = append(s.Labels, int32(label)), append(s.Names, name)
		} else {
			for i := range len(planes) / 3 {
				copy(picture.Pix[4*i:], []byte{planes[i], planes[cifarSide*cifarSide+i], planes[2*cifarSide*cifarSide+i], 0xff})
			}
			if err := s.add(picture, o, name, label); err != nil {
				return err
			}
		}
		if s.Len() == limit {
			return io.EOF
		}
		return nil
	})
}

// recordLen returns the bytes of a record.
func (c cifar) recordLen() int { return len(c.classes) + 3*cifarSide*cifarSide }

// decode calls f with the colour planes of each record, valid during the call,
// and its label, until f returns an error; io.EOF ends it without one.
func (c cifar) decode(r io.Reader, f func(planes []byte, label int) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	labels := len(c.classes)
	record := make([]byte, c.recordLen())
	for n := 0; ; n++ {
		_, err := io.ReadFull(in, record)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("it ends in record %d, and records of %s have %d bytes: the file is incomplete or of another set, copy it again", n+1, c.format, len(record))
		case errors.Is(err, io.EOF) && n == 0:
			return errors.New("it is empty: copy it again")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		for i, classes := range c.classes {
			if int(record[i]) >= classes {
				return fmt.Errorf("record %d has label %d, and labels of %s are below %d: the file is damaged or of another set, copy it again", n+1, record[i], c.format, classes)
			}
		}
		if err := f(record[labels:], int(record[labels-1])); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("record %d: %w", n+1, err)
		}
	}
}

// classNames reads the names of the classes; without the file they are numbers,
// because only reports need them.
func (c cifar) classNames(dir string) ([]string, error) {
	n := c.classes[len(c.classes)-1]
	entries, err := list(dir)
	if err != nil {
		return nil, err
	}
	if !hasFile(entries, c.names) {
		return numbers(n), nil
	}
	path := filepath.Join(dir, c.names)
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const maxBytes = 64 << 10
	text, err := io.ReadAll(io.LimitReader(f, maxBytes))
	if err != nil {
		return nil, err
	}
	names := strings.Fields(string(text))
	if len(names) != n {
		return nil, fmt.Errorf("reading %s: it has %d names, and %s has %d classes: copy it again, or remove it to have them numbered", path, len(names), c.format, n)
	}
	return names, nil
}
