package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"pascaline/dataset"
)

// read reads the split to train on and the split to test with, which must go
// together: after hours of training it is too late to find that they do not.
func (f *trainFlags) read() (train, test *dataset.Set, err error) {
	o := dataset.SetOptions{C: f.channel, TestShare: f.testShare, Fit: f.fit != ""}
	if o.Fit {
		if o.H, o.W, err = parseSize(f.fit); err != nil {
			return nil, nil, err
		}
	}
	o.Limit = f.count
	if train, err = dataset.ReadSet(f.data, dataset.Train, o); err != nil {
		return nil, nil, inFlags(err)
	}
	o.Limit, o.H, o.W, o.C = 0, train.H, train.W, train.C
	if test, err = dataset.ReadSet(f.data, dataset.Test, o); err != nil {
		return nil, nil, inFlags(err)
	}
	if len(train.Classes) < 2 {
		return nil, nil, fmt.Errorf("training on %s: all its images are of class %s; a network learns to tell two classes or more apart", f.data, train.Classes[0])
	}
	for i, label := range test.Labels {
		if int(label) >= len(train.Classes) {
			return nil, nil, fmt.Errorf("testing with %s: its image %d has label %d, and those of the training split are below %d: the splits are of two sets, or one of them is damaged",
				f.data, i+1, label, len(train.Classes))
		}
	}
	return train, test, nil
}

// inFlags adds to an error of a data set the flag that it is about.
func inFlags(err error) error {
	switch {
	case errors.Is(err, dataset.ErrNoSplits):
		return fmt.Errorf("%w (--test-share 0.1 holds out a tenth)", err)
	case errors.Is(err, dataset.ErrSplits):
		return fmt.Errorf("%w (leave out --test-share)", err)
	}
	return err
}

// parseSize parses a height and a width, such as 32x32.
func parseSize(s string) (h, w int, err error) {
	height, width, _ := strings.Cut(strings.ToLower(s), "x")
	h, errH := strconv.Atoi(height)
	w, errW := strconv.Atoi(width)
	if errH != nil || errW != nil || h < 1 || w < 1 {
		return 0, 0, fmt.Errorf("--fit is %q; take a height and a width, such as 32x32", s)
	}
	return h, w, nil
}

// greyImages returns how many images have three channels that are the same.
func greyImages(s *dataset.Set) (n int) {
	if s.C != 3 {
		return 0
	}
	for i := range s.Len() {
		grey := true
		for p := s.Pixels[i*s.Values() : (i+1)*s.Values()]; grey && len(p) > 0; p = p[3:] {
			grey = p[0] == p[1] && p[1] == p[2]
		}
		if grey {
			n++
		}
	}
	return n
}

// describeData says what is trained on, and warns of classes that nothing is
// learned of.
func describeData(w io.Writer, train, test *dataset.Set, holdOut int) {
	fmt.Fprintf(w, "%s: %d images of %d×%d×%d in %d classes to train on, %d of them held out to judge epochs by; %d to test with\n",
		train.Name, train.Len(), train.H, train.W, train.C, len(train.Classes), holdOut, test.Len())
	images := make([]int, len(train.Classes))
	for _, label := range train.Labels {
		images[label]++
	}
	var none []string
	for i, n := range images {
		if n == 0 {
			none = append(none, train.Classes[i])
		}
	}
	if len(none) == 0 {
		return
	}
	const few = 5
	list := strings.Join(none[:min(few, len(none))], ", ")
	if len(none) > few {
		list += ", …"
	}
	fmt.Fprintf(w, "warning: %d of %d classes have no image to train on (%s); the network will not find them\n", len(none), len(images), list)
}
