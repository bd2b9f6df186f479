package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pascaline/correlation"
)

// Options says what to check, and how.
type Options struct {
	// Kinds are those to check; nil stands for all that the backend declares.
	Kinds []correlation.Kind
	// Thorough checks take five times as many elements, more parameters, and
	// failures at more messages of a run.
	Thorough bool
	// Timeout is how long one call may take; zero stands for a minute.
	Timeout time.Duration
	// Settings are those of the two parties' runs.
	Settings [2]map[string]string
	// Done, where not nil, is told each result as it is there.
	Done func(Result)

	sizes *sizes // of tests, where not nil
}

const defaultTimeout = time.Minute

// kit is one check, or measurement, of a backend.
type kit struct {
	Options
	backends [2]correlation.Backend
	report   *Report
	// strangers are requests of no kind of the backend's, until they were made.
	strangers []badRequest
}

func newKit(server, client correlation.Backend, o Options) *kit {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	return &kit{Options: o, backends: [2]correlation.Backend{server, client}, report: new(Report)}
}

// Check runs both parties of a backend, in turn for each kind, and reports how it
// keeps the contract of [correlation.Backend]. Server and client may be the same
// value. It returns when all is checked, or soon after ctx is cancelled; calls
// that ignore their context are left behind.
func Check(ctx context.Context, server, client correlation.Backend, o Options) *Report {
	k := newKit(server, client, o)
	begin := time.Now()
	k.check(ctx)
	if err := ctx.Err(); err != nil {
		k.result("", "complete", "", fmt.Errorf("the check was interrupted: %w", context.Cause(ctx)))
	}
	k.report.Seconds = time.Since(begin).Seconds()
	return k.report
}

func (k *kit) check(ctx context.Context) {
	d, err := k.describe(ctx)
	k.report.Backend, k.report.Version, k.report.Trust = d.Name, d.Version, d.Trust
	var kinds []string
	for _, kind := range d.Kinds {
		kinds = append(kinds, kind.String())
	}
	k.result("", "description", "makes "+strings.Join(kinds, ", "), err)
	if err != nil {
		return
	}
	k.strangers = undeclared(d)
	wanted := k.Kinds
	if wanted == nil {
		wanted = d.Kinds
	}
	for _, kind := range wanted {
		if !d.Makes(kind) {
			k.result(kind.String(), "description", "", fmt.Errorf("the backend does not declare %v: it makes %s", kind, strings.Join(kinds, ", ")))
			continue
		}
		if ctx.Err() != nil {
			return
		}
		k.checkKind(ctx, kind)
	}
}

// describe asks both parties to describe themselves.
func (k *kit) describe(ctx context.Context) (correlation.Description, error) {
	p := newPipe(nil)
	all, c := both(ctx, p, k.Timeout, func(ctx context.Context, party int) (correlation.Description, error) {
		return k.backends[party].Describe(ctx)
	})
	d := all[0]
	if err := c.err(); err != nil {
		return d, fmt.Errorf("asking for a description: %w", err)
	}
	for party, d := range all {
		if err := validDescription(d); err != nil {
			return d, fmt.Errorf("party %d %w", party, err)
		}
	}
	other := all[1]
	if d.Name != other.Name || d.Version != other.Version || !slices.Equal(d.Kinds, other.Kinds) {
		return d, fmt.Errorf("the two parties describe different backends: %s %s making %v, and %s %s making %v",
			d.Name, d.Version, d.Kinds, other.Name, other.Version, other.Kinds)
	}
	return d, nil
}

func validDescription(d correlation.Description) error {
	if len(strings.Fields(d.Name)) != 1 || strings.TrimSpace(d.Name) != d.Name {
		return fmt.Errorf("calls itself %q; a name is one word", d.Name)
	}
	if strings.TrimSpace(d.Version) == "" {
		return errors.New("does not say its version")
	}
	if len(strings.Fields(d.Trust)) < 3 {
		return fmt.Errorf("says of trust %q; it must say in a sentence whom and what its users must trust", d.Trust)
	}
	if len(d.Kinds) == 0 {
		return errors.New("declares no kinds")
	}
	for i, kind := range d.Kinds {
		if !slices.Contains(correlation.Kinds(), kind) {
			return fmt.Errorf("declares %v, which is none", kind)
		}
		if slices.Contains(d.Kinds[:i], kind) {
			return fmt.Errorf("declares %v twice", kind)
		}
	}
	return nil
}

// The checks of a kind, in order.
const (
	checkAnswers     = "answers"
	checkAlgebra     = "algebra"
	checkUniform     = "uniform"
	checkFresh       = "fresh"
	checkIndependent = "independent"
	checkRefusals    = "refusals"
	checkBrokenTwin  = "broken twin"
	checkCancelling  = "cancelling"
	checkRecovery    = "recovery"
)

// checkKind checks all of one kind.
func (k *kit) checkKind(ctx context.Context, kind correlation.Kind) {
	n := quick
	if k.Thorough {
		n = thorough
	}
	if k.sizes != nil {
		n = *k.sizes
	}
	e := newExam(kind, n)
	answers, err := k.answers(ctx, e)
	if ctx.Err() != nil {
		return
	}
	k.result(kind.String(), checkAnswers, fmt.Sprintf("%d correlations in %d runs", len(answers), len(e.runs)), err)
	if err != nil {
		for _, name := range []string{checkAlgebra, checkUniform, checkFresh, checkIndependent, checkRefusals, checkBrokenTwin, checkCancelling, checkRecovery} {
			k.skip(kind, name, "for want of answers")
		}
		return
	}
	k.algebra(kind, answers)
	k.statistics(kind, answers)
	k.failures(ctx, e)
}

// answers asks for all of an exam.
func (k *kit) answers(ctx context.Context, e exam) (all []*answer, err error) {
	for i, run := range e.runs {
		answers, err := k.oneRun(ctx, e, i, run)
		if err != nil {
			return nil, fmt.Errorf("in run %d: %w", i+1, err)
		}
		all = append(all, answers...)
	}
	return all, nil
}

// oneRun asks for all of one run of an exam. The last call is timed.
func (k *kit) oneRun(ctx context.Context, e exam, index int, run [][]question) (all []*answer, err error) {
	s, err := k.open(ctx, e.layers())
	if err != nil {
		return nil, err
	}
	for i, questions := range run {
		asked := requests(questions)
		before, begin := s.pipe.traffic(), time.Now()
		halves, err := s.generate(ctx, asked)
		if err != nil {
			s.abandon(ctx)
			return nil, fmt.Errorf("in call %d: %w", i+1, err)
		}
		answers := collect(questions, asked, halves, s.layers)
		if index == len(e.runs)-1 && i == len(run)-1 {
			k.report.Throughput = append(k.report.Throughput, newRow(answers[0], time.Since(begin), before, s.pipe.traffic()))
		}
		for _, a := range answers {
			a.run, a.call = index, i
		}
		all = append(all, answers...)
	}
	return all, s.close(ctx)
}

// algebra verifies all answers. That comes after the last call, so that halves
// which a later call overwrites are found.
func (k *kit) algebra(kind correlation.Kind, answers []*answer) {
	elements := 0
	for _, a := range answers {
		elements += a.spec.N
		if err := a.verify(); err != nil {
			k.result(kind.String(), checkAlgebra, "", fmt.Errorf("%s in call %d of run %d are no correlations: %w", label(a.spec), a.call+1, a.run+1, err))
			return
		}
	}
	k.result(kind.String(), checkAlgebra, fmt.Sprintf("%d elements", elements), nil)
}

// statistics makes the three checks of the values of halves.
func (k *kit) statistics(kind correlation.Kind, answers []*answer) {
	var halves, fresh, independent findings
	cs := classes(answers)
	fresh.seeds(answers, &independent)
	fresh.twice(cs, &independent)
	for _, c := range cs {
		c.expand()
		halves.uniformHalves(c)
		fresh.repeatedRuns(c)
		independent.independentHalves(c)
		c.release()
	}
	for _, of := range []struct {
		name, meaning string
		*findings
	}{
		{checkUniform, "a half that is not uniform shows what it should hide", &halves},
		{checkFresh, "randomness is used again, and two uses of it show what both should hide", &fresh},
		{checkIndependent, "a party can tell something of the other's half, or its own does not hide what it should", &independent},
	} {
		k.report.Tests += of.tests
		k.result(kind.String(), of.name, fmt.Sprintf("%d tests", of.tests), of.err(of.meaning))
	}
}

// result records how a check ended.
func (k *kit) result(kind, check, detail string, err error) {
	r := Result{Kind: kind, Check: check, Status: Passed, Detail: detail}
	if err != nil {
		r.Status, r.Detail = Failed, err.Error()
	}
	k.record(r)
}

func (k *kit) skip(kind correlation.Kind, check, why string) {
	k.record(Result{Kind: kind.String(), Check: check, Status: NotRun, Detail: why})
}

func (k *kit) record(r Result) {
	k.report.Results = append(k.report.Results, r)
	if k.Done != nil {
		k.Done(r)
	}
}
