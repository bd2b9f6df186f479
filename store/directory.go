package store

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	versionFile = "VERSION"
	versionTemp = "VERSION.new"
	idFile      = "ID"
	lockFile    = "LOCK"
	pidFile     = "PID"
	indexDir    = "index"
	segmentsDir = "segments"
)

// enter makes dir a store's directory where it is new, locks it, checks its
// version and returns that and its id. The caller closes the lock.
func enter(files vfs.FS, dir string) (_ io.Closer, id ID, version string, err error) {
	if err := makeDir(files, dir); err != nil {
		return nil, id, "", fmt.Errorf("creating the directory: %w", err)
	}
	if err := checkOurs(files, dir); err != nil {
		return nil, id, "", err
	}
	lock, err := files.Lock(files.PathJoin(dir, lockFile))
	if err != nil {
		// An error that names the file is about the file; any other is the
		// answer of whoever holds the lock.
		var named *fs.PathError
		if errors.As(err, &named) {
			return nil, id, "", fmt.Errorf("taking the lock: %w", err)
		}
		return nil, id, "", inUse(files, dir)
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	// A courtesy to the next one: no reason to fail for want of space.
	_ = writeFile(files, dir, pidFile, strconv.Itoa(os.Getpid())+"\n")
	version, err = readFile(files, files.PathJoin(dir, versionFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// The id comes first: where there is a version, there is an id.
		rand.Read(id[:])
		if err := writeFile(files, dir, idFile, id.String()+"\n"); err != nil {
			return nil, id, "", fmt.Errorf("writing the id: %w", err)
		}
		if err := syncDir(files, dir); err != nil {
			return nil, id, "", fmt.Errorf("writing the id: %w", err)
		}
		// Before anything else is there, or checkOurs might not know it again.
		version = formatVersion
		if err := writeVersion(files, dir, version); err != nil {
			return nil, id, "", err
		}
	case err != nil:
		return nil, id, "", fmt.Errorf("reading the version: %w", err)
	case version != formatVersion && version != batchVersion:
		return nil, id, "", fmt.Errorf("%w: its version is %q, this program reads %q and %q: open it with the program that wrote it",
			ErrFormat, version, formatVersion, batchVersion)
	}
	if id, err = readID(files, dir); err != nil {
		return nil, id, "", fmt.Errorf("reading the id: %w", err)
	}
	for _, d := range []string{indexDir, segmentsDir} {
		if err := files.MkdirAll(files.PathJoin(dir, d), 0o700); err != nil {
			return nil, id, "", fmt.Errorf("creating the directory: %w", err)
		}
	}
	if err := syncDir(files, dir); err != nil {
		return nil, id, "", fmt.Errorf("syncing the directory: %w", err)
	}
	return lock, id, version, nil
}

// writeVersion replaces the file that says of which version the store is, durably.
func writeVersion(files vfs.FS, dir, version string) error {
	err := writeFile(files, dir, versionTemp, version)
	if err == nil {
		err = files.Rename(files.PathJoin(dir, versionTemp), files.PathJoin(dir, versionFile))
	}
	if err == nil {
		err = syncDir(files, dir)
	}
	if err != nil {
		return fmt.Errorf("writing the version: %w", err)
	}
	return nil
}

// readID reads the file that names the store.
func readID(files vfs.FS, dir string) (id ID, err error) {
	text, err := readFile(files, files.PathJoin(dir, idFile))
	if err != nil {
		return id, err
	}
	b, err := hex.DecodeString(strings.TrimSuffix(text, "\n"))
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("the file %s does not hold %d hexadecimal digits: %w", idFile, 2*len(id), ErrFormat)
	}
	return ID(b), nil
}

// checkOurs refuses a directory that somebody uses for something else.
func checkOurs(files vfs.FS, dir string) error {
	names, err := files.List(dir)
	if err != nil {
		return fmt.Errorf("listing the directory: %w", err)
	}
	if slices.Contains(names, versionFile) {
		return nil
	}
	for _, n := range names {
		// What a crash may have left of a store that was just being created.
		if n != lockFile && n != pidFile && n != versionTemp && n != idFile {
			return fmt.Errorf("%w: it holds %q and no %s: name a new or an empty directory", ErrFormat, n, versionFile)
		}
	}
	return nil
}

func inUse(files vfs.FS, dir string) error {
	holder := "another process"
	if pid, err := readFile(files, files.PathJoin(dir, pidFile)); err == nil {
		switch pid = strings.TrimSpace(pid); pid {
		case "":
		case strconv.Itoa(os.Getpid()):
			holder = "this very process, " + pid + ","
		default:
			holder = "process " + pid
		}
	}
	return fmt.Errorf("%w: %s has it open: stop it first, or name another directory", ErrInUse, holder)
}

// resolve makes dir the one name of the directory, so that the same process
// cannot lock it twice by two names. Other file systems than the operating
// system's have no links.
func resolve(files vfs.FS, dir string) (string, error) {
	if vfs.Root(files) != vfs.Default {
		return dir, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real, nil
	}
	return dir, nil
}

// makeDir creates dir and what lacks above it, durably.
func makeDir(files vfs.FS, dir string) error {
	switch info, err := files.Stat(dir); {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is a file, not a directory", dir)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := files.PathDir(dir)
	if parent != dir {
		if err := makeDir(files, parent); err != nil {
			return err
		}
	}
	if err := files.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(files, parent)
}

func syncDir(files vfs.FS, dir string) error {
	d, err := files.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeFile(files vfs.FS, dir, name, content string) error {
	f, err := files.Create(files.PathJoin(dir, name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(content))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// readFile reads a file of at most a few words.
func readFile(files vfs.FS, path string) (string, error) {
	f, err := files.Open(path)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, 100))
	return string(b), errors.Join(err, f.Close())
}
