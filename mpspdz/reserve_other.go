//go:build !linux

package mpspdz

import "os"

// reserve does nothing where there is no portable way to set space aside.
func reserve(*os.File, int64) error { return nil }
