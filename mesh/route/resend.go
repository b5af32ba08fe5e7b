package route

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Resend writes events into the egress stream again, as they stand there: for one
// that was withheld and released, what was released. Nothing is masked anew. What
// is withheld still is left out. Where something else is amiss with one event, those
// before it may have been written. The error is a *Error.
//
// An original is found by halving, because checkpoints ascend; what was released, by
// its record in stream WITHHELD, which has its place.
func (r *Route) Resend(ctx context.Context, q ledger.ResendRequest) (ledger.Written, error) {
	op := fmt.Sprintf("write %d events for %s again", len(q.Sequences), r.config.To)
	if why := unfitSequences(q.Sequences); why != "" {
		return ledger.Written{}, &Error{Code: CodeRequest, Op: op, Cause: errors.New(why), Cure: fmt.Sprintf("give 1 to %d origin sequences, ascending, from 1 on", ledger.MaxResend)}
	}
	entry := auditRecord{Action: actionResend, By: q.By, First: q.Sequences[0], Last: q.Sequences[len(q.Sequences)-1], Events: len(q.Sequences)}
	return r.answered(ctx, op, entry, func(at time.Time) (ledger.Written, error) {
		var written ledger.Written
		generation := r.current.Load().number // before anything is read
		origin, egress, err := r.streams(ctx)
		if err != nil {
			return written, err
		}
		c := &copier{route: r, op: op, stream: originStream(origin.CachedInfo()), egress: egress, known: map[uint64]uint64{}, line: repairLine(at)}
		s, size := &repair{generation: generation}, 0
		for _, sequence := range q.Sequences {
			m, err := c.copy(ctx, sequence)
			if err != nil {
				return written, err
			}
			if m == nil {
				continue
			}
			if size += m.size() + storedBytes; len(s.messages) == maxBatch || size > maxBatchBytes {
				if err := r.rewrite(ctx, s); err != nil {
					return written, err
				}
				s, size = &repair{generation: generation}, m.size()+storedBytes
			}
			s.messages, s.events = append(s.messages, m), s.events+1
			written.Sequences = append(written.Sequences, sequence)
		}
		return written, r.rewrite(ctx, s)
	})
}

func unfitSequences(sequences []uint64) string {
	switch n := len(sequences); {
	case n == 0:
		return "none is named"
	case n > ledger.MaxResend:
		return fmt.Sprintf("%d are asked for at once", n)
	case sequences[0] == 0:
		return "no event has sequence 0"
	}
	for i := 1; i < len(sequences); i++ {
		if sequences[i] <= sequences[i-1] {
			return fmt.Sprintf("%d follows %d", sequences[i], sequences[i-1])
		}
	}
	return ""
}

// copier makes copies of events that stand in the egress stream.
type copier struct {
	route  *Route
	op     string
	stream string // the origin stream's name and identity
	egress jetstream.Stream
	known  map[uint64]uint64 // checkpoints, for find
	line   string            // the header that marks copies
}

// copy is the copy of an event; nil if the event is withheld still.
func (c *copier) copy(ctx context.Context, sequence uint64) (*message, error) {
	r := c.route
	m, err := r.find(ctx, c.egress, sequence, c.known)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, &Error{Code: CodeRequest, Op: c.op, Cause: fmt.Errorf("the route has not come to event %d", sequence), Cure: "ask only for events up to the latest watermark"}
	}
	withheld, err := r.isMarker(m, sequence, c.stream)
	if err != nil {
		return nil, &Error{Code: CodeRequest, Op: c.op, Cause: err, Cure: "ask only for events that the ledger has"}
	}
	if withheld {
		if m, err = c.released(ctx, sequence); m == nil || err != nil {
			return nil, err
		}
	}
	return c.again(m, sequence)
}

// released is the event as it was released; nil if it is withheld still.
func (c *copier) released(ctx context.Context, sequence uint64) (*jetstream.RawStreamMsg, error) {
	r := c.route
	k, err := r.load(ctx, sequence)
	if err != nil {
		return nil, err
	}
	switch {
	case k.revision == 0:
		return nil, fmt.Errorf("stream %s has no record of event %d, which is withheld", wire.WithheldStream, sequence)
	case k.Released == nil:
		return nil, nil //nolint:nilnil // it is withheld still
	}
	m, err := c.egress.GetMsg(ctx, k.Released.Message)
	if err != nil {
		return nil, fmt.Errorf("read event %d as it was released, message %d of stream %s: %w", sequence, k.Released.Message, r.egress, err)
	}
	if at, err := sequenceOf(m.Header); err != nil || at != sequence || m.Header.Get(wire.HeaderReleased) != stamp(k.Released.At) {
		return nil, r.damaged(c.op, "message %d is not event %d as it was released", k.Released.Message, sequence)
	}
	return m, nil
}

// again is a message as it is written again, but for its checkpoint.
func (c *copier) again(m *jetstream.RawStreamMsg, sequence uint64) (*message, error) {
	stored, isEvent := strings.CutPrefix(m.Subject, c.route.names.egress)
	if !isEvent || !strings.HasPrefix(stored, c.route.names.stored) || m.Header.Get(wire.HeaderRepair) != "" {
		return nil, c.route.damaged(c.op, "message %d is not event %d", m.Sequence, sequence)
	}
	out := &message{subject: []byte(m.Subject), header: []byte(wire.BlockPrefix), data: m.Data}
	var fields wire.Fields // as the copy has them
	for _, name := range slices.Sorted(maps.Keys(m.Header)) {
		if serverOwns(name) || name == wire.HeaderCheckpoint {
			continue
		}
		for _, value := range m.Header[name] {
			out.header = append(append(append(append(out.header, name...), ": "...), value...), "\r\n"...)
		}
	}
	out.header = append(append(out.header, c.line...), "\r\n"...)
	is := ledger.EventDigest(sequence, stored, m.Header, m.Data)
	if !fields.Parse(out.header) || new(ledger.Hasher).Digest(sequence, []byte(stored), &fields, out.data) != is {
		return nil, c.route.damaged(c.op, "a copy of message %d, event %d, has another digest", m.Sequence, sequence)
	}
	if !c.route.fits(out) {
		return nil, &Error{Code: CodeTooLarge, Op: c.op, Cause: fmt.Errorf("event %d is as large as a message may be, and a copy has a header more", sequence), Cure: "ask for the others"}
	}
	return out, nil
}

// serverOwns reports whether a header was set by the server, or for it.
func serverOwns(name string) bool {
	return len(name) >= len("Nats-") && strings.EqualFold(name[:len("Nats-")], "Nats-")
}
