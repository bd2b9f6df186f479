package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pascaline/correlation"
)

// roundTrip has two plugins, one for each party, make one correlation of each
// kind that they can.
func roundTrip(t *testing.T, plugins [2]*Plugin, settings map[string]string) {
	d, err := plugins[0].Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var halves [2][]*correlation.Half
	var told [2]float64
	both(t, func(ctx context.Context, party int, twin correlation.Twin) error {
		g, err := plugins[party].Open(ctx, correlation.Run{
			Party: party, Twin: twin, Layers: testLayers(party), Settings: settings,
			Progress: func(f float64) { told[party] = f },
		})
		if err != nil {
			return err
		}
		for _, k := range d.Kinds {
			spec := testSpec(k)
			h, err := g.Generate(ctx, []correlation.Request{
				{Spec: spec, Input: testInput(spec, party)},
				{Spec: spec, Input: testInput(spec, party)},
			})
			if err != nil {
				return err
			}
			halves[party] = append(halves[party], h...)
		}
		return g.Close()
	})
	for i, h := range halves[0] {
		if want := testSpec(d.Kinds[i/2]); h.Spec != want || h.Party != 0 || halves[1][i].Party != 1 {
			t.Errorf("half %d is of %+v, want %+v", i, h.Spec, want)
		}
		checkHalves(t, h, halves[1][i])
	}
	if told[0] != 1 && told[1] != 1 {
		t.Errorf("the parties were told of progress up to %v", told)
	}
}

func TestLattigoAsAPlugin(t *testing.T) {
	roundTrip(t, [2]*Plugin{testPlugin(t, "lattigo", Options{}), testPlugin(t, "lattigo", Options{})}, nil)
}

// The example outside the core, built as its users build it, and both parties'
// runs in one process as well as in two.
func TestTheExampleMakesEveryKind(t *testing.T) {
	path := buildExample(t)
	var log logBuffer
	var plugins [2]*Plugin
	for party := range plugins {
		var err error
		if plugins[party], err = New(path, nil, Options{Log: log.logger()}); err != nil {
			t.Fatal(err)
		}
		defer plugins[party].Close()
	}
	d, err := plugins[0].Describe(t.Context())
	if err != nil || len(d.Kinds) != len(correlation.Kinds()) {
		t.Fatalf("it describes itself as %+v, %v", d, err)
	}
	log.await(t, "level=WARN msg=\"this backend is a toy")
	roundTrip(t, plugins, nil)
	roundTrip(t, [2]*Plugin{plugins[0], plugins[0]}, map[string]string{"seed": filepath.Join(t.TempDir(), "other.seed")})
}

// buildExample builds examples/backend-file into the plugin directory that it
// returns the path in.
func buildExample(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filePrefix+"file")
	if out, err := exec.Command("go", "build", "-o", path, "pascaline/examples/backend-file").CombinedOutput(); err != nil {
		t.Fatalf("building the example: %v\n%s", err, out)
	}
	return path
}

var triples = correlation.Spec{Kind: correlation.Triples, N: 300}

func ask(spec correlation.Spec) []correlation.Request {
	return []correlation.Request{{Spec: spec}}
}

// generate opens a run of party 0 and asks for triples.
func generate(ctx context.Context, p *Plugin, twin correlation.Twin) error {
	g, err := p.Open(ctx, correlation.Run{Twin: twin})
	if err != nil {
		return err
	}
	defer g.Close()
	_, err = g.Generate(ctx, ask(triples))
	return err
}

func TestTwinsTalkInBothDirectionsAtOnce(t *testing.T) {
	for _, name := range []string{"echo", "echo-inline"} {
		p := testPlugin(t, name, Options{})
		both(t, func(ctx context.Context, _ int, twin correlation.Twin) error { return generate(ctx, p, twin) })
		if free := p.process.launch.blocks.Free(); free != p.process.launch.blocks.Count() {
			t.Errorf("%s: %d of %d blocks are free after the run", name, free, p.process.launch.blocks.Count())
		}
	}
}

// A party that sends much before it receives, to another that does the same, over
// a connection that holds nothing: only the wants can resolve that, so they must
// not wait behind the messages.
func TestMessagesThatNobodyTakesDoNotHideWants(t *testing.T) {
	p := testPlugin(t, "echo", Options{})
	a, b := newPipes(0)
	done := make(chan error, 1)
	go func() { done <- generate(t.Context(), p, a) }()
	// The other party answers in the worst order: it sends all, then takes all.
	sizes := echoSizes("echo")
	for i, n := range sizes {
		if err := b.Send(t.Context(), bytes.Repeat([]byte{byte(i)}, n)); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range sizes {
		if msg, err := b.Recv(t.Context(), n); err != nil || len(msg) != n {
			t.Fatalf("message %d has %d bytes (%v), want %d", i, len(msg), err, n)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestARunHearsWhatItNeedsToKnow(t *testing.T) {
	p := testPlugin(t, "settings", Options{})
	a, b := newPipes(1)
	g, err := p.Open(t.Context(), correlation.Run{Party: 1, Twin: a, Layers: testLayers(1), Settings: map[string]string{"x": "y z"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Generate(t.Context(), ask(triples)); err != nil {
		t.Fatal(err)
	}
	if msg, _ := b.Recv(t.Context(), 100); string(msg) != "map[x:y z] 1 2" {
		t.Errorf("the plugin heard %q", msg)
	}
	if err := errors.Join(g.Close(), g.Close()); err != nil {
		t.Error(err)
	}
	_, err = g.Generate(t.Context(), ask(triples))
	checkError(t, err, "this run is closed")
}

func TestAPluginGetsNoSecretsOfTheEnvironment(t *testing.T) {
	t.Setenv("PASCALINE_STORE_KEY", "secret")
	t.Setenv("LANG", "xx_YY")
	p := testPlugin(t, "environment", Options{})
	a, b := newPipes(1)
	if err := generate(t.Context(), p, a); err != nil {
		t.Fatal(err)
	}
	msg, _ := b.Recv(t.Context(), 1<<20)
	if !strings.Contains(string(msg), "LANG=xx_YY") || strings.Contains(string(msg), "secret") {
		t.Errorf("the plugin's environment is %s", msg)
	}
}

func TestRequestsAreCheckedBeforeTheyAreAsked(t *testing.T) {
	p := testPlugin(t, "good", Options{})
	_, err := p.Open(t.Context(), correlation.Run{Party: 2})
	checkError(t, err, "backend good", "party 2")
	_, err = p.Open(t.Context(), correlation.Run{Layers: testLayers(1)})
	checkError(t, err, "layer 0 has 0 weights at party 0")
	_, err = p.Open(t.Context(), correlation.Run{Settings: map[string]string{"a": "\x1b"}})
	checkError(t, err, "setting a cannot be printed")
	g, err := p.Open(t.Context(), correlation.Run{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, c := range []struct {
		says     string
		requests []correlation.Request
	}{
		{"0 elements", ask(correlation.Spec{Kind: correlation.Triples})},
		{"triples and squares at once", append(ask(triples), ask(testSpec(correlation.Squares))...)},
		{"of layer 1, which", ask(testSpec(correlation.Linear))},
		{"an input of 1 elements", []correlation.Request{{Spec: triples, Input: []uint64{1}}}},
		{"more than 2048 MiB", append(ask(correlation.Spec{Kind: correlation.Triples, N: 40 << 20}),
			append(ask(correlation.Spec{Kind: correlation.Triples, N: 40 << 20}), ask(correlation.Spec{Kind: correlation.Triples, N: 40 << 20})...)...)},
	} {
		_, err := g.Generate(t.Context(), c.requests)
		checkError(t, err, c.says)
	}
	// None of these ended the run.
	if halves, err := g.Generate(t.Context(), nil); err != nil || len(halves) != 0 {
		t.Errorf("asking for nothing returned %d halves, %v", len(halves), err)
	}
	if halves, err := g.Generate(t.Context(), ask(triples)); err != nil || len(halves) != 1 {
		t.Errorf("asking for triples returned %d halves, %v", len(halves), err)
	}
	_, err = g.Generate(t.Context(), ask(testSpec(correlation.Products)))
	checkError(t, err, "backend good: test does not make products")
	_, err = g.Generate(t.Context(), ask(triples))
	checkError(t, err, "this run has failed; open another")
}

// What authors do wrong is an error of the run that says so, and the process goes
// on.
func TestAuthorsErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes; plugins/sdk tests each of them without a process")
	}
	for name, says := range map[string]string{
		"fail-open":    "backend fail-open: no luck with �[31mthis",
		"nil-open":     "opened no run and gave no reason",
		"panic":        "Generate panicked; the log of the backend says where",
		"short":        "returned 0 halves for 1 requests",
		"wrong-party":  "something else for request 0 than party 0's half of 300 triples",
		"wrong-length": "column b has 299 words, not 300",
		"twin-big":     "send at most 64 MiB at a time",
		"bad-name":     `its name is "two words"`,
	} {
		t.Run(name, func(t *testing.T) {
			var log logBuffer
			p := testPlugin(t, name, Options{Log: log.logger()})
			a, _ := newPipes(1)
			checkError(t, generate(t.Context(), p, a), "backend "+name, says)
			if name == "panic" {
				log.await(t, "index out of range")
			}
			if p.process.launch.ended() {
				t.Error("the process is gone")
			}
		})
	}
}

func TestEndsOfRuns(t *testing.T) {
	for name, says := range map[string]string{
		"fail-close":  "backend fail-close: cannot end",
		"panic-close": "Close panicked",
		"hang-close":  "did not end a run within 100ms, and was killed",
	} {
		t.Run(name, func(t *testing.T) {
			p := testPlugin(t, name, Options{StopTimeout: 100 * time.Millisecond})
			g, err := p.Open(t.Context(), correlation.Run{})
			if err != nil {
				t.Fatal(err)
			}
			checkError(t, g.Close(), says)
		})
	}
}

// A plugin that dies is an error of the run, which says how it ended and what it
// said last; the next run has a new process.
func TestDeathIsAnErrorOfTheRun(t *testing.T) {
	for name, says := range map[string]string{
		"die":          "backend die died (exit status 2), last line of its log: I cannot go on; the run is lost, nothing of it is used",
		"die-panic":    "died (exit status 2), last line of its log: panic: in a goroutine",
		"die-open":     "died (exit status 7), and it logged nothing",
		"die-describe": "died (exit status 7), last line of its log: no use going on",
	} {
		t.Run(name, func(t *testing.T) {
			p := testPlugin(t, name, Options{})
			a, _ := newPipes(1)
			for range 2 {
				checkError(t, generate(t.Context(), p, a), says)
			}
		})
	}
}

func TestKilledInTheMiddleAndRestarted(t *testing.T) {
	var log logBuffer
	p := testPlugin(t, "wait", Options{Log: log.logger()})
	a, b := newPipes(1)
	done := make(chan error, 1)
	go func() { done <- generate(t.Context(), p, a) }()
	if _, err := b.Recv(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	first := p.process
	first.launch.cmd.Process.Kill()
	checkError(t, <-done, "backend wait died (signal: killed)", "the run is lost, nothing of it is used")
	if _, err := p.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.process == first {
		t.Error("the process is the one that was killed")
	}
	// One that is killed while nobody asks it is found dead before it is used.
	log.await(t, `msg="the backend's process has ended" backend=wait how="signal: killed"`)
	second := p.process
	second.launch.cmd.Process.Kill()
	<-second.launch.exited
	g, err := p.Open(t.Context(), correlation.Run{})
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
}

func TestAProcessThatStopsAnsweringIsReplaced(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGSTOP")
	}
	p := testPlugin(t, "good", Options{})
	if _, err := p.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := p.process
	first.conn.Close() // as if it had stopped, and healthTimeout were over
	if _, err := p.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-first.launch.exited:
	default:
		t.Error("the old process is still there")
	}
}

// A run that is given up ends at once if the plugin lets go, and with the process
// if it does not.
func TestGivingUpARun(t *testing.T) {
	for name, killed := range map[string]bool{"wait": false, "hang": true} {
		t.Run(name, func(t *testing.T) {
			var log logBuffer
			p := testPlugin(t, name, Options{StopTimeout: 300 * time.Millisecond, Log: log.logger()})
			ctx, cancel := context.WithCancelCause(t.Context())
			a, b := newPipes(1)
			done := make(chan error, 1)
			go func() { done <- generate(ctx, p, a) }()
			if _, err := b.Recv(t.Context(), 100); err != nil {
				t.Fatal(err)
			}
			why := errors.New("the user has enough")
			cancel(why)
			err := <-done
			if !errors.Is(err, why) {
				t.Errorf("the error is %v", err)
			}
			if killed {
				<-p.process.launch.exited
				log.await(t, "did not let go of a run in time")
			} else if p.process.launch.ended() {
				t.Error("the process was killed")
			}
		})
	}
}

// brokenTwin fails, to send or to receive.
type brokenTwin struct{ send, recv error }

func (b brokenTwin) Send(context.Context, []byte) error { return b.send }
func (b brokenTwin) Recv(ctx context.Context, _ int) ([]byte, error) {
	if b.recv == nil {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return nil, b.recv
}

func TestATwinThatIsLostIsTheErrorOfTheRun(t *testing.T) {
	lost := errors.New("connection lost")
	p := testPlugin(t, "echo", Options{})
	err := generate(t.Context(), p, brokenTwin{send: lost})
	if !errors.Is(err, lost) {
		t.Errorf("the error is %v", err)
	}
	checkError(t, err, "backend echo, sending to its twin: connection lost")
	err = generate(t.Context(), p, brokenTwin{recv: lost})
	checkError(t, err, "backend echo, receiving from its twin: connection lost")
	checkError(t, generate(t.Context(), p, nil), "this run has no other party")
	if p.process.launch.ended() {
		t.Error("the process is gone")
	}
}

func TestRunsShareAProcess(t *testing.T) {
	p := testPlugin(t, "echo-small", Options{})
	var pairs sync.WaitGroup
	for range 3 {
		pairs.Go(func() {
			both(t, func(ctx context.Context, _ int, twin correlation.Twin) error { return generate(ctx, p, twin) })
		})
	}
	pairs.Wait()
}

func TestAClosedPluginIsOfNoUse(t *testing.T) {
	p := testPlugin(t, "wait", Options{})
	a, b := newPipes(1)
	done := make(chan error, 1)
	go func() { done <- generate(t.Context(), p, a) }()
	if _, err := b.Recv(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	p.Close()
	checkError(t, <-done, "was closed")
	if end := p.process.launch.end(); end != "exit status 0" {
		t.Errorf("its standard input ended, and the process has %s", end)
	}
	_, err := p.Describe(t.Context())
	checkError(t, err, "backend wait", "it is closed")
	if _, err := os.Stat(p.process.launch.socketDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of its socket: %v", err)
	}
}

func TestProgressIsToldInSteps(t *testing.T) {
	p := testPlugin(t, "progress", Options{})
	var told []float64
	g, err := p.Open(t.Context(), correlation.Run{Progress: func(f float64) { told = append(told, f) }})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.Generate(t.Context(), ask(triples)); err != nil {
		t.Fatal(err)
	}
	if len(told) < 100 || len(told) > 1000 || told[len(told)-1] != 1 {
		t.Errorf("told %d times, at last %v", len(told), told[len(told)-1])
	}
}

func TestLogLinesAppearUnderThePluginsName(t *testing.T) {
	var log logBuffer
	p := testPlugin(t, "logs", Options{Log: log.logger(), Name: "mine"})
	if err := generate(t.Context(), p, nil); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`level=DEBUG msg="a debug line" backend=mine`,
		`level=ERROR msg="an error line" backend=mine key=` + strings.Repeat("v", maxAttribute) + "…\n",
		`level=INFO msg=printed backend=mine`,
		`level=WARN msg=bracketed backend=mine`,
		strings.Repeat("long", maxMessage/4) + "… backend=mine",
		`level=INFO msg="{\"@message\": 5, \"@level\": [1]}"`,
		"msg=\"�[2Jclear\" backend=mine",
	} {
		log.await(t, line)
	}
}

func TestAWordBeforeTheHandshakeIsLogged(t *testing.T) {
	var log logBuffer
	p := testPlugin(t, "chatty", Options{Log: log.logger()})
	if _, err := p.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	log.await(t, `level=INFO msg="a word before the handshake" backend=chatty`)
	log.await(t, `level=WARN msg="it starts" backend=chatty answer=42`)
}

// What is no plugin, or none for this host, is an error that says what it is
// instead.
func TestWhatIsNoPlugin(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ path, says string }{
		{"/bin/true", "it is no backend: it ended (exit status 0) without saying that it is one, and it logged nothing"},
		{write("text", "just text\n", 0o644), "it is not executable; if it is a plugin, chmod +x it"},
		{write("text+x", "just text\n", 0o755), "it is no program for " + runtime.GOOS + "/" + runtime.GOARCH},
		{write("script", "#!/no/such/interpreter\n", 0o755), "its interpreter or loader, is missing"},
		{write("shell", "#!/bin/sh\necho hello\necho sorry >&2\nexit 4\n", 0o755), "it ended (exit status 4) without saying that it is one, last line of its log: "},
		{write("empty", "", 0o755), "it is no program for"},
		{dir, "it is a directory"},
		{filepath.Join(dir, "none"), "there is no such file"},
	} {
		p, err := New(c.path, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Describe(t.Context())
		checkError(t, err, "backend "+nameOf(c.path)+" ("+c.path+"): ", c.says)
		p.Close()
	}
}

func TestPluginsThatDoNotStart(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes; nothing meets there")
	}
	for _, c := range []struct {
		name string
		says []string
	}{
		{"silent", []string{"it did not say within 700ms that it is a backend, and was killed"}},
		{"early", []string{"it ended (exit status 3) without saying that it is one, last line of its log: "}},
		{"raw-version", []string{"it speaks version 2 of the plugin protocol, and this pascaline version 1; use a backend built for this version"}},
		{"raw-core", []string{"it speaks version 9 of go-plugin's protocol, and this pascaline version 1"}},
		{"raw-netrpc", []string{"it listens at an address that is not its host's choice"}},
		{"raw-elsewhere", []string{"it listens at an address that is not its host's choice"}},
		{"raw-plain", []string{"it does not authenticate itself"}},
		{"hang-describe", []string{"it did not describe itself within 700ms, and was killed"}},
		{"panic-describe", []string{"it cannot describe itself: Describe panicked"}},
		{"bad-name", []string{`it cannot describe itself: the backend's description is unusable: its name is "two words"`}},
		{"raw-describe-flood", []string{"larger than max"}},
		{"raw-describe-kind", []string{"unknown kind 255"}},
		{"raw-describe-terminal", []string{"whom to trust cannot be printed on one line"}},
		{"raw-describe-error", []string{"the exchange with it broke: ��"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			timeout := 700 * time.Millisecond
			if strings.HasPrefix(c.name, "raw-") || strings.Contains(c.says[0], "describe itself:") || c.name == "early" {
				timeout = 0
			}
			p := testPlugin(t, c.name, Options{StartTimeout: timeout})
			_, err := p.Describe(t.Context())
			checkError(t, err, append(c.says, "backend "+c.name)...)
		})
	}
}

func TestStartingIsGivenUpWithItsContext(t *testing.T) {
	p := testPlugin(t, "silent", Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := p.Describe(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}

func TestAChecksumPinsTheFile(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sum, err := Checksum(self)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := testPlugin(t, "good", Options{SHA256: strings.ToUpper(sum)}).Describe(t.Context()); err != nil {
		t.Error(err)
	}
	wrong := strings.Repeat("0f", 32)
	_, err = testPlugin(t, "good", Options{SHA256: wrong}).Describe(t.Context())
	checkError(t, err, "backend good", "its SHA-256 is "+sum+", and "+wrong+" is expected", "give the new sum")
	_, err = New(self, nil, Options{SHA256: "123"})
	checkError(t, err, `"123" is no SHA-256`)
}

// A plugin that breaks the protocol is an error of the run, and never more.
func TestAPluginThatBreaksTheProtocol(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes; FuzzRun has the like without processes")
	}
	for name, says := range map[string]string{
		"raw-return":         "ended the run without an answer",
		"raw-status":         "the exchange with it broke: �[2Jxxx",
		"raw-half-at-open":   "that was not asked for",
		"raw-other-spec":     "party 0's half of 301 of triples",
		"raw-long-rows":      "rows of 64 bytes, not the 0 of its specification",
		"raw-huge-half":      "HALF of 1099511627776 bytes was announced; it may have at most 7456",
		"raw-not-half":       "half 0: decoding triples",
		"raw-unasked-half":   "that was not asked for",
		"raw-no-half":        "it is done after 0 of 1 halves",
		"raw-want-huge":      "it wants a message of up to 1099511627776 bytes",
		"raw-want-twice":     "two messages of its twin at once",
		"raw-want-done":      "it is done while it waits for a message of its twin",
		"raw-progress":       "told its progress more than 1000 times",
		"raw-progress-nan":   "its progress is NaN",
		"raw-flood":          "it sent 1048576 bytes for its twin while 8 messages of 8388608 bytes are on their way",
		"raw-flood-empty":    "while 32 messages of 0 bytes are on their way",
		"raw-send-huge":      "SEND of 1099511627776 bytes was announced",
		"raw-interleave":     "DONE (0 bytes) began within SEND",
		"raw-piece":          "a piece of 10 bytes of SEND came where 262144 are due",
		"raw-big-frame":      "received message larger than max",
		"raw-unknown":        "unknown kind 99 (3 bytes) came where it is not due",
		"raw-host-kind":      "TWIN (3 bytes) came where it is not due",
		"raw-failed-flood":   "FAILED of 1073741824 bytes was announced",
		"raw-failed":         "backend raw-failed: �[31mwhy why",
		"raw-failed-garbage": "decoding FAILED",
		"raw-leave":          "the exchange with it broke: gone",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testPlugin(t, name, Options{})
			checkError(t, generate(t.Context(), p, brokenTwin{send: nil}.deaf()), "backend "+name, says)
		})
	}
}

// deafTwin takes no message and has none.
type deafTwin struct{}

func (brokenTwin) deaf() correlation.Twin { return deafTwin{} }

func (deafTwin) Send(ctx context.Context, _ []byte) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func (deafTwin) Recv(ctx context.Context, _ int) ([]byte, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// A plugin that reads nothing cannot hold up a run that is given up, though the
// host is stuck in sending.
func TestAPluginThatReadsNothing(t *testing.T) {
	p := testPlugin(t, "raw-deaf", Options{StopTimeout: 100 * time.Millisecond})
	layers := testLayers(1)
	g, err := p.Open(t.Context(), correlation.Run{Party: 1, Layers: layers})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	spec := testSpec(correlation.Linear)
	spec.N = 1 << 15 // 22 MiB of input
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = g.Generate(ctx, []correlation.Request{{Spec: spec, Input: make([]uint64, spec.N*spec.Shape.InLen())}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}

// beHost is a host that has a plugin tell its twin, the standard output, its
// process, and then waits to be killed.
func beHost() {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	p, err := New(self, nil, Options{Env: []string{backendVariable + "=" + os.Getenv(hostVariable)}})
	if err != nil {
		panic(err)
	}
	a, b := newPipes(1)
	if _, err := p.Open(context.Background(), correlation.Run{Twin: a, Settings: map[string]string{"tell": "yes"}}); err != nil {
		panic(err)
	}
	msg, err := b.Recv(context.Background(), 100)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", msg)
	select {}
}
