//go:build !linux

package link

import "time"

// A waiter waits until points in time as precisely as the system's timers are.
type waiter struct{}

func newWaiter() *waiter { return &waiter{} }

// wait returns at t, or at once if t is past.
func (*waiter) wait(t time.Time) { time.Sleep(time.Until(t)) }

func (*waiter) close() {}
