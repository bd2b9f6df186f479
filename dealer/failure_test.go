package dealer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pascaline/api"
	"pascaline/correlation"
	"pascaline/link"
	"pascaline/ring"
)

// openWith opens a run of player 0 with player 1, some of whose settings are
// changed.
func (b *table) openWith(t *testing.T, change map[string]string) error {
	t.Helper()
	settings := b.settings(b.players[0], b.players[1])
	maps.Copy(settings, change)
	g, err := Backend{}.Open(t.Context(), correlation.Run{Settings: settings})
	if err == nil {
		g.Close()
	}
	return err
}

func TestTheBackendSaysWhatItIs(t *testing.T) {
	d, err := Backend{}.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Name != "dealer" || d.Version == "" || !strings.Contains(d.Trust, "the dealer, not to work together with either party") {
		t.Errorf("%+v", d)
	}
	for _, k := range correlation.Kinds() {
		if !d.Makes(k) {
			t.Errorf("it does not make %v", k)
		}
	}
	for _, name := range []string{"dealer", "dealer-key", "key", "peer"} {
		if d.Settings[name] == "" {
			t.Errorf("it does not say what %q is", name)
		}
	}
}

func TestWrongSettingsAreSaidWithTheirFlags(t *testing.T) {
	b := newTable(t, 2)
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change map[string]string
		says   []string
	}{
		{map[string]string{"dealer": "", "dealer-key": ""}, []string{"--dealer HOST:PORT", "--dealer-key KEY"}},
		{map[string]string{"key": "", "peer": ""}, []string{`setting "key"`, `setting "peer"`}},
		{map[string]string{"dealer": "nowhere"}, []string{`"nowhere"`, "--dealer HOST:PORT"}},
		{map[string]string{"dealer": ":7070"}, []string{`":7070"`, "--dealer HOST:PORT"}},
		{map[string]string{"dealer-key": "pascaline1"}, []string{"--dealer-key", "characters"}},
		{map[string]string{"peer": "bob"}, []string{"the other party's key", `"bob"`}},
		{map[string]string{"key": open}, []string{"this party's key", "chmod 600"}},
		{map[string]string{"peer": b.players[0].Public().String()}, []string{"both parties have the key", b.players[0].Public().String()}},
	} {
		mustSay(t, b.openWith(t, c.change), append(c.says, "opening a run of the dealer")...)
	}
	_, err := Backend{}.Open(t.Context(), correlation.Run{Party: 2, Settings: b.settings(b.players[0], b.players[1])})
	mustSay(t, err, "party 2")
}

func TestADealerThatIsNotThereOrNotItselfIsSaid(t *testing.T) {
	b := newTable(t, 2)
	stranger := newPlayer(t)
	err := b.openWith(t, map[string]string{"dealer-key": stranger.Public().String()})
	mustSay(t, err, "the dealer", b.address, stranger.Public().String(), "do not connect")
	if !errors.Is(err, link.ErrUntrusted) {
		t.Errorf("wrong kind of error: %v", err)
	}
	b.stop()
	defer b.start(t, "127.0.0.1:0") // for the cleanup to stop
	mustSay(t, b.openWith(t, nil), "the dealer", b.address, "nothing listens there")
}

func TestAStrangerIsRefused(t *testing.T) {
	b := newTable(t, 2)
	stranger := newPlayer(t)
	err := b.openWith(t, map[string]string{"key": stranger.path})
	mustSay(t, err, b.address, "does not allow this party's key", "--allow "+stranger.Public().String())
}

func TestDifferentRequestsAreAnErrorAtBoth(t *testing.T) {
	b := newTable(t, 2)
	layers := []correlation.Layer{layer(ring.LinearShape(3, 4)), layer(ring.LinearShape(3, 4))}
	line := linear(layers[0].Shape, 0, 1)
	elsewhere := linear(layers[0].Shape, 1, 1)
	for _, c := range []struct {
		requests [2][]correlation.Request
		says     string
	}{
		{[2][]correlation.Request{ask(triples(5)), ask(triples(6))}, "correlation 0: party 0 asks for 5 of triples, party 1 for 6 of triples"},
		{[2][]correlation.Request{ask(triples(5)), ask(triples(5), triples(5))}, "party 0 asks for 1 correlations, party 1 for 2"},
		{[2][]correlation.Request{ask(triples(5)), ask(correlation.Spec{Kind: correlation.Squares, N: 5})}, "party 1 for 5 of squares"},
		{[2][]correlation.Request{{line[0]}, {elsewhere[1]}}, "linear layer 0, of shape"},
	} {
		couple := b.newCouple(t, layers...)
		_, errs := couple.generate(t.Context(), c.requests)
		for _, err := range errs {
			mustSay(t, err, "the two parties do not ask for the same", c.says)
		}
		_, errs = couple.generate(t.Context(), [2][]correlation.Request{ask(triples(1)), ask(triples(1))})
		for _, err := range errs {
			mustSay(t, err, "this run of the dealer has failed or is closed; open another")
		}
	}
	b.newCouple(t).make(t, triples(5)) // the dealer is none the worse for it
}

func TestBothOfOneRoleAreAnErrorAtBoth(t *testing.T) {
	b := newTable(t, 2)
	for party := range 2 {
		errs := make(chan error)
		for i, p := range b.players {
			r := b.sit(t, p)
			r.say(t, dealOf(t, party, b.players[1-i], triples(5)))
			go func() { errs <- r.hear(t.Context()) }()
		}
		for range 2 {
			mustSay(t, <-errs, fmt.Sprintf("say that they are party %d", party), b.players[0].Public().String(), b.players[1].Public().String())
		}
	}
}

func TestPartiesThatDoNotFitTellEachOther(t *testing.T) {
	b := newTable(t, 3)
	elsewhere := newTable(t, 0)
	elsewhere.stop() // started anew, to allow the same players
	elsewhere.players = b.players
	elsewhere.start(t, "127.0.0.1:0")
	for _, c := range []struct {
		name   string
		change func(r *correlation.Run) // of party 1
		says   [2]string
	}{
		{"roles", func(r *correlation.Run) { r.Party = 0 }, [2]string{"it says that it is party 0, and this one is party 0", "it says that it is party 0, and this one is party 0"}},
		{"peer", func(r *correlation.Run) { r.Settings["peer"] = b.players[2].Public().String() }, [2]string{"it expects the key " + b.players[2].Public().String(), "this party expects " + b.players[2].Public().String()}},
		{"key", func(r *correlation.Run) { r.Settings["key"] = b.players[2].path }, [2]string{"it has the key " + b.players[2].Public().String(), "it expects the key " + b.players[1].Public().String()}},
		{"dealer", func(r *correlation.Run) {
			r.Settings["dealer"], r.Settings["dealer-key"] = elsewhere.address, elsewhere.id.Public().String()
		}, [2]string{"it uses the dealer with the key " + elsewhere.id.Public().String(), "--dealer-key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			couple := &couple{pipes: newPipes()}
			for party := range 2 {
				r := correlation.Run{Party: party, Twin: couple.pipes[party], Settings: b.settings(b.players[party], b.players[1-party])}
				if party == 1 {
					c.change(&r)
				}
				g, err := Backend{}.Open(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				defer g.Close()
				couple.runs[party] = g
			}
			_, errs := couple.generate(t.Context(), [2][]correlation.Request{ask(triples(1)), ask(triples(1))})
			for party, err := range errs {
				mustSay(t, err, "meeting the other party's backend", c.says[party])
			}
		})
	}
}

func TestHostileGreetingsAreRefused(t *testing.T) {
	key := make([]byte, 32)
	mine := &api.DealHello{Version: protocolVersion, Key: key, Peer: key, Dealer: key, Nonce: key}
	for _, c := range []struct {
		theirs *api.DealHello
		says   string
	}{
		{&api.DealHello{Version: 9}, "version 9"},
		{&api.DealHello{Version: protocolVersion}, "a field of 0 bytes"},
		{&api.DealHello{Version: protocolVersion, Key: key, Peer: key, Dealer: key, Nonce: key[:31]}, "a field of 31 bytes"},
		{&api.DealHello{Version: protocolVersion, Party: 1<<32 - 1, Key: key, Peer: key, Dealer: key, Nonce: key}, "party 4294967295"},
	} {
		mustSay(t, compareHellos(mine, c.theirs), c.says)
	}
	if err := compareHellos(mine, &api.DealHello{Version: protocolVersion, Party: 1, Key: key, Peer: key, Dealer: key, Nonce: key}); err != nil {
		t.Error(err)
	}
}

func TestAMissingPartyIsNamed(t *testing.T) {
	b := newTable(t, 3, Patience(50*time.Millisecond))
	for i, want := range []int{1, 2} { // they wait for different ones
		r := b.sit(t, b.players[i])
		r.say(t, dealOf(t, i, b.players[want], triples(5)))
		defer func() {
			mustSay(t, r.hear(t.Context()), b.players[want].Public().String(), "did not ask for its half within 50ms")
		}()
	}
}

func TestMoreRequestsThanMayWaitAreRefused(t *testing.T) {
	b := newTable(t, 2)
	first := b.sit(t, b.players[0])
	replies := make(chan error, maxWaitingOne+1)
	ctx, cancel := context.WithCancel(t.Context())
	for i := range maxWaitingOne + 1 {
		m := dealOf(t, 0, b.players[1], triples(1))
		m.Batch[0] = byte(i)
		r := again(t, first.conn)
		r.say(t, m)
		go func() { replies <- r.hear(ctx) }()
	}
	mustSay(t, <-replies, "16 requests of this party wait for their other halves already")
	cancel()
	for range maxWaitingOne {
		<-replies
	}
}

func TestARequestThatCannotBeDealtIsAnErrorAtBoth(t *testing.T) {
	b := newTable(t, 2, Memory(16<<20))
	c := b.newCouple(t)
	c.make(t, triples(100_000))
	_, errs := c.generate(t.Context(), [2][]correlation.Request{
		ask(correlation.MatrixSpec(512, 512, 512, 1, false)), ask(correlation.MatrixSpec(512, 512, 512, 1, false))})
	mustSay(t, errs[0], "takes 72 MiB at a time, and the dealer may use 16", "smaller matrices")
	mustSay(t, errs[1], "could not be dealt to party 0", "the dealer may use 16")
}

func TestABusyDealerSaysSoToBoth(t *testing.T) {
	b := &table{}
	s := NewServer(discard(), Patience(50*time.Millisecond), Memory(64<<20))
	b.handler = s.Handle
	b.open(t, 2)
	if !s.room.TryAcquire(64 << 20) {
		t.Fatal("the room is not free")
	}
	c := b.newCouple(t)
	_, errs := c.generate(t.Context(), [2][]correlation.Request{ask(triples(1)), ask(triples(1))})
	mustSay(t, errs[0], "the dealer is busy with other batches; try again later")
	mustSay(t, errs[1], "could not be dealt to party 0", "the dealer is busy")
	s.room.Release(64 << 20)
	b.newCouple(t).make(t, triples(1))
	// A party gets the end of its batch before the memory of it is free.
	for !s.room.TryAcquire(64 << 20) {
		runtime.Gosched()
	}
}

// interrupted makes a batch that is larger than all that may be under way to party
// 0, calls act once party 0 has its first block, and returns both parties'
// errors.
func (b *table) interrupted(t *testing.T, act func(c *couple, cancel [2]func())) [2]error {
	t.Helper()
	c := b.newCouple(t)
	var ctx [2]context.Context
	var cancel [2]func()
	for party := range 2 {
		ctx[party], cancel[party] = context.WithCancel(t.Context())
		defer cancel[party]()
	}
	var once sync.Once
	c.runs[0].(*run).Progress = func(float64) { once.Do(func() { act(c, cancel) }) }
	var errs [2]error
	var wg sync.WaitGroup
	for party, g := range c.runs {
		wg.Go(func() { _, errs[party] = g.Generate(ctx[party], ask(triples(1<<22))) })
	}
	wg.Wait()
	return errs
}

func TestAPartyThatLeavesIsAnErrorAtTheOther(t *testing.T) {
	b := newTable(t, 2)
	errs := b.interrupted(t, func(_ *couple, cancel [2]func()) {
		cancel[1]()
		for !strings.Contains(b.log.String(), "left early") { // the dealer has noticed
			runtime.Gosched()
		}
	})
	mustSay(t, errs[0], "the dealer", "could not be dealt to party 1")
	if !errors.Is(errs[1], context.Canceled) {
		t.Errorf("%v", errs[1])
	}
	errs = b.interrupted(t, func(c *couple, _ [2]func()) { c.runs[0].Close() })
	mustSay(t, errs[0], "the dealer")
	mustSay(t, errs[1], "the dealer", "could not be dealt to party 0")
	b.newCouple(t).make(t, triples(10))
}

func TestADealerThatDiesInABatchFailsTheRunAndServesTheNext(t *testing.T) {
	b := newTable(t, 2)
	errs := b.interrupted(t, func(*couple, [2]func()) { b.stop() })
	for _, err := range errs {
		mustSay(t, err, "the dealer")
		if !errors.Is(err, link.ErrLost) {
			t.Errorf("wrong kind of error: %v", err)
		}
	}
	b.start(t, b.address)
	c := b.newCouple(t)
	halves := c.make(t, triples(1000))
	if err := correlation.Verify(halves[0][0], halves[1][0]); err != nil {
		t.Error(err)
	}
	// And between two batches of a run.
	b.stop()
	b.start(t, b.address)
	_, errs = c.generate(t.Context(), [2][]correlation.Request{ask(triples(1)), ask(triples(1))})
	for _, err := range errs {
		mustSay(t, err, "the dealer", "lost")
	}
	b.newCouple(t).make(t, triples(1))
}

func TestADealerThatDiesInALinearBatchFailsBothParties(t *testing.T) {
	b := newTable(t, 2)
	layers := []correlation.Layer{layer(ring.LinearShape(40, 2000))}
	c := b.newCouple(t, layers...)
	var once sync.Once
	c.runs[0].(*run).Progress = func(float64) { once.Do(b.stop) }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	requests := asked(linear(layers[0].Shape, 0, 2000))
	var errs [2]error
	var wg sync.WaitGroup
	for party, g := range c.runs {
		wg.Go(func() {
			_, errs[party] = g.Generate(ctx, requests[party])
			cancel() // as a broken link would tell the other side
		})
	}
	wg.Wait()
	if err := errors.Join(errs[:]...); errs[0] == nil || errs[1] == nil || !errors.Is(err, link.ErrLost) {
		t.Errorf("%v", err)
	}
	b.start(t, b.address)
}

func TestAClosedRunSaysSo(t *testing.T) {
	c := newTable(t, 2).newCouple(t)
	c.runs[0].Close()
	_, err := c.runs[0].Generate(t.Context(), ask(triples(1)))
	mustSay(t, err, "closed; open another")
}

func TestWrongAnswersOfTheDealerAreErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(ctx context.Context, s *link.Stream) error
		says   string
	}{
		{"no seed", func(ctx context.Context, s *link.Stream) error {
			return api.Send(ctx, s, api.Kind_DEAL_REPLY, &api.DealReply{})
		}, "a seed of 0 bytes"},
		{"a long reply", func(ctx context.Context, s *link.Stream) error {
			return s.Send(ctx, api.Kind_DEAL_REPLY, make([]byte, 1<<20))
		}, "may have at most 64"},
		{"nothing", func(context.Context, *link.Stream) error { return nil }, "ended the exchange early"},
		{"nothing but a seed", func(ctx context.Context, s *link.Stream) error {
			return api.Send(ctx, s, api.Kind_DEAL_REPLY, &api.DealReply{Seed: make([]byte, 32)})
		}, "ended the exchange while DEAL_CORRECTION was due"},
		{"too little", func(ctx context.Context, s *link.Stream) error {
			return errors.Join(api.Send(ctx, s, api.Kind_DEAL_REPLY, &api.DealReply{Seed: make([]byte, 32)}),
				s.Send(ctx, api.Kind_DEAL_CORRECTION, make([]byte, 72)))
		}, "72 bytes of corrections where 80 are due"},
		{"too much", func(ctx context.Context, s *link.Stream) error {
			return errors.Join(api.Send(ctx, s, api.Kind_DEAL_REPLY, &api.DealReply{Seed: make([]byte, 32)}),
				s.Send(ctx, api.Kind_DEAL_CORRECTION, make([]byte, 88)))
		}, "may have at most 80"},
		{"more", func(ctx context.Context, s *link.Stream) error {
			return errors.Join(api.Send(ctx, s, api.Kind_DEAL_REPLY, &api.DealReply{Seed: make([]byte, 32)}),
				s.Send(ctx, api.Kind_DEAL_CORRECTION, make([]byte, 80)), s.Send(ctx, api.Kind_DEAL_CORRECTION, make([]byte, 80)))
		}, "came where the end is due"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &table{handler: func(ctx context.Context, s *link.Stream) error {
				if _, err := s.Recv(ctx, api.Kind_DEAL, dealLimit); err != nil {
					return err
				}
				return c.answer(ctx, s)
			}}
			b.open(t, 2)
			couple := b.newCouple(t)
			_, errs := couple.generate(t.Context(), [2][]correlation.Request{ask(triples(10)), ask(triples(10))})
			mustSay(t, errs[0], "the dealer", c.says)
		})
	}
}

func TestPairsAreDealtToSideBySide(t *testing.T) {
	b := newTable(t, 6)
	var wg sync.WaitGroup
	var seen sync.Map
	for i, pair := range [][2]int{{0, 1}, {1, 0}, {0, 1}, {2, 3}, {4, 5}, {5, 0}} {
		layers := []correlation.Layer{layer(image)}
		c := b.newCoupleOf(t, [2]player{b.players[pair[0]], b.players[pair[1]]}, layers...)
		wg.Go(func() {
			for range 3 {
				for _, requests := range [][2][]correlation.Request{
					{ask(triples(40_000 + i)), ask(triples(40_000 + i))},
					{ask(correlation.MatrixSpec(3, 4, 5, 50+i, true)), ask(correlation.MatrixSpec(3, 4, 5, 50+i, true))},
					asked(linear(image, 0, 2+i)),
				} {
					halves, errs := c.generate(t.Context(), requests)
					err := errors.Join(errs[:]...)
					if err == nil {
						h0, h1 := halves[0][0], halves[1][0]
						if isLinear(h0.Spec) {
							err = correlation.VerifyLinear(layers[0].Weights, requests[1][0].Input, h0, h1)
						} else {
							err = correlation.Verify(h0, h1)
						}
						for _, h := range []*correlation.Half{h0, h1} {
							if _, known := seen.LoadOrStore(h.Seed, true); known {
								t.Error("a seed was dealt twice")
							}
						}
					}
					if err != nil {
						t.Errorf("pair %d: %v", i, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestTheLogSaysWhoGotHowMuchOfWhat(t *testing.T) {
	b := newTable(t, 2)
	halves := b.newCouple(t).make(t, triples(100), triples(23))
	b.stop()
	defer b.start(t, b.address)
	log := b.log.String()
	for _, p := range b.players {
		if !strings.Contains(log, "msg=dealt party="+p.Public().String()[:22]) {
			t.Errorf("the log does not name %s: %s", p.Public(), log)
		}
	}
	for _, text := range []string{`what="123 triples"`, "role=0", "role=1", "bytes=1018", "took="} {
		if !strings.Contains(log, text) {
			t.Errorf("the log does not say %s: %s", text, log)
		}
	}
	for _, h := range slices.Concat(halves[0], halves[1]) {
		if strings.Contains(log, fmt.Sprintf("%x", h.Seed[:4])) {
			t.Error("the log holds a seed")
		}
	}
}

func TestAPartyThatGivesUpWaitingLeavesNothingBehind(t *testing.T) {
	b := &table{}
	s := NewServer(discard())
	b.handler = s.Handle
	b.open(t, 2)
	r := b.sit(t, b.players[0])
	r.say(t, dealOf(t, 0, b.players[1], triples(5)))
	for waits := false; !waits; {
		s.lobby.mu.Lock()
		waits = len(s.lobby.waiting) == 1
		s.lobby.mu.Unlock()
		runtime.Gosched()
	}
	r.conn.Close()
	if _, err := r.Recv(t.Context(), api.Kind_DEAL_REPLY, replyLimit); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	for waits := true; waits; {
		s.lobby.mu.Lock()
		waits = len(s.lobby.waiting)+len(s.lobby.of)+s.lobby.specs > 0
		s.lobby.mu.Unlock()
		runtime.Gosched()
	}
}
