package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
)

// connect is a connection to a server of its own.
func connect(t *testing.T) *nats.Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	nc, err := nats.Connect(s.ClientURL(), nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// destinationSide answers as a destination does of which some segments differ, and
// more than it holds.
type destinationSide struct {
	t            *testing.T
	held, beyond int
	atOnce       int // segments that one request repairs
	holds        int // segments that are held after an audit
	polls        int // that an audit takes

	repairs, audits int
	running         int // polls until the audit ends
	pass            *ledger.Pass

	repair func(*ledger.RepairAnswer) // changes an answer; may be nil
	status func(*ledger.StatusAnswer) // likewise
	audit  func(*ledger.AuditAnswer)  // likewise
}

// serve starts it, and gives what a command needs to ask it.
func (d *destinationSide) serve() desk {
	nc := connect(d.t)
	for verb, answer := range map[string]func([]byte) any{
		wire.VerbLedger: d.onStatus, wire.VerbAudit: d.onAudit, wire.VerbRepair: d.onRepair,
	} {
		_, err := nc.Subscribe(wire.AdminSubject("staging", verb), func(m *nats.Msg) {
			body, err := json.Marshal(answer(m.Data))
			if err == nil {
				err = m.Respond(body)
			}
			if err != nil && d.t.Context().Err() == nil { // at its end a test waits for no answer
				d.t.Error(err)
			}
		})
		if err != nil {
			d.t.Fatal(err)
		}
	}
	return desk{at: &operator.Environment{Name: "staging", Conn: nc}, every: time.Millisecond}
}

func (d *destinationSide) findings() []ledger.Findings {
	return []ledger.Findings{{Report: ledger.Report{Origin: "production", Domain: "orders", Mismatches: uint64(d.held + d.beyond)}, Audit: d.pass}}
}

func (d *destinationSide) onStatus([]byte) any {
	if d.running > 0 {
		d.running--
		if d.running == 0 {
			d.pass.Ended = at.Add(time.Minute)
			all := d.held + d.beyond
			d.held = min(all, d.holds)
			d.beyond = all - d.held
		}
	}
	a := ledger.StatusAnswer{Domains: d.findings()}
	if d.status != nil {
		d.status(&a)
	}
	return a
}

func (d *destinationSide) onAudit(body []byte) any {
	var q ledger.AuditRequest
	if err := json.Unmarshal(body, &q); err != nil || q.By != "ann" {
		d.t.Errorf("%s: %v", body, err)
	}
	d.audits++
	d.running = d.polls
	d.pass = &ledger.Pass{By: q.By, Started: at.Add(time.Duration(d.audits) * time.Hour), Of: 100}
	a := ledger.AuditAnswer{Domains: d.findings()}
	if d.audit != nil {
		d.audit(&a)
	}
	return a
}

func (d *destinationSide) onRepair(body []byte) any {
	var q ledger.RepairRequest
	if err := json.Unmarshal(body, &q); err != nil || q.By != "ann" {
		d.t.Errorf("%s: %v", body, err)
	}
	d.repairs++
	part := ledger.Repair{Origin: "production", Domain: "orders"}
	n := min(d.held, d.atOnce)
	for i := range n {
		part.Found = append(part.Found, ledger.Difference{OriginSequence: uint64(d.held + d.beyond - i), Kind: ledger.DifferenceMissing})
	}
	if !q.Dry && n > 0 {
		d.held -= n
		part.ID, part.Resent = uint64(d.repairs), n
	}
	part.Remaining, part.Beyond = d.held, uint64(d.beyond)
	a := ledger.RepairAnswer{Domains: []ledger.Repair{part}}
	if d.repair != nil {
		d.repair(&a)
	}
	return a
}

func quiet() *progress { return &progress{w: &bytes.Buffer{}} }

func (d *destinationSide) command(dry bool) *repairing {
	return &repairing{desk: d.serve(), by: "ann", talk: quiet(), done: newRepaired("staging", "ann", dry)}
}

// Guards against a repair that ends before all is repaired, that goes on for ever
// where nothing gets better, or that does not say what it did before it failed.
func TestRepairGoesOn(t *testing.T) {
	problem := &ledger.Problem{Code: ledger.CodeBudget, Why: "enough for this hour", Cure: "ask again later"}
	for name, c := range map[string]struct {
		destinationSide
		dry             bool
		exit            int // of the run, or else of the verdict
		code            string
		repairs, audits int
		resent          int
		differed        int
	}{
		"nothing":        {destinationSide{}, false, 0, "", 1, 0, 0, 0},
		"at once":        {destinationSide{held: 5, atOnce: 16}, false, 0, "", 1, 0, 5, 5},
		"some rounds":    {destinationSide{held: 40, atOnce: 16}, false, 0, "", 3, 0, 40, 40},
		"audits":         {destinationSide{held: 20, beyond: 50, holds: 30, atOnce: 16, polls: 3}, false, 0, "", 6, 2, 70, 70},
		"dry":            {destinationSide{held: 5, atOnce: 16}, true, cli.ExitFindings, cli.CodeFindings, 1, 0, 0, 5},
		"dry and beyond": {destinationSide{held: 5, beyond: 7, atOnce: 16}, true, cli.ExitFindings, cli.CodeFindings, 1, 0, 0, 5},
		"dry, nothing":   {destinationSide{}, true, 0, "", 1, 0, 0, 0},
		"no progress":    {destinationSide{held: 5}, false, 1, ledger.CodeUnavailable, 2, 0, 0, 0},
		"no end": {destinationSide{held: 5, repair: func(a *ledger.RepairAnswer) {
			a.Domains[0].Resent = 1 // and it differs as before
		}}, false, 1, ledger.CodeUnavailable, 1 + maxStalled, 0, 1 + maxStalled, 0},
		"audits that find nothing": {destinationSide{beyond: 5, polls: 1}, false, 1, ledger.CodeUnavailable, 2, 1, 0, 0},
		"a problem": {destinationSide{held: 5, atOnce: 3, repair: func(a *ledger.RepairAnswer) {
			if a.Domains[0].Remaining == 0 {
				a.Problem, a.Domains[0].Remaining = problem, 1
			}
		}}, false, 1, ledger.CodeBudget, 2, 0, 5, 5},
		"a restart in an audit": {destinationSide{beyond: 5, polls: 2, status: func(a *ledger.StatusAnswer) { a.Domains[0].Audit = nil }}, false, 1, ledger.CodeUnavailable, 1, 1, 0, 0},
		"somebody else audits": {destinationSide{beyond: 5, audit: func(a *ledger.AuditAnswer) {
			a.Domains, a.Problem = nil, &ledger.Problem{Code: ledger.CodeBusy, Why: "bob audits", Cure: "wait"}
		}}, false, 1, ledger.CodeBusy, 1, 1, 0, 0},
		"something new": {destinationSide{held: 5, atOnce: 16, status: func(a *ledger.StatusAnswer) { a.Domains[0].Missing = 1 }}, false, cli.ExitFindings, cli.CodeFindings, 1, 0, 5, 5},
	} {
		t.Run(name, func(t *testing.T) {
			side := &c.destinationSide
			side.t = t
			r := side.command(c.dry)
			err := r.run(t.Context())
			if err == nil {
				err = r.done.verdict()
			}
			var ours *cli.Error
			if exitOf(err) != c.exit || errors.As(err, &ours) && ours.Code != c.code {
				t.Errorf("%v", err)
			}
			all := r.done.sums()
			if side.repairs != c.repairs || side.audits != c.audits || all.resent != c.resent || all.differed != c.differed {
				t.Errorf("%d repairs, %d audits, %d resent, %d differed; want %d, %d, %d, %d", side.repairs, side.audits, all.resent, all.differed, c.repairs, c.audits, c.resent, c.differed)
			}
			if c.resent > 0 && (len(r.done.Domains) != 1 || exitOf(partly(err, r.done)) != c.exit) {
				t.Errorf("what was done is not told: %+v", r.done)
			}
		})
	}
}

// Guards against an audit that is called done while it goes on, one of before that
// is taken for it, and an interruption that looks like a failure of the audit.
func TestAuditIsAwaited(t *testing.T) {
	side := &destinationSide{t: t, held: 1, holds: 1, polls: 5, pass: &ledger.Pass{By: "bob", Started: at, Ended: at}}
	d := side.serve()
	var told bytes.Buffer
	found, err := d.audit(t.Context(), ledger.Of{}, "ann", &progress{w: &told, terminal: true})
	if err != nil || side.running != 0 || len(found) != 1 || found[0].Audit.By != "ann" || found[0].Audit.Ended.IsZero() {
		t.Errorf("%+v, %v", found, err)
	}
	if !strings.Contains(told.String(), "read 0 of 100 messages, 1 domain to go") || !strings.HasSuffix(told.String(), "\n") {
		t.Errorf("progress: %q", told.String())
	}

	ctx, cancel := context.WithCancel(t.Context())
	side.polls = 1 << 20
	side.status = func(*ledger.StatusAnswer) { cancel() }
	_, err = d.audit(ctx, ledger.Of{}, "ann", quiet())
	var ours *cli.Error
	if !errors.As(err, &ours) || ours.Code != cli.CodeInterrupted || !strings.Contains(ours.Cure, "it goes on") {
		t.Errorf("interrupted: %v", err)
	}
}

// Guards against an undo that is reported as done where it was not, and an
// environment that verifies nothing which is told as if it were away.
func TestUndo(t *testing.T) {
	nc := connect(t)
	d := desk{at: &operator.Environment{Name: "staging", Conn: nc}, every: time.Millisecond}
	_, err := undo(t.Context(), d, 7, "ann")
	var ours *cli.Error
	if !errors.As(err, &ours) || !strings.Contains(ours.Why, "no route ends in that environment") || !strings.Contains(ours.Cure, "--env") {
		t.Errorf("no destination: %v", err)
	}
	answers := map[uint64]ledger.UndoAnswer{
		7: {Origin: "production", Domain: "orders", Restored: 2, Removed: 1},
		8: {Problem: &ledger.Problem{Code: ledger.CodeNoRepair, Why: "it is undone", Cure: "see the audit trail"}},
		9: {Origin: "production", Domain: "orders", Restored: 1, Problem: &ledger.Problem{Code: ledger.CodeUnavailable, Why: "the disk is full"}},
	}
	_, err = nc.Subscribe(wire.AdminSubject("staging", wire.VerbUndo), func(m *nats.Msg) {
		var q ledger.UndoRequest
		err := json.Unmarshal(m.Data, &q)
		body, failed := json.Marshal(answers[q.ID])
		if err = errors.Join(err, failed, m.Respond(body)); err != nil || q.By != "ann" {
			t.Errorf("%s: %v", m.Data, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := undo(t.Context(), d, 7, "ann")
	if want := (undone{Environment: "staging", By: "ann", ID: 7, Origin: "production", Domain: "orders", Restored: 2, Removed: 1}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := undo(t.Context(), d, 8, "ann"); !errors.As(err, &ours) || ours.Code != ledger.CodeNoRepair || ours.Cure != "see the audit trail" || ours.Partial != nil {
		t.Errorf("no such repair: %v", err)
	}
	if _, err := undo(t.Context(), d, 9, "ann"); !errors.As(err, &ours) || ours.Code != ledger.CodeUnavailable || ours.Partial == nil {
		t.Errorf("half done: %v", err)
	}
}
