package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// Eight bundles of ResNet-18 take 400 MB each over both parties at most, and no
// process of the client's a gigabyte of memory.
func TestLongProducingForResNet18KeepsToItsBudget(t *testing.T) {
	longTest(t)
	self, err := exec.LookPath("pascaline")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(self, args...)
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		return cmd
	}
	for _, key := range []string{"server.key", "client.key"} {
		if err := command("keygen", "-o", key).Run(); err != nil {
			t.Fatal(err)
		}
	}
	s, l, err := startServer(dir, os.Environ(), "--model", "resnet18", "--key", "server.key", "--allow", "client.key.pub", "--store", "server-store")
	if err != nil {
		t.Fatal(err)
	}
	defer s.kill()
	produce := command("produce", "--json", "--plan", "resnet18", "--bundles", "8", "--server", l.Address, "--server-key", "server.key.pub",
		"--key", "client.key", "--store", "client-store")
	out, err := produce.Output()
	if err != nil {
		t.Fatal(err)
	}
	var r productionReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	// That of the backend's process, which it has waited for, is in it.
	peak := peakMemory(produce.ProcessState)
	t.Logf("%.2f s of CPU each (client %.2f, server %.2f), %.0f MB each, %d MB at the peak",
		(r.ClientCPU+r.ServerCPU)/1e3, r.ClientCPU/1e3, r.ServerCPU/1e3, r.SentMB+r.ReceivedMB, peak>>20)
	if r.Made != 8 || r.SentMB+r.ReceivedMB > 400 || peak >= 1<<30 {
		t.Errorf("%d bundles of %.0f MB each, with %d MB of memory", r.Made, r.SentMB+r.ReceivedMB, peak>>20)
	}
}
