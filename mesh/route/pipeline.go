package route

import (
	"context"
	"runtime"
	"sync"

	"github.com/lockstep-mesh/lockstep/mesh/link"
)

const (
	maxWorkers  = 4  // that mask for one route
	chunksAhead = 16 // that are masked, or being so, while others are written
)

// chunk is a few neighbouring events on their way through the pipeline: those
// that arrived together.
type chunk struct {
	outcomes []*outcome
	err      error
	masked   chan struct{} // has room for one, and gets it when the chunk is masked
}

var chunks = sync.Pool{New: func() any { return &chunk{masked: make(chan struct{}, 1)} }}

func (c *chunk) release() {
	clear(c.outcomes)
	c.outcomes, c.err = c.outcomes[:0], nil
	chunks.Put(c)
}

// pipeline reads events and masks them, several chunks at a time, while others
// are written. It gives chunks out in origin order.
type pipeline struct {
	route   *Route
	stream  string // the origin stream's name and identity
	reader  *reader
	ordered chan *chunk // in origin order; each is masked, or about to be
	failed  chan error  // has room for one

	taking sync.Mutex // held by the worker that takes the next events
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// pipe reads the origin stream from behind the checkpoint.
func (r *Route) pipe(ctx context.Context, p *position) (*pipeline, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &pipeline{route: r, stream: p.stream, cancel: cancel, ordered: make(chan *chunk, chunksAhead), failed: make(chan error, 1)}
	var err error
	if l.reader, err = r.read(ctx, p.checkpoint, func(err error) { l.failed <- err }); err != nil {
		cancel()
		return nil, err
	}
	for range min(runtime.GOMAXPROCS(0), maxWorkers) {
		l.work.Go(func() { l.mask(ctx) })
	}
	return l, nil
}

// stop ends reading and masking, and waits until both have ended.
func (l *pipeline) stop() {
	l.cancel()
	l.reader.close()
	l.work.Wait()
}

// mask takes chunks and masks them, until ctx ends.
func (l *pipeline) mask(ctx context.Context) {
	var header fields
	for {
		b, c := l.take(ctx)
		if c == nil {
			return
		}
		var reasons []*Record
		for i := range b.Messages {
			var e event
			if e, c.err = l.route.eventOf(&b.Messages[i], l.stream, header); c.err != nil {
				break
			}
			header = e.fields
			out := l.route.transform(&e)
			c.outcomes = append(c.outcomes, out)
			if out.reason != nil {
				reasons = append(reasons, out.reason)
			}
		}
		b.Release()
		if c.err == nil && len(reasons) > 0 {
			c.err = l.route.record(ctx, reasons)
		}
		c.masked <- struct{}{}
	}
}

// take waits for events that arrived together, and a chunk for what becomes of
// them. Workers take in turn, so that chunks stand in origin order.
func (l *pipeline) take(ctx context.Context) (*link.Batch, *chunk) {
	l.taking.Lock()
	defer l.taking.Unlock()
	select {
	case b := <-l.reader.incoming:
		c := chunks.Get().(*chunk) //nolint:forcetypeassert // the pool holds nothing else
		select {
		case l.ordered <- c:
			return b, c
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
	return nil, nil
}
