package link

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// A logBuffer collects a log that several goroutines write.
type logBuffer struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	written chan struct{} // closed and replaced by the next write
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written != nil {
		close(l.written)
		l.written = nil
	}
	return l.buf.Write(p)
}

// await waits until the log says text, and returns all of it.
func (l *logBuffer) await(t *testing.T, text string) string {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		l.mu.Lock()
		log := l.buf.String()
		if l.written == nil {
			l.written = make(chan struct{})
		}
		written := l.written
		l.mu.Unlock()
		if strings.Contains(log, text) {
			return log
		}
		select {
		case <-written:
		case <-late:
			t.Fatalf("the log does not say %q: %q", text, log)
		}
	}
}
