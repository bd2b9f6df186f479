//go:build !linux

package plugins

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// isolate does nothing: where no kernel ends a plugin with its host, the end of
// its standard input does.
func isolate(*exec.Cmd) {}

// kill ends a process that has not been waited for.
func kill(p *os.Process) { p.Kill() }

// notProgram reports that the system does not know how to run a file.
func notProgram(err error) bool { return errors.Is(err, syscall.ENOEXEC) }
