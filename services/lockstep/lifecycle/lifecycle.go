// Package lifecycle is what long-running commands have in common: they become
// ready, may cease to be, and stop gracefully.
package lifecycle

import (
	"context"
	"time"

	"github.com/rs/zerolog"
)

// Grace is how long stopping may take: events under way are answered, routes
// end between two batches, stores are written.
const Grace = 20 * time.Second

const (
	pollStarting = 20 * time.Millisecond
	pollRunning  = time.Second
	remind       = 10 * time.Second // between two lines about what is still not ready
)

// Watch follows ready until ctx ends. It calls onReady when ready is nil for
// the first time, and logs when that changes and, while it is not, why. An
// error of onReady ends it.
func Watch(ctx context.Context, ready func() error, onReady func() error, log zerolog.Logger) error {
	ever, was := false, false
	told := time.Now()
	for {
		err := ready()
		switch {
		case err == nil && !was:
			log.Info().Msg("ready")
			if !ever {
				if err := onReady(); err != nil {
					return err
				}
			}
			ever, was = true, true
		case err != nil && was, err != nil && time.Since(told) > remind:
			log.Warn().Err(err).Msg("not ready")
			was, told = false, time.Now()
		}
		poll := pollStarting
		if ever {
			poll = pollRunning
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(poll):
		}
	}
}

// Stopping is the context for stopping: it lives on after ctx, for Grace.
func Stopping(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), Grace)
}
