package dataset

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Read reads images from paths, in their order, as o says. Each path is a PNG
// or JPEG picture, a folder of them (see [ReadDir]) or an IDX file of images,
// compressed or not; what a file is, its contents decide.
func Read(o Options, paths ...string) ([]Image, error) {
	if len(paths) == 0 {
		return nil, errors.New("reading images: no path is given: pass pictures, folders or IDX files")
	}
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("reading images: %w", err)
	}
	if o.Labels != "" && len(paths) > 1 {
		return nil, fmt.Errorf("reading images: labels %s belong to one IDX file, and %d paths are given: pass one", o.Labels, len(paths))
	}
	var set []Image
	for _, path := range paths {
		rest := o
		if o.Limit > 0 {
			if rest.Limit = o.Limit - len(set); rest.Limit == 0 {
				break
			}
		}
		some, err := readPath(path, rest)
		if err != nil {
			return nil, err
		}
		if set = append(set, some...); len(set) > o.room() {
			return nil, fmt.Errorf("reading %s: it and what comes before are %d images, %w", path, len(set), errTooMuch)
		}
	}
	return set, nil
}

func readPath(path string, o Options) ([]Image, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading images: %w", err)
	}
	isSet := false
	if !info.IsDir() {
		if isSet, err = isIDX(path); err != nil {
			return nil, fmt.Errorf("reading images: %w", err)
		}
	}
	switch {
	case isSet:
		return readIDX(path, o)
	case o.Labels != "":
		return nil, fmt.Errorf("reading images: %s is not an IDX file, and labels %s belong to one: leave the labels out", path, o.Labels)
	case info.IsDir():
		return ReadDir(path, o)
	}
	im, err := ReadImage(path, o)
	if err != nil {
		return nil, err
	}
	return []Image{im}, nil
}

// isIDX reports whether a file begins as IDX files do, or is compressed, which
// no picture is.
func isIDX(path string) (bool, error) {
	f, err := open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var b [3]byte
	n, err := io.ReadFull(f, b[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return strings.HasPrefix(string(b[:n]), gzipMagic) || b[0] == 0 && b[1] == 0 && b[2] >= idxUint8, nil
}

// ReadDir reads all PNG and JPEG pictures of a folder, by the ends of their
// names, sorted by name. Hidden files and the folders in it are left out. A
// picture that cannot be read is an error.
func ReadDir(dir string, o Options) ([]Image, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("reading folder %s: %w", dir, err)
	}
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, fmt.Errorf("reading folder of pictures: %w", err)
	}
	var set []Image
	var sets []string
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasPrefix(name, ".") || e.IsDir():
			continue
		case strings.Contains(name, "-idx"):
			sets = append(sets, name)
		}
		if !hasPictureName(name) {
			continue
		}
		if len(set) == o.room() {
			return nil, fmt.Errorf("reading folder %s: its pictures are %w", dir, errTooMuch)
		}
		im, err := ReadImage(filepath.Join(dir, name), o)
		if err != nil {
			return nil, err
		}
		if set = append(set, im); len(set) == o.Limit {
			break
		}
	}
	switch {
	case len(set) > 0:
		return set, nil
	case len(sets) > 0:
		return nil, fmt.Errorf("reading folder %s: it has no PNG or JPEG picture, but IDX files (%s): pass one of those", dir, strings.Join(sets, ", "))
	}
	return nil, fmt.Errorf("reading folder %s: it has no PNG or JPEG picture (.png, .jpg, .jpeg): pass another folder, or single pictures", dir)
}

func hasPictureName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".png", ".jpg", ".jpeg":
		return true
	}
	return false
}
