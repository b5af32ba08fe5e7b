package route

import (
	"context"
	"fmt"
)

// sink writes messages to the egress stream in the order in which they are put
// into it, each exactly behind the one before, or fails; after a failure nobody
// knows which of the latest were stored, and the checkpoint must be read again.
// It is used by one goroutine.
type sink interface {
	// put takes one message. It gives the outcome back to the pool once it needs
	// nothing of it any more.
	put(ctx context.Context, i item) error
	// push is called when the next message is not ready yet: what waits only for
	// company is sent.
	push()
	// flush is called when no further message waits.
	flush(ctx context.Context) error
	// settle returns once everything that was put is stored.
	settle(ctx context.Context) error
	// failed gives the failure of a write that nobody waits for.
	failed() <-chan error
}

// item is one message on its way into the egress stream.
type item struct {
	message *message
	outcome *outcome // that message belongs to; nil for a watermark
	tally   tally
}

// tally is what a written message adds to the route's status.
type tally struct {
	checkpoint, sent, withheld, masked uint64
	bytes                              int
}

func (t *tally) add(o tally) {
	t.checkpoint = o.checkpoint
	t.sent += o.sent
	t.withheld += o.withheld
	t.masked += o.masked
	t.bytes += o.bytes
}

// written takes what is known to be stored into the route's status.
func (r *Route) written(t tally) {
	r.update(func(s *Status) {
		s.Checkpoint = t.checkpoint
		s.Sent += t.sent
		s.Withheld += t.withheld
		s.MaskedFields += t.masked
	})
}

// commitsAhead is how many groups may be on their way: while one is synced, the
// server takes in the next.
const commitsAhead = 2

// groupSink writes as many messages as wait in one step. It suits a server that
// syncs its disk before it acknowledges: a group is synced once.
type groupSink struct {
	outlet   *outlet
	at       *position
	acks     *acknowledgements
	items    []item
	messages []*message
	bytes    int    // of those
	sent     uint64 // messages since the sink was made
	total    tally  // of those
}

func newGroupSink(o *outlet, p *position) *groupSink {
	return &groupSink{outlet: o, at: p, acks: o.expect()}
}

func (s *groupSink) put(ctx context.Context, i item) error {
	s.items, s.messages = append(s.items, i), append(s.messages, i.message)
	if s.bytes += i.tally.bytes; len(s.items) < maxBatch && s.bytes < maxBatchBytes {
		return nil
	}
	return s.flush(ctx)
}

func (s *groupSink) flush(ctx context.Context) error {
	if len(s.items) == 0 {
		return nil
	}
	if err := s.acks.await(ctx, func() bool { return len(s.acks.asked) < commitsAhead }); err != nil {
		return err
	}
	for _, i := range s.items {
		s.total.add(i.tally)
	}
	n := uint64(len(s.items))
	s.sent += n
	s.acks.ask(askedFor{s.at.last + n, s.sent, s.total})
	s.outlet.route.step(stepWrite)
	if err := s.outlet.write(s.messages, s.at.last, []byte(s.outlet.inbox+answersPipelined)); err != nil {
		return fmt.Errorf("write %d messages to stream %s after message %d: %w", n, s.outlet.route.egress, s.at.last, err)
	}
	s.at.last += n
	for _, i := range s.items {
		if i.outcome != nil {
			i.outcome.release()
		}
	}
	clear(s.items)
	clear(s.messages)
	s.items, s.messages, s.bytes = s.items[:0], s.messages[:0], 0
	return nil
}

func (s *groupSink) push() {} // a group is worth waiting for

func (s *groupSink) settle(ctx context.Context) error {
	// What is under way is brought to its end even when the route is closed.
	ctx = context.WithoutCancel(ctx)
	if err := s.flush(ctx); err != nil {
		return err
	}
	if err := s.acks.await(ctx, func() bool { return len(s.acks.asked) == 0 }); err != nil {
		return err
	}
	s.outlet.route.step(stepWritten)
	return nil
}

func (s *groupSink) failed() <-chan error { return s.acks.faults }
