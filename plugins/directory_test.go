package plugins

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pluginFolder makes a plugin directory of scripts that start backends of the
// tests, and of other files.
func pluginFolder(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := func(backend string) string {
		return fmt.Sprintf("#!/bin/sh\nexec env %s=%s %s '-test.run=^$'\n", backendVariable, backend, self)
	}
	for name, f := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"pascaline-backend-good":      {script("good"), 0o755},
		"good":                        {"#!/bin/sh\nexit 1\n", 0o755}, // hidden by the one before
		"plain":                       {script("good"), 0o755},
		"lattigo":                     {"#!/bin/sh\nexit 1\n", 0o755}, // hidden by the built-in one
		"broken":                      {"#!/bin/sh\nexit 3\n", 0o755},
		"pascaline-backend-mode":      {script("good"), 0o644},
		"pascaline-backend-good.seed": {"not a plugin, but of one", 0o600},
		"notes.txt":                   {"not a plugin", 0o644},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(f.text), f.mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBackendsAreFoundByName(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := pluginFolder(t)
	d := Directory{Path: dir, Builtin: []string{"dealer", "lattigo"}}
	for _, c := range []struct {
		name, found, path string
		args              []string
	}{
		{"lattigo", "lattigo", self, []string{"backend", "serve", "lattigo"}},
		{"good", "good", filepath.Join(dir, "pascaline-backend-good"), nil},
		{"plain", "plain", filepath.Join(dir, "plain"), nil},
		{"./lattigo", "lattigo", "./lattigo", nil},
		{"/a/path/pascaline-backend-x.exe", "x", "/a/path/pascaline-backend-x.exe", nil},
	} {
		p, err := d.Find(c.name, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if p.Name() != c.found || p.Path() != c.path || !slices.Equal(p.args, c.args) {
			t.Errorf("%s is %s at %s %q", c.name, p.Name(), p.Path(), p.args)
		}
	}
	_, err = d.Find("latigo", Options{})
	checkError(t, err, `there is no backend "latigo"; there are dealer, lattigo, broken, good, mode, plain (built in, and in `+dir, "like ./latigo")
	_, err = Directory{}.Find("x", Options{})
	checkError(t, err, `there is no backend "x"; there is none (built in, and in no plugin directory)`)
	_, err = Directory{Path: filepath.Join(dir, "none"), Builtin: []string{"dealer"}}.Find("x", Options{})
	checkError(t, err, "there are dealer (")
	_, err = Directory{Path: filepath.Join(dir, "notes.txt")}.Find("x", Options{})
	checkError(t, err, "reading the plugin directory")
}

func TestBackendsAreListed(t *testing.T) {
	dir := pluginFolder(t)
	found, err := Directory{Path: dir}.List(t.Context(), Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		text := f.Name + ": " + f.Description.Trust
		if f.Err != nil {
			text = f.Name + ": " + f.Err.Error()
		}
		sum, err := Checksum(f.Path)
		if err != nil || f.SHA256 != sum {
			t.Errorf("%s has the SHA-256 %s, not %s (%v)", f.Name, f.SHA256, sum, err)
		}
		got = append(got, text)
	}
	want := []string{"broken: backend broken (", "good: nobody", "lattigo: backend lattigo (", "mode: backend mode (", "plain: nobody"}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("listed: %q", got)
	}
	if _, err := Checksum(dir); err == nil {
		t.Error("a directory has a SHA-256")
	}
}

func TestTheDefaultDirectory(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	for data, want := range map[string]string{
		"":         "/home/me/.local/share/pascaline/plugins",
		"relative": "/home/me/.local/share/pascaline/plugins",
		"/data":    "/data/pascaline/plugins",
	} {
		t.Setenv("XDG_DATA_HOME", data)
		if got, err := DefaultPath(); err != nil || got != want {
			t.Errorf("with XDG_DATA_HOME=%q it is %s (%v), want %s", data, got, err, want)
		}
	}
	t.Setenv("HOME", "")
	t.Setenv("XDG_DATA_HOME", "")
	if _, err := DefaultPath(); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a home: %v", err)
	}
}
