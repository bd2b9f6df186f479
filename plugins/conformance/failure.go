package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pascaline/correlation"
)

// attempt is one run of both parties, with one call, that may fail.
type attempt struct {
	calls
	struck bool // the fault has
	wentOn int  // which party made correlations in a run that had failed; −1 for none
}

// attempt opens a run at both parties and makes one call. Where the call fails,
// it is made once more: it must fail again, for the run is over. If cancelled is
// set, the calls' contexts are when the fault strikes.
func (k *kit) attempt(ctx context.Context, f *fault, cancelled bool, layers []correlation.Layer, asked [2][]correlation.Request) attempt {
	p := newPipe(f)
	type outcome struct {
		generator correlation.Generator
		wentOn    bool
	}
	// One context for all: it outlasts the calls, as long as the run may.
	lasting, cancel := context.WithCancel(ctx)
	defer cancel()
	if cancelled {
		go func() {
			select {
			case <-p.struck:
				cancel()
			case <-lasting.Done():
			}
		}()
	}
	outcomes, c := both(ctx, p, k.Timeout, func(ctx context.Context, party int) (o outcome, err error) {
		defer context.AfterFunc(ctx, cancel)()
		if o.generator, err = k.openParty(lasting, k.run(p, party, layers, nil)); err != nil {
			return o, err
		}
		if _, err = o.generator.Generate(lasting, asked[party]); err != nil && lasting.Err() == nil {
			_, again := o.generator.Generate(lasting, asked[party])
			o.wentOn = again == nil
		}
		return o, err
	})
	a := attempt{calls: c, struck: p.hasStruck(), wentOn: -1}
	for party, o := range outcomes {
		if o.wentOn {
			a.wentOn = party
		}
	}
	p.cut()
	_ = k.closeAll(ctx, p, [2]correlation.Generator{outcomes[0].generator, outcomes[1].generator})
	return a
}

// failures makes the checks of what must fail, and of whether it spoils what
// follows.
func (k *kit) failures(ctx context.Context, e exam) {
	name := e.kind.String()
	var after []string // what the clean runs came after
	var spoilt error
	newRun := func(what string) {
		if spoilt == nil {
			after = append(after, what)
			if _, err := k.clean(ctx, e); err != nil {
				spoilt = fmt.Errorf("after %s, a new run fails: %w", what, err)
			}
		}
	}
	for _, check := range []struct {
		name, what string
		f          func(context.Context, exam) (string, error)
	}{
		{checkRefusals, "refused requests", k.refusals},
		{checkBrokenTwin, "broken twins", k.brokenTwin},
		{checkCancelling, "a cancelled call", k.cancelling},
	} {
		detail, err := check.f(ctx, e)
		if ctx.Err() != nil {
			return
		}
		k.result(name, check.name, detail, err)
		newRun(check.what)
	}
	if ctx.Err() == nil {
		k.result(name, checkRecovery, fmt.Sprintf("new runs work after %s", list(after)), spoilt)
	}
}

func list(items []string) string {
	text := ""
	for i, item := range items {
		switch {
		case i == 0:
		case i == len(items)-1:
			text += " and "
		default:
			text += ", "
		}
		text += item
	}
	return text
}

// clean makes a small run and verifies what it made; it returns the number of
// messages that passed.
func (k *kit) clean(ctx context.Context, e exam) (messages int, err error) {
	s, err := k.open(ctx, e.layers())
	if err != nil {
		return 0, err
	}
	questions := []question{e.small}
	asked := requests(questions)
	halves, err := s.generate(ctx, asked)
	if err != nil {
		s.abandon(ctx)
		return 0, err
	}
	messages = s.pipe.messages()
	if err := s.close(ctx); err != nil {
		return 0, err
	}
	return messages, collect(questions, asked, halves, s.layers)[0].verify()
}

// refusals asks for what cannot be made.
func (k *kit) refusals(ctx context.Context, e exam) (string, error) {
	bad := append(k.strangers, e.badRequests()...)
	k.strangers = nil
	for _, b := range bad {
		layers := e.layers()
		a := k.attempt(ctx, nil, false, layers, [2][]correlation.Request{b.asked[:1], b.asked[1:]})
		for party, err := range a.errs {
			if errors.As(err, new(crash)) {
				return "", fmt.Errorf("asked for %s, party %d %w", b.what, party, err)
			}
			// A party that needs nothing of the other may not notice what it asks for.
			valid := b.asked[party].Validate(k.run(newPipe(nil), party, layers, nil)) == nil
			if err == nil && (b.stranger || !valid) {
				return "", fmt.Errorf("asked for %s, party %d accepts: an impossible request is an error", b.what, party)
			}
		}
		if err := a.hung(); err != nil {
			return "", fmt.Errorf("asked for %s, %w", b.what, err)
		}
	}
	return fmt.Sprintf("%d impossible requests", len(bad)), nil
}

// undeclared asks for kinds that the backend does not declare, or that are none.
func undeclared(d correlation.Description) []badRequest {
	var bad []badRequest
	add := func(spec correlation.Spec) {
		bad = append(bad, badRequest{fmt.Sprintf("%v, which it does not declare", spec.Kind), [2]correlation.Request{{Spec: spec}, {Spec: spec}}, true})
	}
	for _, kind := range correlation.Kinds() {
		if !d.Makes(kind) && kind != correlation.Linear { // a linear one needs layers
			add(newExam(kind, quick).small.spec)
		}
	}
	add(correlation.Spec{N: 5})
	add(correlation.Spec{Kind: correlation.Linear + 100, N: 5})
	return bad
}

// brokenTwin breaks the twin at some messages of a run, as the end of the other
// party does.
func (k *kit) brokenTwin(ctx context.Context, e exam) (string, error) {
	messages, err := k.clean(ctx, e)
	if err != nil {
		return "", fmt.Errorf("a run that is not disturbed fails: %w", err)
	}
	if messages == 0 {
		return "nothing passes through the twin", nil
	}
	cuts := []int{0, messages / 2, messages - 1}
	if k.Thorough {
		const most = 32
		for i := range min(most, messages) {
			cuts = append(cuts, i*messages/min(most, messages))
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	for _, cut := range cuts {
		a := k.attempt(ctx, &fault{at: cut}, false, e.layers(), requests([]question{e.small}))
		where := fmt.Sprintf("when the twin breaks at message %d of %d", cut+1, messages)
		if err := a.hung(); err != nil {
			return "", fmt.Errorf("%s, %w", where, err)
		}
		if a.wentOn >= 0 {
			return "", fmt.Errorf("%s, party %d's run goes on: after an error a run is over, what it made in part is never used", where, a.wentOn)
		}
		if !a.struck {
			continue // the run needed fewer messages this time
		}
		for party, err := range a.errs {
			if errors.As(err, new(crash)) {
				return "", fmt.Errorf("%s, party %d %w", where, party, err)
			}
			if err == nil {
				return "", fmt.Errorf("%s, party %d takes the run for complete: it holds halves of correlations that were never made", where, party)
			}
		}
	}
	return fmt.Sprintf("at %d of %d messages", len(cuts), messages), nil
}

// cancelling lets the twin fall silent in the middle of a run, and then cancels
// the calls.
func (k *kit) cancelling(ctx context.Context, e exam) (string, error) {
	messages, err := k.clean(ctx, e)
	if err != nil {
		return "", fmt.Errorf("a run that is not disturbed fails: %w", err)
	}
	a := k.attempt(ctx, &fault{at: messages / 2, silent: true}, true, e.layers(), requests([]question{e.small}))
	if err := a.hung(); err != nil {
		return "", fmt.Errorf("when the other party falls silent and the context is cancelled, %w", err)
	}
	for party, err := range a.errs {
		if errors.As(err, new(crash)) {
			return "", fmt.Errorf("when its context is cancelled, party %d %w", party, err)
		}
		if err == nil && a.struck {
			return "", fmt.Errorf("when its context is cancelled, party %d takes the run for complete", party)
		}
	}
	if !a.struck {
		return "nothing passes through the twin", nil
	}
	return fmt.Sprintf("at message %d of %d", messages/2+1, messages), nil
}
