package main

import (
	"image/png"
	"io"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"pascaline/internal/commandline"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pillar": func() { os.Exit(run()) },
	})
}

// The scripts run the command as its users do. Beside testscript's commands they
// have:
//
//	taken FOLDER, free FOLDER     train into FOLDER, for pillar, and no longer
//	is-picture FILE W H   fail unless FILE is a PNG of at least this size
//	stripes FOLDER N [pictures]   write N labelled images, and 50 to test with, as
//	                              IDX files; or N as pictures by class
func TestScripts(t *testing.T) {
	locks := locks{}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"is-picture": isPicture, "stripes": stripesInScript, "taken": locks.take, "free": locks.free,
		},
	})
}

// locks are the folders that scripts keep as if they trained into them.
type locks struct{ sync.Map }

func (l *locks) take(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: taken FOLDER")
	}
	folder := ts.MkAbs(args[0])
	lock, err := openOut(folder)
	ts.Check(err)
	l.Store(folder, lock)
}

func (l *locks) free(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: free FOLDER")
	}
	lock, taken := l.LoadAndDelete(ts.MkAbs(args[0]))
	if !taken {
		ts.Fatalf("%s is not taken", args[0])
	}
	ts.Check(lock.(io.Closer).Close())
}

func isPicture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: is-picture FILE WIDTH HEIGHT")
	}
	f, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	config, err := png.DecodeConfig(f)
	ts.Check(err)
	for i, have := range []int{config.Width, config.Height} {
		least, err := strconv.Atoi(args[1+i])
		ts.Check(err)
		if have < least {
			ts.Fatalf("%s is %d×%d", args[0], config.Width, config.Height)
		}
	}
}

func TestExamplesInTheHelpAreAccepted(t *testing.T) {
	if err := commandline.CheckExamples(root); err != nil {
		t.Error(err)
	}
}
