package plugins

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// No plugin outlives its host, though that is killed.
func TestNoPluginOutlivesItsHost(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(self)
	host.Env = append(os.Environ(), hostVariable+"=good")
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, 0); err != nil {
		t.Fatalf("the plugin (%d) is not there: %v", pid, err)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	host.Wait()
	awaitGone(t, pid)
}

// The kernel ties a plugin to a thread, which must not be one that the runtime
// ends.
func TestAPluginOutlivesTheThreadsOfTheRuntime(t *testing.T) {
	p := testPlugin(t, "good", Options{})
	if _, err := p.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := p.process
	for range 5 {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { runtime.LockOSThread() }) // which ends the thread with the goroutine
		}
		wg.Wait()
	}
	if _, err := p.Describe(t.Context()); err != nil || p.process != first {
		t.Errorf("the plugin was restarted (%v)", err)
	}
}

// awaitGone waits for the end of a process that is no child of this one.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 20000)
		switch {
		case err == unix.EINTR:
		case err != nil:
			t.Fatal(err)
		case n == 0:
			t.Fatalf("process %d is still there", pid)
		default:
			return
		}
	}
}
