package cpu

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// threadsVariable makes this program one of many threads that waits for its
// standard input, and then says how many are not in the background.
const threadsVariable = "PASCALINE_TEST_THREADS"

func TestMain(m *testing.M) {
	if os.Getenv(threadsVariable) == "" {
		os.Exit(m.Run())
	}
	start := make(chan struct{})
	for range 20 {
		go func() {
			runtime.LockOSThread() // a thread for each
			<-start
		}()
	}
	fmt.Println("started")
	bufio.NewReader(os.Stdin).ReadString('\n')
	for range 20 {
		go func() {
			runtime.LockOSThread()
			<-start
		}()
	}
	for range 20 { // until they have their threads
		runtime.Gosched()
	}
	fmt.Println(foreground(os.Getpid()))
}

// foreground counts the threads of a process that are not in the background.
func foreground(pid int) int {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return -1
	}
	n := 0
	for _, t := range threads {
		tid, _ := strconv.Atoi(t.Name())
		if a, err := unix.SchedGetAttr(tid, 0); err == nil && a.Policy != unix.SCHED_IDLE {
			n++
		}
	}
	return n
}

func TestAProcessIsInTheBackgroundWithAllItsThreads(t *testing.T) {
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), threadsVariable+"=1")
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Process.Kill()
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if foreground(other.Process.Pid) == 0 {
		t.Fatal("the process is in the background already")
	}
	if err := Background(other.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if n := foreground(other.Process.Pid); n != 0 {
		t.Errorf("%d threads are not in the background", n)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if left, err := lines.ReadString('\n'); err != nil || left != "0\n" {
		t.Errorf("of the threads started since %q are not in the background (%v)", left, err)
	}
	if foreground(os.Getpid()) == 0 {
		t.Error("the process that asked for it is in the background, too")
	}
}

func TestAProcessThatIsNotThereCannotBePutInTheBackground(t *testing.T) {
	if err := Background(1 << 30); err == nil {
		t.Error("no error")
	}
}
