package model

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"pascaline/ring"
)

func TestWhatCannotBeImportedIsRefusedWithTheNodeAndARemedy(t *testing.T) {
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			b := newONNX(1, 4, 6, 6)
			g, _, err := ImportONNX(b.bytes(t, r.build(b)), ImportOptions{})
			if err == nil {
				t.Fatalf("imported as %s", ops(g))
			}
			for _, w := range r.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error does not say %q: %v", w, err)
				}
			}
		})
	}
}

func TestSeveralOutputsAreRefused(t *testing.T) {
	b := newONNX(1, 4)
	out := b.square("x")
	b.bytes(t, out)
	b.graph.Output = append(b.graph.Output, valueInfo("v0"))
	data, err := proto.Marshal(b.model)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = ImportONNX(data, ImportOptions{}); err == nil || !strings.Contains(err.Error(), "2 outputs") {
		t.Errorf("error %v", err)
	}
}

func smallModel(t testing.TB) []byte {
	b := newONNX(1, 1, 4, 4)
	f := b.node("Flatten", b.square(b.batchNorm(b.conv("x", 1, 2, 3, 1, 1), 2)))
	return b.bytes(t, b.linear(f, 32, 2))
}

func TestAFileCutShortIsRefused(t *testing.T) {
	data := smallModel(t)
	if _, _, err := ImportONNX(data, ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, _, err := ImportONNX(data[:n], ImportOptions{}); err == nil {
			t.Fatalf("the first %d of %d bytes were imported", n, len(data))
		}
	}
}

func TestADamagedByteNeverPanics(t *testing.T) {
	data := smallModel(t)
	for i := range data {
		for _, v := range []byte{0, 0x7f, 0xff, data[i] ^ 1} {
			old := data[i]
			data[i] = v
			if g, _, err := ImportONNX(data, ImportOptions{}); err == nil {
				if err := g.Validate(); err != nil {
					t.Errorf("byte %d = %d: %v", i, v, err)
				}
			}
			data[i] = old
		}
	}
}

func TestAlienFilesAreRefused(t *testing.T) {
	for name, data := range map[string]string{
		"nothing": "", "text": "hello, world\n", "PNG": "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "zip": "PK\x03\x04\x14\x00",
		"pickle": "\x80\x02}q\x00.", "zeros": "\x00\x00\x00\x00",
	} {
		if _, _, err := ImportONNX([]byte(data), ImportOptions{}); err == nil || !strings.Contains(err.Error(), "no ONNX file") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for _, alien := range aliens {
		if _, _, err := ImportONNX([]byte(alien.begins), ImportOptions{}); err == nil || !strings.Contains(err.Error(), "no ONNX file but "+alien.is) {
			t.Errorf("%q: error %v", alien.begins, err)
		}
	}
}

func TestAFileTakesNoMoreMemoryThanAFewTimesItsSize(t *testing.T) {
	heap := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	t.Run("empty nodes", func(t *testing.T) {
		// Each node of two bytes would take more than a hundred.
		graph := strings.Repeat("\x0a\x00", 1<<21)
		data := []byte("\x08\x07\x3a\x80\x80\x80\x02" + graph)
		if took := heap(func() {
			if _, _, err := ImportONNX(data, ImportOptions{}); err == nil || !strings.Contains(err.Error(), "more than") {
				t.Errorf("error %v", err)
			}
		}); took > 1<<20 {
			t.Errorf("took %d bytes", took)
		}
	})
	t.Run("one tensor for many convolutions", func(t *testing.T) {
		const budget = 1 << 20
		b := newONNX(1, 128, 1, 1)
		w, x := b.random(0, 128, 128, 1, 1), "x"
		for range budget/(128*128) + 1 {
			x = b.node("Conv", x, w)
		}
		b.bytes(t, x)
		_, _, err := importGraph(b.model, ImportOptions{}, budget)
		if err == nil || !strings.Contains(err.Error(), "weights") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("many groups", func(t *testing.T) {
		b := newONNX(1, 1<<14, 1, 1)
		took := heap(func() {
			_, _, err := ImportONNX(b.bytes(t, b.node("Conv", "x", b.random(0, 1<<14, 1, 1, 1), intAttr("group", 1<<14))), ImportOptions{})
			if err == nil || !strings.Contains(err.Error(), "fewer groups") {
				t.Errorf("error %v", err)
			}
		})
		if took > 1<<24 {
			t.Errorf("took %d bytes", took)
		}
	})
}

func TestAFileThatCannotBeReadIsAnErrorWithItsPath(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.onnx")
	if err := os.WriteFile(bad, []byte("not a model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, dir, filepath.Join(dir, "absent.onnx")} {
		if _, _, err := ImportONNXFile(path, ImportOptions{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v", err)
		}
	}
	large := filepath.Join(dir, "large.onnx")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, maxONNXBytes+1); err != nil {
		t.Skip(err)
	}
	if _, _, err := ImportONNXFile(large, ImportOptions{}); err == nil || !strings.Contains(err.Error(), fmt.Sprint(maxONNXBytes)) {
		t.Errorf("error %v", err)
	}
}

func FuzzImportONNX(f *testing.F) {
	f.Add(smallModel(f))
	for _, n := range slices.Concat(networks, layouts, layers, dynamo) {
		b, out := n.build()
		f.Add(b.bytes(f, out))
	}
	for _, r := range refusals {
		b := newONNX(1, 4, 6, 6)
		f.Add(b.bytes(f, r.build(b)))
	}
	for _, s := range spellings {
		b := newONNX(1, 4, 3, 3)
		f.Add(b.bytes(f, s.spell(b, "x")))
	}
	all := ImportOptions{Activations: stands(functions...), High: 1}
	for _, name := range dropped {
		all.Activations[name] = identity()
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g, _, err := ImportONNX(data, ImportOptions{})
		if with, _, replaced := ImportONNX(data, all); replaced != nil && err == nil {
			t.Errorf("refused with polynomials for functions alone: %v", replaced)
		} else if err != nil {
			g, err = with, replaced
		}
		if err != nil {
			return
		}
		elements := 0
		for _, n := range g.Nodes {
			elements += n.Shape.Len()
			for _, s := range []ring.ConvShape{n.Linear, n.Pool} {
				if s.C > 0 {
					elements += s.MACs()
				}
			}
		}
		if elements > 1<<20 {
			return // sound, but slow
		}
		if _, err := g.Float(make([]float64, g.Nodes[0].Shape.Len())); err != nil {
			t.Errorf("an imported graph cannot be evaluated: %v", err)
		}
	})
}
