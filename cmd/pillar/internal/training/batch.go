package training

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"

	"pascaline/dataset"
	"pascaline/ring"
)

// Augmentation is how images are changed each time they are shown.
type Augmentation struct {
	// Shift moves an image by up to so many pixels in each direction; what comes in
	// is black. A crop of an image with as much padding is the same.
	Shift int `json:"shift"`
	// Flip mirrors every second image, left to right.
	Flip bool `json:"flip"`
	// Cutout blackens a square of so many pixels a side (DeVries and Taylor, 2017).
	Cutout int `json:"cutout"`
}

func (a *Augmentation) check() error {
	for _, v := range []struct {
		name  string
		value int
	}{{"shifts", a.Shift}, {"cutouts", a.Cutout}} {
		if v.value < 0 || v.value > 1<<12 {
			return fmt.Errorf("%s of %d pixels; take from 0 to 4096", v.name, v.value)
		}
	}
	return nil
}

// checkSize refuses what leaves nothing of an image.
func (a *Augmentation) checkSize(h, w int) error {
	if side := min(h, w); a.Shift >= side || a.Cutout >= side {
		return fmt.Errorf("images of %d×%d with shifts of %d and cutouts of %d pixels; take less than %d of each, or nothing is left of an image", h, w, a.Shift, a.Cutout, side)
	}
	return nil
}

// seed is where one use of randomness begins: it follows from the seed of the
// options, so that a run can be repeated. Nothing here is secret.
func (o *Options) seed(use string) ring.Seed {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], o.Seed)
	return ring.Seed(sha256.Sum256(append([]byte("pillar train "+use+" "), n[:]...)))
}

// batch is what one step takes: of each shard the images, C×B×H×W, and the labels,
// classes×B, one where the class is.
type batch struct {
	images, labels []*tensors.Tensor
	classes        [][]int32
}

// batches sends the batches of an epoch, in an order of their own, until all are
// sent or ctx ends. Images that fill no batch are left for other epochs.
func (o *Options) batches(ctx context.Context, set *dataset.Set, epoch int) <-chan *batch {
	out := make(chan *batch, 2) // the next is made while one is trained on
	go func() {
		defer close(out)
		order := permutation(ring.NewStream(o.seed("order"), "pillar/order", uint64(epoch)), set.Len())
		for i := 0; i+o.Batch <= len(order); i += o.Batch {
			s := ring.NewStream(o.seed("augment"), "pillar/augment", uint64(epoch), uint64(i))
			b := newBatch(set, order[i:i+o.Batch], o.Shards, &o.Augment, s)
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// newBatch makes a batch of images of a set; s may be nil where nothing is
// augmented.
func newBatch(set *dataset.Set, images []int, shards int, a *Augmentation, s *ring.Stream) *batch {
	b := &batch{}
	n, plane, classes := len(images)/shards, set.H*set.W, len(set.Classes)
	for shard := range shards {
		x := make([]float32, set.C*n*plane)
		y := make([]float32, classes*n)
		labels := make([]int32, n)
		for k, i := range images[shard*n : (shard+1)*n] {
			pixels := set.Pixels[i*set.Values() : (i+1)*set.Values()]
			view := view{h: set.H, w: set.W}
			if s != nil {
				view = a.draw(s, set.H, set.W)
			}
			for c := range set.C {
				view.copy(x[(c*n+k)*plane:][:plane], pixels[c:], set.C)
			}
			labels[k] = set.Labels[i]
			y[int(labels[k])*n+k] = 1
		}
		b.images = append(b.images, tensors.FromFlatDataAndDimensions(x, set.C, n, set.H, set.W))
		b.labels = append(b.labels, tensors.FromFlatDataAndDimensions(y, classes, n))
		b.classes = append(b.classes, labels)
	}
	return b
}

// view is how one image is looked at.
type view struct {
	h, w               int
	down, right        int // shift
	flip               bool
	top, left, covered int // a square that is blackened
}

func (a *Augmentation) draw(s *ring.Stream, h, w int) view {
	v := view{h: h, w: w}
	if a.Shift > 0 {
		v.down, v.right = below(s, 2*a.Shift+1)-a.Shift, below(s, 2*a.Shift+1)-a.Shift
	}
	v.flip = a.Flip && below(s, 2) == 1
	if a.Cutout > 0 {
		v.top, v.left, v.covered = below(s, h)-a.Cutout/2, below(s, w)-a.Cutout/2, a.Cutout
	}
	return v
}

// copy writes one channel as it is seen; its bytes are stride apart.
func (v *view) copy(dst []float32, src []uint8, stride int) {
	for y := range v.h {
		from := y - v.down
		if from < 0 || from >= v.h {
			continue
		}
		for x := range v.w {
			at := x - v.right
			if v.flip {
				at = v.w - 1 - at
			}
			if at < 0 || at >= v.w || v.covered > 0 && y >= v.top && y < v.top+v.covered && x >= v.left && x < v.left+v.covered {
				continue
			}
			dst[y*v.w+x] = float32(src[(from*v.w+at)*stride]) / 255
		}
	}
}

// permutation returns 0 … n−1 in an order drawn from s (Fisher and Yates).
func permutation(s *ring.Stream, n int) []int {
	order := make([]int, n)
	for i := range order {
		j := below(s, i+1)
		order[i], order[j] = order[j], i
	}
	return order
}

// below returns a number from 0 to n−1. Its bias is below n/2^64, which training
// does not notice.
func below(s *ring.Stream, n int) int {
	var w [1]uint64
	s.Fill(w[:])
	return int(w[0] % uint64(n))
}
