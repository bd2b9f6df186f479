package plugins

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"pascaline/correlation"
)

// A Directory knows backends by name.
type Directory struct {
	// Path is the folder of the plugins: files named pascaline-backend-NAME or NAME.
	// It need not exist.
	Path string
	// Builtin are the names that this executable serves itself: it is started once
	// more, as "backend serve NAME". They hide files of the same name.
	Builtin []string
}

// DefaultPath returns the folder of a user's plugins:
// $XDG_DATA_HOME/pascaline/plugins, or ~/.local/share/pascaline/plugins.
func DefaultPath() (string, error) {
	data := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) { // as its specification says
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding the plugin directory: %w; name one", err)
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "pascaline", "plugins"), nil
}

// Find returns the backend that is meant by a name, or by the path of an
// executable, which has a separator in it. It starts nothing.
func (d Directory) Find(nameOrPath string, o Options) (*Plugin, error) {
	if strings.ContainsRune(nameOrPath, filepath.Separator) || strings.Contains(nameOrPath, "/") {
		return New(nameOrPath, nil, o)
	}
	all, err := d.all()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i, f := range all {
		if f.name == nameOrPath {
			if o.Name == "" {
				o.Name = f.name
			}
			return New(f.path, f.args, o)
		}
		names[i] = f.name
	}
	there, where := "there is none", d.Path
	if len(names) > 0 {
		there = "there are " + strings.Join(names, ", ")
	}
	if where == "" {
		where = "no plugin directory"
	}
	return nil, fmt.Errorf("there is no backend %q; %s (built in, and in %s); a program elsewhere is named by its path, like ./%[1]s",
		nameOrPath, there, where)
}

// Found is a backend as [Directory.List] finds it.
type Found struct {
	Name    string
	Path    string // of the executable
	Builtin bool
	SHA256  string // of the executable, in hex
	// Description is what it says of itself, unless Err says why it cannot be used.
	Description correlation.Description
	Err         error
}

// List starts every backend and asks it to describe itself: the built-in ones,
// then those of the folder, by name. Its error is one of the folder.
func (d Directory) List(ctx context.Context, o Options) ([]Found, error) {
	all, err := d.all()
	if err != nil {
		return nil, err
	}
	found := make([]Found, len(all))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range all {
		group.Go(func() error {
			found[i] = f.describe(ctx, o)
			return nil
		})
	}
	group.Wait()
	return found, nil
}

// file is a backend that has a name.
type file struct {
	name, path string
	args       []string
	builtin    bool
}

// all lists the backends in the order of [Directory.List].
func (d Directory) all() ([]file, error) {
	var all []file
	if len(d.Builtin) > 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("finding the program of the built-in backends: %w", err)
		}
		for _, name := range d.Builtin {
			all = append(all, file{name, self, []string{"backend", "serve", name}, true})
		}
	}
	if d.Path == "" {
		return all, nil
	}
	entries, err := os.ReadDir(d.Path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading the plugin directory: %w", err)
	}
	// Files with the prefix come first: they mean to be plugins.
	slices.SortStableFunc(entries, func(a, b os.DirEntry) int { return rank(a) - rank(b) })
	plugins := len(all)
	for _, e := range entries {
		name := nameOf(e.Name())
		taken := slices.ContainsFunc(all, func(f file) bool { return f.name == name })
		if path := filepath.Join(d.Path, e.Name()); !taken && isPlugin(path) {
			all = append(all, file{name: name, path: path})
		}
	}
	slices.SortFunc(all[plugins:], func(a, b file) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

func rank(e os.DirEntry) int {
	if strings.HasPrefix(e.Name(), filePrefix) {
		return 0
	}
	return 1
}

// isPlugin reports whether a file of the plugin directory is one, or means to be
// by its name. Plugins may keep other files beside them.
func isPlugin(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if runtime.GOOS == "windows" {
		return strings.HasSuffix(path, ".exe")
	}
	name := filepath.Base(path)
	return info.Mode().Perm()&0o111 != 0 || strings.HasPrefix(name, filePrefix) && !strings.Contains(name, ".")
}

func (f file) describe(ctx context.Context, o Options) Found {
	found := Found{Name: f.name, Path: f.path, Builtin: f.builtin}
	o.Name, o.SHA256 = f.name, ""
	p, err := New(f.path, f.args, o)
	if err != nil {
		found.Err = err
		return found
	}
	defer p.Close()
	if found.SHA256, found.Err = Checksum(f.path); found.Err == nil {
		found.Description, found.Err = p.Describe(ctx)
	}
	return found
}

// Checksum returns the SHA-256 of a file, in hex, as [Options].SHA256 takes it.
func Checksum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("computing a SHA-256: %w", err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", fmt.Errorf("computing a SHA-256: %w", err)
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}
