package route

import (
	"context"
	"runtime"
	"sync"

	"github.com/lockstep-mesh/lockstep/mesh/ordered"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
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
	reader  *ordered.Reader
	ordered chan *chunk // in origin order; each is masked, or about to be

	taking sync.Mutex // held by the worker that takes the next events
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// pipe reads the origin stream from behind the checkpoint.
func (r *Route) pipe(ctx context.Context, p *position) (*pipeline, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := &pipeline{route: r, stream: p.stream, cancel: cancel, ordered: make(chan *chunk, chunksAhead)}
	var err error
	if l.reader, err = ordered.Open(ctx, ordered.Config{
		Conn: r.config.Conn, Name: "route " + r.config.Domain + " to " + r.config.To + ", reading",
		Stream: r.origin, Filter: r.names.stored + r.config.Domain + ".>", Behind: p.checkpoint,
	}); err != nil {
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
	l.reader.Close()
	l.work.Wait()
}

// mask takes chunks and masks them, until ctx ends.
func (l *pipeline) mask(ctx context.Context) {
	var fields wire.Fields
	e := event{stream: l.stream, fields: &fields}
	for {
		b, c := l.take(ctx)
		if c == nil {
			return
		}
		var reasons []*Record
		for i := range b.Messages {
			m, at := &b.Messages[i], b.Places[i]
			fields.Parse(m.Header) // what is malformed has none, and is withheld
			e.sequence, e.at, e.subject, e.data = at.Sequence, at.Time(), m.Subject, m.Data
			out := l.route.transform(&e)
			c.outcomes = append(c.outcomes, out)
			if out.reason != nil {
				reasons = append(reasons, out.reason)
			}
		}
		b.Release()
		if len(reasons) > 0 {
			c.err = l.route.record(ctx, reasons)
		}
		c.masked <- struct{}{}
	}
}

// take waits for events that arrived together, and a chunk for what becomes of
// them. Workers take in turn, so that chunks stand in origin order.
func (l *pipeline) take(ctx context.Context) (*ordered.Batch, *chunk) {
	l.taking.Lock()
	defer l.taking.Unlock()
	select {
	case b := <-l.reader.Batches():
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
