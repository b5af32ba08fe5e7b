package route

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	chunkEvents = 64      // events that are masked in one go
	chunkBytes  = 1 << 20 // of their payloads
	maxWorkers  = 4       // that mask for one route
	chunksAhead = 16      // that are masked, or being so, while others are written
)

// chunk is a few neighbouring events on their way through the pipeline.
type chunk struct {
	events   []jetstream.Msg
	outcomes []*outcome
	err      error
	masked   chan struct{} // has room for one, and gets it when the chunk is masked
}

var chunks = sync.Pool{New: func() any { return &chunk{masked: make(chan struct{}, 1)} }}

func (c *chunk) release() {
	clear(c.events)
	clear(c.outcomes)
	c.events, c.outcomes, c.err = c.events[:0], c.outcomes[:0], nil
	chunks.Put(c)
}

// pipeline reads events and masks them, several chunks at a time, while others
// are written. It gives chunks out in origin order.
type pipeline struct {
	route    *Route
	stream   string // the origin stream's name and identity
	incoming chan jetstream.Msg
	ordered  chan *chunk // in origin order; each is masked, or about to be
	failed   chan error  // has room for what every goroutine may say

	taking   sync.Mutex // held by the worker that takes the next events
	cancel   context.CancelFunc
	work     sync.WaitGroup
	messages jetstream.MessagesContext
}

// pipe reads the origin stream from behind the checkpoint.
func (r *Route) pipe(ctx context.Context, p *position) (*pipeline, error) {
	consumer, err := r.js.OrderedConsumer(ctx, r.origin, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{r.names.stored + r.config.Domain + ".>"},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy, OptStartSeq: p.checkpoint + 1,
	})
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", r.origin, err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(readAhead, readAheadBytes), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", r.origin, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	workers := min(runtime.GOMAXPROCS(0), maxWorkers)
	l := &pipeline{
		route: r, stream: p.stream, cancel: cancel, messages: messages,
		incoming: make(chan jetstream.Msg, 2*chunkEvents), ordered: make(chan *chunk, chunksAhead),
		failed: make(chan error, 1),
	}
	l.work.Go(func() { l.read(ctx) })
	for range workers {
		l.work.Go(func() { l.mask(ctx) })
	}
	return l, nil
}

// stop ends reading and masking, and waits until both have ended.
func (l *pipeline) stop() {
	l.cancel()
	l.messages.Stop()
	l.work.Wait()
}

func (l *pipeline) read(ctx context.Context) {
	for {
		m, err := l.messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			l.failed <- fmt.Errorf("read stream %s: %w", l.route.origin, err)
			return
		}
		select {
		case l.incoming <- m:
		case <-ctx.Done():
			return
		}
	}
}

// mask takes chunks and masks them, until ctx ends.
func (l *pipeline) mask(ctx context.Context) {
	for {
		c := l.take(ctx)
		if c == nil {
			return
		}
		var reasons []*Record
		for _, m := range c.events {
			e, err := l.route.eventOf(m, l.stream)
			if err != nil {
				c.err = err
				break
			}
			out := l.route.transform(&e)
			c.outcomes = append(c.outcomes, out)
			if out.reason != nil {
				reasons = append(reasons, out.reason)
			}
		}
		if c.err == nil && len(reasons) > 0 {
			c.err = l.route.record(ctx, reasons)
		}
		c.masked <- struct{}{}
	}
}

// take waits for an event, and takes it with all that wait behind it, up to a
// chunk. Workers take in turn, so that chunks stand in origin order.
func (l *pipeline) take(ctx context.Context) *chunk {
	l.taking.Lock()
	defer l.taking.Unlock()
	c := chunks.Get().(*chunk) //nolint:forcetypeassert // the pool holds nothing else
	select {
	case m := <-l.incoming:
		c.events = append(c.events, m)
	case <-ctx.Done():
		return nil
	}
	bytes := len(c.events[0].Data())
	for more := true; more && len(c.events) < chunkEvents && bytes < chunkBytes; {
		select {
		case m := <-l.incoming:
			c.events = append(c.events, m)
			bytes += len(m.Data())
		default:
			more = false
		}
	}
	select {
	case l.ordered <- c:
		return c
	case <-ctx.Done():
		return nil
	}
}
