package party

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// waits returns how long production waits.
func waits(t *testing.T, p *precedence) time.Duration {
	t.Helper()
	began := time.Now()
	if err := p.giveWay(t.Context()); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

func TestProductionWaitsForAnInferenceAndNotForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPrecedence()
		if w := waits(t, p); w != 0 {
			t.Errorf("before the first inference it waited %v", w)
		}
		time.Sleep(time.Second)
		p.mark()
		time.Sleep(lull / 4)
		if w := waits(t, p); w != lull-lull/4 {
			t.Errorf("after a message of an inference it waited %v", w)
		}
		if w := waits(t, p); w != 0 {
			t.Errorf("after the inference it waited %v", w)
		}

		ctx, cancel := context.WithCancel(t.Context())
		var inference sync.WaitGroup
		inference.Go(func() { // without an end
			for ctx.Err() == nil {
				p.mark()
				time.Sleep(lull / 2)
			}
		})
		synctest.Wait()
		for range 3 {
			if w := waits(t, p); w != deference {
				t.Errorf("beside an inference it waited %v for one message", w)
			}
		}
		cancel()
		inference.Wait()
	})
}

func TestAProductionRunThatWaitsCanBeEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPrecedence()
		time.Sleep(time.Second)
		p.mark()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.giveWay(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("it says %v", err)
		}
	})
}
