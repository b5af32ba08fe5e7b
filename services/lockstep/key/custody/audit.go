package custody

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Phase says how far something that is recorded has come.
type Phase string

// The phases. What is asked for is recorded before it is done, so that nothing is
// done that leaves no trace.
const (
	PhaseAsked  Phase = "asked"
	PhaseDone   Phase = "done"
	PhaseFailed Phase = "failed"
)

// Record is one entry of stream AUDIT. It holds no value and no key.
type Record struct {
	At          time.Time `json:"at"`
	Environment string    `json:"environment"`
	Action      string    `json:"action"` // as key-rotate
	Phase       Phase     `json:"phase"`
	By          string    `json:"by"`
	To          string    `json:"to,omitempty"`
	Domain      string    `json:"domain,omitempty"`
	Class       string    `json:"class,omitempty"`
	Key         string    `json:"key,omitempty"`    // ID that it is about
	Active      string    `json:"active,omitempty"` // ID of the active key afterwards
	KeepUntil   time.Time `json:"keep_until,omitzero"`
	Token       string    `json:"token,omitempty"` // the masked value that was to be revealed
	Type        string    `json:"type,omitempty"`  // of the event that it stands in
	Field       string    `json:"field,omitempty"` // and where
	Code        string    `json:"code,omitempty"`  // of what it failed with
}

// record stores an entry, or says that what was asked for is not done for want
// of one.
func (k *Keeper) record(ctx context.Context, r Record) error {
	r.At, r.Environment = time.Now().UTC(), k.config.Environment
	body, err := json.Marshal(r)
	if err == nil {
		_, err = k.js.Publish(ctx, wire.AuditSubject(k.config.Environment, r.Action), body)
	}
	k.log.Info().Str("action", r.Action).Str("phase", string(r.Phase)).Str("by", r.By).Str("key", r.Key).Str("to", r.To).Str("class", r.Class).Msg("keys")
	if err != nil {
		return &Error{
			Code: CodeAudit, Op: "record who asked for " + r.Action, Why: err.Error(), Cure: "make stream " + wire.AuditStream + " writable (see `lockstep status`), and ask again", cause: err,
		}
	}
	return nil
}

// audited does something between the record that it was asked for and the record
// of how it ended.
func (k *Keeper) audited(ctx context.Context, r Record, do func(*Record) error) error {
	if r.By == "" {
		return &Error{Code: CodeRequest, Op: r.Action, Why: "nobody is named who asks for it", Cure: "name the operator"}
	}
	r.Phase = PhaseAsked
	if err := k.record(ctx, r); err != nil {
		return err
	}
	err := do(&r)
	r.Phase = PhaseDone
	if err != nil {
		r.Phase, r.Code = PhaseFailed, errorOf(r.Action, err).Code
	}
	// It happened, so it is recorded even when who asked has gone.
	kept, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	if failed := k.record(kept, r); failed != nil && err == nil {
		if r.Action == verbReveal { // nobody has seen it yet
			return failed
		}
		k.log.Error().Err(failed).Str("action", r.Action).Msg("it was done, and only the request for it is on record")
	}
	return err
}

// promises gives until when keys are to be kept, by ID, as their rotations said.
func (k *Keeper) promises(ctx context.Context) (map[string]time.Time, error) {
	kept := map[string]time.Time{}
	err := k.done(ctx, verbRotate, func(r Record) {
		if !r.KeepUntil.IsZero() {
			kept[r.Key] = r.KeepUntil
		}
	})
	return kept, err
}

// adopted reports whether somebody has taken on a key knowing that events were
// masked with another.
func (k *Keeper) adopted(ctx context.Context, id string) (found bool, err error) {
	for _, action := range []string{verbAdopt, verbCreate} {
		if err := k.done(ctx, action, func(r Record) { found = found || r.Active == id }); err != nil {
			return false, err
		}
	}
	return found, nil
}

// done gives the records of what was done.
func (k *Keeper) done(ctx context.Context, action string, take func(Record)) error {
	stream, err := k.js.Stream(ctx, wire.AuditStream)
	if err != nil {
		return fmt.Errorf("find stream %s: %w", wire.AuditStream, err)
	}
	subject := wire.AuditSubject(k.config.Environment, action)
	for sequence := uint64(1); ; sequence++ {
		m, err := stream.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(subject))
		if isNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read stream %s: %w", wire.AuditStream, err)
		}
		var r Record
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return fmt.Errorf("record %d of stream %s: %w", m.Sequence, wire.AuditStream, err)
		}
		if r.Phase == PhaseDone {
			take(r)
		}
		sequence = m.Sequence
	}
}
