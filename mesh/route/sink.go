package route

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
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
	close()
}

// item is one message on its way into the egress stream.
type item struct {
	message *nats.Msg
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

// atomicSink writes as many messages as wait in one atomic batch. It suits a
// server that syncs its disk before it acknowledges: a batch is synced once.
type atomicSink struct {
	route  *Route
	at     *position
	items  []item
	tally  tally
	silent chan error
}

func newAtomicSink(r *Route, p *position) *atomicSink {
	return &atomicSink{route: r, at: p, silent: make(chan error)}
}

func (s *atomicSink) put(ctx context.Context, i item) error {
	s.items = append(s.items, i)
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
	messages := make([]*nats.Msg, len(s.items))
	for i := range s.items {
		messages[i] = s.items[i].message
	}
	if err := s.route.commit(ctx, s.at, messages); err != nil {
		return err
	}
	s.route.written(s.tally)
	for _, i := range s.items {
		if i.outcome != nil {
			i.outcome.release()
		}
	}
	clear(s.items)
	s.items, s.tally = s.items[:0], tally{}
	return nil
}

func (s *atomicSink) push()                            {} // a batch is worth waiting for
func (s *atomicSink) settle(ctx context.Context) error { return s.flush(ctx) }
func (s *atomicSink) failed() <-chan error             { return s.silent }
func (s *atomicSink) close()                           {}

// commit writes messages in one step. It expects the egress stream to end where
// the route last saw it end: a second route, or this one after a write whose
// outcome it did not learn, is refused and reads the checkpoint again.
//
// The server stores a batch message by message once it is complete: the end of
// its process may leave a first part of it, which is as good a checkpoint as any.
func (r *Route) commit(ctx context.Context, p *position, messages []*nats.Msg) error {
	// A commit under way is brought to its end even when the route is closed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	r.step(stepWrite)
	messages[0].Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(p.last, 10)}
	var sequence uint64
	if len(messages) == 1 {
		ack, err := r.js.PublishMsg(ctx, messages[0], jetstream.WithRetryAttempts(0))
		if err != nil {
			return fmt.Errorf("write to stream %s after message %d: %w", r.egress, p.last, err)
		}
		sequence = ack.Sequence
	} else {
		publisher, err := jetstreamext.NewBatchPublisher(r.js, jetstreamext.BatchFlowControl{AckFirst: false, AckTimeout: writeTimeout})
		if err != nil {
			return fmt.Errorf("write to stream %s: %w", r.egress, err)
		}
		final := len(messages) - 1
		for _, m := range messages[:final] {
			if err := publisher.AddMsg(m); err != nil {
				return fmt.Errorf("write to stream %s after message %d: %w", r.egress, p.last, err)
			}
		}
		r.step(stepCommit)
		ack, err := publisher.CommitMsg(ctx, messages[final])
		if err != nil {
			return fmt.Errorf("write %d messages to stream %s after message %d: %w", len(messages), r.egress, p.last, err)
		}
		sequence = ack.Sequence
	}
	if want := p.last + uint64(len(messages)); sequence != want {
		return &haltError{fmt.Errorf("stream %s took %d messages after %d and ends at %d, not %d", r.egress, len(messages), p.last, sequence, want)}
	}
	p.last = sequence
	r.step(stepWritten)
	return nil
}

// quiet is how long a fast batch stays open when nothing comes any more.
const quiet = 20 * time.Millisecond
