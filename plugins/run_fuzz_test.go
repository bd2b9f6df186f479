package plugins

import (
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/plugins/internal/wire"
	"pascaline/plugins/internal/wiretest"
)

// Whatever a plugin says, the host's side of a run ends in what was asked for or
// in an error.
func FuzzRun(f *testing.F) {
	frame := func(kind api.BackendKind, payload []byte) []byte {
		b, err := proto.Marshal(&api.BackendFrame{Kind: kind, Size: uint64(len(payload)), Chunk: payload})
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	spec := correlation.Spec{Kind: correlation.Triples, N: 3}
	half, err := correlation.NewHalf(spec, 1).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	want, err := proto.Marshal(&api.BackendWant{Limit: 5})
	if err != nil {
		f.Fatal(err)
	}
	done := frame(api.BackendKind_BACKEND_DONE, nil)
	f.Add(frame(api.BackendKind_BACKEND_HALF, half), done, []byte{}, []byte{})
	f.Add(frame(api.BackendKind_BACKEND_SEND, []byte("hello")), frame(api.BackendKind_BACKEND_WANT, want), frame(api.BackendKind_BACKEND_HALF, half), done)
	f.Add(frame(api.BackendKind_BACKEND_FAILED, []byte{10, 1, 'x'}), done, done, done)
	f.Add(frame(api.BackendKind_BACKEND_PROGRESS, []byte{9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}), done, done, done)
	f.Fuzz(func(t *testing.T, a, b, c, d []byte) {
		r := &run{
			Run: correlation.Run{Party: 1, Twin: quiet{}, Progress: func(x float64) {
				if !(x >= 0 && x <= 1) {
					t.Errorf("told of progress %v", x)
				}
			}},
			name:   "fuzzed",
			stream: wire.NewStream(wiretest.Recorded(a, b, c, d)),
			cut:    func() {}, kill: func() {}, lost: func(err error) error { return err },
		}
		halves, err := r.Generate(t.Context(), ask(spec))
		if err != nil {
			return
		}
		if len(halves) != 1 || halves[0].Spec != spec || halves[0].Party != 1 || halves[0].Validate() != nil {
			t.Errorf("asked for %+v, got %v", spec, halves)
		}
	})
}

// A line of a plugin's log is bounded, and printable, whatever it holds.
func FuzzLogLine(f *testing.F) {
	f.Add(`{"@level":"warn","@message":"m","@timestamp":"2026-01-02T15:04:05.000000Z","a":1,"b":{"c":[true]}}`)
	f.Add(`{"@message":5}`)
	f.Add(`[ERROR] text`)
	f.Add("panic: \x1b[31m")
	f.Fuzz(func(t *testing.T, line string) {
		_, message, attributes := parseLine(line)
		texts := []string{message}
		for _, a := range attributes {
			texts = append(texts, a.Key, a.Value.String())
		}
		for _, text := range texts {
			if len(text) > maxMessage+len("…") || strings.ContainsAny(text, "\n\x1b") {
				t.Errorf("the log is given %q", text)
			}
		}
		if len(attributes) > maxAttributes {
			t.Errorf("the log is given %d attributes", len(attributes))
		}
	})
}

func TestLogLines(t *testing.T) {
	for _, c := range []struct {
		line, message string
		level         slog.Level
		attributes    string
	}{
		{`{"@level":"warn","@message":"m","@module":"x","b":"two","a":1.5,"c":{"d":null}}`, "m", slog.LevelWarn, `a=1.5 b=two c={"d":null}`},
		{`{"@level":"ERROR","@message":"m"}`, "m", slog.LevelError, ""},
		{`{"@level":"loud","@message":"m"}`, "m", slog.LevelInfo, ""},
		{`{"message":"other JSON"}`, `{"message":"other JSON"}`, slog.LevelInfo, ""},
		{"[DEBUG] bracketed", "bracketed", slog.LevelDebug, ""},
		{"[trace]  bracketed", "bracketed", slog.LevelDebug, ""},
		{"[other] plain", "[other] plain", slog.LevelInfo, ""},
		{"plain", "plain", slog.LevelInfo, ""},
	} {
		level, message, attributes := parseLine(c.line)
		var texts []string
		for _, a := range attributes {
			texts = append(texts, a.String())
		}
		if level != c.level || message != c.message || strings.Join(texts, " ") != c.attributes {
			t.Errorf("%q is logged as %v %q %v", c.line, level, message, texts)
		}
	}
}

func TestAPanicIsTheReasonOfADeath(t *testing.T) {
	var buf logBuffer
	l := &pluginLog{log: buf.logger()}
	l.read(strings.NewReader("before\r\npanic: broken\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:3\nexit status 2"), nil)
	if l.reason() != "panic: broken" {
		t.Errorf("the reason is %q", l.reason())
	}
	log := buf.await(t, "exit status 2")
	if strings.Count(log, "level=ERROR") != 5 || strings.Count(log, "level=INFO") != 1 {
		t.Errorf("it is logged as %s", log)
	}
}
