package sdk

import (
	"io"
	"log/slog"
	"os"

	"pascaline/plugins/internal/wire"
)

// Log writes to the host's log, under the backend's name. It must not be given
// secrets.
var Log = newLog(os.Stderr, started())

// started reports whether the host started this program.
func started() bool {
	return os.Getenv(wire.Handshake.MagicCookieKey) == wire.Handshake.MagicCookieValue
}

// newLog writes what the host reads: a line of JSON with the keys of hclog. By
// hand it is text.
func newLog(w io.Writer, host bool) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelDebug}
	if !host {
		return slog.New(slog.NewTextHandler(w, o))
	}
	o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 {
			switch a.Key {
			case slog.TimeKey:
				a.Key = "@timestamp"
			case slog.LevelKey:
				a.Key = "@level"
			case slog.MessageKey:
				a.Key = "@message"
			}
		}
		return a
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
