package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// settle compares with every watermark whose events have all arrived, and with those
// that were stored before overdue, whatever has.
func (v *Verifier) settle(overdue time.Time) {
	for len(v.marks) > 0 {
		w := v.marks[0]
		if w.leaves != nil {
			v.apply(w.leaves)
			v.judge()
			v.marks = v.marks[1:]
			continue
		}
		switch {
		case len(v.ahead) > 0 && v.ahead[len(v.ahead)-1].sequence > w.To:
			// Later events are here: what is not here by now does not come.
		case w.stored.Before(overdue):
		case countTo(v.ahead, w.To)-countTo(v.ahead, w.From-1) < w.Sent, !v.allHere(w.releases):
			return
		}
		v.compare(w)
		v.marks = v.marks[1:]
	}
}

// waiting is how many watermarks wait for their events, of those up to a sequence of
// the ledger's stream.
func (v *Verifier) waiting(to uint64) int {
	n := 0
	for _, w := range v.marks {
		if w.leaves == nil && w.at <= to {
			n++
		}
	}
	return n
}

// watch judges segments whose events are missing at the end of the stream, where no
// later one shows that they do not come.
func (v *Verifier) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		overdue := time.Now().Add(-overdueAfter)
		v.mu.Lock()
		late := len(v.marks) > 0 && v.marks[0].leaves == nil && v.marks[0].stored.Before(overdue)
		v.mu.Unlock()
		if !late {
			continue
		}
		if here, err := v.allDelivered(ctx); err != nil && ctx.Err() == nil {
			v.log.Warn().Err(err).Msg("it cannot be told whether events are on their way")
		} else if here {
			v.mu.Lock()
			v.settle(overdue)
			v.announce()
			v.mu.Unlock()
		}
	}
}

// allDelivered reports whether the line to the origin stands, nothing is on its way
// over it, and all that has come is taken in.
func (v *Verifier) allDelivered(ctx context.Context) (bool, error) {
	name := wire.DomainStream(v.domain)
	stream, err := v.js.Stream(ctx, name)
	if err != nil {
		return false, fmt.Errorf("find stream %s: %w", name, err)
	}
	quiet := false
	for _, source := range stream.CachedInfo().Sources {
		if source.External != nil && source.External.APIPrefix == wire.SourcePrefix(v.origin) {
			quiet = source.Lag == 0 && source.Active >= 0 && source.Active < activeWithin
		}
	}
	if !quiet {
		return false, nil
	}
	ends, err := v.ends(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	return err == nil && v.read[ofEvents] >= ends[ofEvents], err
}

// ends are the last sequences of what is verified, of the domain's stream and the
// ledger's.
func (v *Verifier) ends(ctx context.Context) ([2]uint64, error) {
	var ends [2]uint64
	for which, of := range [2][2]string{
		ofEvents:  {wire.DomainStream(v.domain), wire.StoredSubject(v.origin, v.domain+".>")},
		ofRecords: {wire.LedgerStream, wire.LedgerSubject(v.origin, v.domain, "*")},
	} {
		stream, err := v.js.Stream(ctx, of[0])
		if err != nil {
			return ends, fmt.Errorf("find stream %s: %w", of[0], err)
		}
		m, err := stream.GetLastMsgForSubject(ctx, of[1])
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			return ends, fmt.Errorf("read the end of stream %s: %w", of[0], err)
		default:
			ends[which] = m.Sequence
		}
	}
	return ends, nil
}
