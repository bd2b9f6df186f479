package link

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// What may become of a connection or an exchange, for errors.Is. Every error of
// this package says more than these.
var (
	// ErrUntrusted: the server has another key than the one we pinned.
	ErrUntrusted = errors.New("the server's key is not the expected one")
	// ErrRefused: the server does not allow our key.
	ErrRefused = errors.New("the server does not allow our key")
	// ErrLost: the connection broke or was closed.
	ErrLost = errors.New("connection lost")
	// ErrStalled: the connection stands, but the other side neither sent nor
	// took anything for as long as [Options.Stall] allows.
	ErrStalled = errors.New("the other side stalled")
	// ErrGaveUp: the client ended the exchange before it was complete, by
	// cancelling it or because of an error on its side.
	ErrGaveUp = errors.New("the client gave up")
)

// A RemoteError is the error with which the server's [Handler] ended an
// exchange, as the client sees it.
type RemoteError struct {
	From    string // "server" and its address
	Message string // what it said; control characters are replaced
}

func (e *RemoteError) Error() string { return e.From + " reported: " + e.Message }

// A failure is an error whose text is made for people and whose kind and cause
// are found by errors.Is and errors.As.
type failure struct {
	text string
	is   []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.is }

// failf makes a failure of the given kind; further errors may be wrapped by it.
func failf(is []error, format string, args ...any) error {
	return &failure{text: fmt.Sprintf(format, args...), is: is}
}

// A localCause is why this side itself ended a stream. It is set as the cause
// of the stream's context, which tells it from whatever the other side or the
// network did.
type localCause struct{ err error }

func (c *localCause) Error() string { return c.err.Error() }
func (c *localCause) Unwrap() error { return c.err }

// endedHere returns why this side ended the stream of ctx, or nil.
func endedHere(ctx context.Context) error {
	var c *localCause
	if errors.As(context.Cause(ctx), &c) {
		return c.err
	}
	return nil
}

// causeOf returns why ctx is over, in a form that errors.Is finds context.Canceled
// or context.DeadlineExceeded in.
func causeOf(ctx context.Context) error {
	cause := context.Cause(ctx)
	return failf([]error{ctx.Err(), cause}, "%v", cause)
}

// maxErrorText bounds the text of an error that crosses the wire, in bytes.
const maxErrorText = 2 << 10

// presentable makes text from the other side, or for it, safe to print: it is
// bounded, valid UTF-8, and cannot drive a terminal.
func presentable(text string) string {
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
