package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/link"
	"github.com/lockstep-mesh/lockstep/mesh/ordered"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Leaves writes into the egress stream what closed segments are made of, a record
// for each, made of nothing but what stands there; each is first held against its
// own watermark. It writes all that q chooses, or nothing. What no watermark covers
// yet is left out. The error is a *Error.
func (r *Route) Leaves(ctx context.Context, q ledger.LeavesRequest) (ledger.Written, error) {
	op := fmt.Sprintf("write the leaves of events %d to %d for %s", q.From, q.To, r.config.To)
	if q.From == 0 || q.From-1 > q.To {
		return ledger.Written{}, &Error{Code: CodeRequest, Op: op, Cause: errors.New("these are no range of origin sequences"), Cure: "give `from`, 1 or more, and `to`, at most one below it"}
	}
	entry := auditRecord{Action: actionLeaves, By: q.By, First: q.From, Last: q.To}
	return r.answered(ctx, op, entry, func(at time.Time) (ledger.Written, error) {
		var written ledger.Written
		current := r.current.Load() // before anything is read
		segments, err := r.segments(ctx, op, q, current.begins)
		if err != nil {
			return written, err
		}
		s := &repair{generation: current.number}
		for _, leaves := range segments {
			m, err := r.leavesMessage(leaves, at)
			if err != nil {
				return written, err
			}
			if !r.fits(m) {
				return written, &Error{
					Code: CodeTooLarge, Op: op, Cause: fmt.Errorf("the segment from %d to %d has %d leaves, more than one message holds", leaves.From, leaves.To, len(leaves.Leaves)+len(leaves.Releases)),
					Cure: "ask for other segments, and compare the events of this one another way",
				}
			}
			s.messages = append(s.messages, m)
			written.To, written.Sequences = leaves.To, append(written.Sequences, leaves.To)
		}
		return written, r.rewrite(ctx, s)
	})
}

// leavesMessage is the record of a segment's leaves, but for its checkpoint.
func (r *Route) leavesMessage(leaves ledger.Leaves, at time.Time) (*message, error) {
	body, err := ledger.Encode(leaves)
	if err != nil {
		return nil, fmt.Errorf("write down leaves: %w", err)
	}
	header := newTemplate(
		wire.HeaderOrigin, r.config.From, wire.HeaderOriginStream, leaves.OriginStream,
		wire.HeaderOriginSequence, strconv.FormatUint(leaves.To, 10),
	)
	m := r.ledgerMessage(wire.KindLeaves, header, body)
	m.header = extend(nil, m.header, []byte(repairLine(at)))
	return m, nil
}

// segments reads the segments that q chooses, of the generation that begins with a
// message of the egress stream.
func (r *Route) segments(ctx context.Context, op string, q ledger.LeavesRequest, begins uint64) ([]ledger.Leaves, error) {
	origin, egress, err := r.streams(ctx)
	if err != nil {
		return nil, err
	}
	before, ok, err := r.markBefore(ctx, op, egress, q.From)
	if err != nil || !ok {
		return nil, err
	}
	before.at = max(before.at, begins-1)
	var chosen []ledger.Leaves
	begun := q.After == ledger.Digest{}
	for len(chosen) < ledger.MaxSegments {
		mark, ok, err := r.markFrom(ctx, egress, before.at+1)
		if err != nil {
			return nil, err
		}
		if !ok || mark.From > max(q.From, q.To) {
			break
		}
		begun = begun || before.Chain == q.After
		if begun && holds(q, mark.Watermark) {
			if mark.OriginStream != originStream(origin.CachedInfo()) {
				return nil, fmt.Errorf("stream %s was made again since", r.origin)
			}
			leaves, err := r.leaves(ctx, op, egress, before, mark)
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, leaves)
		}
		before = mark
	}
	if !begun {
		return nil, &Error{Code: CodeRequest, Op: op, Cause: errors.New("none of these segments follows the chain " + q.After.String()), Cure: "give in `after` the chain of the watermark before the first segment that is wanted, or leave it out"}
	}
	return chosen, nil
}

// holds reports whether a segment is one that q chooses.
func holds(q ledger.LeavesRequest, w ledger.Watermark) bool {
	if w.To < w.From { // releases alone
		return w.From >= q.From && w.From <= max(q.From, q.To)
	}
	return w.To >= q.From && w.From <= q.To
}

// placed is a watermark and its sequence in the egress stream; the zero placed
// stands before the first segment.
type placed struct {
	ledger.Watermark
	at uint64
}

// markFrom is the first watermark from a message of the egress stream on; it is not
// ok if there is none.
func (r *Route) markFrom(ctx context.Context, egress jetstream.Stream, from uint64) (placed, bool, error) {
	m, err := egress.GetMsg(ctx, from, jetstream.WithGetMsgSubject(r.names.mark))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return placed{}, false, nil
	}
	if err != nil {
		return placed{}, false, fmt.Errorf("read the watermark behind message %d of stream %s: %w", from, r.egress, err)
	}
	mark := placed{at: m.Sequence}
	if err := json.Unmarshal(m.Data, &mark.Watermark); err != nil {
		return placed{}, false, fmt.Errorf("watermark %d of stream %s: %w", m.Sequence, r.egress, err)
	}
	return mark, true, nil
}

// markBefore is a watermark behind which all segments stand that hold the origin
// sequence from or higher ones, and few others. It is not ok if there is none.
func (r *Route) markBefore(ctx context.Context, op string, egress jetstream.Stream, from uint64) (placed, bool, error) {
	known := map[uint64]uint64{}
	closes := func(sequence uint64) (placed, bool, error) { // that of the segment in whose range sequence lies
		m, err := r.find(ctx, egress, sequence, known)
		if err != nil || m == nil {
			return placed{}, false, err
		}
		return r.markFrom(ctx, egress, m.Sequence)
	}
	// Segments of releases alone may stand between this one's and the one of from.
	first, ok, err := closes(max(from-1, 1))
	if err != nil || !ok || first.From <= 1 {
		return placed{}, ok, err
	}
	before, ok, err := closes(first.From - 1)
	if err == nil && (!ok || before.To != first.From-1) {
		err = r.damaged(op, "no watermark ends at %d, behind which one begins", first.From-1)
	}
	return before, ok, err
}

// leaves reads what a segment is made of, and holds it against its watermark.
func (r *Route) leaves(ctx context.Context, op string, egress jetstream.Stream, before, mark placed) (ledger.Leaves, error) {
	found := ledger.Leaves{Watermark: mark.Watermark, Leaves: []ledger.Leaf{}}
	first, err := r.behindRepairs(ctx, egress, before.at+1, mark.at)
	if err != nil {
		return found, err
	}
	segment := ledger.NewSegment(mark.OriginStream, mark.From, before.Chain)
	var fields wire.Fields
	var hasher ledger.Hasher
	err = r.read(ctx, first, mark.at, func(m *link.Message) error {
		fields.Parse(m.Header)
		sequence := fields.Number(wire.HeaderOriginSequence)
		switch {
		case len(fields.Get(wire.HeaderRepair)) > 0:
		case string(m.Subject) == r.names.released:
			var released ledger.Released
			if err := json.Unmarshal(m.Data, &released); err != nil {
				return r.damaged(op, "the record of a release cannot be read: %w", err)
			}
			segment.AddRelease(released)
			found.Releases = append(found.Releases, released)
		case len(fields.Get(wire.HeaderReleased)) > 0: // it counts by its record
		default:
			leaf := ledger.Leaf{Sequence: sequence, Withheld: string(m.Subject) == r.names.marker}
			if leaf.Withheld {
				leaf.Digest = hasher.Digest(sequence, m.Subject, &fields, m.Data)
				segment.AddMarker(sequence, leaf.Digest)
			} else {
				leaf.Digest = hasher.Digest(sequence, m.Subject[min(len(r.names.egress), len(m.Subject)):], &fields, m.Data)
				segment.AddEvent(sequence, leaf.Digest)
			}
			found.Leaves = append(found.Leaves, leaf)
		}
		return nil
	})
	if err == nil && segment.Watermark() != mark.Watermark {
		err = r.damaged(op, "the events from %d to %d are not those of watermark %d", mark.From, mark.To, mark.at)
	}
	return found, err
}

// read hands over the egress stream's messages from first on, up to the one before
// end.
func (r *Route) read(ctx context.Context, first, end uint64, take func(*link.Message) error) error {
	if first >= end {
		return nil
	}
	reader, err := ordered.Open(ctx, ordered.Config{
		Conn: r.config.Conn, Name: "route " + r.config.Domain + " to " + r.config.To + ", for a repair", Stream: r.egress, Behind: first - 1,
	})
	if err != nil {
		return err
	}
	defer reader.Close()
	for next := first; ; {
		select {
		case b := <-reader.Batches():
			for i := range b.Messages {
				at := b.Places[i].Sequence
				if at != next {
					b.Release()
					return fmt.Errorf("stream %s has message %d where %d is awaited", r.egress, at, next)
				}
				if err := take(&b.Messages[i]); err != nil {
					b.Release()
					return err
				}
				if next++; next == end {
					b.Release()
					return nil
				}
			}
			b.Release()
		case err := <-reader.Failed():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
