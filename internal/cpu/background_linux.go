package cpu

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Background lets every thread of a process, and those that they start, have the
// processor when nothing else wants it, and loses it to whatever wakes up
// (sched(7), SCHED_IDLE). Without privileges it cannot be undone.
func Background(pid int) error {
	// A thread is born with the policy of the one that starts it, which it copies some
	// time before it is listed. So nothing is left to change where several passes in a
	// row found nothing.
	const quietPasses = 10
	for quiet := 0; quiet < quietPasses; quiet++ {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return fmt.Errorf("listing the threads of process %d: %w", pid, err)
		}
		for _, t := range threads {
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				return fmt.Errorf("listing the threads of process %d: %w", pid, err)
			}
			was, err := setIdle(tid)
			if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended meanwhile
				return fmt.Errorf("giving process %d what the processors have left: %w", pid, err)
			}
			if !was && err == nil {
				quiet = -1 // begin to count anew
			}
		}
	}
	return nil
}

// setIdle gives a thread the policy, and reports whether it had it.
func setIdle(tid int) (was bool, err error) {
	had, err := unix.SchedGetAttr(tid, 0)
	if err != nil || had.Policy == unix.SCHED_IDLE {
		return err == nil, err
	}
	return false, unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
}
