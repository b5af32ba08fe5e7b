package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Of chooses among what an environment verifies. The zero Of chooses all.
type Of struct {
	Origin string `json:"origin,omitempty"` // environment; empty: any
	Domain string `json:"domain,omitempty"` // empty: any
}

// MaxListed bounds what is listed of one domain of one origin.
const MaxListed = 1000

// StatusRequest asks what is verified and what differs.
type StatusRequest struct{ Of }

// StatusAnswer answers it.
type StatusAnswer struct {
	Problem *Problem   `json:"problem,omitempty"` // then there is nothing else
	Domains []Findings `json:"domains,omitempty"`
}

// Findings are what is known of one domain's events from one origin.
type Findings struct {
	Report
	Segments []Disputed `json:"segments"` // that differ, the first ones
	Surplus  []Surplus  `json:"surplus"`  // messages that stand for no event, the first ones
	Audit    *Pass      `json:"audit,omitempty"`
}

// Disputed is a segment that differs.
type Disputed struct {
	From        uint64       `json:"from"`  // first origin sequence
	To          uint64       `json:"to"`    // last one
	Known       bool         `json:"known"` // the origin has said what it is made of, so that Differences are all
	Differences []Difference `json:"differences,omitempty"`
}

// Pass is one rescan of all that is stored.
type Pass struct {
	By       string    `json:"by"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`     // zero: it goes on
	Read     uint64    `json:"read"`               // sequence in the domain's stream that it has come to
	Of       uint64    `json:"of"`                 // up to which it goes
	Unjudged int       `json:"unjudged,omitempty"` // segments at the end that nobody can judge, because the line to the origin does not stand
}

// AuditRequest asks that all that is stored be verified again. What an audit finds
// takes the place of what was known before; it goes on when nobody waits for it.
type AuditRequest struct {
	Of
	By string `json:"by"`
}

// AuditAnswer answers it.
type AuditAnswer struct {
	Problem *Problem   `json:"problem,omitempty"`
	Domains []Findings `json:"domains,omitempty"`
}

// RepairRequest asks that what differs be repaired, some segments at a time: ask
// again while Remaining is above 0.
type RepairRequest struct {
	Of
	By  string `json:"by"`
	Dry bool   `json:"dry,omitempty"` // only find out what differs
}

// RepairAnswer answers it. With a Problem, the parts are what was done before it.
type RepairAnswer struct {
	Problem *Problem `json:"problem,omitempty"`
	Domains []Repair `json:"domains,omitempty"`
}

// Repair is what was done to one domain's events from one origin.
type Repair struct {
	Origin    string       `json:"origin"`
	Domain    string       `json:"domain"`
	ID        uint64       `json:"id,omitempty"` // by which it can be undone; 0: nothing was to be done
	Found     []Difference `json:"found"`        // what differed
	Surplus   []Surplus    `json:"surplus"`      // and what stood for no event
	Resent    int          `json:"resent"`       // events that came again
	Removed   int          `json:"removed"`      // messages that were taken out, and are kept in stream REMOVED
	Remaining int          `json:"remaining"`    // segments and messages that are to be repaired still
	Beyond    uint64       `json:"beyond"`       // that differ and were not held: an audit finds them
}

// UndoRequest asks that a repair be undone: what it took out is put back, and what
// came in its place is taken out.
type UndoRequest struct {
	ID uint64 `json:"id"`
	By string `json:"by"`
}

// UndoAnswer answers it.
type UndoAnswer struct {
	Problem  *Problem `json:"problem,omitempty"`
	Origin   string   `json:"origin,omitempty"`
	Domain   string   `json:"domain,omitempty"`
	Restored int      `json:"restored"`
	Removed  int      `json:"removed"`
}

// AskStatus asks a running environment what it has verified. nc is a connection
// into the streams' account. The error is a *Error.
func AskStatus(ctx context.Context, nc *nats.Conn, environment string, q StatusRequest) (StatusAnswer, error) {
	var a StatusAnswer
	err := ask(ctx, nc, wire.AdminSubject(environment, wire.VerbLedger), q, &a)
	return a, errors.Join(err, a.Problem.Err("say what "+environment+" has verified"))
}

// AskAudit asks a running environment to verify again all that is stored.
func AskAudit(ctx context.Context, nc *nats.Conn, environment string, q AuditRequest) (AuditAnswer, error) {
	var a AuditAnswer
	err := ask(ctx, nc, wire.AdminSubject(environment, wire.VerbAudit), q, &a)
	return a, errors.Join(err, a.Problem.Err("audit "+environment))
}

// AskRepair asks a running environment to repair what differs. The answer counts
// even beside an error: it tells what was done before.
func AskRepair(ctx context.Context, nc *nats.Conn, environment string, q RepairRequest) (RepairAnswer, error) {
	var a RepairAnswer
	err := ask(ctx, nc, wire.AdminSubject(environment, wire.VerbRepair), q, &a)
	return a, errors.Join(err, a.Problem.Err("repair "+environment))
}

// AskUndo asks a running environment to undo a repair.
func AskUndo(ctx context.Context, nc *nats.Conn, environment string, q UndoRequest) (UndoAnswer, error) {
	var a UndoAnswer
	err := ask(ctx, nc, wire.AdminSubject(environment, wire.VerbUndo), q, &a)
	return a, errors.Join(err, a.Problem.Err("undo a repair of "+environment))
}

func ask(ctx context.Context, nc *nats.Conn, subject string, question, answer any) error {
	if err := reply.Ask(ctx, nc, subject, question, answer); err != nil {
		return &Error{Code: CodeUnavailable, Op: "ask the environment", Cause: err, Cure: "see whether it runs; what it was asked to do may have been done, and is not done twice"}
	}
	return nil
}
