package main

import (
	"bufio"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Production is as important as anything else in tests: whatever else is tested at
// the same time would hold it up for as long as it takes.
func TestMain(m *testing.M) {
	os.Setenv(priorityVariable, "normal")
	testscript.Main(m, map[string]func(){
		"pascaline": func() { os.Exit(run()) },
		"spender":   func() { os.Exit(spend()) },
	})
}

// hurry is for scripts what TestMain is for the rest.
func hurry(e *testscript.Env) error {
	e.Setenv(priorityVariable, "normal")
	return nil
}

// The scripts run the command as its users do, server and client as processes
// of their own over TLS. Beside testscript's commands they have:
//
//	serve ARG...        start "pascaline serve --json ARG..." on a free port and
//	                    set $ADDRESS and $PLAN
//	dealer ARG...       start "pascaline dealer --json ARG..." on a free port and
//	                    set $DEALER
//	serve-says PATTERN  wait until the server's log has a line with PATTERN
//	serve-kill          kill -9 the server and wait until it is gone
//	picture FILE W H    write a grey PNG with a line on it
//	blank FILE W H      write a PNG with nothing on it
//	truncate FILE N     keep the first N bytes
//	glob PATTERN        fail unless files match
//	testdata FILE       copy model/testdata/FILE here
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: hurry,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve":      serveInScript,
			"dealer":     dealerInScript,
			"serve-says": serveSays,
			"serve-kill": serveKill,
			"picture":    pictureInScript,
			"blank":      blankInScript,
			"truncate":   truncateInScript,
			"testdata":   testdataInScript,
			"glob":       globInScript,
		},
	})
}

// server is a running "pascaline serve".
type server struct {
	cmd  *exec.Cmd
	mu   sync.Mutex
	line *sync.Cond // signalled for every line of the log, and at its end
	log  []string
	over bool
}

// servers maps a script's working directory to its server.
var servers sync.Map

func startServer(dir string, env []string, args ...string) (*server, *listening, error) {
	return startListening("serve", dir, env, args...)
}

// startListening starts a command that serves others.
func startListening(command, dir string, env []string, args ...string) (*server, *listening, error) {
	self, err := exec.LookPath("pascaline")
	if err != nil {
		return nil, nil, err
	}
	s := &server{cmd: exec.Command(self, append([]string{command, "--json", "--listen", "127.0.0.1:0"}, args...)...)}
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
			s.mu.Lock()
			s.log = append(s.log, lines.Text())
			s.line.Broadcast()
			s.mu.Unlock()
		}
		s.mu.Lock()
		s.over = true
		s.line.Broadcast()
		s.mu.Unlock()
	}()
	var l listening
	return s, &l, json.NewDecoder(stdout).Decode(&l)
}

func (s *server) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// says waits for a line of the log from the given one on.
func (s *server) says(pattern string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for next := 0; ; s.line.Wait() {
		for ; next < len(s.log); next++ {
			if strings.Contains(s.log[next], pattern) {
				s.log = s.log[next+1:]
				return true
			}
		}
		if s.over {
			return false
		}
	}
}

func serveInScript(ts *testscript.TestScript, neg bool, args []string) {
	s, l := listenInScript(ts, "serve", args)
	servers.Store(ts.MkAbs("."), s)
	ts.Setenv("ADDRESS", l.Address)
	ts.Setenv("PLAN", l.Plan)
}

func dealerInScript(ts *testscript.TestScript, neg bool, args []string) {
	_, l := listenInScript(ts, "dealer", args)
	ts.Setenv("DEALER", l.Address)
}

func listenInScript(ts *testscript.TestScript, command string, args []string) (*server, *listening) {
	env := []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH"), "TMPDIR=" + ts.Getenv("TMPDIR"), priorityVariable + "=normal"}
	s, l, err := startListening(command, ts.MkAbs("."), env, args...)
	if err != nil {
		if s != nil {
			s.kill()
			ts.Logf("%s", strings.Join(s.log, "\n"))
		}
		ts.Fatalf("starting %s: %v", command, err)
	}
	ts.Defer(s.kill)
	return s, l
}

func serveSays(ts *testscript.TestScript, neg bool, args []string) {
	s, ok := servers.Load(ts.MkAbs("."))
	if !ok || len(args) != 1 {
		ts.Fatalf("serve-says PATTERN, after serve")
	}
	if !s.(*server).says(args[0]) {
		ts.Fatalf("the server ended without saying %q", args[0])
	}
}

func serveKill(ts *testscript.TestScript, neg bool, args []string) {
	s, ok := servers.Load(ts.MkAbs("."))
	if !ok {
		ts.Fatalf("no server is running")
	}
	s.(*server).kill()
}

func pictureInScript(ts *testscript.TestScript, neg bool, args []string) {
	img := newPicture(ts, args)
	for i := range min(img.Rect.Dx(), img.Rect.Dy()) {
		img.SetGray(i, i, color.Gray{Y: 255})
	}
	writePicture(ts, args[0], img)
}

func blankInScript(ts *testscript.TestScript, neg bool, args []string) {
	writePicture(ts, args[0], newPicture(ts, args))
}

func newPicture(ts *testscript.TestScript, args []string) *image.Gray {
	if len(args) != 3 {
		ts.Fatalf("usage: FILE WIDTH HEIGHT")
	}
	var size [2]int
	for i := range size {
		n, err := strconv.Atoi(args[1+i])
		ts.Check(err)
		size[i] = n
	}
	return image.NewGray(image.Rect(0, 0, size[0], size[1]))
}

func writePicture(ts *testscript.TestScript, name string, img image.Image) {
	f, err := os.Create(ts.MkAbs(name))
	ts.Check(err)
	ts.Check(png.Encode(f, img))
	ts.Check(f.Close())
}

func truncateInScript(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: truncate FILE BYTES")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

func testdataInScript(ts *testscript.TestScript, neg bool, args []string) {
	wd, err := os.Getwd()
	ts.Check(err)
	for _, name := range args {
		b, err := os.ReadFile(filepath.Join(wd, "..", "..", "model", "testdata", name))
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(filepath.Base(name)), b, 0o666))
	}
}

func globInScript(ts *testscript.TestScript, neg bool, args []string) {
	for _, pattern := range args {
		if found, err := filepath.Glob(ts.MkAbs(pattern)); err != nil || len(found) == 0 {
			ts.Fatalf("nothing matches %s", pattern)
		}
	}
}
