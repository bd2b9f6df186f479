package main

import (
	"os"
	"runtime/debug"
)

// frugal has the garbage collector run when there is half as much garbage as there is
// in use, instead of as much, unless GOGC says otherwise. What production keeps is
// vectors without pointers, so that this costs next to nothing; it is what keeps a
// process below a gigabyte (offline.GroupSize).
func frugal() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}
