package dataset

import (
	"errors"
	"fmt"
	"io"
	"iter"
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

// ReadDir reads all PNG and JPEG pictures of a folder, by the ends of their names, or,
// if it has none itself, those of the folders in it. Folders are read in turn, a
// picture of each, so that the first of a labelled set are of all its classes; in each
// of them, pictures are sorted by name. Folders beside pictures are left out, and so
// are hidden files and what lies deeper than the pictures of a labelled set do:
// DIR/train/CLASS. A picture that cannot be read is an error. So is a folder to look
// into that cannot be read, or is a link, which may lead to the same pictures twice.
func ReadDir(dir string, o Options) ([]Image, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("reading folder %s: %w", dir, err)
	}
	var found foundPictures
	if err := found.add(dir, setDepth); err != nil {
		return nil, fmt.Errorf("reading folder of pictures: %w", err)
	}
	var set []Image
	for path := range found.inTurn() {
		if len(set) == o.room() {
			return nil, fmt.Errorf("reading folder %s: its pictures are %w", dir, errTooMuch)
		}
		im, err := ReadImage(path, o)
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
	case len(found.sets) > 0:
		return nil, fmt.Errorf("reading folder %s: it has no PNG or JPEG picture, but IDX files (%s): pass one of those", dir, strings.Join(found.sets, ", "))
	}
	return nil, fmt.Errorf("reading folder %s: it has no PNG or JPEG picture (.png, .jpg, .jpeg): pass another folder, or single pictures", dir)
}

// setDepth is how many folders deep in its own a labelled set keeps pictures.
const setDepth = 2

// foundPictures is what lies in a folder.
type foundPictures struct {
	folders [][]string // paths of pictures, by folder
	sets    []string   // paths of IDX files
}

// add adds what lies in dir or, if it has no pictures itself, in folders up to so many
// deep in it.
func (f *foundPictures) add(dir string, deep int) error {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return fmt.Errorf("%w: pass the folders with the pictures by themselves, or make it readable", err)
	}
	var pictures []string
	var folders []folder
	for _, e := range entries {
		if isPassedOver(e.Name()) {
			continue
		}
		path, isDir, link := filepath.Join(dir, e.Name()), e.IsDir(), e.Type()&os.ModeSymlink != 0
		if link {
			// A link that leads nowhere counts as a file, which its reader reports.
			info, err := os.Stat(path)
			isDir = err == nil && info.IsDir()
		}
		switch {
		case isDir:
			folders = append(folders, folder{path, link})
		case hasPictureName(e.Name()):
			pictures = append(pictures, path)
		case strings.Contains(e.Name(), "-idx"):
			f.sets = append(f.sets, path)
		}
	}
	if len(pictures) > 0 {
		f.folders = append(f.folders, pictures)
		return nil
	}
	if deep == 0 {
		return nil
	}
	for _, in := range folders {
		if in.link {
			return fmt.Errorf("%s is a link to a folder, and those are not followed: pass the folders with the pictures by themselves, or move the link elsewhere", in.path)
		}
		if err := f.add(in.path, deep-1); err != nil {
			return err
		}
	}
	return nil
}

// A folder is one in another.
type folder struct {
	path string
	link bool
}

// inTurn yields the pictures of all folders, the first of each before the second of
// any.
func (f *foundPictures) inTurn() iter.Seq[string] {
	return func(yield func(string) bool) {
		for turn, any := 0, true; any; turn++ {
			any = false
			for _, pictures := range f.folders {
				if turn >= len(pictures) {
					continue
				}
				if any = true; !yield(pictures[turn]) {
					return
				}
			}
		}
	}
}

func hasPictureName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".png", ".jpg", ".jpeg":
		return true
	}
	return false
}
