// Package dataset reads images into the form a network takes: PNG and JPEG
// pictures, folders of them, and the IDX files of MNIST and Fashion-MNIST; and
// labelled sets in these and in CIFAR's files, to train on and to judge by.
//
// Every reader takes its input as hostile: sizes in a header are checked before
// memory is taken, and a file that is cut short, damaged or of another kind is
// an error that names the file and says what to do.
package dataset

import (
	"errors"
	"fmt"
)

// NoLabel is the label of an image whose class is not known.
const NoLabel = -1

// An Image is one input of a network.
type Image struct {
	// Name says where the image came from: the file's path, and for an IDX
	// file the position in it, "t10k-images-idx3-ubyte.gz#17".
	Name string
	// H, W and C are height, width and channels.
	H, W, C int
	// Pixels has H×W×C values from 0 (black) to 1, row by row, the channels of
	// a pixel side by side (NHWC).
	Pixels []float32
	// Label is the class, or NoLabel.
	Label int
}

// maxElements bounds the values held in memory at once: 2^28 of them are 1 GiB.
const maxElements = 1 << 28

// Options say what a network takes and how a picture is brought to it.
type Options struct {
	// H, W and C are the height, width and channels of the network's input.
	// C is 1 (luminance, ITU-R BT.601) or 3 (red, green, blue).
	H, W, C int
	// Fit resizes a picture of another size: the aspect ratio is kept, the
	// result is centred, and the rest is background. Without it another size is
	// an error, because resizing a picture changes the answer.
	Fit bool
	// Invert exchanges black and white, for dark ink on light paper and a
	// network that was trained on light ink on a dark ground, as MNIST is.
	// Transparent parts are black without Invert and white paper with it: they
	// become 0 either way.
	Invert bool
	// Limit, unless zero, is the number of images after which reading stops.
	Limit int
	// Labels, unless empty, is the path of the IDX file of labels that belongs
	// to the one IDX file of images being read.
	Labels string
}

// len returns the number of values of one image.
func (o Options) len() int { return o.H * o.W * o.C }

// room returns how many images fit in maxElements.
func (o Options) room() int { return maxElements / o.len() }

func (o Options) validate() error {
	const maxSide = 1 << 14
	if o.C != 1 && o.C != 3 {
		return fmt.Errorf("the network takes images of %d channels; pictures can be read with 1 (luminance) or 3 (red, green, blue)", o.C)
	}
	if o.H < 1 || o.W < 1 || o.H > maxSide || o.W > maxSide || o.len() > maxElements {
		return fmt.Errorf("the network takes images of %d×%d×%d; height and width must be from 1 to %d, and all values together at most %d",
			o.H, o.W, o.C, maxSide, maxElements)
	}
	if o.Limit < 0 {
		return fmt.Errorf("the limit of images is %d; pass a positive number, or 0 for all", o.Limit)
	}
	return nil
}

// errTooMuch is the end of an error about a set larger than maxElements.
var errTooMuch = errors.New("more than fits in 1 GiB of memory: pass a limit to read only the first images")

// Blank reports whether nothing is to be seen on im: all of a channel's values
// are about the same. A picture drawn in black on a transparent ground is so,
// without Options.Invert.
func (im Image) Blank() bool {
	const visible = 4.0 / 255
	for c := range im.C {
		low, high := float32(1), float32(0)
		for i := c; i < len(im.Pixels); i += im.C {
			low, high = min(low, im.Pixels[i]), max(high, im.Pixels[i])
		}
		if high-low >= visible {
			return false
		}
	}
	return true
}

// DarkOnLight reports whether im looks like dark ink on light paper: a
// single-channel image whose border is light and lighter than what it frames. A
// network trained on light ink on a dark ground, as MNIST is, does not
// recognise such an image: read it with Options.Invert.
func (im Image) DarkOnLight() bool {
	if im.C != 1 || im.H < 8 || im.W < 8 || len(im.Pixels) != im.H*im.W {
		return false
	}
	frame := max(1, min(im.H, im.W)/14)
	var border, inside float64
	var nBorder, nInside int
	for y := range im.H {
		for x := range im.W {
			v := float64(im.Pixels[y*im.W+x])
			if y < frame || x < frame || y >= im.H-frame || x >= im.W-frame {
				border += v
				nBorder++
			} else {
				inside += v
				nInside++
			}
		}
	}
	border /= float64(nBorder)
	inside /= float64(nInside)
	// Paper in poor light is grey, and thin ink darkens the mean by little.
	return border > 0.35 && border > inside+0.02
}
