//go:build !unix

package plugins

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// isolate does nothing: the end of its standard input ends a plugin with its host.
func isolate(*exec.Cmd) {}

// kill ends a process that has not been waited for.
func kill(p *os.Process) { p.Kill() }

// notProgram reports that the system does not know how to run a file.
func notProgram(err error) bool { return errors.Is(err, syscall.Errno(193)) } // ERROR_BAD_EXE_FORMAT
