package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// untilUnread returns a context that ends when nobody reads the output any more,
// so that what a command started and wrote is cleared away.
func untilUnread(ctx context.Context) (context.Context, context.CancelFunc) {
	return untilOneUnread(ctx, os.Stdout, os.Stderr)
}

// untilOneUnread is untilUnread for outputs of other names. The signal alone does not
// tell: a connection to a plugin that has ended raises it as well.
func untilOneUnread(ctx context.Context, outputs ...*os.File) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	go func() {
		defer signal.Stop(broken)
		for {
			select {
			case <-broken:
				if slices.ContainsFunc(outputs, unread) {
					cancel()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, cancel
}
