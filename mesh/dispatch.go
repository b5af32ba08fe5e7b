package mesh

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// delivery is an event that this process holds.
type delivery struct {
	md      Metadata
	bad     error    // what makes it unreadable
	attempt int      // for which time it is handled
	verdict *verdict // it is given up, and awaits its dead letter

	mu      sync.Mutex
	msg     jetstream.Msg // of the newest delivery
	settled bool
}

// line is a sequence of held events that are handled one after another: those
// of one key under OrderKey, a single one otherwise. A line is in the ready
// channel, with a worker or in a wait, never in two of them.
type line struct {
	key   string // empty for a single event
	queue []*delivery
}

// take holds a delivered event and queues it.
func (s *Subscription) take(msg jetstream.Msg) {
	m, err := msg.Metadata()
	if err != nil {
		s.log.Error().Err(err).Str("subject", msg.Subject()).Msg("a delivery without JetStream metadata cannot be settled")
		return
	}
	d := &delivery{msg: msg, attempt: int(min(m.NumDelivered, 1<<30))}
	d.md, d.bad = metadata(msg, m)

	if !s.hold(d) {
		s.giveBack(d)
	}
}

// hold takes d in. It reports false when draining has begun.
func (s *Subscription) hold(d *delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	if old := s.held[d.md.Position]; old != nil && old.renew(d.msg) {
		// AckWait passed while it was held, as the connection was away: it is the
		// newer delivery that can be acknowledged.
		return true
	}
	s.held[d.md.Position] = d
	d.verdict = s.verdicts[d.md.Position]
	delete(s.verdicts, d.md.Position)
	if s.parking {
		s.parked = append(s.parked, d)
	} else {
		s.enqueue(d)
	}
	return true
}

func (s *Subscription) enqueue(d *delivery) {
	if s.cfg.Order != OrderKey {
		s.ready <- &line{queue: []*delivery{d}}
		return
	}
	key := d.md.key()
	if l := s.lines[key]; l != nil {
		l.queue = append(l.queue, d)
		return
	}
	l := &line{key: key, queue: []*delivery{d}}
	s.lines[key] = l
	s.ready <- l
}

// key is what OrderKey orders by: the entity and the key tokens.
func (md *Metadata) key() string {
	parts := strings.SplitN(md.Type, ".", 3)
	return strings.Join(append(parts[:min(len(parts), 2)], md.Keys...), ".")
}

// work handles events until draining begins.
func (s *Subscription) work(ctx context.Context) {
	for !s.ending() {
		select {
		case <-s.draining:
			return
		case l := <-s.ready:
			if s.ending() {
				return // release gives it back
			}
			s.handle(ctx, l)
		}
	}
}

// handle handles the head of l, and sees to what follows.
func (s *Subscription) handle(ctx context.Context, l *line) {
	s.mu.Lock()
	d := l.queue[0] // take may be adding to the queue
	s.mu.Unlock()
	again := s.process(ctx, d)
	if again == nil {
		s.next(l)
		return
	}
	// Under OrderKey a failed event is kept, and holds back those behind it.
	d.attempt++
	s.workers.Go(func() {
		if pause(context.Background(), s.draining, *again) {
			s.ready <- l
		}
	})
}

// next lets l go on to the event behind its head, which is settled.
func (s *Subscription) next(l *line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done := l.queue[0]; s.held[done.md.Position] == done {
		delete(s.held, done.md.Position) // else it was given back, and has come again
	}
	l.queue[0] = nil
	l.queue = l.queue[1:]
	s.room.Signal()
	if len(l.queue) > 0 {
		s.ready <- l
		return
	}
	if s.lines[l.key] == l {
		delete(s.lines, l.key)
	}
}

// process handles d and settles it. It returns nil, or how long to wait before
// d is to be processed again.
func (s *Subscription) process(ctx context.Context, d *delivery) *time.Duration {
	if d.verdict == nil {
		d.verdict = s.judge(ctx, d)
	}
	switch {
	case d.verdict == nil:
		s.settle(d, "acknowledge", jetstream.Msg.Ack)
		return nil
	case d.verdict.giveUp && s.deadLetter(ctx, d):
		s.settle(d, "terminate", func(m jetstream.Msg) error { return m.TermWithReason(d.verdict.reason) })
		return nil
	case d.verdict.giveUp && s.cfg.Order != OrderKey:
		s.remember(d)
	}
	wait := s.cfg.backoff(d.attempt)
	if ctx.Err() != nil {
		wait = 0
	}
	if s.cfg.Order == OrderKey && ctx.Err() == nil {
		if !d.verdict.giveUp {
			d.verdict = nil
		}
		return &wait
	}
	s.settle(d, "give back", func(m jetstream.Msg) error { return m.NakWithDelay(wait) })
	return nil
}

// verdict is what is to become of an event that was not handled well.
type verdict struct {
	giveUp bool
	reason string
	cause  error
}

// Reasons for which a subscription gives an event up, the value of the dead
// letter's header Lockstep-Reason.
const (
	ReasonDecode        = "decode"         // the data is not what the subscriber's type takes
	ReasonPermanent     = "permanent"      // the handler returned a Permanent error
	ReasonMaxDeliveries = "max_deliveries" // it failed as often as it may
)

// judge calls the handler, unless it is too late for that, and returns nil if
// all is well.
func (s *Subscription) judge(ctx context.Context, d *delivery) *verdict {
	limit := s.cfg.MaxDeliver
	if limit > 0 && d.attempt > limit {
		return s.failed(d, &verdict{giveUp: true, reason: ReasonMaxDeliveries, cause: fmt.Errorf(
			"it was delivered %d times without being settled: processes ended, or were silent for %v, while they held it", d.attempt-1, s.cfg.AckWait)})
	}
	if d.bad != nil {
		return s.failed(d, &verdict{giveUp: true, reason: ReasonDecode, cause: d.bad})
	}
	md := d.md
	md.Delivered = d.attempt
	err := s.call(ctx, md)
	var unfit *undecodable
	var final *permanent
	switch {
	case err == nil:
		s.mu.Lock()
		s.stats.Handled++
		s.mu.Unlock()
		return nil
	case errors.As(err, &unfit):
		return s.failed(d, &verdict{giveUp: true, reason: ReasonDecode, cause: err})
	case errors.As(err, &final):
		return s.failed(d, &verdict{giveUp: true, reason: ReasonPermanent, cause: err})
	case ctx.Err() != nil:
		return &verdict{cause: err} // it was interrupted: no failure of its own
	case limit > 0 && d.attempt >= limit:
		return s.failed(d, &verdict{giveUp: true, reason: ReasonMaxDeliveries, cause: err})
	default:
		return s.failed(d, &verdict{cause: err})
	}
}

func (s *Subscription) failed(d *delivery, v *verdict) *verdict {
	s.mu.Lock()
	s.stats.Failed++
	s.mu.Unlock()
	s.log.Warn().Err(v.cause).Str("type", d.md.Type).Uint64("position", d.md.Position).Int("attempt", d.attempt).
		Bool("given_up", v.giveUp).Msg("an event could not be handled")
	return v
}

// call runs the handler; a panic in it is its failure.
func (s *Subscription) call(ctx context.Context, md Metadata) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error().Str("panic", fmt.Sprint(p)).Bytes("stack", debug.Stack()).Str("type", md.Type).Msg("a handler panicked")
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	return s.run(ctx, md)
}
