package route

import (
	"context"
	"runtime"
	"sync"

	"github.com/lockstep-mesh/lockstep/mesh/ordered"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

const (
	maxWorkers     = 3  // that mask for one route, beside the goroutine that reads
	chunksAhead    = 16 // that are masked, or being so, while others are written
	parallelEvents = 8  // fewer are not worth another goroutine
)

// chunk is a few neighbouring events on their way through the pipeline: those
// that arrived together.
type chunk struct {
	number   uint64 // its place among all that were read, from 1
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
	route      *Route
	stream     string // the origin stream's name and identity
	generation uint64 // that is written
	reader     *ordered.Reader
	ordered    chan *chunk   // in origin order; each is masked, or about to be
	busy       chan unmasked // for the workers

	ctx    context.Context //nolint:containedctx // the pipeline's own, which stop ends
	cancel context.CancelFunc
	work   sync.WaitGroup
	fields wire.Fields // room of the goroutine that reads
	read   uint64      // chunks so far; likewise
	over   bool        // one was not handed on, so none that follows may be; likewise
}

// unmasked are events that arrived together, and the chunk for what becomes of
// them.
type unmasked struct {
	batch *ordered.Batch
	chunk *chunk
}

// pipe reads the origin stream from behind the checkpoint.
func (r *Route) pipe(ctx context.Context, p *position) (*pipeline, error) {
	l := &pipeline{route: r, stream: p.stream, generation: p.number, ordered: make(chan *chunk, chunksAhead), busy: make(chan unmasked)}
	l.ctx, l.cancel = context.WithCancel(ctx)
	for range min(runtime.GOMAXPROCS(0)-1, maxWorkers) {
		l.work.Go(func() {
			var fields wire.Fields
			for u := range l.busy {
				l.mask(&fields, u)
			}
		})
	}
	var err error
	if l.reader, err = ordered.Open(l.ctx, ordered.Config{
		Conn: r.config.Conn, Name: "route " + r.config.Domain + " to " + r.config.To + ", reading",
		Stream: r.origin, Filter: r.names.stored + r.config.Domain + ".>", Behind: p.checkpoint, Receive: l.take,
	}); err != nil {
		l.stop()
		return nil, err
	}
	return l, nil
}

// stop ends reading and masking, and waits until both have ended.
func (l *pipeline) stop() {
	l.cancel()
	if l.reader != nil {
		l.reader.Close()
	}
	close(l.busy)
	l.work.Wait()
}

// take takes in events that arrived together; it runs on the goroutine that
// reads. It masks them itself unless a worker has nothing to do.
func (l *pipeline) take(b *ordered.Batch) {
	c := chunks.Get().(*chunk) //nolint:forcetypeassert // the pool holds nothing else
	if !l.hand(c) {
		b.Release()
		return
	}
	u := unmasked{b, c}
	if len(b.Messages) >= parallelEvents {
		select {
		case l.busy <- u:
			return
		default: // all are busy
		}
	}
	l.mask(&l.fields, u)
}

// hand hands a chunk on to the writer, unless the pipeline has ended. The writer may
// not have seen the end yet, and there may be room again for the next chunk.
func (l *pipeline) hand(c *chunk) bool {
	l.read++
	c.number = l.read
	if l.over {
		return false
	}
	select {
	case l.ordered <- c:
		return true
	case <-l.ctx.Done():
		l.over = true
		return false
	}
}

// mask masks a chunk.
func (l *pipeline) mask(fields *wire.Fields, u unmasked) {
	e := event{stream: l.stream, generation: l.generation, fields: fields}
	var reasons []*Record
	for i := range u.batch.Messages {
		m, at := &u.batch.Messages[i], u.batch.Places[i]
		fields.Parse(m.Header) // what is malformed has none, and is withheld
		e.sequence, e.at, e.subject, e.data = at.Sequence, at.Time(), m.Subject, m.Data
		out := l.route.transform(&e)
		u.chunk.outcomes = append(u.chunk.outcomes, out)
		if out.reason != nil {
			reasons = append(reasons, out.reason)
		}
	}
	u.batch.Release()
	if len(reasons) > 0 {
		u.chunk.err = l.route.record(l.ctx, reasons)
	}
	u.chunk.masked <- struct{}{}
}
