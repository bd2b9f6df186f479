//go:build unix

// Package fence lets tests see what a race detector and bounds checks cannot: an
// assembly kernel that reads or writes beyond its vectors.
package fence

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Side is where the fence of a vector is.
type Side bool

const (
	Before Side = false
	Behind Side = true
)

// Of returns n values with a page next to them that nobody may touch: whoever
// does, even to read, ends the test. The collector does not look there for what
// they point to.
func Of[T any](t testing.TB, n int, side Side) []T {
	t.Helper()
	page, size := os.Getpagesize(), n*int(unsafe.Sizeof(*new(T)))
	inside := max(1, (size+page-1)/page) * page
	m, err := unix.Mmap(-1, 0, inside+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(m) })
	fence, at := m[:page], page
	if side == Behind {
		fence, at = m[inside:], inside-size
	}
	if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&m[at])), n)
}

// Copy returns v behind or before a fence.
func Copy[T any](t testing.TB, v []T, side Side) []T {
	t.Helper()
	c := Of[T](t, len(v), side)
	copy(c, v)
	return c
}
