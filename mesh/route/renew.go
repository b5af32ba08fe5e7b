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
	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// A route masks its history anew by writing a record into the egress stream that
// begins a generation (ledger.Renewal), whose checkpoint is 0: so it goes on with the
// first event of the origin, as it would after any other record. All that stands
// before the record is taken out of the egress stream when the route begins again,
// before it does anything else, so that nothing of an earlier generation can be found,
// asked for, or sent. A destination takes out what it has when the record reaches it.

// generation is one masking of the history.
type generation struct {
	number uint64 // from 1 on
	begins uint64 // sequence in the egress stream of its first message
}

// shown is a generation's number where the first is not shown.
func shown(number uint64) uint64 {
	if number > 1 {
		return number
	}
	return 0
}

// noCheckpoint is the checkpoint of a record that begins a generation.
const noCheckpoint = "0"

// errRenewed says that what was read or masked is of a generation that is over.
var errRenewed = errors.New("the route's history is masked anew")

func renewedMeanwhile(op string) error {
	return &Error{Code: CodeUnavailable, Op: op, Cause: errRenewed, Cure: "ask again: what was asked for is of the time before"}
}

// Renewal says that a history is masked anew.
type Renewal struct {
	Generation uint64 `json:"generation"`       // that begins
	Events     uint64 `json:"events"`           // of the origin that the generation before had come to
	Key        string `json:"key,omitempty"`    // id of the root key of now
	Policy     string `json:"policy,omitempty"` // under which it is masked
}

// renewal is what the writer is asked to begin.
type renewal struct {
	at   time.Time
	made Renewal
	done chan error
}

// Renew has the route mask its whole history anew, under the policy and the key of
// now: the destination gets every event again, and loses those that it has. It
// returns once that has begun. With dry it only says what would be done. It is refused
// while nothing can be masked, and where it could not be finished. The error is a
// *Error.
func (r *Route) Renew(ctx context.Context, by string, dry bool) (Renewal, error) {
	op := fmt.Sprintf("mask the history of %s for %s anew", r.config.Domain, r.config.To)
	if why := unfitName(by); why != "" {
		return Renewal{}, &Error{Code: CodeRequest, Op: op, Cause: errors.New(why), Cure: "name the operator or the program that asks"}
	}
	if err := r.renewable(ctx, op); err != nil {
		return Renewal{}, err
	}
	if dry {
		return r.renewal(r.current.Load().number, r.Status().Checkpoint), nil
	}
	s := &renewal{at: time.Now().UTC(), done: make(chan error, 1)}
	err := r.onRecord(ctx, auditRecord{Action: actionRenew, By: by}, func(entry *auditRecord) error {
		err := handed(ctx, r, "begin a generation", r.renewals, s, s.done)
		entry.Last = s.made.Events
		return reply.Failed(op, err, "see in `lockstep status` whether the generation has changed, and ask again if it has not")
	})
	return s.made, err
}

// renewable refuses what would empty the destination, or could not be finished.
func (r *Route) renewable(ctx context.Context, op string) error {
	if m := r.masking.Load(); m.masker == nil {
		_, why := m.broken()
		return &Error{Code: CodePolicy, Op: op, Cause: errors.New("every event would be withheld: " + why), Cure: "mend the policy or the key first"}
	}
	origin, egress, err := r.streams(ctx)
	if err != nil {
		return &Error{Code: CodeUnavailable, Op: op, Cause: err, Cure: "ask again"}
	}
	if egress.CachedInfo().Config.DenyPurge {
		return &Error{
			Code: CodeAppendOnly, Op: op, Cause: fmt.Errorf("stream %s was made with deny_purge, which JetStream does not take back", r.egress),
			Cure: "set the destination up under another name, with a route under the same policy",
		}
	}
	if first := origin.CachedInfo().State.FirstSeq; first > 1 {
		return &Error{
			Code: CodeIncomplete, Op: op, Cause: fmt.Errorf("stream %s begins with event %d, and %s would lose what it has of earlier ones", r.origin, first, r.config.To),
			Cure: "restore the origin's store from a backup first",
		}
	}
	return nil
}

// renewal is what follows a generation that has come to a checkpoint.
func (r *Route) renewal(number, checkpoint uint64) Renewal {
	m := r.masking.Load()
	return Renewal{Generation: number + 1, Events: checkpoint, Key: m.key, Policy: m.policy}
}

// renew writes the record that begins a generation.
func (w *writer) renew(ctx context.Context, s *renewal) error {
	r := w.route
	s.made = r.renewal(w.at.number, w.at.checkpoint)
	if err := w.close(ctx); err != nil {
		return err
	}
	body, err := ledger.Encode(ledger.Renewal{Generation: s.made.Generation, At: s.at, To: w.at.checkpoint, Chain: w.at.segment.Before()})
	if err != nil {
		return fmt.Errorf("write down a renewal: %w", err)
	}
	header := newTemplate(
		wire.HeaderOrigin, r.config.From, wire.HeaderOriginStream, w.at.stream,
		wire.HeaderGeneration, strconv.FormatUint(s.made.Generation, 10), wire.HeaderCheckpoint, noCheckpoint,
	)
	if err := w.outlet.commit(ctx, w.at, []*message{r.ledgerMessage(wire.KindRenewal, header, body)}); err != nil {
		return err
	}
	r.log.Info().Uint64("generation", s.made.Generation).Uint64("to", s.made.Events).Msg("the history is masked anew")
	return nil
}

// openGeneration reads which generation the egress stream holds, and takes out what
// is left of earlier ones.
func (r *Route) openGeneration(ctx context.Context, egress jetstream.Stream) (generation, error) {
	record, err := egress.GetLastMsgForSubject(ctx, r.names.renewal)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return generation{number: 1, begins: 1}, nil
	}
	if err != nil {
		return generation{}, fmt.Errorf("read the last renewal of stream %s: %w", r.egress, err)
	}
	var renewed ledger.Renewal
	if err := json.Unmarshal(record.Data, &renewed); err != nil || renewed.Generation < 2 {
		return generation{}, &haltError{fmt.Errorf("renewal %d of stream %s names generation %d: %w", record.Sequence, r.egress, renewed.Generation, errors.Join(err))}
	}
	if egress.CachedInfo().State.FirstSeq < record.Sequence {
		if err := r.supersede(ctx, renewed.Generation); err != nil {
			return generation{}, err
		}
		r.step(stepPurge)
		if err := egress.Purge(ctx, jetstream.WithPurgeSequence(record.Sequence)); err != nil {
			return generation{}, fmt.Errorf("take out of stream %s what is of earlier generations: %w", r.egress, err)
		}
	}
	return generation{number: renewed.Generation, begins: record.Sequence + 1}, nil
}

// supersede settles the records of what was withheld in earlier generations: of each
// event it is decided anew.
func (r *Route) supersede(ctx context.Context, number uint64) error {
	waiting, err := r.choose(ctx, Filter{})
	if err != nil {
		return err
	}
	for _, sequence := range waiting {
		if err := r.change(ctx, sequence, func(k *Record) bool {
			k.Renewed = k.Renewed || (!k.Settled() && k.Generation < number)
			return k.Renewed
		}); err != nil {
			return err
		}
	}
	return nil
}
