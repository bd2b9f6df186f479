package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestAModelReadBackIsTheSame(t *testing.T) {
	m := sampleModel(t)
	for name, want := range map[string]*Model{"model": m, "plan": m.PlanOnly(), "compiled model": compiledModel(t)} {
		path := filepath.Join(t.TempDir(), name+".pasc")
		if err := WriteFile(path, want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) || got.Plan.Hash() != want.Plan.Hash() {
			t.Errorf("the %s read back differs", name)
		}
	}
}

func TestFilesWithWeightsAreTheirOwnersAlone(t *testing.T) {
	m := sampleModel(t)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		m    *Model
		mode os.FileMode
	}{"m.pasc": {m, 0o600}, "p.pasc": {m.PlanOnly(), 0o644}} {
		path := filepath.Join(dir, name)
		// Over a file that is there and open to others.
		if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, c.m); err != nil {
			t.Fatal(err)
		}
		if i, err := os.Stat(path); err != nil || i.Mode().Perm() != c.mode {
			t.Errorf("%s: mode %v (%v), want %v", name, i.Mode().Perm(), err, c.mode)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("%d files are left, not two", len(entries))
	}
}

func TestAFailedWriteLeavesTheOldFile(t *testing.T) {
	m := sampleModel(t)
	path := filepath.Join(t.TempDir(), "m.pasc")
	if err := WriteFile(path, m); err != nil {
		t.Fatal(err)
	}
	bad := *m
	bad.Salt[0]++
	if err := WriteFile(path, &bad); err == nil {
		t.Fatal("weights under another salt were written")
	}
	if _, err := ReadModel(path); err != nil {
		t.Error(err)
	}
	if err := WriteFile(filepath.Join(path, "below a file"), m); err == nil {
		t.Error("written below a file")
	}
}

func TestAPlanFileDoesNotServe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.pasc")
	if err := WriteFile(path, sampleModel(t).PlanOnly()); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadModel(path); !errors.Is(err, ErrNoWeights) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v; want ErrNoWeights and the file's name", err)
	}
	if _, err := ReadModel(path + ".missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v; want the file not to exist", err)
	}
}

func TestThePlansHashIsThatOfItsSection(t *testing.T) {
	m := sampleModel(t)
	b := encoded(t, m)
	s, err := splitSections(b)
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(s[0].payload) != m.Plan.Hash() {
		t.Error("the section PLAN hashes to something else")
	}
	if sha256.Sum256(append(bytes.Clone(s[1].payload), s[2].payload...)) != m.Plan.Weights {
		t.Error("SALT and WGTS are not what the plan is committed to")
	}
	alone, err := splitSections(encoded(t, m.PlanOnly()))
	if err != nil || !bytes.Equal(alone[0].payload, s[0].payload) {
		t.Errorf("the plan alone is encoded differently (%v)", err)
	}
}

func TestEveryFlippedBitAndEveryTruncationIsNoticed(t *testing.T) {
	b := encoded(t, sampleModel(t))
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 1 << (i % 8)
		if _, err := Decode(c); err == nil {
			t.Fatalf("a bit of byte %d was flipped unnoticed", i)
		}
		if _, err := Decode(b[:i]); err == nil {
			t.Fatalf("a file of %d of %d bytes was taken", i, len(b))
		}
	}
	if _, err := Decode(append(bytes.Clone(b), 0)); err == nil {
		t.Error("a byte too many was taken")
	}
}

// resealed returns b changed, with a checksum that fits again.
func resealed(b []byte, change func([]byte) []byte) []byte {
	c := change(bytes.Clone(b[:len(b)-sha256.Size]))
	sum := sha256.Sum256(c)
	return append(c, sum[:]...)
}

func TestChangesUnderAFreshChecksumAreNoticed(t *testing.T) {
	m := sampleModel(t)
	b := encoded(t, m)
	planLen := len(m.Plan.encode())
	salt := fileHeader + sectionHeader + planLen + sectionHeader
	weights := salt + saltSize + sectionHeader
	flip := func(at int) func([]byte) []byte {
		return func(c []byte) []byte { c[at] ^= 1; return c }
	}
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   string
	}{
		"magic":            {flip(0), "PASC"},
		"version":          {func(c []byte) []byte { c[4] = 2; return c }, "version 2"},
		"sections":         {flip(6), "sections"},
		"tag":              {flip(8), "PLAN"},
		"length":           {func(c []byte) []byte { binary.LittleEndian.PutUint64(c[12:], 1<<63); return c }, "bytes"},
		"salt":             {flip(salt), "committed"},
		"salt's length":    {func(c []byte) []byte { binary.LittleEndian.PutUint64(c[salt-8:], 31); return c }, "WGTS"},
		"a weight":         {flip(weights + 12), "committed"},
		"layers":           {func(c []byte) []byte { binary.LittleEndian.PutUint32(c[weights:], 1<<31); return c }, "layers"},
		"weights":          {func(c []byte) []byte { binary.LittleEndian.PutUint32(c[weights+4:], 1<<31); return c }, "left"},
		"biases":           {func(c []byte) []byte { binary.LittleEndian.PutUint32(c[weights+8:], 1<<31); return c }, "left"},
		"weights of -2^15": {func(c []byte) []byte { binary.LittleEndian.PutUint16(c[weights+12:], 1<<15); return c }, "32767"},
		"a tail":           {func(c []byte) []byte { return append(c, 0) }, "follow"},
	} {
		_, err := Decode(resealed(b, c.change))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want a word of %q", name, err, c.want)
		}
	}
}

func TestWeightsOfAnotherModelAreNotTaken(t *testing.T) {
	a, b := sampleModel(t), sampleModel(t)
	if a.Salt == b.Salt || a.Plan.Weights == b.Plan.Weights {
		t.Error("two models share a salt")
	}
	a.Weights.Layers[0].Bias[0]++
	if _, err := a.Encode(); err == nil || !strings.Contains(err.Error(), "committed") {
		t.Errorf("%v; want the weights not to be those the plan is committed to", err)
	}
	b.Weights.Layers = b.Weights.Layers[:2]
	if _, err := b.Encode(); err == nil || !strings.Contains(err.Error(), "fc") {
		t.Errorf("%v; want the layer without weights named", err)
	}
	if _, err := new(Model).Encode(); err == nil {
		t.Error("a model of nothing was encoded")
	}
}

// compiledModel has a calibration.
func compiledModel(t testing.TB) *Model {
	t.Helper()
	b := newBuilder(Shape{1, 1, 4})
	b.fc(b.poly(b.fc(0, 3)), 2)
	m, _, err := Compile(b.g, b.inputs(20), Options{WeightBits: 5})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestACalibrationThatIsNoneIsNotTaken(t *testing.T) {
	m := compiledModel(t)
	b := encoded(t, m)
	at := len(b) - sha256.Size - len(m.Calibration.encode())
	put := func(offset int, v float64) func([]byte) []byte {
		return func(c []byte) []byte {
			binary.LittleEndian.PutUint64(c[at+offset:], math.Float64bits(v))
			return c
		}
	}
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   string
	}{
		"another version":        {func(c []byte) []byte { c[4] = 1; return c }, "sections"},
		"without its section":    {func(c []byte) []byte { c[6] = 3; return c }, "sections"},
		"no inputs":              {func(c []byte) []byte { clear(c[at : at+4]); return c }, "inputs"},
		"no margin":              {put(4, 0.5), "margin"},
		"no number for a margin": {put(4, math.NaN()), "margin"},
		"bits beyond all":        {func(c []byte) []byte { c[at+12] = 200; return c }, "bits"},
		"nodes beyond all":       {func(c []byte) []byte { binary.LittleEndian.PutUint32(c[at+14:], 1<<31); return c }, "nodes"},
		"too short":              {func(c []byte) []byte { binary.LittleEndian.PutUint64(c[at-8:], 3); return c[:at+3] }, "truncated"},
		"a node too few": {func(c []byte) []byte {
			c[at+14]--
			binary.LittleEndian.PutUint64(c[at-8:], uint64(len(c)-at-calibrationNode))
			return c[:len(c)-calibrationNode]
		}, "nodes"},
		"a negative range":     {put(calibrationHeader, -1), "node 0"},
		"an infinite range":    {put(calibrationHeader, math.Inf(1)), "node 0"},
		"no number as a range": {put(calibrationHeader+calibrationNode, math.NaN()), "node 1"},
		"weights beyond all":   {put(calibrationHeader+8, 1e300), "node 0"},
		"bits without end":     {put(calibrationHeader+16, -1e9), "node 0"},
	} {
		_, err := Decode(resealed(b, c.change))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want a word of %q", name, err, c.want)
		}
	}
	alone := m.PlanOnly()
	alone.Calibration = m.Calibration
	if _, err := alone.Encode(); err == nil {
		t.Error("a plan was written with what the compilation saw of the weights")
	}
}

func encoded(t testing.TB, m *Model) []byte {
	t.Helper()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzDecode checks that whatever decodes is valid and encodes to the same
// bytes. The fuzzer's bytes are tried as they are and under a checksum that
// fits.
func FuzzDecode(f *testing.F) {
	m := sampleModel(f)
	for _, m := range []*Model{m, m.PlanOnly(), compiledModel(f)} {
		b := encoded(f, m)
		f.Add(b)
		f.Add(b[:len(b)-sha256.Size])
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := sha256.Sum256(b)
		for _, b := range [][]byte{b, append(bytes.Clone(b), sum[:]...)} {
			m, err := Decode(b)
			if err != nil {
				continue
			}
			c, err := m.Encode()
			if err != nil {
				t.Fatalf("decoded, but does not encode: %v", err)
			}
			if !bytes.Equal(b, c) {
				t.Fatal("encodes to other bytes")
			}
			m.Plan.Summary()
			m.Plan.Bundle()
		}
	})
}
