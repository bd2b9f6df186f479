package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/draw"
)

const (
	// maxPixels and maxPictureSide bound a picture before it is decoded, which
	// takes up to 12 bytes for each pixel; resizing takes 32 bytes for each row
	// and column of the result.
	maxPixels      = 64 << 20
	maxPictureSide = 1<<16 - 1
	// maxPictureBytes bounds a picture's file. Every pass of a progressive JPEG
	// costs time in proportion to its pixels, and the file bounds the passes.
	maxPictureBytes = 256 << 20
	// headerBytes are read to find a picture's kind and orientation. Cameras
	// write the segment that has it, below 64 KiB, among the first.
	headerBytes = 256 << 10
)

// ReadImage reads one PNG or JPEG picture as o says, turned upright if its
// camera recorded that it was held sideways (Exif). Its size is checked before
// it is decoded.
func ReadImage(path string, o Options) (Image, error) {
	if err := o.validate(); err != nil {
		return Image{}, fmt.Errorf("reading picture %s: %w", path, err)
	}
	f, err := open(path)
	if err != nil {
		return Image{}, fmt.Errorf("reading picture: %w", err)
	}
	defer f.Close()
	im, err := decode(f, o)
	if err != nil {
		return Image{}, fmt.Errorf("reading picture %s: %w", path, err)
	}
	im.Name = path
	return im, nil
}

// open opens a regular file. A folder, a device or a pipe is an error.
func open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: pass a file in it", path)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: copy what it gives into one and pass that", path)
	}
	return os.Open(path)
}

// A pictureHead is what the first bytes of a picture's file say.
type pictureHead struct {
	format format
	orient orientation
	config image.Config // its size is that of the stored picture
}

// decodeHead reads the head of a picture whose file is the whole of r.
func decodeHead(r io.ReadSeeker) (pictureHead, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return pictureHead{}, err
	}
	if size > maxPictureBytes {
		return pictureHead{}, fmt.Errorf("its file is larger than %d MiB: make the picture smaller", maxPictureBytes>>20)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return pictureHead{}, err
	}
	header, err := io.ReadAll(io.LimitReader(r, headerBytes))
	if err != nil {
		return pictureHead{}, err
	}
	h := pictureHead{orient: upright}
	switch {
	case bytes.HasPrefix(header, []byte(pngMagic)):
		h.format = format{"PNG", png.DecodeConfig, png.Decode}
	case bytes.HasPrefix(header, []byte(jpegMagic)):
		h.format = format{"JPEG", jpeg.DecodeConfig, jpeg.Decode}
		h.orient = jpegOrientation(header)
	default:
		return pictureHead{}, fmt.Errorf("it is not a PNG or JPEG picture but %s", describe(header))
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return pictureHead{}, err
	}
	if h.config, err = h.format.config(bufio.NewReader(r)); err != nil {
		return pictureHead{}, h.format.damaged(err)
	}
	return h, nil
}

// decode reads a picture from the whole of r.
func decode(r io.ReadSeeker, o Options) (Image, error) {
	head, err := decodeHead(r)
	if err != nil {
		return Image{}, err
	}
	if err := o.checkSize(head.orient.size(head.config.Width, head.config.Height)); err != nil {
		return Image{}, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Image{}, err
	}
	img, err := head.format.decode(bufio.NewReader(r))
	if err != nil {
		return Image{}, head.format.damaged(err)
	}
	// The header read first is the file's promise; this is what it kept.
	if img.Bounds().Dx() != head.config.Width || img.Bounds().Dy() != head.config.Height {
		return Image{}, head.format.damaged(errors.New("its size changes on the way"))
	}
	return o.convert(img, head.orient), nil
}

// A format is one of the two kinds of picture that are read.
type format struct {
	name   string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

func (f format) damaged(err error) error {
	return fmt.Errorf("it is a damaged or incomplete %s picture (%w): copy or export it again", f.name, err)
}

// FromImage brings a decoded picture to what the network takes, as [ReadImage]
// does with a file.
func FromImage(name string, img image.Image, o Options) (Image, error) {
	if err := o.validate(); err != nil {
		return Image{}, fmt.Errorf("converting picture %s: %w", name, err)
	}
	if err := o.checkSize(img.Bounds().Dx(), img.Bounds().Dy()); err != nil {
		return Image{}, fmt.Errorf("converting picture %s: %w", name, err)
	}
	im := o.convert(img, upright)
	im.Name = name
	return im, nil
}

// checkSize reports why a picture of that size cannot become an input.
func (o Options) checkSize(w, h int) error {
	switch {
	case w < 1 || h < 1:
		return errors.New("it has no pixels")
	case !o.Fit && (w != o.W || h != o.H):
		return fmt.Errorf("it is %d pixels wide and %d high, and the network takes %d×%d: resize it to %[3]d×%[4]d, or pass --fit",
			w, h, o.W, o.H)
	case w > maxPictureSide || h > maxPictureSide || w > maxPixels/h:
		return fmt.Errorf("it is %d pixels wide and %d high; at most %d million pixels are read and %d on a side: make it smaller",
			w, h, maxPixels/1_000_000, maxPictureSide)
	}
	return nil
}

// convert makes an input of img. The size has been checked: it is right, or
// o.Fit is set.
func (o Options) convert(img image.Image, orient orientation) Image {
	im := Image{H: o.H, W: o.W, C: o.C, Pixels: make([]float32, o.len()), Label: NoLabel}
	src, b := img, img.Bounds()
	w, h := orient.size(b.Dx(), b.Dy())
	if w != o.W || h != o.H {
		w, h = fit(w, h, o.W, o.H)
		// Resized first and turned afterwards: the large picture is read once,
		// in its own order.
		b.Max.X, b.Max.Y = orient.size(w, h)
		b.Min = image.Point{}
		small := image.NewRGBA64(b)
		draw.CatmullRom.Scale(small, b, img, img.Bounds(), draw.Src, nil)
		src = small
	}
	if grey, ok := src.(*image.Gray); ok && o.C == 1 && orient == upright {
		// The images of large sets: the loop below would yield the same.
		for y := range h {
			row := grey.Pix[y*grey.Stride:][:w]
			for x, v := range row {
				if o.Invert {
					v = 255 - v
				}
				im.Pixels[y*w+x] = float32(v) / 255
			}
		}
		return im
	}
	// The same colours without an allocation for each; all pictures decoded here
	// have it.
	quick, isQuick := src.(image.RGBA64Image)
	top, left := (o.H-h)/2, (o.W-w)/2
	var blank [4]uint32
	for y := range o.H {
		for x := range o.W {
			p := blank
			if iy, ix := y-top, x-left; iy >= 0 && iy < h && ix >= 0 && ix < w {
				sx, sy := orient.source(ix, iy, w, h)
				if isQuick {
					p[0], p[1], p[2], p[3] = quick.RGBA64At(b.Min.X+sx, b.Min.Y+sy).RGBA()
				} else {
					p[0], p[1], p[2], p[3] = src.At(b.Min.X+sx, b.Min.Y+sy).RGBA()
				}
			}
			o.pixel(im.Pixels[(y*o.W+x)*o.C:][:o.C], p)
		}
	}
	return im
}

// pixel sets dst to the channels of p: red, green and blue premultiplied by
// alpha, as color.Color gives them, so that black lies under what is
// transparent.
func (o Options) pixel(dst []float32, p [4]uint32) {
	const full = 0xffff
	if o.Invert {
		// White paper lies under it: v + (1−a), inverted, is a − v.
		for c := range 3 {
			p[c] = p[3] - min(p[c], p[3])
		}
	}
	if o.C == 1 {
		// The weights of color.Gray16Model; their sum is 2^16, so that grey
		// stays exactly what it is.
		dst[0] = float32((19595*p[0]+38470*p[1]+7471*p[2]+1<<15)>>16) / full
		return
	}
	for c := range dst {
		dst[c] = float32(p[c]) / full
	}
}

// fit returns the largest size of the proportions w×h inside boxW×boxH.
func fit(w, h, boxW, boxH int) (int, int) {
	if w*boxH > h*boxW {
		return boxW, max(1, (h*boxW+w/2)/w)
	}
	return max(1, (w*boxH+h/2)/h), boxH
}

const (
	pngMagic  = "\x89PNG\r\n\x1a\n"
	jpegMagic = "\xff\xd8\xff"
	gzipMagic = "\x1f\x8b"
)

// describe says in words what a file that is no picture seems to be.
func describe(header []byte) string {
	for _, k := range []struct {
		at          int
		magic, what string
	}{
		{0, "GIF8", "a GIF: save it as PNG"},
		{0, "BM", "a BMP: save it as PNG"},
		{8, "WEBP", "a WebP: save it as PNG"},
		{4, "ftypheic", "an HEIC photograph: export it as JPEG"},
		{4, "ftypheix", "an HEIC photograph: export it as JPEG"},
		{4, "ftypmif1", "an HEIF photograph: export it as JPEG"},
		{4, "ftypavif", "an AVIF: save it as PNG"},
		{0, "II*\x00", "a TIFF: save it as PNG"},
		{0, "MM\x00*", "a TIFF: save it as PNG"},
		{0, "%PDF", "a PDF: save the page as PNG"},
		{0, "<svg", "an SVG: save it as PNG"},
		{0, gzipMagic, "a gzip file: only IDX files are read compressed"},
		{0, "\x00\x00\x08", "an IDX file: it holds a set, not one picture"},
	} {
		if len(header) >= k.at+len(k.magic) && string(header[k.at:][:len(k.magic)]) == k.magic {
			return k.what
		}
	}
	if len(header) == 0 {
		return "an empty file"
	}
	return fmt.Sprintf("something that begins with %q: save the picture as PNG", header[:min(len(header), 8)])
}
