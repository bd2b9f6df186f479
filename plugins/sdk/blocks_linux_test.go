package sdk

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"pascaline/api"
	"pascaline/plugins/internal/wire"
	"pascaline/plugins/internal/wiretest"
)

// sharing opens a run with the process's blocks, and asks it for triples.
func sharing(t *testing.T, theirs, mine *wire.Blocks, generate func(ctx context.Context, twin Twin) error) *host {
	t.Helper()
	h := serveRun(t, of(func(ctx context.Context, run Run, r []Request) ([]*Half, error) {
		return halvesOf(r, run.Party), generate(ctx, run.Twin)
	}), mine)
	b, err := wire.EncodeOpen(Run{}, theirs.Count())
	if err != nil {
		t.Fatal(err)
	}
	h.send(api.BackendKind_BACKEND_OPEN, b)
	h.next(opened)
	h.stream.Blocks = theirs
	h.request(Run{}, Request{Spec: triples})
	return h
}

// A run that fails keeps the blocks of what it has sent from other runs until the
// host has ended its side: it may still read them.
func TestBlocksOfAFailedRunAreKeptUntilTheHostHasReadThem(t *testing.T) {
	theirs, mine := wiretest.Blocks(t)
	of := func(b byte) []byte { return bytes.Repeat([]byte{b}, wire.PieceSize) }
	failing := sharing(t, theirs, mine, func(ctx context.Context, twin Twin) error {
		return errors.Join(twin.Send(ctx, of('a')), errors.New("enough"))
	})
	failing.end.Await(2) // SEND and FAILED, which are not read yet

	other := sharing(t, theirs, mine, func(ctx context.Context, twin Twin) error {
		for range mine.Count() {
			if err := twin.Send(ctx, of('b')); err != nil {
				return err
			}
		}
		return nil
	})
	for range mine.Count() {
		if !bytes.Equal(other.next(send), of('b')) {
			t.Error("the other run's message is not what it sent")
		}
		other.send(sent)
	}
	other.next(half)
	other.done()
	other.end.Close()
	<-other.served

	if !bytes.Equal(failing.next(send), of('a')) {
		t.Error("the message of a run that has failed is another run's")
	}
	failing.failed("enough")
	if mine.Free() != mine.Count() {
		t.Errorf("%d of %d blocks are free after the runs", mine.Free(), mine.Count())
	}
}
