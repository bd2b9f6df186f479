package link

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A waiter waits until points in time to within some 20 µs. Go's own timers are
// up to 1 ms late when a process has nothing else to do, because its poller
// counts in milliseconds; a timerfd makes the poller return when it is due.
type waiter struct {
	file *os.File // nil if the system gave none
}

func newWaiter() *waiter {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return &waiter{}
	}
	return &waiter{os.NewFile(uintptr(fd), "timerfd")}
}

// wait returns at t, or at once if t is past.
func (w *waiter) wait(t time.Time) {
	d := time.Until(t)
	if d <= 0 {
		return
	}
	if w.file == nil || w.arm(d) != nil {
		time.Sleep(d)
		return
	}
	var expirations [8]byte
	if _, err := w.file.Read(expirations[:]); err != nil {
		time.Sleep(time.Until(t))
	}
}

// arm makes the file readable after d.
func (w *waiter) arm(d time.Duration) error {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.TimerfdSettime(int(fd), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
	})
	if err != nil {
		return err
	}
	return set
}

func (w *waiter) close() {
	if w.file != nil {
		w.file.Close()
	}
}
