package offline

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// ordered runs n jobs through three stages: take and emit in order, one at a
// time; work on all cores in between, at most one job ahead of them. The first
// error ends it.
func ordered[T, R any](ctx context.Context, n int,
	take func(ctx context.Context, i int) (T, error),
	work func(i int, t T) (R, error),
	emit func(ctx context.Context, i int, r R) error,
) error {
	type result struct {
		r   R
		err error
	}
	group, ctx := errgroup.WithContext(ctx)
	pending := make(chan chan result, runtime.GOMAXPROCS(0))
	group.Go(func() error {
		defer close(pending)
		for i := range n {
			t, err := take(ctx, i)
			if err != nil {
				return err
			}
			done := make(chan result, 1)
			select {
			case pending <- done:
			case <-ctx.Done():
				return ctx.Err()
			}
			go func() {
				r, err := work(i, t)
				done <- result{r, err}
			}()
		}
		return nil
	})
	group.Go(func() error {
		i := 0
		for done := range pending {
			got := <-done
			if got.err != nil {
				return got.err
			}
			if err := emit(ctx, i, got.r); err != nil {
				return err
			}
			i++
		}
		return ctx.Err()
	})
	return group.Wait()
}
