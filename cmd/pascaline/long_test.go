package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// longTest skips a test that takes minutes or measures time, unless asked for.
func longTest(t *testing.T) {
	t.Helper()
	if os.Getenv("PASCALINE_LONG") == "" {
		t.Skip("takes minutes or measures time: set PASCALINE_LONG=1 to run it")
	}
}

// mnistFiles returns the MNIST test images and labels, which lie beside the
// repository and not in it.
func mnistFiles(t *testing.T) (images, labels string) {
	t.Helper()
	dir, err := filepath.Abs("../../../shared/data/mnist")
	if err != nil {
		t.Fatal(err)
	}
	images, labels = filepath.Join(dir, "t10k-images-idx3-ubyte.gz"), filepath.Join(dir, "t10k-labels-idx1-ubyte.gz")
	if _, err := os.Stat(images); err != nil {
		t.Skipf("the MNIST test images are not there: %v", err)
	}
	return images, labels
}

// parties starts a server process and returns a function that runs commands of
// a client's against it and decodes their reports.
func parties(t *testing.T) func(report any, command string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	pascaline := func(args ...string) []byte {
		t.Helper()
		self, err := exec.LookPath("pascaline")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self, args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			said := ""
			if exit, ok := err.(*exec.ExitError); ok {
				said = string(exit.Stderr)
			}
			t.Fatalf("pascaline %v: %v\n%s", args, err, said)
		}
		return out
	}
	pascaline("keygen", "-o", "server.key")
	pascaline("keygen", "-o", "client.key")
	s, l, err := startServer(dir, os.Environ(), "--key", "server.key", "--allow", "client.key.pub", "--store", "server-store")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return func(report any, command string, args ...string) {
		t.Helper()
		out := pascaline(append([]string{command, "--json", "--server", l.Address, "--server-key", path("server.key.pub"),
			"--key", path("client.key"), "--store", path("client-store")}, args...)...)
		if err := json.Unmarshal(out, report); err != nil {
			t.Fatalf("the report of %s: %v", command, err)
		}
	}
}

// On the first 1,000 MNIST test images, private inference names the class that
// the fixed-point evaluator names on at least 999, no logit differs by more than
// 0.1 (they range over 38), and production stays within its budget.
func TestLongThousandImagesAgreeWithTheEvaluator(t *testing.T) {
	longTest(t)
	images, labels := mnistFiles(t)
	client := parties(t)
	const count = 1000
	var made productionReport
	client(&made, "produce", "--bundles", strconv.Itoa(count))
	t.Logf("offline, per inference: %.0f ms CPU, %.2f MB", made.ClientCPU+made.ServerCPU, made.SentMB+made.ReceivedMB)
	if megabytes := made.SentMB + made.ReceivedMB; megabytes > 6 {
		t.Errorf("production sends %.2f MB for each inference, want at most 6", megabytes)
	}
	var r inferenceReport
	client(&r, "infer", "--batch", "50", "--count", strconv.Itoa(count), "--labels", labels, "--compare", "mnist", images)
	t.Logf("accuracy %.2f %%, %d of %d agree, largest difference of a logit %.4f", 100**r.Accuracy, *r.Agree, count, *r.MaxDifference)
	if *r.Agree < 999 {
		t.Errorf("%d of %d classes agree, want at least 999", *r.Agree, count)
	}
	if *r.MaxDifference > 0.1 {
		t.Errorf("a logit differs by %.4f, want at most 0.1", *r.MaxDifference)
	}
}

// On an emulated network of 50 ms one way and 100 Mbit/s, an inference takes
// what the rounds and the bytes take, and at most 15 % more.
func TestLongSlowNetworkCostsItsRoundTrips(t *testing.T) {
	longTest(t)
	client := parties(t)
	client(&productionReport{}, "produce", "--bundles", "10")
	samples := t.TempDir()
	if out, err := exec.Command("pascaline", "samples", "-o", samples).CombinedOutput(); err != nil {
		t.Fatalf("samples: %v\n%s", err, out)
	}
	var r inferenceReport
	client(&r, "infer", "--network", "wan", "--count", "10", samples)
	floor := 100*float64(r.Rounds) + 1e3*8*float64(r.SentBytes+r.ReceivedBytes)/100e6
	t.Logf("median %.1f ms, of which rounds and bytes take %.1f", r.LatencyMS, floor)
	if r.LatencyMS < 100*float64(r.Rounds) {
		t.Errorf("%.1f ms for %d round trips of 100 ms: the network is not emulated", r.LatencyMS, r.Rounds)
	}
	if r.LatencyMS > 1.15*floor {
		t.Errorf("%.1f ms, want at most 15 %% above %.1f", r.LatencyMS, floor)
	}
}
