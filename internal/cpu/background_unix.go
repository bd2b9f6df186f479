//go:build unix && !linux

package cpu

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// lowest is the weakest claim to the processors that there is.
const lowest = 19

// Background lets a process have the processor when little else wants it. Without
// privileges it cannot be undone.
func Background(pid int) error {
	if err := unix.Setpriority(unix.PRIO_PROCESS, pid, lowest); err != nil {
		return fmt.Errorf("giving process %d what the processors have left: %w", pid, err)
	}
	return nil
}
