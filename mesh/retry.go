package mesh

import (
	"context"
	"math/rand/v2"
	"time"
)

// Retry says how a publish is repeated when it fails for a reason that may
// pass. Between attempts it waits a random time (full jitter) below a bound
// that starts at Initial and doubles up to Max. The zero value of a field
// means its default.
//
// Retries carry the same message id, so a stream stores the event once as long
// as they all fall into its duplicate window (JetStream's default is two
// minutes): keep Attempts*AckWait plus the waits below that.
type Retry struct {
	Attempts int           // how often to try in all; default 12; negative: until the context ends
	Initial  time.Duration // default 50 ms
	Max      time.Duration // default 5 s
	AckWait  time.Duration // how long one attempt waits for its answer; default 5 s
}

const (
	defaultAttempts     = 12
	defaultRetryInitial = 50 * time.Millisecond
	defaultRetryMax     = 5 * time.Second
	defaultPubAckWait   = 5 * time.Second
)

// over returns r with its zero fields taken from base.
func (r Retry) over(base Retry) Retry {
	if r.Attempts == 0 {
		r.Attempts = base.Attempts
	}
	if r.Initial == 0 {
		r.Initial = base.Initial
	}
	if r.Max == 0 {
		r.Max = base.Max
	}
	if r.AckWait == 0 {
		r.AckWait = base.AckWait
	}
	return r
}

func defaultRetry() Retry {
	return Retry{Attempts: defaultAttempts, Initial: defaultRetryInitial, Max: defaultRetryMax, AckWait: defaultPubAckWait}
}

func (r Retry) problem() string {
	switch {
	case r.Initial < 0, r.Max < 0, r.AckWait < 0:
		return "Retry has a negative duration"
	case r.Max != 0 && r.Initial > r.Max:
		return "Retry.Initial is above Retry.Max"
	default:
		return ""
	}
}

// spent reports whether attempts were as many as allowed.
func (r Retry) spent(attempts int) bool { return r.Attempts > 0 && attempts >= r.Attempts }

// bound is the longest wait after the given number of failed attempts.
func (r Retry) bound(attempts int) time.Duration {
	shift := max(attempts-1, 0)
	if d := r.Initial << min(shift, 62); shift < 62 && d>>shift == r.Initial && d < r.Max {
		return d
	}
	return r.Max
}

// wait is how long to wait after the given number of failed attempts.
func (r Retry) wait(attempts int) time.Duration {
	if bound := r.bound(attempts); bound > 0 {
		return rand.N(bound)
	}
	return 0
}

// jittered spreads d over its upper half, for waits that must not be near zero.
func jittered(d time.Duration) time.Duration {
	if d < 2 {
		return d
	}
	return d/2 + rand.N(d/2)
}

// pause waits for d. It reports false, at once, when ctx or stop ends.
func pause(ctx context.Context, stop <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-stop:
		return false
	}
}
