package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// position is where a route stands: what the egress stream held when it was
// last read or written. It is used by one goroutine.
type position struct {
	stream     string // origin stream's name and identity
	checkpoint uint64 // origin sequence of the last event in the egress stream
	last       uint64 // sequence of the egress stream's last message
	segment    *ledger.Segment
}

// open reads the position from the egress stream.
func (r *Route) open(ctx context.Context) (*position, error) {
	origin, err := r.js.Stream(ctx, r.origin)
	if err != nil {
		return nil, fmt.Errorf("find stream %s: %w", r.origin, err)
	}
	egress, err := r.js.Stream(ctx, r.egress)
	if err != nil {
		return nil, fmt.Errorf("find stream %s: %w", r.egress, err)
	}
	r.stream = originStream(origin.CachedInfo())
	p := &position{stream: r.stream, last: egress.CachedInfo().State.LastSeq}
	if p.last == 0 {
		p.segment = ledger.NewSegment(p.stream, 1, ledger.Digest{})
		return p, nil
	}
	last, err := egress.GetMsg(ctx, p.last)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint, message %d of stream %s: %w", p.last, r.egress, err)
	}
	if p.checkpoint, err = sequenceOf(last.Header); err != nil {
		return nil, &haltError{fmt.Errorf("the checkpoint, message %d of stream %s, is not a route's: %w", p.last, r.egress, err)}
	}
	if was := last.Header.Get(wire.HeaderOriginStream); was != p.stream {
		return nil, &haltError{fmt.Errorf("stream %s is not the one that the route read before (%s, now %s): it was made again, and its sequences start anew; remove stream %s to begin from the start", r.origin, was, p.stream, r.egress)}
	}
	if state := origin.CachedInfo().State; p.checkpoint > state.LastSeq {
		return nil, &haltError{fmt.Errorf("the route is at event %d, but stream %s ends at %d: the origin has lost events", p.checkpoint, r.origin, state.LastSeq)}
	}
	return p, r.reopenSegment(ctx, egress, p)
}

// reopenSegment takes the open segment up again: what follows the last
// watermark in the egress stream.
func (r *Route) reopenSegment(ctx context.Context, egress jetstream.Stream, p *position) error {
	from, chain, next := uint64(1), ledger.Digest{}, uint64(1)
	mark, err := egress.GetLastMsgForSubject(ctx, wire.LedgerSubject(r.config.From, r.config.Domain, wire.KindWatermark))
	switch {
	case err == nil:
		var w ledger.Watermark
		if err := json.Unmarshal(mark.Data, &w); err != nil {
			return &haltError{fmt.Errorf("watermark %d of stream %s: %w", mark.Sequence, r.egress, err)}
		}
		from, chain, next = w.To+1, w.Chain, mark.Sequence+1
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Errorf("read the last watermark of stream %s: %w", r.egress, err)
	}
	p.segment = ledger.NewSegment(p.stream, from, chain)
	for ; next <= p.last; next++ {
		m, err := egress.GetMsg(ctx, next)
		if err != nil {
			return fmt.Errorf("read message %d of stream %s: %w", next, r.egress, err)
		}
		sequence, err := sequenceOf(m.Header)
		if err != nil {
			return &haltError{fmt.Errorf("message %d of stream %s is not a route's: %w", next, r.egress, err)}
		}
		p.segment.Add(sequence, m.Subject, m.Header, m.Data)
	}
	return nil
}

// batch gathers what is committed in one step.
type batch struct {
	messages   []*nats.Msg
	bytes      int
	sent       uint64
	withheld   uint64
	masked     uint64
	checkpoint uint64
}

// add takes in the outcome of one event.
func (b *batch) add(p *position, out *outcome) error {
	p.segment.Add(out.sequence, out.stored, out.message.Header, out.message.Data)
	p.checkpoint = out.sequence
	b.checkpoint = out.sequence
	b.masked += out.masked
	if out.withheld {
		b.withheld++
	} else {
		b.sent++
	}
	b.append(out.message)
	return nil
}

func (b *batch) append(m *nats.Msg) {
	b.messages = append(b.messages, m)
	b.bytes += len(m.Data)
}

// mark closes the open segment with a watermark and begins the next.
func (b *batch) mark(r *Route, p *position) error {
	w := p.segment.Watermark()
	body, err := ledger.Encode(w)
	if err != nil {
		return err
	}
	b.append(&nats.Msg{
		Subject: wire.EgressSubject(r.config.To, wire.LedgerSubject(r.config.From, r.config.Domain, wire.KindWatermark)),
		Header: nats.Header{
			wire.HeaderOrigin:         {r.config.From},
			wire.HeaderOriginStream:   {p.stream},
			wire.HeaderOriginSequence: {strconv.FormatUint(w.To, 10)},
		},
		Data: body,
	})
	b.checkpoint = w.To
	p.segment = ledger.NewSegment(p.stream, w.To+1, w.Chain)
	return nil
}

// commit writes the batch, or nothing of it. It expects the egress stream to
// end where the route last saw it end: a second route, or this one after a
// write whose outcome it did not learn, is refused and reads the checkpoint
// again.
func (r *Route) commit(ctx context.Context, p *position, b *batch) error {
	// A commit under way is brought to its end even when the route is closed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	b.messages[0].Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(p.last, 10))
	var sequence uint64
	if len(b.messages) == 1 {
		ack, err := r.js.PublishMsg(ctx, b.messages[0], jetstream.WithRetryAttempts(0))
		if err != nil {
			return fmt.Errorf("write to stream %s after message %d: %w", r.egress, p.last, err)
		}
		sequence = ack.Sequence
	} else {
		publisher, err := jetstreamext.NewBatchPublisher(r.js, jetstreamext.BatchFlowControl{AckFirst: false, AckTimeout: writeTimeout})
		if err != nil {
			return err
		}
		final := len(b.messages) - 1
		for _, m := range b.messages[:final] {
			if err := publisher.AddMsg(m); err != nil {
				return fmt.Errorf("write to stream %s after message %d: %w", r.egress, p.last, err)
			}
		}
		ack, err := publisher.CommitMsg(ctx, b.messages[final])
		if err != nil {
			return fmt.Errorf("write %d messages to stream %s after message %d: %w", len(b.messages), r.egress, p.last, err)
		}
		sequence = ack.Sequence
	}
	if want := p.last + uint64(len(b.messages)); sequence != want {
		return &haltError{fmt.Errorf("stream %s took %d messages after %d and ends at %d, not %d", r.egress, len(b.messages), p.last, sequence, want)}
	}
	p.last = sequence
	r.update(func(s *Status) {
		s.Checkpoint = b.checkpoint
		s.Sent += b.sent
		s.Withheld += b.withheld
		s.MaskedFields += b.masked
	})
	return nil
}

func sequenceOf(h nats.Header) (uint64, error) {
	text := h.Get(wire.HeaderOriginSequence)
	sequence, err := strconv.ParseUint(text, 10, 64)
	if err != nil || sequence == 0 {
		return 0, fmt.Errorf("its header %s is %q", wire.HeaderOriginSequence, text)
	}
	return sequence, nil
}
