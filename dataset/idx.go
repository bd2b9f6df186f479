package dataset

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"path/filepath"
)

// An IDX file is a header and the elements of an array, the last dimension
// fastest (MNIST's format, by LeCun, Cortes and Burges):
//
//	0  0  type  dimensions    type 8 is uint8
//	size of each dimension    uint32, big-endian
//	elements
//
// Images have three dimensions (number, height, width), labels one. Either may
// be compressed by gzip.
const (
	idxUint8  = 8
	idxImages = 3
	idxLabels = 1
	// maxIDXSide bounds height and width of an image in an IDX file.
	maxIDXSide = 1 << 14
)

// ReadIDX reads single-channel images, and their labels unless labelsPath is
// empty, from IDX files of uint8, compressed or not. Limit, unless zero, is the
// number of images after which it stops.
func ReadIDX(imagesPath, labelsPath string, limit int) ([]Image, error) {
	if limit < 0 {
		return nil, fmt.Errorf("reading %s: the limit of images is %d; pass a positive number, or 0 for all", imagesPath, limit)
	}
	var set []Image
	err := eachIDX(imagesPath, labelsPath, limit, func(im *image.Gray, name string, label int) error {
		px := make([]float32, len(im.Pix))
		for i, v := range im.Pix {
			px[i] = float32(v) / 255
		}
		set = append(set, Image{Name: name, H: im.Rect.Dy(), W: im.Rect.Dx(), C: 1, Pixels: px, Label: label})
		return nil
	})
	return set, err
}

// readIDX reads IDX files as o says.
func readIDX(imagesPath string, o Options) ([]Image, error) {
	var set []Image
	room := o.room()
	err := eachIDX(imagesPath, o.Labels, o.Limit, func(src *image.Gray, name string, label int) error {
		if len(set) == room {
			return fmt.Errorf("it and what comes before are %w", errTooMuch)
		}
		if err := o.checkSize(src.Rect.Dx(), src.Rect.Dy()); err != nil {
			return err
		}
		im := o.convert(src, upright)
		im.Name, im.Label = name, label
		set = append(set, im)
		return nil
	})
	return set, err
}

// eachIDX calls f with each image, which is only valid during the call, its
// name and its label.
func eachIDX(imagesPath, labelsPath string, limit int, f func(im *image.Gray, name string, label int) error) error {
	images, err := openIDX(imagesPath, idxImages)
	if err != nil {
		return err
	}
	defer images.close()
	var labels *idxFile
	if labelsPath != "" {
		if labels, err = openIDX(labelsPath, idxLabels); err != nil {
			return err
		}
		defer labels.close()
		if images.n != labels.n {
			return fmt.Errorf("reading %s: it has %d images, and %s has %d labels: pass the two files of one set",
				imagesPath, images.n, labelsPath, labels.n)
		}
	}
	n := images.n
	if limit > 0 {
		n = min(n, limit)
	}
	if n > maxElements/images.itemLen() {
		return fmt.Errorf("reading %s: it has %d images of %d×%d, %w", imagesPath, images.n, images.w, images.h, errTooMuch)
	}
	im := image.NewGray(image.Rect(0, 0, images.w, images.h))
	label, base := [1]byte{}, filepath.Base(imagesPath)
	for i := range n {
		if err := images.next(im.Pix); err != nil {
			return err
		}
		class := NoLabel
		if labels != nil {
			if err := labels.next(label[:]); err != nil {
				return err
			}
			class = int(label[0])
		}
		if err := f(im, fmt.Sprintf("%s#%d", base, i), class); err != nil {
			return fmt.Errorf("reading %s, image %d of %d: %w", imagesPath, i+1, n, err)
		}
	}
	if n < images.n {
		return nil
	}
	if err := images.end(); err != nil {
		return err
	}
	if labels != nil {
		return labels.end()
	}
	return nil
}

// An idxFile is an IDX file being read, item by item: memory is taken for what
// has been read, not for what a header promises.
type idxFile struct {
	path    string
	r       io.Reader
	close   func() error
	n, h, w int // a label is 1×1
	read    int // items
}

// openIDX opens an IDX file of uint8 with that many dimensions and reads its
// header.
func openIDX(path string, dims int) (*idxFile, error) {
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("reading IDX file: %w", err)
	}
	x, err := newIDX(path, f, dims)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	x.close = f.Close
	return x, nil
}

func newIDX(path string, r io.Reader, dims int) (*idxFile, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	x := &idxFile{path: path, r: in, h: 1, w: 1}
	if magic, _ := in.Peek(len(gzipMagic)); string(magic) == gzipMagic {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, compressed(err)
		}
		x.r = bufio.NewReader(z)
	}
	var magic [4]byte
	if err := x.full(magic[:], "its header"); err != nil {
		return nil, err
	}
	if magic[0] != 0 || magic[1] != 0 || magic[2] < idxUint8 || magic[2] > 0x0e {
		return nil, fmt.Errorf("it is not an IDX file: it begins with %x, and an IDX file of uint8 with %d dimensions with 000008%02x",
			magic, dims, dims)
	}
	if magic[2] != idxUint8 {
		return nil, fmt.Errorf("its elements have type %#02x; only uint8 (%#02x) is read", magic[2], idxUint8)
	}
	if int(magic[3]) != dims {
		switch {
		case dims == idxImages && magic[3] == idxLabels:
			return nil, errors.New("it holds labels (IDX with 1 dimension): pass the file of images, with 3")
		case dims == idxLabels && magic[3] == idxImages:
			return nil, errors.New("it holds images (IDX with 3 dimensions): pass the file of labels, with 1")
		}
		return nil, fmt.Errorf("it has %d dimensions; an IDX file of images has %d, one of labels %d", magic[3], idxImages, idxLabels)
	}
	size := make([]byte, 4*dims)
	if err := x.full(size, "its header"); err != nil {
		return nil, err
	}
	x.n = int(binary.BigEndian.Uint32(size))
	if x.n == 0 {
		return nil, errors.New("it is an IDX file of 0 items: there is nothing to read")
	}
	if dims == idxImages {
		x.h, x.w = int(binary.BigEndian.Uint32(size[4:])), int(binary.BigEndian.Uint32(size[8:]))
		if x.h < 1 || x.w < 1 || x.h > maxIDXSide || x.w > maxIDXSide {
			return nil, fmt.Errorf("its images are %d pixels wide and %d high; they must be from 1 to %d", x.w, x.h, maxIDXSide)
		}
	}
	return x, nil
}

func (x *idxFile) itemLen() int { return x.h * x.w }

// next fills dst with the next item.
func (x *idxFile) next(dst []byte) error {
	if err := x.full(dst, fmt.Sprintf("item %d of %d", x.read+1, x.n)); err != nil {
		return fmt.Errorf("reading %s: %w", x.path, err)
	}
	x.read++
	return nil
}

// full fills dst or says in which part the file ended.
func (x *idxFile) full(dst []byte, part string) error {
	_, err := io.ReadFull(x.r, dst)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("it ends in %s: the file is incomplete, copy it again", part)
	}
	return compressed(err)
}

// end reports whether the file ends after the last item; of a compressed file
// it checks the checksum too.
func (x *idxFile) end() error {
	var one [1]byte
	_, err := io.ReadFull(x.r, one[:])
	if err == io.EOF {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("it goes on after its %d items: the file is damaged, copy it again", x.n)
	}
	return fmt.Errorf("reading %s: %w", x.path, compressed(err))
}

// compressed says of an error of gzip what to do about it.
func compressed(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &corrupt) {
		return fmt.Errorf("its compressed data are damaged (%w): copy it again", err)
	}
	return err
}
