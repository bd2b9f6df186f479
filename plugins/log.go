package plugins

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"pascaline/plugins/internal/wire"
)

// Limits of what a plugin logs.
const (
	maxLine       = 8 << 10 // the rest of a line is dropped
	maxMessage    = 2 << 10
	maxAttribute  = 1 << 10
	maxAttributes = 16
	maxReason     = 300
)

// pluginLog brings the lines that a process prints to the host's log. go-plugin
// could do it, but for a panic of its own on lines that it does not expect.
type pluginLog struct {
	log *slog.Logger

	mu      sync.Mutex
	last    string // the text of the last line
	panics  bool   // the process is printing why it panics
	because string // the line that says so
}

// read logs the lines of r to the end. handshake, where not nil, is asked first,
// and keeps a line if it says so.
func (l *pluginLog) read(r io.Reader, handshake func(line string) bool) {
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		text := strings.TrimRight(string(line), "\r\n")
		whole := !errors.Is(err, bufio.ErrBufferFull)
		if !whole {
			text += "…"
		}
		if text != "" && (handshake == nil || !whole || !handshake(text)) {
			l.write(text)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

// reason returns what the process said last, for the error that it died.
func (l *pluginLog) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.because != "" {
		return l.because
	}
	return l.last
}

// write logs one line.
func (l *pluginLog) write(line string) {
	level, message, attributes := parseLine(line)
	l.mu.Lock()
	if attributes == nil && (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")) {
		l.panics = true
		if l.because == "" {
			l.because = wire.Presentable(message, maxReason)
		}
	}
	if l.panics && attributes == nil {
		level = slog.LevelError
	}
	l.last = wire.Presentable(message, maxReason)
	l.mu.Unlock()
	l.log.LogAttrs(context.Background(), level, message, attributes...)
}

// levels are those of hclog and of slog, in lower case.
var levels = map[string]slog.Level{
	"trace": slog.LevelDebug, "debug": slog.LevelDebug, "info": slog.LevelInfo,
	"warn": slog.LevelWarn, "error": slog.LevelError,
}

// parseLine reads a line: of hclog's JSON, which is what plugins/sdk writes, or of
// anything, perhaps with a level in brackets before it. Of JSON the attributes are
// not nil.
func parseLine(line string) (slog.Level, string, []slog.Attr) {
	var fields map[string]any
	if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &fields) == nil {
		if message, ok := fields["@message"].(string); ok {
			name, _ := fields["@level"].(string)
			level, ok := levels[strings.ToLower(name)]
			if !ok {
				level = slog.LevelInfo
			}
			for key := range fields {
				if strings.HasPrefix(key, "@") {
					delete(fields, key)
				}
			}
			return level, wire.Presentable(message, maxMessage), attributesOf(fields)
		}
	}
	level, message := slog.LevelInfo, line
	if tag, rest, ok := strings.Cut(line, "]"); ok && strings.HasPrefix(tag, "[") {
		if l, ok := levels[strings.ToLower(tag[1:])]; ok {
			level, message = l, strings.TrimSpace(rest)
		}
	}
	return level, wire.Presentable(message, maxMessage), nil
}

// attributesOf makes attributes of fields, in the order of their names.
func attributesOf(fields map[string]any) []slog.Attr {
	attributes := []slog.Attr{}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if len(attributes) == maxAttributes {
			break
		}
		text, ok := fields[key].(string)
		if !ok {
			b, err := json.Marshal(fields[key])
			if err != nil {
				continue
			}
			text = string(b)
		}
		attributes = append(attributes, slog.String(wire.Presentable(key, 64), wire.Presentable(text, maxAttribute)))
	}
	return attributes
}
