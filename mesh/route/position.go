package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// position is where a route stands: what the egress stream held when it was
// last read or written. It is used by one goroutine.
type position struct {
	stream string // origin stream's name and identity
	generation
	checkpoint uint64 // origin sequence of the last event that was dealt with in its turn
	last       uint64 // sequence of the egress stream's last message
	segment    *ledger.Segment
}

// streams are those that the route reads and writes.
func (r *Route) streams(ctx context.Context) (origin, egress jetstream.Stream, err error) {
	if origin, err = r.js.Stream(ctx, r.origin); err != nil {
		return nil, nil, fmt.Errorf("find stream %s: %w", r.origin, err)
	}
	if egress, err = r.js.Stream(ctx, r.egress); err != nil {
		return nil, nil, fmt.Errorf("find stream %s: %w", r.egress, err)
	}
	return origin, egress, nil
}

// open reads the position from the egress stream, and completes what the end
// of the process may have left half done there.
func (r *Route) open(ctx context.Context, o *outlet) (*position, error) {
	origin, egress, err := r.streams(ctx)
	if err != nil {
		return nil, err
	}
	p := &position{stream: originStream(origin.CachedInfo()), last: egress.CachedInfo().State.LastSeq}
	if p.generation, err = r.openGeneration(ctx, egress); err != nil {
		return nil, err
	}
	if p.last == 0 {
		p.segment = ledger.NewSegment(p.stream, 1, ledger.Digest{})
		return p, nil
	}
	last, err := egress.GetMsg(ctx, p.last)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint, message %d of stream %s: %w", p.last, r.egress, err)
	}
	if p.checkpoint, err = checkpointOf(last.Header); err != nil {
		return nil, &haltError{fmt.Errorf("the checkpoint, message %d of stream %s, is not a route's: %w", p.last, r.egress, err)}
	}
	if was := last.Header.Get(wire.HeaderOriginStream); was != p.stream {
		return nil, &haltError{fmt.Errorf("stream %s is not the one that the route read before (%s, now %s): it was made again, and its sequences start anew; remove stream %s to begin from the start", r.origin, was, p.stream, r.egress)}
	}
	if state := origin.CachedInfo().State; p.checkpoint > state.LastSeq {
		return nil, &haltError{fmt.Errorf("the route is at event %d, but stream %s ends at %d: the origin has lost events", p.checkpoint, r.origin, state.LastSeq)}
	}
	if err := r.completeRelease(ctx, o, p, last); err != nil {
		return nil, err
	}
	return p, r.reopenSegment(ctx, egress, p)
}

// reopenSegment takes the open segment up again: what follows the last
// watermark in the egress stream.
func (r *Route) reopenSegment(ctx context.Context, egress jetstream.Stream, p *position) error {
	from, chain, next := uint64(1), ledger.Digest{}, p.begins
	mark, err := egress.GetLastMsgForSubject(ctx, r.names.mark)
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
	if next, err = r.behindRepairs(ctx, egress, next, p.last+1); err != nil {
		return err
	}
	for ; next <= p.last; next++ {
		m, err := egress.GetMsg(ctx, next)
		if err != nil {
			return fmt.Errorf("read message %d of stream %s: %w", next, r.egress, err)
		}
		if err := r.reopenMessage(ctx, p, m); err != nil {
			return err
		}
	}
	return nil
}

func (r *Route) reopenMessage(ctx context.Context, p *position, m *jetstream.RawStreamMsg) error {
	sequence, err := sequenceOf(m.Header)
	if err != nil {
		return &haltError{fmt.Errorf("message %d of stream %s is not a route's: %w", m.Sequence, r.egress, err)}
	}
	if m.Header.Get(wire.HeaderRepair) != "" {
		return nil // a copy of what counted already, or no event
	}
	if m.Subject == r.names.released {
		var released ledger.Released
		if err := json.Unmarshal(m.Data, &released); err != nil {
			return &haltError{fmt.Errorf("record %d of stream %s: %w", m.Sequence, r.egress, err)}
		}
		p.segment.AddRelease(released)
		// A segment is closed only once its releases are recorded, so what is not
		// recorded is in the open one.
		return r.recordRelease(ctx, sequence, r.releaseOf(m))
	}
	if m.Header.Get(wire.HeaderReleased) == "" { // a released event counts by its record
		p.segment.Add(sequence, strings.TrimPrefix(m.Subject, r.names.egress), m.Header, m.Data)
	}
	return nil
}

// find is the first message of the egress stream whose checkpoint is sequence
// or higher: the event with that origin sequence, or its marker, if the route
// has dealt with it. known keeps what was read between two searches.
func (r *Route) find(ctx context.Context, egress jetstream.Stream, sequence uint64, known map[uint64]uint64) (*jetstream.RawStreamMsg, error) {
	state := egress.CachedInfo().State
	low, high := max(state.FirstSeq, 1), state.LastSeq+1
	read := func(at uint64) (*jetstream.RawStreamMsg, error) {
		m, err := egress.GetMsg(ctx, at)
		if err != nil {
			return nil, fmt.Errorf("read message %d of stream %s: %w", at, r.egress, err)
		}
		return m, nil
	}
	for low < high {
		middle := low + (high-low)/2
		checkpoint, ok := known[middle]
		if !ok {
			m, err := read(middle)
			if err != nil {
				return nil, err
			}
			if checkpoint, err = checkpointOf(m.Header); err != nil {
				return nil, fmt.Errorf("message %d of stream %s is not a route's: %w", middle, r.egress, err)
			}
			known[middle] = checkpoint
		}
		if checkpoint < sequence {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low > state.LastSeq {
		return nil, nil //nolint:nilnil // the route has not dealt with it
	}
	return read(low)
}

// originStream is the value of the header that identifies the origin stream.
func originStream(info *jetstream.StreamInfo) string {
	return wire.StreamIdentity(info.Config.Name, info.Created)
}

func sequenceOf(h nats.Header) (uint64, error) { return number(h, wire.HeaderOriginSequence) }

// checkpointOf is the origin sequence up to which the route had dealt with
// everything when it wrote a message.
func checkpointOf(h nats.Header) (uint64, error) {
	switch h.Get(wire.HeaderCheckpoint) {
	case "":
		return sequenceOf(h)
	case noCheckpoint:
		return 0, nil
	}
	return number(h, wire.HeaderCheckpoint)
}

func number(h nats.Header, name string) (uint64, error) {
	text := h.Get(name)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("its header %s is %q", name, text)
	}
	return n, nil
}

// parseStamp reads a time that stamp wrote.
func parseStamp(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}
