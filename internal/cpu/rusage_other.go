//go:build !unix

package cpu

func rusage() (seconds float64, ok bool) { return 0, false }
