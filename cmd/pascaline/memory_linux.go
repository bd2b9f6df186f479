package main

import (
	"os"
	"syscall"
)

// peakMemory returns the peak resident memory of a finished process in bytes.
func peakMemory(s *os.ProcessState) int64 {
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss << 10 // kibibytes here
	}
	return 0
}
