package route

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
)

// StartObserved starts a route that tells of each step at which it could be
// interrupted, before it takes it.
func StartObserved(c Config, observe func()) (*Route, error) {
	return start(c, func(step) { observe() })
}

// TransformOnce masks one event and throws the outcome away.
func (r *Route) TransformOnce(sequence uint64, at time.Time, subject string, header nats.Header, data []byte) (ledger.Digest, error) {
	out := r.transform(&event{stream: "ORDERS@1", sequence: sequence, at: at, subject: subject, header: header, data: data})
	defer out.release()
	if out.reason != nil {
		return ledger.Digest{}, errors.New(out.reason.Why)
	}
	s := ledger.NewSegment("ORDERS@1", sequence, ledger.Digest{})
	s.Add(out.sequence, out.stored, out.message.Header, out.message.Data)
	return s.Watermark().Digest, nil
}

// Break has the route stumble over events of a type: what it knows of them is
// not usable.
func (r *Route) Break(eventType string) {
	r.kinds.put(kindKey{eventType, eventType, "1"}, &kind{schema: eventType, version: 1, eventType: eventType, egress: "x"})
}
