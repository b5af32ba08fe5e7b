package route

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// releaseAtOnce bounds the events that are released in one atomic batch; each
// takes two of its messages.
const releaseAtOnce = 100

// byUnknown stands for the operator whose request the end of the process cut:
// what crosses carries no names, so the egress stream cannot tell.
const byUnknown = "unknown (the route was stopped before it recorded who)"

// Result says what became of a request to release events.
type Result struct {
	Released      int      `json:"released"`       // events that crossed now
	Settled       int      `json:"settled"`        // that had been released before, or were never withheld
	StillWithheld []Record `json:"still_withheld"` // that cannot be masked even now, with the reason of this attempt
	Remaining     int      `json:"remaining"`      // that the filter chose and that are beyond its limit
}

// Release masks withheld events again, under the contracts and the policy of
// now, and sends those that can be masked, in origin order, each exactly once
// however often and by how many it is asked for. What still cannot be masked
// stays withheld, and its record says why. It deals with Filter.Limit events at
// a time: ask again while Remaining is above 0, and from behind the last one in
// StillWithheld.
//
// A released event stands in the egress stream behind events of higher origin
// sequences, with header Lockstep-Released, followed by its record for the
// ledger. Both are written in one atomic batch. Of a batch that the end of the
// process has cut, the route completes the last record before it does anything
// else, and stream WITHHELD is brought up to date before the ledger's segment
// is closed; so a route that begins again knows all that was released.
func (r *Route) Release(ctx context.Context, f Filter, by string) (Result, error) {
	fail := func(err error) (Result, error) {
		return Result{}, reply.Failed("release events withheld from "+r.config.To, err, "ask again: what was released already is not released twice")
	}
	if by == "" || strings.ContainsAny(by, "\r\n") {
		return fail(&Error{Code: CodeRequest, Op: "release events withheld from " + r.config.To, Cause: errors.New("nobody is named who asks for it"), Cure: "name the operator"})
	}
	if f.Settled {
		return fail(&Error{Code: CodeRequest, Op: "release events withheld from " + r.config.To, Cause: errors.New("settled events were released before"), Cure: "leave out `settled`"})
	}
	select { // one at a time, so that each is in origin order
	case r.releasing <- struct{}{}:
		defer func() { <-r.releasing }()
	case <-ctx.Done():
		return fail(ctx.Err())
	}
	chosen, err := r.choose(ctx, f)
	if err != nil {
		return fail(err)
	}
	result := Result{StillWithheld: []Record{}}
	asked := &request{at: time.Now().UTC(), by: by}
	r.asked.Store(asked)
	if over := len(chosen) - f.limit(); over > 0 {
		chosen, result.Remaining = chosen[:f.limit()], over
	}
	for len(chosen) > 0 {
		n := min(len(chosen), releaseAtOnce)
		if err := r.releaseSome(ctx, chosen[:n], asked, &result); err != nil {
			return fail(err)
		}
		chosen = chosen[n:]
	}
	return result, nil
}

// releaseSome masks a few events and has the writer send them.
func (r *Route) releaseSome(ctx context.Context, sequences []uint64, asked *request, result *Result) error {
	for {
		s, err := r.prepare(ctx, sequences, asked, result)
		if err != nil || len(s.outcomes) == 0 {
			return err
		}
		select {
		case r.releases <- s:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.ended:
			return &Error{Code: CodeNotRunning, Op: "release events withheld from " + r.config.To, Cause: errors.New("the route has stopped"), Cure: "mend what has stopped it (see `lockstep status`), start it, and ask again"}
		}
		select {
		case err = <-s.done:
		case <-r.ended:
			err = errors.New("the route has stopped")
		}
		result.Released += s.released
		result.Settled += s.settled
		if typed := (*Error)(nil); err == nil || errors.As(err, &typed) {
			return err
		}
		// The route begins again from its checkpoint, and records then what it had
		// written. The rest is tried again.
		if sequences = s.rest(); len(sequences) == 0 {
			return nil
		}
	}
}

// request is who asked for a release, and when; the time identifies it.
type request struct {
	at time.Time
	by string
}

// release is what the writer is asked to send.
type release struct {
	*request
	generation uint64 // in which they were masked
	outcomes   []*outcome
	released   int // how many it sent
	settled    int // how many it found settled
	dealt      int // how many of outcomes it has dealt with
	done       chan error
}

func (s *release) rest() []uint64 {
	var rest []uint64
	for _, out := range s.outcomes[s.dealt:] {
		rest = append(rest, out.sequence)
	}
	return rest
}

// prepare reads events from the origin and masks them.
func (r *Route) prepare(ctx context.Context, sequences []uint64, asked *request, result *Result) (*release, error) {
	generation := r.current.Load().number // before anything is read
	origin, egress, err := r.streams(ctx)
	if err != nil {
		return nil, err
	}
	s := &release{request: asked, generation: generation, done: make(chan error, 1)}
	known := map[uint64]uint64{}
	for _, sequence := range sequences {
		marker, err := r.find(ctx, egress, sequence, known)
		if err != nil {
			return nil, err
		}
		if marker == nil {
			continue // its turn has not come yet: it may cross still
		}
		withheld, err := r.isMarker(marker, sequence, originStream(origin.CachedInfo()))
		if err != nil {
			return nil, err
		}
		if !withheld {
			if err := r.change(ctx, sequence, func(k *Record) bool { k.Crossed = !k.Settled(); return k.Crossed }); err != nil {
				return nil, err
			}
			result.Settled++
			continue
		}
		out, err := r.again(ctx, origin, sequence, generation)
		if err != nil {
			return nil, err
		}
		if out.reason == nil {
			s.outcomes = append(s.outcomes, out)
			continue
		}
		if err := r.stillWithheld(ctx, out, result); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// isMarker reports whether m, which find found for an event, says that the
// event is withheld. If it is the event itself, the route had recorded a reason
// and stopped before it wrote the marker, and the event crossed later.
func (r *Route) isMarker(m *jetstream.RawStreamMsg, sequence uint64, stream string) (bool, error) {
	at, err := sequenceOf(m.Header)
	switch {
	case err != nil || at != sequence:
		err = errors.Join(err, fmt.Errorf("stream %s holds nothing for event %d: message %d is of event %d", r.egress, sequence, m.Sequence, at))
	case m.Header.Get(wire.HeaderOriginStream) != stream:
		err = fmt.Errorf("stream %s was made again since, and the event is gone", r.origin)
	}
	return m.Subject == r.names.marker, err
}

// again masks an event as it stands in the origin's stream.
func (r *Route) again(ctx context.Context, origin jetstream.Stream, sequence, generation uint64) (*outcome, error) {
	m, err := origin.GetMsg(ctx, sequence)
	if err != nil {
		return nil, fmt.Errorf("read event %d of stream %s: %w", sequence, r.origin, err)
	}
	var fields wire.Fields
	fields.Take(m.Header)
	return r.transform(&event{stream: originStream(origin.CachedInfo()), generation: generation, sequence: sequence, at: m.Time, subject: []byte(m.Subject), fields: &fields, data: m.Data}), nil
}

// stillWithheld records the reason of a further attempt.
func (r *Route) stillWithheld(ctx context.Context, out *outcome, result *Result) error {
	latest := *out.reason
	out.release()
	settled := false
	err := r.change(ctx, latest.OriginSequence, func(k *Record) bool {
		if settled = k.Settled(); settled {
			return false
		}
		latest.Attempts = k.Attempts + 1
		*k = latest
		return true
	})
	if settled {
		result.Settled++
	} else if err == nil {
		result.StillWithheld = append(result.StillWithheld, latest)
	}
	return err
}

// release sends events that were withheld. An error is also the end of the
// writer: nobody knows what was stored then.
func (w *writer) release(ctx context.Context, s *release) error {
	r := w.route
	if err := w.sink.settle(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var messages []*message
	var sent []uint64
	stamp, bytes, settled, released, next := stamp(s.at), 0, 0, 0, s.dealt
	for ; next < len(s.outcomes); next++ {
		out := s.outcomes[next]
		// This route is the only one that writes, as long as its position holds, and
		// at its beginning it recorded every release: so the record tells the truth.
		k, err := r.load(ctx, out.sequence)
		if err != nil {
			return err
		}
		switch {
		case k.Released != nil && k.Released.At.Equal(s.at): // by this request, before the route began again
			released++
			continue
		case k.Settled():
			settled++
			continue
		}
		if bytes += out.message.size(); bytes > maxBatchBytes && len(messages) > 0 {
			break
		}
		record, err := w.recordOf(out, stamp)
		if err != nil {
			return err
		}
		messages, sent = append(messages, &out.message, record), append(sent, out.sequence)
	}
	at := w.at.last + 1
	if len(messages) > 0 {
		if err := w.outlet.commit(ctx, w.at, messages); err != nil {
			return err
		}
	}
	// It is brought to its end even when the route is closed.
	kept := context.WithoutCancel(ctx)
	for i, sequence := range sent {
		r.step(stepRecord)
		if err := r.recordRelease(kept, sequence, Release{At: s.at, By: s.by, Policy: r.masking.Load().policy, Message: at + 2*uint64(i)}); err != nil {
			return err
		}
	}
	s.dealt, s.settled, s.released = next, s.settled+settled, s.released+released+len(sent)
	r.update(func(st *Status) { st.Released += uint64(len(sent)) })
	if w.at.segment.Messages() >= watermarkEvery {
		if err := w.mark(ctx); err != nil {
			return err
		}
	}
	if next < len(s.outcomes) {
		return w.release(ctx, s) // what did not fit into the batch
	}
	return nil
}

// recordOf completes a released event, and makes the record that follows it.
func (w *writer) recordOf(out *outcome, stamp string) (*message, error) {
	out.header = out.header[:len(out.header)-len("\r\n")]
	out.setText(wire.HeaderReleased, stamp)
	out.setNumber(wire.HeaderCheckpoint, w.at.checkpoint)
	out.end(out.sequence)
	m, released, err := w.route.releaseRecord(out.sequence, &out.fields, out.digest)
	if err == nil {
		w.at.segment.AddRelease(released)
	}
	return m, err
}

// releaseRecord is the record of a released event, made of nothing but the
// event as it crosses.
func (r *Route) releaseRecord(sequence uint64, event *wire.Fields, digest ledger.Digest) (*message, ledger.Released, error) {
	released := ledger.Released{OriginSequence: sequence, Digest: digest}
	body, err := ledger.Encode(released)
	if err != nil {
		return nil, released, fmt.Errorf("write down the release of event %d: %w", sequence, err)
	}
	header := newTemplate()
	for _, name := range []string{wire.HeaderOrigin, wire.HeaderOriginStream, wire.HeaderOriginSequence, wire.HeaderPolicy, wire.HeaderReleased, wire.HeaderCheckpoint} {
		appendField(&header.block, &header.fields, name, event.Get(name))
	}
	return r.ledgerMessage(wire.KindReleased, header, body), released, nil
}

// completeRelease writes the record of a released event that is the egress
// stream's last message: the end of the process has cut them apart.
func (r *Route) completeRelease(ctx context.Context, o *outlet, p *position, last *jetstream.RawStreamMsg) error {
	if last.Header.Get(wire.HeaderReleased) == "" || last.Header.Get(wire.HeaderRepair) != "" {
		return nil // a copy for a repair has its record where the original stands
	}
	stored, isEvent := strings.CutPrefix(last.Subject, r.names.egress)
	if !isEvent {
		return nil
	}
	sequence, err := sequenceOf(last.Header)
	if err != nil {
		return &haltError{fmt.Errorf("message %d of stream %s is not a route's: %w", last.Sequence, r.egress, err)}
	}
	var event wire.Fields
	event.Take(last.Header)
	m, _, err := r.releaseRecord(sequence, &event, ledger.EventDigest(sequence, stored, last.Header, last.Data))
	if err != nil {
		return err
	}
	return o.commit(ctx, p, []*message{m})
}

// releaseOf is the release that a record in the egress stream tells of. The event
// stands before it.
func (r *Route) releaseOf(record *jetstream.RawStreamMsg) Release {
	h := record.Header
	made := Release{At: parseStamp(h.Get(wire.HeaderReleased)), By: byUnknown, Policy: h.Get(wire.HeaderPolicy), Message: record.Sequence - 1}
	if asked := r.asked.Load(); asked != nil && asked.at.Equal(made.At) {
		made.By = asked.by
	}
	return made
}

// recordRelease keeps at the origin that an event was released.
func (r *Route) recordRelease(ctx context.Context, sequence uint64, made Release) error {
	return r.change(ctx, sequence, func(k *Record) bool {
		if k.Released != nil {
			return false
		}
		k.Released = &made
		return true
	})
}
