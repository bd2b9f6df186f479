package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pascaline/correlation"
	"pascaline/plugins/sdk"
	"pascaline/ring"
)

// A backend outside the core needs nothing but the SDK.
func TestItImportsTheSDKAlone(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(path, "/")
			if path != "pascaline/plugins/sdk" && (first == "pascaline" || strings.Contains(first, ".")) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// pipe is one end of a twin in memory, and remembers what was sent.
type pipe struct {
	out, in chan []byte
	sent    [][]byte
}

func newPipes() (a, b *pipe) {
	x, y := make(chan []byte), make(chan []byte, 1) // one direction holds nothing
	return &pipe{out: x, in: y}, &pipe{out: y, in: x}
}

func (p *pipe) Send(ctx context.Context, msg []byte) error {
	p.sent = append(p.sent, bytes.Clone(msg))
	select {
	case p.out <- bytes.Clone(msg):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pipe) Recv(ctx context.Context, limit int) ([]byte, error) {
	select {
	case msg := <-p.in:
		if len(msg) > limit {
			return nil, fmt.Errorf("a message of %d bytes; at most %d are due", len(msg), limit)
		}
		return msg, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

var shapes = []sdk.ConvShape{
	ring.LinearShape(700, 300), // weights that take several messages
	{H: 6, W: 5, C: 3, K: 4, KH: 3, KW: 3, StrideH: 2, StrideW: 1, PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1},
}

func weights(s sdk.ConvShape) []int16 {
	w := make([]int16, s.WeightLen())
	for i := range w {
		w[i] = int16(i*40503) >> 3
	}
	return w
}

func input(spec sdk.Spec) []uint64 {
	r := make([]uint64, spec.N*spec.Shape.InLen())
	sdk.NewStream(sdk.Seed{1}, "test input").Fill(r)
	return r
}

// deal runs both parties, whose seeds are in these files.
func deal(t *testing.T, files [2]string, specs []sdk.Spec) (halves [2][]*sdk.Half, twins [2]*pipe, errs [2]error) {
	t.Helper()
	twins[0], twins[1] = newPipes()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for party := range 2 {
		wg.Go(func() {
			errs[party] = func() error {
				run := sdk.Run{Party: party, Twin: twins[party], Settings: map[string]string{"seed": files[party]}, Progress: func(float64) {}}
				for _, s := range shapes {
					l := sdk.Layer{Shape: s}
					if party == 0 {
						l.Weights = weights(s)
					}
					run.Layers = append(run.Layers, l)
				}
				g, err := backend{}.Open(ctx, run)
				if err != nil {
					return err
				}
				for _, spec := range specs {
					r := sdk.Request{Spec: spec}
					if spec.Kind == sdk.Linear && party == 1 {
						r.Input = input(spec)
					}
					h, err := g.Generate(ctx, []sdk.Request{r, r})
					if err != nil {
						return err
					}
					halves[party] = append(halves[party], h...)
				}
				return g.Close()
			}()
			if errs[party] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	return halves, twins, errs
}

func TestItDealsEveryKind(t *testing.T) {
	seed := filepath.Join(t.TempDir(), "seed")
	specs := []sdk.Spec{
		{Kind: sdk.Triples, N: 100},
		{Kind: sdk.Squares, N: 100},
		{Kind: sdk.Products, N: 100},
		correlation.MatrixSpec(3, 4, 5, 6, true),
		{Kind: sdk.Convolution, N: 2, Shape: shapes[1]},
		{Kind: sdk.Powers, N: 100, Degree: 8, MaskBits: 61},
		{Kind: sdk.Linear, N: 2, Shape: shapes[1], Layer: 1},
		{Kind: sdk.Linear, N: 1, Shape: shapes[0], Layer: 0},
		{Kind: sdk.Linear, N: 3, Shape: shapes[1], Layer: 1},
	}
	seen := map[sdk.Seed]bool{}
	for range 2 { // the second run has the same seed, and deals something else
		halves, twins, errs := deal(t, [2]string{seed, seed}, specs)
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		for i, h0 := range halves[0] {
			h1, spec := halves[1][i], specs[i/2]
			var err error
			if spec.Kind == sdk.Linear {
				err = correlation.VerifyLinear(weights(spec.Shape), input(spec), h0, h1)
			} else {
				err = correlation.Verify(h0, h1)
			}
			if err != nil || h0.Spec != spec {
				t.Errorf("correlation %d, of %+v: %v", i, spec, err)
			}
			for _, h := range []*sdk.Half{h0, h1} {
				if seen[h.Seed] {
					t.Errorf("correlation %d has a seed that another has", i)
				}
				seen[h.Seed] = true
			}
		}
		// Nonces, confirmations, and for three layers' worth of requests what
		// hides W and r: neither is there in clear.
		for party, secret := range [][]uint64{widened(weights(shapes[1])), input(specs[6])} {
			for _, msg := range twins[party].sent {
				for word := range slices.Chunk(msg, 8) {
					if slices.ContainsFunc(secret, func(x uint64) bool { return x != 0 && bytes.Equal(word, little(x)) }) {
						t.Errorf("party %d sends a word of its secret", party)
					}
				}
			}
		}
	}
}

func widened(w []int16) []uint64 {
	v := make([]uint64, len(w))
	for i, x := range w {
		v[i] = uint64(int64(x))
	}
	return v
}

func little(x uint64) []byte {
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(x >> (8 * i))
	}
	return b
}

func TestPartiesWithOtherSeedsNotice(t *testing.T) {
	dir := t.TempDir()
	_, _, errs := deal(t, [2]string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}, nil)
	if err := errors.Join(errs[:]...); err == nil || !strings.Contains(err.Error(), "the other party has another seed than "+dir) {
		t.Errorf("the errors are %v", errs)
	}
}

// Both parties on one machine may make the file at once: there is one in the end,
// and both have read it.
func TestTheSeedFileIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seed")
	seeds := make([]sdk.Seed, 16)
	var wg sync.WaitGroup
	for i := range seeds {
		wg.Go(func() {
			var err error
			if seeds[i], err = readSeed(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range seeds {
		if s != seeds[0] || s == (sdk.Seed{}) {
			t.Error("not all have read the same seed")
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("there are %v (%v)", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v (%v)", info.Mode(), err)
	}
}

func TestSeedFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, size int, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, size), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, says := range map[string]string{
		file("short", 31, 0o600):           "it has 31 bytes, and a seed has 32",
		file("long", 33, 0o600):            "it has 33 bytes, and a seed has 32",
		file("open", 32, 0o640):            "(mode 0640): chmod 600 it",
		dir:                                "is no seed file",
		filepath.Join(dir, "none", "seed"): `say where one can be by the setting "seed"`,
	} {
		if _, err := readSeed(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the error is %v; it does not say %q", err, says)
		}
	}
	if path, err := seedPath(""); err != nil || !strings.HasSuffix(path, ".seed") {
		t.Errorf("the file is %s (%v) where none is set", path, err)
	}
	_, err := backend{}.Open(t.Context(), sdk.Run{Settings: map[string]string{"sead": "x"}})
	if err == nil || !strings.Contains(err.Error(), `there is no setting "sead"`) {
		t.Errorf("the error is %v", err)
	}
}

func TestItSaysWhatItIs(t *testing.T) {
	d, err := backend{}.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.Trust, "the other party") || !slices.Equal(d.Kinds, sdk.Kinds()) || !slices.Equal(slices.Collect(maps.Keys(d.Settings)), []string{"seed"}) {
		t.Errorf("it describes itself as %+v", d)
	}
}
