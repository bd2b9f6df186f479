//go:build !unix

package cpu

import "errors"

// Background fails: nothing is known of priorities here.
func Background(int) error {
	return errors.New("lowering the priority of a process: not on this system")
}
