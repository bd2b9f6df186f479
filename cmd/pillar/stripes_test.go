package main

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"pascaline/ring"
)

// stripesInScript writes a set of 8×8 images of upright and of level stripes with
// noise, as IDX files: stripes FOLDER COUNT, and 50 to test with; or as pictures by
// class, not split: stripes FOLDER COUNT pictures.
func stripesInScript(ts *testscript.TestScript, neg bool, args []string) {
	asPictures := len(args) == 3 && args[2] == "pictures"
	if neg || len(args) != 2 && !asPictures {
		ts.Fatalf("usage: stripes FOLDER COUNT [pictures]")
	}
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	if !asPictures {
		ts.Check(os.MkdirAll(dir, 0o777))
		ts.Check(writeIDX(dir, "train", count))
		ts.Check(writeIDX(dir, "t10k", 50))
		return
	}
	for i, img := range stripes("train", count) {
		class := filepath.Join(dir, []string{"upright", "level"}[i%2])
		ts.Check(os.MkdirAll(class, 0o777))
		f, err := os.Create(filepath.Join(class, fmt.Sprintf("%d.png", i)))
		ts.Check(err)
		ts.Check(png.Encode(f, img))
		ts.Check(f.Close())
	}
}

// stripes draws n images, upright and level in turn.
func stripes(split string, n int) (images []*image.Gray) {
	s := ring.NewStream(ring.Seed{}, "stripes/"+split)
	noise := make([]byte, 64*n)
	s.Read(noise)
	for i := range n {
		img := image.NewGray(image.Rect(0, 0, 8, 8))
		for y := range 8 {
			for x := range 8 {
				at := []int{x, y}[i%2] + int(noise[64*i])
				img.Pix[8*y+x] = byte(at%4/2*160 + int(noise[64*i+8*y+x])%96)
			}
		}
		images = append(images, img)
	}
	return images
}

func writeIDX(dir, split string, n int) error {
	images := binary.BigEndian.AppendUint32(nil, 0x803)
	for _, d := range []int{n, 8, 8} {
		images = binary.BigEndian.AppendUint32(images, uint32(d))
	}
	labels := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 0x801), uint32(n))
	for i, img := range stripes(split, n) {
		images, labels = append(images, img.Pix...), append(labels, byte(i%2))
	}
	if err := os.WriteFile(filepath.Join(dir, split+"-images-idx3-ubyte"), images, 0o666); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, split+"-labels-idx1-ubyte"), labels, 0o666)
}
