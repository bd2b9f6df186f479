package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pascaline/internal/commandline"
)

// command returns a run of pascaline in dir.
func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := exec.LookPath("pascaline")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = dir
	return cmd
}

// An interrupted infer reports the inferences it has done, and its exit status
// says that it was interrupted.
func TestAnInterruptKeepsWhatIsDone(t *testing.T) {
	dir := t.TempDir()
	do := func(args ...string) {
		t.Helper()
		if out, err := command(t, dir, args...).CombinedOutput(); err != nil {
			t.Fatalf("pascaline %v: %v\n%s", args, err, out)
		}
	}
	do("keygen", "-o", "server.key")
	do("keygen", "-o", "client.key")
	do("samples", "-o", "samples")
	s, l, err := startServer(dir, os.Environ(), "--verbose", "--key", "server.key", "--allow", "client.key.pub", "--store", "server-store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	client := []string{"--json", "--server", l.Address, "--key", "client.key", "--server-key", "server.key.pub"}
	do(append([]string{"produce", "--bundles", "3"}, client...)...)

	cmd := command(t, dir, append([]string{"infer", "--network", "60ms", "--count", "3", "samples"}, client...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The second begins when the first has come to its end.
	for range 2 {
		if !s.says(`"inferring"`) {
			t.Error("the server ended")
		}
	}
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != commandline.ExitInterrupted {
		t.Errorf("exit status %d, want %d", status, commandline.ExitInterrupted)
	}
	if want := "interrupted: 1 of 3 images done"; !strings.Contains(stderr.String(), want) {
		t.Errorf("it says %q, not %q", stderr.String(), want)
	}
	var r inferenceReport
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("%q: %v", stdout.String(), err)
	}
	if r.Asked != 3 || len(r.Results) != 1 || r.LatencyMS == 0 {
		t.Errorf("%d results of %d asked for, in %v ms", len(r.Results), r.Asked, r.LatencyMS)
	}
}

// An interrupted produce says how much there is, and how to go on.
func TestAnInterruptedProductionSaysHowFarItCame(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"server.key", "client.key"} {
		if _, err := generateKey(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s, l, err := startServer(dir, os.Environ(), "--key", "server.key", "--allow", "client.key.pub", "--store", "server-store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	cmd := command(t, dir, "produce", "--bundles", "100000", "--server", l.Address, "--key", "client.key", "--server-key", "server.key.pub")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !s.says(`"produced"`) {
		t.Error("the server ended")
	}
	cmd.Process.Signal(os.Interrupt)
	cmd.Process.Signal(syscall.SIGTERM) // at the same time, as timeout does: that is no second thought
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != commandline.ExitInterrupted {
		t.Errorf("exit status %d, want %d", status, commandline.ExitInterrupted)
	}
	if want := " of 100000 bundles are ready in the store; run it again"; !strings.Contains(stderr.String(), want) {
		t.Errorf("it says %q, not %q", stderr.String(), want)
	}
}

// Whatever ends the demo, even kill -9, ends its server and its client too.
func TestNothingOutlivesAKilledDemo(t *testing.T) {
	// The pipe's writing end is handed down to every process of the demo: the
	// reading end is at its end when all of them are gone.
	alive, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	cmd := command(t, t.TempDir(), "demo", "--network", "100ms")
	cmd.Env = append(os.Environ(), "TMPDIR="+cmd.Dir)
	cmd.ExtraFiles = []*os.File{held}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	held.Close()
	running := false
	for lines := bufio.NewScanner(out); !running && lines.Scan(); {
		running = strings.HasPrefix(lines.Text(), "offline") // the server takes connections
	}
	cmd.Process.Kill()
	cmd.Wait()
	if !running {
		t.Fatal("the demo did not come to its offline phase")
	}
	alive.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.ReadAll(alive); err != nil {
		t.Errorf("a process of the demo goes on after it was killed: %v", err)
	}
}

// Production that nobody watches writes a line now and then, not one for every
// step.
func TestProgressGoesToALogInLines(t *testing.T) {
	var log strings.Builder
	clock := time.Unix(0, 0)
	progress := progressLines(&log, 9, "bundle", "ready", func() time.Time { return clock })
	for i := range 10 {
		progress(float64(i) - 0.5)
		clock = clock.Add(progressPeriod / 4)
	}
	if want := "3 of 9 bundles ready\n7 of 9 bundles ready\n"; log.String() != want {
		t.Errorf("the log is %q, not %q", log.String(), want)
	}
}
