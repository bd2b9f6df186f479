// Package digits draws the ten digits with a pen of its own, as someone might
// write them and MNIST would store them: 28×28 pixels, light ink on a dark
// ground, the digit 20 pixels large and its centre of mass in the middle. They
// are the sample input that the project ships.
package digits

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"

	"pascaline/dataset"
)

const (
	// Size is the width and height of a picture in pixels.
	Size = 28
	// Variants is the number of hands each digit is written in.
	Variants = 3
)

// A hand is a way of writing.
type hand struct {
	name  string
	slant float64 // how far the top leans to the right, as a part of the height
	pen   float64 // radius in pixels
	other bool    // writes the other form of the digits that have one
}

var hands = [Variants]hand{
	{name: "upright", slant: 0.04, pen: 1.35},
	{name: "slanted", slant: 0.28, pen: 1.2},
	{name: "bold", slant: 0.12, pen: 1.65, other: true},
}

// Draw draws a digit, 0 to 9, in the hand of that number, 0 to Variants − 1.
func Draw(digit, variant int) (*image.Gray, error) {
	if digit < 0 || digit > 9 || variant < 0 || variant >= Variants {
		return nil, fmt.Errorf("drawing digit %d, variant %d: digits are 0 to 9 and variants 0 to %d", digit, variant, Variants-1)
	}
	h := hands[variant]
	g := glyphs[digit]
	if o, ok := otherGlyphs[digit]; ok && h.other {
		g = o
	}
	return g.ink(h), nil
}

// Name names a picture: "digit-7-slanted".
func Name(digit, variant int) string {
	if variant < 0 || variant >= Variants {
		return fmt.Sprintf("digit-%d-%d", digit, variant)
	}
	return fmt.Sprintf("digit-%d-%s", digit, hands[variant].name)
}

// Images returns all digits in all hands, as a network for MNIST takes them,
// with their labels.
func Images() ([]dataset.Image, error) {
	set := make([]dataset.Image, 0, 10*Variants)
	for digit := range 10 {
		for variant := range Variants {
			src, err := Draw(digit, variant)
			if err != nil {
				return nil, err
			}
			im, err := dataset.FromImage(Name(digit, variant), src, dataset.Options{H: Size, W: Size, C: 1})
			if err != nil {
				return nil, err
			}
			im.Label = digit
			set = append(set, im)
		}
	}
	return set, nil
}

// WritePNGs writes all digits in all hands to dir, which it makes if need be,
// as digit-0-upright.png and so on, and returns their paths. A file that is
// there already and is not the same is an error; it is never replaced.
func WritePNGs(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("writing sample digits: %w", err)
	}
	var paths []string
	for digit := range 10 {
		for variant := range Variants {
			im, err := Draw(digit, variant)
			if err != nil {
				return nil, err
			}
			var b bytes.Buffer
			if err := png.Encode(&b, im); err != nil {
				return nil, fmt.Errorf("encoding %s: %w", Name(digit, variant), err)
			}
			path := filepath.Join(dir, Name(digit, variant)+".png")
			if err := writeNew(path, b.Bytes()); err != nil {
				return nil, fmt.Errorf("writing sample digits: %w", err)
			}
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// writeNew writes b to a new file, or finds it there.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		there, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Equal(there, b) {
			return fmt.Errorf("%s is there already and is another file: move it away or pass another folder", path)
		}
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		// A part of a picture would stand in the way of the next attempt.
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
