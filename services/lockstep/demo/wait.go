package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

const (
	pollEvery = 200 * time.Millisecond
	// Without any progress for so long, what is missing does not come any more.
	stalledAfter = 30 * time.Second
	// The same, where something is known to be wrong already.
	brokenAfter = 3 * time.Second
)

// wait waits until every environment is verified up to the last event of each
// of its routes, or nothing moves any more. What it knows then is in r.
func (d *demo) wait(ctx context.Context, r *report) error {
	for _, c := range d.routes {
		js, err := d.all.Get(c.from).JetStream()
		if err != nil {
			return err
		}
		stream, err := js.Stream(ctx, wire.DomainStream(c.domain))
		if err != nil {
			return fmt.Errorf("look at the events of %s in %s: %w", c.domain, c.from, err)
		}
		r.way(c).last = stream.CachedInfo().State.LastSeq
	}
	before, _ := d.look(r)
	d.progress.phase("verifying", r.verifying)
	moved := time.Now()
	for {
		now, broken := d.look(r)
		if now != before {
			before, moved = now, time.Now()
		}
		limit := stalledAfter
		if broken {
			limit = brokenAfter
		}
		if r.verified() || time.Since(moved) > limit {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// look takes the environments' own view of each way into r. It returns a
// number that grows with any progress, and whether something is wrong that
// waiting does not mend.
func (d *demo) look(r *report) (moved uint64, broken bool) {
	reports := map[carried]ledger.Report{}
	routes := map[carried]route.Status{}
	for _, e := range d.all.Environments() {
		status := e.Status()
		for _, l := range status.Ledger {
			reports[carried{l.Origin, e.Name(), l.Domain}] = l
		}
		for _, s := range status.Routes {
			routes[carried{s.From, s.To, s.Domain}] = s
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range d.routes {
		w := r.ways[c]
		w.ledger, w.route = reports[c], routes[c]
		moved += w.ledger.VerifiedTo + w.ledger.Delivered + w.ledger.Withheld + w.route.Checkpoint
		broken = broken || !w.ledger.Healthy() || w.route.State == route.StateStopped
	}
	return moved, broken
}

// verifying is the progress of the verification.
func (r *report) verifying() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var parts []string
	for _, name := range r.names {
		var verified, last uint64
		for c, w := range r.ways {
			if c.to == name {
				verified, last = verified+w.ledger.VerifiedTo, last+w.last
			}
		}
		parts = append(parts, fmt.Sprintf("%s %d of %d", name, verified, last))
	}
	return strings.Join(parts, ", ")
}

// verified reports whether every way is verified to its end.
func (r *report) verified() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.ways {
		if !w.verified() {
			return false
		}
	}
	return true
}
