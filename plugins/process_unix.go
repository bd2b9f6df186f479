//go:build unix && !linux

package plugins

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// isolate gives the process a group of its own: signals of the terminal are for
// the host, which knows what to do with its plugins. No kernel ends a plugin with
// its host here; the end of its standard input does.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// kill ends a process that has not been waited for, and what it has started.
func kill(p *os.Process) {
	syscall.Kill(-p.Pid, syscall.SIGKILL)
	p.Kill()
}

// notProgram reports that the system does not know how to run a file.
func notProgram(err error) bool { return errors.Is(err, syscall.ENOEXEC) }
