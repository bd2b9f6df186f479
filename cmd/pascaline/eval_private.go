package main

import (
	"context"
	"errors"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strconv"

	"pascaline/dataset"
	"pascaline/evaluation"
	"pascaline/internal/commandline"
	"pascaline/link"
	"pascaline/model"
	"pascaline/party"
)

const (
	// portionMemory bounds the bundles that eval keeps on the disk at a time, by
	// what they take in memory, and portionImages their number: a portion is a
	// step of the progress bar.
	portionMemory = 256 << 20
	portionImages = 64
)

// open starts a server of the model on a stage, and gives a client the plan.
func (f *evalFlags) open(ctx context.Context, st *stage, m *model.Model) (err error) {
	st.quiet, st.network = true, link.Network{}.String()
	if err := errors.Join(st.keys("server", "client"), st.put(m)); err != nil {
		return err
	}
	if st.backend, err = st.chooseBackend(ctx, &f.backend, "server", "client"); err != nil {
		return err
	}
	return st.serve(ctx)
}

// evaluatePrivately classifies the first images by the very commands of a server and
// a client. If it fails midway, e has the images that are done.
func (f *evalFlags) evaluatePrivately(ctx context.Context, st *stage, e *evaluation.Evaluation, m *model.Model, set *dataset.Set) error {
	progress, finish := workProgress(0, f.private, "image", "classified privately")
	portion := max(1, min(portionImages, portionMemory/m.Plan.BundleMemory()))
	logits, failed := st.classify(ctx, m.Plan, set, f.private, portion, progress)
	finish()
	if len(logits) > 0 {
		how := fmt.Sprintf("by the protocol, between two processes, with randomness from %s", f.backend.means())
		if err := e.SetPrivate(logits, how); err != nil {
			return errors.Join(failed, err)
		}
	}
	if failed != nil {
		return &commandline.Partial{Err: failed, Done: fmt.Sprintf("%d of %s classified privately, which is counted by portions of up to %d",
			len(logits), count(f.private, "image"), portion)}
	}
	return nil
}

// classify returns the logits that private inference gives for the first n images.
// It makes bundles for a portion of them at a time, so that the stores stay small.
// With an error come the logits of the portions before it.
func (st *stage) classify(ctx context.Context, plan *model.Plan, set *dataset.Set, n, portion int, progress func(float64)) (logits [][]float64, err error) {
	batch := strconv.Itoa(min(portion, party.LargestBatch(plan)))
	for len(logits) < n {
		size := min(portion, n-len(logits))
		dir, err := st.draw(set, len(logits), size)
		if err != nil {
			return logits, err
		}
		var made productionReport
		if err := st.client(ctx, &made, "produce", append(st.backend, "--bundles", strconv.Itoa(size))...); err != nil {
			return logits, err
		}
		var r inferenceReport
		if err := st.client(ctx, &r, "infer", "--batch", batch, dir); err != nil {
			return logits, err
		}
		if len(r.Results) != size {
			return logits, fmt.Errorf("%s for %s", count(len(r.Results), "result"), count(size, "image"))
		}
		for _, res := range r.Results {
			logits = append(logits, res.Logits)
		}
		if err := os.RemoveAll(dir); err != nil {
			return logits, err
		}
		progress(float64(len(logits)))
	}
	return logits, nil
}

// draw writes images of a set as pictures, which the client's process reads in the
// same order and to the same values, and returns their folder.
func (st *stage) draw(set *dataset.Set, from, n int) (dir string, err error) {
	dir = st.path("pictures")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("writing the images for the client: %w", err)
	}
	for i := from; i < from+n; i++ {
		img, err := set.Picture(i)
		if err != nil {
			return "", err
		}
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%08d.png", i)))
		if err != nil {
			return "", fmt.Errorf("writing the images for the client: %w", err)
		}
		if err := errors.Join(png.Encode(f, img), f.Close()); err != nil {
			return "", fmt.Errorf("writing the images for the client: %w", err)
		}
	}
	return dir, nil
}
