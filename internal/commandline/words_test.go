package commandline

import (
	"os/exec"
	"strings"
	"testing"
)

func TestACommandIsWrittenAsAShellTakesIt(t *testing.T) {
	args := []string{"eval", "it's $HOME", "", "--a=b/c.d", "ü"}
	out, err := exec.Command("sh", "-c", "pascaline() { printf '%s\\n' \"$@\"; }; "+Words(append([]string{"pascaline"}, args...)...)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(args, "\n") + "\n"; string(out) != want {
		t.Errorf("a shell takes it as %q, want %q", out, want)
	}
}

func TestWhatCannotBePrintedIsNot(t *testing.T) {
	if got, want := Words("a\x1b]0;b\a'\".pasc"), `$'a\x1b]0;b\a\'".pasc'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
