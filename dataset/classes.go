package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"image/color"
	"math"
	"path"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// splitDirs has the names that folders of a split go by, the first that is
// there counts.
var splitDirs = map[Split][]string{Train: {"train"}, Test: {"test", "val"}}

// splitDir returns the folder of a split in a set's folder, or "".
func splitDir(entries []entry, split Split) string {
	for _, name := range splitDirs[split] {
		if slices.Contains(entries, entry{name, true}) {
			return name
		}
	}
	return ""
}

// A classFolder is the pictures of a class, by paths in the set's folder.
type classFolder struct {
	name     string
	pictures []string
}

// findClasses finds folders of pictures by class, in splits or not.
func findClasses(dir string, entries []entry) *foundSet {
	if splitDir(entries, Train) != "" || splitDir(entries, Test) != "" {
		return &foundSet{"pictures", true, func(split Split, o SetOptions) (*Set, error) { return readSplitClasses(dir, entries, split, o) }}
	}
	for _, e := range entries {
		if !e.dir {
			continue
		}
		inner, err := list(filepath.Join(dir, e.name))
		if err == nil && slices.ContainsFunc(inner, func(e entry) bool { return !e.dir && hasPictureName(e.name) }) {
			return &foundSet{"pictures", false, func(split Split, o SetOptions) (*Set, error) { return readHeldOut(dir, split, o) }}
		}
	}
	return nil
}

// readSplitClasses reads dir/train/CLASS or dir/test/CLASS. The classes are
// those of the training split, where there is one, so that both splits number
// them alike.
func readSplitClasses(dir string, entries []entry, split Split, o SetOptions) (*Set, error) {
	sub := splitDir(entries, split)
	if sub == "" {
		return nil, fmt.Errorf("it has no folder %s: put the pictures of this split there, in a folder for each class", splitDirs[split][0])
	}
	folders, err := classFolders(dir, sub)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range folders {
		names = append(names, f.name)
	}
	if train := splitDir(entries, Train); split == Test && train != "" {
		trained, err := list(filepath.Join(dir, train))
		if err != nil {
			return nil, err
		}
		var all []string
		for _, e := range trained {
			if e.dir {
				all = append(all, e.name)
			}
		}
		for _, name := range names {
			if !slices.Contains(all, name) {
				return nil, fmt.Errorf("%s has a class %s, and %s has none: rename or remove its folder", filepath.Join(dir, sub), name, filepath.Join(dir, train))
			}
		}
		names = all
	}
	return readClasses(dir, names, folders, o)
}

// readHeldOut reads dir/CLASS, or the share of it that is held out.
func readHeldOut(dir string, split Split, o SetOptions) (*Set, error) {
	if split == Test && o.TestShare == 0 {
		return nil, ErrNoSplits
	}
	folders, err := classFolders(dir, "")
	if err != nil {
		return nil, err
	}
	var names []string
	left := 0
	for i, f := range folders {
		names = append(names, f.name)
		folders[i].pictures = slices.DeleteFunc(f.pictures, func(picture string) bool {
			return heldOut(picture, o.TestShare) != (split == Test)
		})
		left += len(folders[i].pictures)
	}
	if left == 0 {
		return nil, fmt.Errorf("no picture of it is in this split where a share of %v is for testing: choose another share", o.TestShare)
	}
	return readClasses(dir, names, folders, o)
}

// heldOut reports whether a picture is in the share that is held out.
func heldOut(picture string, share float64) bool {
	sum := sha256.Sum256([]byte(picture))
	return float64(binary.BigEndian.Uint64(sum[:]))/math.MaxUint64 < share
}

// classFolders lists the classes in the folder sub of dir. One without pictures
// is an error, and so is a picture without a class.
func classFolders(dir, sub string) ([]classFolder, error) {
	entries, err := list(filepath.Join(dir, sub))
	if err != nil {
		return nil, err
	}
	var folders []classFolder
	for _, e := range entries {
		if !e.dir {
			if hasPictureName(e.name) {
				return nil, fmt.Errorf("%s lies beside the folders of classes, so that its class is not known: move it into one of them", filepath.Join(dir, sub, e.name))
			}
			continue
		}
		f := classFolder{name: e.name}
		inside, err := list(filepath.Join(dir, sub, e.name))
		if err != nil {
			return nil, err
		}
		for _, p := range inside {
			if !p.dir && hasPictureName(p.name) {
				f.pictures = append(f.pictures, path.Join(sub, e.name, p.name))
			}
		}
		if len(f.pictures) == 0 {
			return nil, fmt.Errorf("class folder %s has no PNG or JPEG picture in it (.png, .jpg, .jpeg): put some there, or remove it", filepath.Join(dir, sub, e.name))
		}
		folders = append(folders, f)
	}
	if len(folders) == 0 {
		return nil, fmt.Errorf("%s has no folders: put the pictures there, in a folder for each class", filepath.Join(dir, sub))
	}
	return folders, nil
}

// readClasses reads the pictures of all folders, in turn. Labels are indices of
// classes.
func readClasses(dir string, classes []string, folders []classFolder, o SetOptions) (*Set, error) {
	s := &Set{Classes: classes}
	labels := make([]int32, len(folders))
	for i, f := range folders {
		labels[i] = int32(slices.Index(classes, f.name))
		s.Total += len(f.pictures)
	}
	for turn := 0; ; turn++ {
		before := s.Len()
		for i, f := range folders {
			if turn < len(f.pictures) && (o.Limit == 0 || s.Len() < o.Limit) {
				s.Names = append(s.Names, f.pictures[turn])
				s.Labels = append(s.Labels, labels[i])
			}
		}
		if s.Len() == before {
			break
		}
	}
	p, err := o.pictureOptions(dir, s.Names)
	if err != nil {
		return nil, err
	}
	s.H, s.W, s.C = p.H, p.W, p.C
	if s.Len() > maxSetBytes/s.Values() {
		return nil, fmt.Errorf("its %d pictures are %w", s.Len(), errLargeSet)
	}
	s.Pixels = make([]uint8, s.Len()*s.Values())
	var group errgroup.Group
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		group.Go(func() error {
			for i := w; i < s.Len(); i += workers {
				im, err := ReadImage(filepath.Join(dir, s.Names[i]), p)
				if err != nil {
					return err
				}
				appendBytes(s.Pixels[i*s.Values():][:0], im)
			}
			return nil
		})
	}
	return s, group.Wait()
}

// pictureOptions returns o for pictures. Their size, unless o has it, is that
// which all of them must have; they are grey if all are.
func (o SetOptions) pictureOptions(dir string, pictures []string) (Options, error) {
	var h, w int
	c := 1
	for i, name := range pictures {
		if i > 0 && o.H > 0 && (o.C > 0 || c == 3) {
			break
		}
		head, err := readHead(filepath.Join(dir, name))
		if err != nil {
			return Options{}, fmt.Errorf("reading picture %s: %w", filepath.Join(dir, name), err)
		}
		if head.config.ColorModel != color.GrayModel && head.config.ColorModel != color.Gray16Model {
			c = 3
		}
		pw, ph := head.orient.size(head.config.Width, head.config.Height)
		if i == 0 {
			w, h = pw, ph
		} else if o.H == 0 && (pw != w || ph != h) {
			return Options{}, fmt.Errorf("reading picture %s: it is %d pixels wide and %d high, and %s is %d×%d: "+
				"give the size that all are to have and ask to fit them to it (--fit)", filepath.Join(dir, name), pw, ph, pictures[0], w, h)
		}
	}
	return o.options(h, w, c)
}

// readHead reads the head of a picture's file.
func readHead(path string) (pictureHead, error) {
	f, err := open(path)
	if err != nil {
		return pictureHead{}, err
	}
	defer f.Close()
	return decodeHead(f)
}
