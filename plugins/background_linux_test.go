package plugins

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAPluginInTheBackgroundHasOnlyThreadsThere(t *testing.T) {
	for _, background := range []bool{true, false} {
		p := testPlugin(t, "good", Options{Background: background})
		if _, err := p.Describe(t.Context()); err != nil {
			t.Fatal(err)
		}
		tasks := fmt.Sprintf("/proc/%d/task", p.process.launch.cmd.Process.Pid)
		threads, err := os.ReadDir(tasks)
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			tid, _ := strconv.Atoi(thread.Name())
			if a, err := unix.SchedGetAttr(tid, 0); err == nil && (a.Policy == unix.SCHED_IDLE) != background {
				t.Errorf("background %v: thread %d has policy %d", background, tid, a.Policy)
			}
		}
	}
}
