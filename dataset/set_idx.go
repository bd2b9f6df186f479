package dataset

import (
	"fmt"
	"image"
	"path/filepath"
)

// idxPrefix begins the names of a split's files.
func idxPrefix(split Split) string {
	if split == Train {
		return "train"
	}
	return "t10k"
}

// idxName finds the file of a split that holds images (3 dimensions) or labels
// (1), in one of the spellings that sets come in.
func idxName(entries []entry, split Split, what string, dims int) (string, bool) {
	for _, form := range []string{"%s-%s-idx%d-ubyte", "%s-%s.idx%d-ubyte"} {
		for _, end := range []string{"", ".gz"} {
			if name := fmt.Sprintf(form, idxPrefix(split), what, dims) + end; hasFile(entries, name) {
				return name, true
			}
		}
	}
	return "", false
}

// findIDX finds a set in IDX files. One file of it is enough to tell.
func findIDX(dir string, entries []entry) *foundSet {
	for _, split := range []Split{Train, Test} {
		for what, dims := range map[string]int{"images": idxImages, "labels": idxLabels} {
			if _, ok := idxName(entries, split, what, dims); ok {
				return &foundSet{"IDX", true, func(split Split, o SetOptions) (*Set, error) { return readIDXSet(dir, entries, split, o) }}
			}
		}
	}
	return nil
}

func readIDXSet(dir string, entries []entry, split Split, o SetOptions) (*Set, error) {
	var paths [2]string
	for i, f := range []struct {
		what string
		dims int
	}{{"images", idxImages}, {"labels", idxLabels}} {
		name, ok := idxName(entries, split, f.what, f.dims)
		if !ok {
			return nil, fmt.Errorf("it has no %s of this split: %s-%s-idx%d-ubyte is missing, or the same with .gz: copy it there", f.what, idxPrefix(split), f.what, f.dims)
		}
		paths[i] = filepath.Join(dir, name)
	}
	classes, total, err := idxClasses(paths[1])
	if err != nil {
		return nil, err
	}
	s := &Set{Classes: numbers(classes), Total: total}
	var p Options
	err = eachIDX(paths[0], paths[1], o.Limit, func(im *image.Gray, name string, label int) error {
		if s.Len() == 0 {
			var err error
			if p, err = o.options(im.Rect.Dy(), im.Rect.Dx(), 1); err != nil {
				return err
			}
			s.H, s.W, s.C = p.H, p.W, p.C
		}
		return s.add(im, p, name, label)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// idxClasses returns the number of classes that a file of labels tells of, one
// more than the largest, and the number of labels: also where fewer images are
// read, they are the same.
func idxClasses(path string) (classes, total int, err error) {
	labels, err := openIDX(path, idxLabels)
	if err != nil {
		return 0, 0, err
	}
	defer labels.close()
	var label [1]byte
	most := 0
	for range labels.n {
		if err := labels.next(label[:]); err != nil {
			return 0, 0, err
		}
		most = max(most, int(label[0]))
	}
	return most + 1, labels.n, labels.end()
}
