package route

import "context"

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

// atomicSink writes as many messages as wait in one step. It suits a server that
// syncs its disk before it acknowledges: a batch is synced once.
type atomicSink struct {
	outlet   *outlet
	at       *position
	items    []item
	messages []*message
	tally    tally
	silent   chan error
}

func newAtomicSink(o *outlet, p *position) *atomicSink {
	return &atomicSink{outlet: o, at: p, silent: make(chan error)}
}

func (s *atomicSink) put(ctx context.Context, i item) error {
	s.items, s.messages = append(s.items, i), append(s.messages, i.message)
	s.tally.add(i.tally)
	if len(s.items) < maxBatch && s.tally.bytes < maxBatchBytes {
		return nil
	}
	return s.flush(ctx)
}

func (s *atomicSink) flush(ctx context.Context) error {
	if len(s.items) == 0 {
		return nil
	}
	if err := s.outlet.commit(ctx, s.at, s.messages); err != nil {
		return err
	}
	s.outlet.route.written(s.tally)
	for _, i := range s.items {
		if i.outcome != nil {
			i.outcome.release()
		}
	}
	clear(s.items)
	clear(s.messages)
	s.items, s.messages, s.tally = s.items[:0], s.messages[:0], tally{}
	return nil
}

func (s *atomicSink) push()                            {} // a batch is worth waiting for
func (s *atomicSink) settle(ctx context.Context) error { return s.flush(ctx) }
func (s *atomicSink) failed() <-chan error             { return s.silent }
