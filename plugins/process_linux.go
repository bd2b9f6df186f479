package plugins

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// isolate makes the kernel kill the process when the thread that starts it ends,
// and gives it a process group of its own: signals of the terminal are for the
// host, which knows what to do with its plugins.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// kill ends a process that has not been waited for, and what it has started.
func kill(p *os.Process) {
	syscall.Kill(-p.Pid, syscall.SIGKILL)
	p.Kill()
}

// notProgram reports that the kernel does not know how to run a file.
func notProgram(err error) bool { return errors.Is(err, syscall.ENOEXEC) }
