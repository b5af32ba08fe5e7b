package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Guards against a request that is done although it makes no sense or nobody is on
// record for it, and against a refusal without a code and a cure.
func TestRequestsThatMakeNoSense(t *testing.T) {
	js := repairable(t)
	newOrigin(t, js, whole(t))
	desk(t, js)
	by := strings.Repeat("a", 201)
	for name, c := range map[string]struct {
		code string
		ask  func(context.Context) error
	}{
		"no such domain": {ledger.CodeNoDomain, func(ctx context.Context) error {
			_, err := ledger.AskStatus(ctx, js.Conn(), "staging", ledger.StatusRequest{Of: ledger.Of{Domain: "payments"}})
			return err
		}},
		"nobody audits": {ledger.CodeRequest, func(ctx context.Context) error {
			_, err := ledger.AskAudit(ctx, js.Conn(), "staging", ledger.AuditRequest{})
			return err
		}},
		"nobody repairs": {ledger.CodeRequest, func(ctx context.Context) error {
			_, err := ledger.AskRepair(ctx, js.Conn(), "staging", ledger.RepairRequest{By: "a\nb"})
			return err
		}},
		"somebody with a long name undoes": {ledger.CodeRequest, func(ctx context.Context) error {
			_, err := ledger.AskUndo(ctx, js.Conn(), "staging", ledger.UndoRequest{ID: 1, By: by})
			return err
		}},
		"no such repair": {ledger.CodeNoRepair, func(ctx context.Context) error {
			_, err := ledger.AskUndo(ctx, js.Conn(), "staging", ledger.UndoRequest{ID: 99, By: "ann"})
			return err
		}},
		"repair 0": {ledger.CodeNoRepair, func(ctx context.Context) error {
			_, err := ledger.AskUndo(ctx, js.Conn(), "staging", ledger.UndoRequest{By: "ann"})
			return err
		}},
		"not JSON": {ledger.CodeRequest, func(ctx context.Context) error {
			m, err := js.Conn().RequestWithContext(ctx, wire.AdminSubject("staging", wire.VerbRepair), []byte(`{"by": "ann", "force": true}`))
			if err != nil {
				return err
			}
			if !strings.Contains(string(m.Data), `"code":"request"`) || !strings.Contains(string(m.Data), "force") {
				t.Errorf("answered %s", m.Data)
			}
			return &ledger.Error{Code: ledger.CodeRequest, Op: "read", Cure: "send JSON"}
		}},
		"no such environment": {ledger.CodeUnavailable, func(ctx context.Context) error {
			_, err := ledger.AskStatus(ctx, js.Conn(), "testing", ledger.StatusRequest{})
			return err
		}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := c.ask(ctx)
		cancel()
		var typed *ledger.Error
		if !errors.As(err, &typed) || typed.Code != c.code || typed.Cure == "" {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

// damaged is a destination that lacks an event and has another twice.
func damaged(t *testing.T) (jetstream.JetStream, []*nats.Msg) {
	t.Helper()
	js, base := repairable(t), whole(t)
	arrive(t, js, broken(append([]*nats.Msg(nil), base...)))
	return js, base
}

// Guards against a repair that hangs, or does half, while the origin is away; and
// against one that cannot go on when it is back.
func TestRepairWhileTheOriginIsAway(t *testing.T) {
	js, base := damaged(t)
	d := desk(t, js)
	settled(t, d)
	was := contents(t, js)
	a := d.Repair(t.Context(), ledger.RepairRequest{By: "ann"})
	if a.Problem == nil || a.Problem.Code != ledger.CodeUnavailable || !strings.Contains(a.Problem.Why, "does not answer") || a.Problem.Cure == "" {
		t.Fatalf("answered %+v", a.Problem)
	}
	differ(t, contents(t, js), was)
	o := newOrigin(t, js, base)
	repairAll(t, d)
	identical(t, js, o, d)
}

// Guards against a repair of a stream that lets go of nothing that begins all the
// same, and leaves its work half done.
func TestRepairOfAStreamThatOnlyGrows(t *testing.T) {
	js, base := damaged(t)
	newOrigin(t, js, base)
	stream, err := js.Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	c := stream.CachedInfo().Config
	c.DenyDelete = true
	if _, err := js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	d := desk(t, js)
	settled(t, d)
	was := contents(t, js)
	a := d.Repair(t.Context(), ledger.RepairRequest{By: "ann"})
	if a.Problem == nil || a.Problem.Code != ledger.CodeAppendOnly || a.Problem.Cure == "" {
		t.Fatalf("answered %+v", a.Problem)
	}
	differ(t, contents(t, js), was)
	if ids := repairs(t, js); len(ids) > 0 {
		t.Errorf("on record are the repairs %d", ids)
	}
}

// Guards against a dry run that changes anything, and against one that does not say
// all that a repair does.
func TestDryRun(t *testing.T) {
	js, base := damaged(t)
	newOrigin(t, js, base)
	d := desk(t, js)
	settled(t, d)
	was := contents(t, js)
	dry := d.Repair(t.Context(), ledger.RepairRequest{By: "ann", Dry: true})
	if dry.Problem != nil || len(dry.Domains) != 1 || dry.Domains[0].ID != 0 {
		t.Fatalf("answered %+v", dry)
	}
	differ(t, contents(t, js), was)
	done := d.Repair(t.Context(), ledger.RepairRequest{By: "ann"})
	if done.Problem != nil {
		t.Fatal(done.Problem)
	}
	is, said := done.Domains[0], dry.Domains[0]
	if len(is.Found) != len(said.Found) || len(is.Surplus) != len(said.Surplus) || is.Resent != 2 || is.Removed != 3 {
		t.Errorf("said %+v\ndid  %+v", said, is)
	}
}

// Guards against a repair that finds nothing to do because not all was read yet.
func TestRepairRightAfterTheStart(t *testing.T) {
	js, base := damaged(t)
	o := newOrigin(t, js, base)
	for range 5 {
		d, err := ledger.Serve(js.Conn(), "staging", fromProduction, zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		a := d.Repair(t.Context(), ledger.RepairRequest{By: "ann", Dry: true})
		d.Close()
		if a.Problem != nil || len(a.Domains[0].Found) != 2 || len(a.Domains[0].Surplus) != 2 {
			t.Fatalf("answered %+v %+v", a, a.Problem)
		}
	}
	d := desk(t, js)
	repairAll(t, d)
	identical(t, js, o, d)
}
