package main

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts of testdata/shared have several servers. Beside testscript's
// commands they have:
//
//	start NAME COMMAND ARG...  start "pascaline COMMAND... ARG... --json" on a free
//	                           port and set $NAME to its address
//	kill-9 NAME                kill -9 it and wait until it is gone
func TestSharedScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   filepath.Join("testdata", "shared"),
		Setup: hurry,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start":   startInScript,
			"kill-9":  killInScript,
			"picture": pictureInScript,
		},
	})
}

// started maps a script's working directory and a name to a process.
var started sync.Map

func startInScript(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: start NAME COMMAND ARG...")
	}
	env := []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH"), "TMPDIR=" + ts.Getenv("TMPDIR"), priorityVariable + "=normal"}
	s, l, err := startServing(ts.MkAbs("."), env, args[1:]...)
	if err != nil {
		if s != nil {
			s.kill()
			ts.Logf("%s", strings.Join(s.log, "\n"))
		}
		ts.Fatalf("starting %s: %v", args[0], err)
	}
	started.Store(ts.MkAbs(args[0]), s)
	ts.Defer(s.kill)
	ts.Setenv(args[0], l.Address)
}

func killInScript(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: kill NAME")
	}
	find(ts, args[0]).kill()
}

func find(ts *testscript.TestScript, name string) *server {
	s, ok := started.Load(ts.MkAbs(name))
	if !ok {
		ts.Fatalf("%s was not started", name)
	}
	return s.(*server)
}

// startServing starts a command that serves others, of one word or more, and
// waits until it takes connections.
func startServing(dir string, env []string, args ...string) (*server, *listening, error) {
	self, err := exec.LookPath("pascaline")
	if err != nil {
		return nil, nil, err
	}
	s := &server{cmd: exec.Command(self, append(args, "--json", "--listen", "127.0.0.1:0")...)}
	s.line = sync.NewCond(&s.mu)
	s.cmd.Dir, s.cmd.Env = dir, env
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, nil, err
	}
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			s.hear(lines.Text())
		}
		s.mu.Lock()
		s.over = true
		s.line.Broadcast()
		s.mu.Unlock()
	}()
	var l listening
	return s, &l, json.NewDecoder(stdout).Decode(&l)
}

// hear takes a line of the log.
func (s *server) hear(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, line)
	s.line.Broadcast()
}
