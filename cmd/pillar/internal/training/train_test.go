package training

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"

	"pascaline/cmd/pillar/internal/network"
	"pascaline/dataset"
	"pascaline/evaluation"
	"pascaline/pillar"
	"pascaline/ring"
)

// stripes is a set of images of noisy stripes: upright, level or slanting.
func stripes(n int) *dataset.Set {
	set := &dataset.Set{Name: "stripes", H: 8, W: 8, C: 1, Classes: []string{"upright", "level", "slanting"}}
	s := ring.NewStream(ring.Seed{7}, "stripes")
	for i := range n {
		phase := below(s, 4)
		for y := range 8 {
			for x := range 8 {
				at := []int{x, y, x + y}[i%3] + phase
				set.Pixels = append(set.Pixels, uint8(at%4/2*160+below(s, 96)))
			}
		}
		set.Labels = append(set.Labels, int32(i%3))
	}
	return set
}

// quick are the options of a run of seconds.
func quick() Options {
	return Options{Network: "lenet", Activation: "poly:4:5", Clip: true, Penalty: pillar.Penalty{Beta: 1e-4, Gamma: 10, Range: 4.5},
		Epochs: 3, Batch: 32, Shards: 2, Optimizer: "sgd", Rate: 0.05, Schedule: "onecycle", Decay: 5e-4, HoldOut: 30, Seed: 1}
}

func goBackend(t *testing.T) network.Backend {
	t.Helper()
	b, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shared is the backend of all tests: tensors belong to one.
var shared = sync.OnceValues(func() (network.Backend, error) { return network.OpenBackend("go") })

func newRun(t *testing.T, o Options, set *dataset.Set, path string) *Run {
	t.Helper()
	r, err := New(o, set, goBackend(t), path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// values returns all numbers of a state.
func values(t *testing.T, s *network.State) (all []float32) {
	t.Helper()
	for _, x := range s.List() {
		v, err := tensors.CopyFlatData[float32](x)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v...)
	}
	return all
}

// A run that was cut off goes on from its checkpoint, and ends with the very numbers
// of one that was not.
func TestAnInterruptedRunEndsAsOneThatWasNot(t *testing.T) {
	set := stripes(222)
	whole := newRun(t, quick(), set, filepath.Join(t.TempDir(), "checkpoint"))
	if err := whole.Train(t.Context(), nil, func(Epoch) {}); err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(t.TempDir(), "checkpoint")
	first := newRun(t, quick(), set, path)
	ctx, cancel := context.WithCancel(t.Context())
	err := first.Train(ctx, func(p Progress) {
		if p.Epoch == 2 && p.Images > 32 {
			cancel()
		}
	}, func(Epoch) {})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the run that was cut off ended with %v", err)
	}
	second := newRun(t, quick(), set, path)
	if len(second.History) != 1 {
		t.Fatalf("the checkpoint has %d epochs, want 1", len(second.History))
	}
	if err := second.Train(t.Context(), nil, func(Epoch) {}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(values(t, whole.state), values(t, second.state)) {
		t.Error("the network that was trained in two parts is another")
	}
}

// What is folded and compiled gives the classes that the trained network gives.
func TestAFoldedNetworkIsTheTrainedOne(t *testing.T) {
	set := stripes(360)
	o := quick()
	o.Network, o.Epochs = "resnet8", 4
	r := newRun(t, o, set, filepath.Join(t.TempDir(), "checkpoint"))
	if err := r.Train(t.Context(), nil, func(Epoch) {}); err != nil {
		t.Fatal(err)
	}
	test := stripes(96)
	trained, err := r.Evaluate(t.Context(), test)
	if err != nil {
		t.Fatal(err)
	}
	if trained.Accuracy() < 0.9 {
		t.Errorf("stripes are told apart in %d of %d images", trained.Right, trained.Images)
	}
	g, err := r.Graph()
	if err != nil {
		t.Fatal(err)
	}
	b := newBatch(test, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}, 2, nil, nil)
	logits, _, err := r.inference.Run(r.state, b.images)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 16 {
		x := make([]float64, 64)
		for k, v := range test.Image(i).Pixels {
			x[k] = float64(v)
		}
		y, err := g.Float(x)
		if err != nil {
			t.Fatal(err)
		}
		for c := range y {
			if want := float64(logits[0][c*16+i]); math.Abs(y[c]-want) > 1e-4*(1+math.Abs(want)) {
				t.Fatalf("image %d: logit %d is %v folded, %v trained", i, c, y[c], want)
			}
		}
	}
	m, err := r.Compile("stripes")
	if err != nil {
		t.Fatal(err)
	}
	e, err := evaluation.New(m, test)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.FixedPoint(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if d := e.Fixed.Right - trained.Right; d < -1 || d > 1 {
		t.Errorf("%d images are classified rightly in fixed point, %d in float", e.Fixed.Right, trained.Right)
	}
}

// With a learning rate beyond reason values grow until they are no numbers. The run
// stops, names the layer and the epoch, and the checkpoint is that of the epoch before.
func TestDivergenceStopsTheRunAndKeepsTheCheckpoint(t *testing.T) {
	set := stripes(96)
	o := quick()
	o.Clip, o.Penalty, o.HoldOut, o.Epochs = false, pillar.Penalty{}, 0, 2
	path := filepath.Join(t.TempDir(), "checkpoint")
	r := newRun(t, o, set, path)
	err := r.Train(t.Context(), nil, func(Epoch) {
		r.Options.Rate = 1e30
	})
	var diverged *Diverged
	if !errors.As(err, &diverged) {
		t.Fatalf("training at a rate of 1e30 ended with %v", err)
	}
	if diverged.Epoch != 2 || diverged.Kept != 1 || diverged.Layer == "" || !strings.Contains(err.Error(), "after epoch 1") {
		t.Errorf("the error is %q", err)
	}
	if again := newRun(t, o, set, path); len(again.History) != 1 || !finiteAll(values(t, again.state)) {
		t.Errorf("the checkpoint has %d epochs, or numbers that are none", len(again.History))
	}
}

func finiteAll(v []float32) bool {
	return !slices.ContainsFunc(v, func(x float32) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) })
}

// A checkpoint that was cut short or changed anywhere is refused, and so is one of
// another run.
func TestDamagedCheckpointsAreRefused(t *testing.T) {
	set := stripes(96)
	o := quick()
	o.Epochs = 1
	path := filepath.Join(t.TempDir(), "checkpoint")
	r := newRun(t, o, set, path)
	if err := r.Train(t.Context(), nil, func(Epoch) {}); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decode := func(b []byte) error {
		_, _, err := decodeCheckpoint(bytes.NewReader(b), r.header(), r.state)
		return err
	}
	if err := decode(good); err != nil {
		t.Fatalf("the checkpoint as it was written: %v", err)
	}
	s := ring.NewStream(ring.Seed{9}, "damage")
	for range 200 {
		bad := slices.Clone(good)
		bad[below(s, len(bad))] ^= byte(1 + below(s, 255))
		if decode(bad) == nil {
			t.Fatal("a checkpoint with a changed byte is taken")
		}
		if decode(good[:below(s, len(good))]) == nil {
			t.Fatal("a checkpoint that is cut short is taken")
		}
	}
	if decode(append(slices.Clone(good), 0)) == nil {
		t.Error("a checkpoint with a byte more is taken")
	}
	other := o
	other.Rate *= 2
	if _, err := New(other, set, goBackend(t), path); !errors.Is(err, ErrOther) {
		t.Errorf("a checkpoint of another rate: %v", err)
	}
	changed := stripes(96)
	changed.Pixels[5] ^= 1
	if _, err := New(o, changed, goBackend(t), path); !errors.Is(err, ErrOther) {
		t.Errorf("a checkpoint of other images: %v", err)
	}
}

// Where a checkpoint cannot be written, training stops and says after which epoch.
// (Package whole leaves the one before.)
func TestACheckpointThatCannotBeWrittenStopsTheRun(t *testing.T) {
	o := quick()
	o.Epochs = 2
	dir := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	r := newRun(t, o, stripes(96), filepath.Join(dir, "checkpoint"))
	err := r.Train(t.Context(), nil, func(Epoch) { os.RemoveAll(dir) })
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "after epoch 2") {
		t.Errorf("a folder that went away: %v", err)
	}
}

// What is not a checkpoint is refused without taking the memory that it asks for.
func FuzzCheckpointsAreReadOrRefused(f *testing.F) {
	h := &header{Options: quick(), Data: "0", History: []Epoch{{Epoch: 1, Loss: 1, Accuracy: 0.5}}, Step: 6}
	var good bytes.Buffer
	if err := encodeCheckpoint(&good, h, &network.State{}); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add([]byte(checkpointMagic + "\xff\xff\xff\x00{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "checkpoint")
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		o, history, err := ReadHistory(path)
		if err == nil && (o.Check() != nil || len(history) < 1 || len(history) > o.Epochs) {
			t.Errorf("a checkpoint has %d epochs of %d", len(history), o.Epochs)
		}
	})
}
