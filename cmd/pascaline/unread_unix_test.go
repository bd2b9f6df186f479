//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// A pipe that breaks elsewhere is none of a command's business; its output is.
func TestACommandEndsWhenItsOwnOutputIsUnread(t *testing.T) {
	pipe := func() (r, w *os.File) {
		t.Helper()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return r, w
	}
	outReader, out := pipe()
	ctx, stop := untilOneUnread(t.Context(), out)
	defer stop()
	raised := make(chan os.Signal, 1)
	signal.Notify(raised, syscall.SIGPIPE)
	defer signal.Stop(raised)
	breaks := func(reader, writer *os.File) {
		t.Helper()
		if reader.Close(); !unread(writer) {
			t.Error("a pipe without a reader is read")
		}
		if syscall.Kill(os.Getpid(), syscall.SIGPIPE) != nil {
			t.Fatal("a signal cannot be raised")
		}
		<-raised
	}
	breaks(pipe())
	if unread(out) || ctx.Err() != nil {
		t.Error("the command ends though its output is read")
	}
	breaks(outReader, out)
	<-ctx.Done()
}
