package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// An origin may mask its history anew. The record that says so (Renewal) arrives in
// the ledger's stream and the events in the domain's, which come each in their own
// order: so an event names its generation, and one that is ahead of the record is
// waited with. What is of earlier generations is taken out of the domain's stream
// for good. The ledger's stream keeps their records, of which only those behind the
// latest Renewal are read.

const (
	// renewalOverdue is how long an event waits for the record that begins its
	// generation before that is called a problem.
	renewalOverdue = 30 * time.Second

	clearRetry = 5 * time.Second
)

// former is what the domain's stream has of earlier generations.
type former struct {
	to    uint64 // sequence of the last message; 0: there is nothing
	count uint64
}

// earlyError says that an event is of a generation that has not begun here.
type earlyError struct{ generation uint64 }

func (e *earlyError) Error() string {
	return fmt.Sprintf("it is of generation %d, and the record that begins it is not here", e.generation)
}

// begin begins a generation, of which nothing is here. Of what was stored at the
// origin before, it says nothing how long it takes to arrive.
func (v *Verifier) begin(number uint64, at time.Time) {
	strays := v.report.Strays // they stay: they are of no generation
	v.former = former{max(v.former.to, v.latest), v.former.count + v.present}
	v.renewal = at
	v.generation, v.begins, v.latest, v.present = number, 0, 0, 0
	v.report = Report{Origin: v.origin, Domain: v.domain, Strays: strays, Superseded: v.former.count}
	if number > 1 {
		v.report.Generation = number
	}
	v.ahead, v.next, v.marks, v.open = nil, nil, nil, nil
	v.last, v.settled, v.chain, v.tail, v.lag = 0, 0, Digest{}, nil, 0
	v.withheld, v.crossed = ranges{}, ranges{}
	v.early, v.again, v.freed = map[uint64]held{}, map[uint64]held{}, map[uint64]held{}
	v.disputes, v.beyond, v.spared = nil, 0, 0
	for at, s := range v.surplus {
		if s.Kind != SurplusStray {
			delete(v.surplus, at)
		}
	}
}

// renewed takes in the record that begins a generation.
func (v *Verifier) renewed(r Renewal) error {
	switch {
	case r.Generation < max(2, v.generation):
		return fmt.Errorf("it begins generation %d in generation %d", r.Generation, v.generation)
	case r.Generation > v.generation:
		v.log.Info().Uint64("generation", r.Generation).Msg("the origin masks its history anew")
		v.begin(r.Generation, r.At)
	}
	return nil
}

// isCurrent reports whether an event is of the generation that is verified.
func (v *Verifier) isCurrent(generation, sequence, at uint64) (bool, error) {
	switch {
	case generation > v.generation:
		return false, &earlyError{generation}
	case generation == v.generation:
		if v.latest = at; v.begins == 0 {
			v.begins = at
		}
		v.present++
		return true, nil
	case v.begins != 0: // it cannot be told from what counts by its place
		v.present++
		v.spare(sequence, at, SurplusSuperseded)
	default:
		v.former.to = at
		v.former.count++
		v.report.Superseded++
	}
	return false, nil
}

// behind is the sequence behind which a stream is to be read: of the ledger's, records
// of generations that are over are passed over.
func (v *Verifier) behind(ctx context.Context, which int, stream jetstream.Stream) (uint64, error) {
	if which == ofRecords {
		m, err := stream.GetLastMsgForSubject(ctx, wire.LedgerSubject(v.origin, v.domain, wire.KindRenewal))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			return 0, fmt.Errorf("read the last renewal: %w", err)
		default:
			v.mu.Lock()
			v.read[which] = max(v.read[which], m.Sequence-1)
			v.mu.Unlock()
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.read[which], nil
}

// awaitGeneration waits for the record that begins an event's generation. The verifier
// is locked when it is called and when it returns, and not between.
func (v *Verifier) awaitGeneration(ctx context.Context, early *earlyError, stream string, at uint64) error {
	overdue := time.NewTimer(renewalOverdue)
	defer overdue.Stop()
	v.settle(time.Time{})
	v.announce()
	for v.generation < early.generation {
		changed := v.changed
		v.mu.Unlock()
		late := false
		select {
		case <-changed:
		case <-overdue.C:
			late = true
		case <-ctx.Done():
			v.mu.Lock()
			return ctx.Err()
		}
		v.mu.Lock()
		if late && v.generation < early.generation {
			v.failed(fmt.Errorf("stream %s, sequence %d: %w; see that the leaf line stands", stream, at, early))
			v.announce()
		}
	}
	return nil
}

// clear takes out of the domain's stream what is of earlier generations, whenever
// something is.
func (v *Verifier) clear(ctx context.Context) {
	for {
		var old former
		if v.await(ctx, func() bool { old = v.former; return old.to > 0 }) != nil {
			return
		}
		err := v.purge(ctx, old.to)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			v.cleared(old)
			continue
		case errors.Is(err, errAppendOnly):
			v.mu.Lock()
			v.failed(err)
			v.mu.Unlock()
		default:
			v.log.Warn().Err(err).Msg("what is of earlier generations is still here; it is tried again")
		}
		select {
		case <-time.After(clearRetry):
		case <-ctx.Done():
			return
		}
	}
}

func (v *Verifier) cleared(old former) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.former.count -= old.count; v.former.to == old.to {
		v.former.to = 0
	}
	v.report.Superseded -= old.count
	for at, s := range v.surplus {
		if at <= old.to {
			*v.surplusOf(s.Kind)--
			delete(v.surplus, at)
		}
	}
	v.log.Info().Uint64("to", old.to).Msg("what is of earlier generations is taken out")
	v.announce()
}

var errAppendOnly = errors.New("it was made with deny_purge, which JetStream does not take back: " +
	"remove the stream and restart the environment: it is made again, and all its events come again")

// purge takes the origin's events up to a sequence out of the domain's stream.
func (v *Verifier) purge(ctx context.Context, to uint64) error {
	name := wire.DomainStream(v.domain)
	ctx, cancel := context.WithTimeout(ctx, comeTimeout)
	defer cancel()
	stream, err := v.js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("find stream %s: %w", name, err)
	}
	if stream.CachedInfo().Config.DenyPurge {
		return fmt.Errorf("stream %s holds events of earlier generations: %w", name, errAppendOnly)
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSubject(wire.StoredSubject(v.origin, v.domain+".>")), jetstream.WithPurgeSequence(to+1)); err != nil {
		return fmt.Errorf("take events of earlier generations out of stream %s: %w", name, err)
	}
	return nil
}
