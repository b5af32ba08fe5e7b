package route

import (
	"errors"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// StartObserved starts a route that tells of each step at which it could be
// interrupted, before it takes it.
func StartObserved(c Config, observe func()) (*Route, error) {
	return start(c, func(step) { observe() })
}

// TransformOnce masks one event and throws the outcome away.
func (r *Route) TransformOnce(sequence uint64, at time.Time, subject, header, data []byte) (ledger.Digest, error) {
	var fields wire.Fields
	fields.Parse(header)
	out := r.transform(&event{stream: "ORDERS@1", sequence: sequence, at: at, subject: subject, fields: &fields, data: data})
	defer out.release()
	if out.reason != nil {
		return ledger.Digest{}, errors.New(out.reason.Why)
	}
	return out.digest, nil
}

// Break has the route stumble over events of a type: what it knows of them is
// not usable.
func (r *Route) Break(eventType string) {
	r.kinds.put(kindKey{eventType, wire.DataSchema(eventType, 1), "1"}, &kind{schema: eventType, version: 1, eventType: eventType, egress: "x"})
}

// Exhaust leaves the destination nothing of what it may have written again, for as
// long as a test takes.
func (r *Route) Exhaust() {
	r.budget.mu.Lock()
	defer r.budget.mu.Unlock()
	r.budget.left, r.budget.at = -repairBudget, time.Now()
}

// Budget is what a route has for repairs at a time; it reports whether so many bytes
// are there, and when they will be.
func Budget(now time.Time) func(bytes int, now time.Time) (time.Duration, bool) {
	b := newBudget(now)
	return b.take
}
