// Package cpu reports the processor time of this process, and lets a process give
// way to others.
package cpu

import (
	"runtime/metrics"
)

// Seconds returns the processor time that this process has used so far, user
// and system, in seconds.
func Seconds() float64 {
	if s, ok := rusage(); ok {
		return s
	}
	// The runtime's own estimate, where the system gives no better one.
	sample := []metrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64()
}
