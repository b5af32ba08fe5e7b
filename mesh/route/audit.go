package route

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// What destinations ask for, as stream AUDIT names it.
const (
	actionLeaves = "ledger-leaves"
	actionResend = "ledger-resend"
	actionRenew  = "route-renew" // it is an operator's, here
)

// How far it has come.
const (
	phaseAsked  = "asked"
	phaseDone   = "done"
	phaseFailed = "failed"
)

// auditRecord is one entry of stream AUDIT about what a destination has asked for.
// Its fields are named as in the stream's other entries.
type auditRecord struct {
	At          time.Time `json:"at"`
	Environment string    `json:"environment"`
	Action      string    `json:"action"`
	Phase       string    `json:"phase"`
	By          string    `json:"by"` // who asks, as the destination says
	To          string    `json:"to"` // the destination
	Domain      string    `json:"domain"`
	First       uint64    `json:"first,omitempty"`  // lowest origin sequence that was asked for
	Last        uint64    `json:"last,omitempty"`   // highest one
	Events      int       `json:"events,omitempty"` // how many were asked for, or written; of leaves: segments
	Code        string    `json:"code,omitempty"`   // of what it failed with
}

// audit stores an entry, or says that what was asked for is not done for want of
// one.
func (r *Route) audit(ctx context.Context, entry auditRecord) error {
	entry.At, entry.Environment, entry.To, entry.Domain = time.Now().UTC(), r.config.From, r.config.To, r.config.Domain
	body, err := json.Marshal(entry)
	if err == nil {
		_, err = r.js.Publish(ctx, wire.AuditSubject(r.config.From, entry.Action), body)
	}
	r.log.Info().Str("action", entry.Action).Str("phase", entry.Phase).Str("by", entry.By).
		Uint64("first", entry.First).Uint64("last", entry.Last).Int("events", entry.Events).Msg("on record")
	if err != nil {
		return &Error{
			Code: CodeAudit, Op: "record who asked for " + entry.Action, Cause: err,
			Cure: "make stream " + wire.AuditStream + " of the origin writable (see `lockstep status` there), and ask again",
		}
	}
	return nil
}

// onRecord does something on record: nothing is done that leaves no trace. do says in
// the entry what was done.
func (r *Route) onRecord(ctx context.Context, entry auditRecord, do func(*auditRecord) error) error {
	entry.Phase = phaseAsked
	if err := r.audit(ctx, entry); err != nil {
		return err
	}
	entry.Phase = phaseDone
	err := do(&entry)
	if err != nil {
		entry.Phase, entry.Code = phaseFailed, reply.ProblemOf(err).Code
	}
	// It happened, so it is recorded even when who asked has gone.
	kept, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if failed := r.audit(kept, entry); failed != nil {
		r.log.Error().Err(failed).Str("action", entry.Action).Msg("it was done, and only the request for it is on record")
	}
	return err
}
