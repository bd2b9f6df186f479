package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"pascaline/ring"
)

// stripes writes a set of 8×8 images of upright and of level stripes with noise, as IDX
// files: stripes FOLDER COUNT.
func stripes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: stripes FOLDER COUNT")
	}
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	for name, n := range map[string]int{"train": count, "t10k": 50} {
		s := ring.NewStream(ring.Seed{}, "stripes/"+name)
		pixels := make([]byte, 64*n)
		noise := make([]byte, 64*n)
		s.Read(noise)
		labels := make([]byte, n)
		for i := range n {
			labels[i] = byte(i % 2)
			for y := range 8 {
				for x := range 8 {
					at := []int{x, y}[i%2] + int(noise[64*i])
					pixels[64*i+8*y+x] = byte(at%4/2*160 + int(noise[64*i+8*y+x])%96)
				}
			}
		}
		images := binary.BigEndian.AppendUint32(nil, 0x803)
		for _, d := range []int{n, 8, 8} {
			images = binary.BigEndian.AppendUint32(images, uint32(d))
		}
		ts.Check(os.WriteFile(filepath.Join(dir, name+"-images-idx3-ubyte"), append(images, pixels...), 0o666))
		head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 0x801), uint32(n))
		ts.Check(os.WriteFile(filepath.Join(dir, name+"-labels-idx1-ubyte"), append(head, labels...), 0o666))
	}
}
