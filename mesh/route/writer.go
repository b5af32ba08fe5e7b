package route

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// writer puts what the pipeline masked into the egress stream, with watermarks
// among it. It is used by one goroutine.
type writer struct {
	route  *Route
	at     *position
	outlet *outlet
	sink   sink
	taken  uint64 // chunks
}

// carry carries events from the checkpoint on, until something fails or ctx
// ends.
func (r *Route) carry(ctx context.Context) error {
	o, err := r.openOutlet(ctx)
	if err != nil {
		return err
	}
	defer o.close()
	if err := o.claim(ctx); err != nil {
		return err
	}
	p, err := r.open(ctx, o)
	if err != nil {
		return err
	}
	w := &writer{route: r, at: p, outlet: o}
	if r.config.Durable {
		w.sink = newGroupSink(o, p)
	} else {
		w.sink = newPipelinedSink(o, p)
	}
	l, err := r.pipe(ctx, p)
	if err != nil {
		return err
	}
	defer l.stop()
	r.update(func(s *Status) { s.State, s.Checkpoint, s.Problem = StateRunning, p.checkpoint, "" })
	r.current.Store(&p.generation)
	r.update(func(s *Status) { s.Generation = shown(p.number) })
	return w.write(ctx, l)
}

// write writes until something fails or ctx ends.
func (w *writer) write(ctx context.Context, l *pipeline) error {
	due := time.NewTicker(watermarkAfter)
	defer due.Stop()
	for {
		select {
		case c := <-l.ordered:
			if err := w.chunk(ctx, c, len(l.ordered) > 0); err != nil {
				return err
			}
		case <-due.C:
			if err := w.mark(ctx); err != nil {
				return err
			}
			if err := w.sink.flush(ctx); err != nil {
				return err
			}
		case s := <-w.route.releases:
			if s.generation != w.at.number {
				s.done <- errRenewed
				continue
			}
			err := w.release(ctx, s)
			s.done <- err
			if err != nil {
				return err
			}
		case s := <-w.route.renewals:
			err := w.renew(ctx, s)
			s.done <- err
			if err == nil {
				err = errRenewed // what is read and masked by now is of the generation before
			}
			return err
		case s := <-w.route.repairs:
			if s.generation != w.at.number {
				s.done <- renewedMeanwhile("write for a repair")
				continue
			}
			err := w.repair(ctx, s)
			s.done <- err
			if err != nil {
				return err
			}
		case err := <-w.sink.failed():
			return err
		case err := <-l.reader.Failed():
			return err
		case <-ctx.Done():
			return w.stop(ctx)
		}
	}
}

// stop sees what was put before to its end. It never returns nil: nothing may
// be written behind what is skipped when ctx ends.
func (w *writer) stop(ctx context.Context) error {
	return errors.Join(ctx.Err(), w.sink.settle(ctx))
}

// chunk writes one chunk; more says that another one follows at once.
func (w *writer) chunk(ctx context.Context, c *chunk, more bool) error {
	if w.taken++; c.number != w.taken {
		return fmt.Errorf("after %d parts of stream %s part %d was read", w.taken-1, w.route.origin, c.number)
	}
	select {
	case <-c.masked:
	default:
		w.sink.push()
		select {
		case <-c.masked:
		case <-ctx.Done():
			return w.stop(ctx)
		}
	}
	if c.err != nil {
		return c.err
	}
	for _, out := range c.outcomes {
		if err := w.put(ctx, out); err != nil {
			return err
		}
	}
	c.release()
	if more {
		return nil
	}
	return w.sink.flush(ctx)
}

func (w *writer) put(ctx context.Context, out *outcome) error {
	m := &out.message
	w.at.checkpoint = out.sequence
	t := tally{checkpoint: out.sequence, masked: out.masked, bytes: m.size() + 512}
	if out.reason != nil {
		w.at.segment.AddMarker(out.sequence, out.digest)
		t.withheld = 1
	} else {
		w.at.segment.AddEvent(out.sequence, out.digest)
		t.sent = 1
	}
	if err := w.sink.put(ctx, item{m, out, t}); err != nil {
		return err
	}
	if w.at.segment.Messages() >= watermarkEvery {
		return w.mark(ctx)
	}
	return nil
}

// mark closes the open segment with a watermark and begins the next, if the
// segment holds anything.
func (w *writer) mark(ctx context.Context) error {
	if w.at.segment.Messages() == 0 {
		return nil
	}
	r := w.route
	mark := w.at.segment.Watermark()
	body, err := ledger.Encode(mark)
	if err != nil {
		return fmt.Errorf("write down a watermark: %w", err)
	}
	w.at.segment = ledger.NewSegment(w.at.stream, mark.To+1, mark.Chain)
	header := newTemplate(
		wire.HeaderOrigin, r.config.From, wire.HeaderOriginStream, w.at.stream, wire.HeaderOriginSequence, strconv.FormatUint(mark.To, 10),
	)
	return w.sink.put(ctx, item{
		message: r.ledgerMessage(wire.KindWatermark, header, body),
		tally:   tally{checkpoint: mark.To, bytes: len(body)},
	})
}

// close closes the open segment and sees to its end what was put before, so that
// something else can stand behind it.
func (w *writer) close(ctx context.Context) error {
	if err := w.mark(ctx); err != nil {
		return err
	}
	if err := w.sink.settle(ctx); err != nil {
		return err
	}
	return ctx.Err()
}

// ledgerMessage is a record of the ledger as it is written into the egress stream.
func (r *Route) ledgerMessage(kind string, header *template, body []byte) *message {
	return &message{
		subject: []byte(wire.EgressRecordSubject(r.config.To, r.config.From, r.config.Domain, kind)),
		header:  append(header.block, "\r\n"...), data: body,
	}
}
