package quarantine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/mesh/gate"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
)

var at = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func record(sequence uint64) route.Record {
	return route.Record{
		OriginSequence: sequence, To: "staging", Domain: "orders", Type: "orders.order.placed", SchemaSubject: "orders.order.placed", SchemaVersion: 2,
		Policy: "testers@0123456789abcdef", Code: "class_withheld", Pointer: "/note", Class: "text", Why: "the policy has no rule for class text",
		Cure: "give the class a rule", At: at,
	}
}

// A script that reads what is withheld would break on a changed key, or a person
// would not see what to do.
func TestGolden(t *testing.T) {
	letters := []letter{letterOf(entry{sequence: 7, at: at, subject: "dlq.orders.billing", header: nats.Header{
		wire.HeaderCEType: {"orders.order.placed"}, wire.HeaderReason: {"permanent"}, mesh.HeaderDeadLetterError: {"no such account"},
		mesh.HeaderDeadLetterPosition: {"ORDERS:41"}, mesh.HeaderDeadLetterDeliveries: {"5"},
	}})}
	refused := refusalOf(entry{sequence: 3, at: at, subject: "quarantine.orders.order.placed.ann", header: nats.Header{
		wire.HeaderReason: {"14001"}, gate.HeaderRefusal: {"/lines: expected an array, found a string"}, gate.HeaderRefusedAt: {"2026-07-01T11:59:59Z"},
	}})
	settled := record(41)
	settled.Released = &route.Release{At: at, By: "ann", Policy: "testers@fedcba9876543210"}
	event := rawEvent("evt.production.orders.order.placed", nats.Header{"ce-id": {"e1"}}, []byte(`{"note":"<b>"}`))

	clitest.Golden(t, "list", listAnswer{
		Environment: "production", Withheld: &withheldList{Total: 12, Events: []route.Record{record(41), record(42)}}, Refused: &refusedList{Total: 1, Events: []refusal{refused}},
	})
	clitest.Golden(t, "empty", listAnswer{
		Environment: "production", Withheld: &withheldList{Events: []route.Record{}}, Refused: &refusedList{Events: []refusal{}},
	})
	clitest.Golden(t, "settled", listAnswer{Environment: "production", settled: true, Withheld: &withheldList{Total: 1, Events: []route.Record{settled}}})
	clitest.Golden(t, "withheld", withheldAnswer{Record: settled, Event: event})
	clitest.Golden(t, "refused", refusedAnswer{refusal: refused, Event: rawEvent("orders.order.placed.ann", nil, []byte("no JSON"))})
	released := releaseAnswer{Environment: "production", By: "ann", Routes: []released{}}
	clitest.Golden(t, "nothing", released)
	still := record(42)
	still.Attempts = 1
	released.add(releasedOf("orders", 10, still, still))
	released.add(releasedOf("payments", 3))
	clitest.Golden(t, "released", released)
	clitest.Golden(t, "letters", deadList{Environment: "staging", Total: 1, Letters: letters})
	clitest.Golden(t, "letter", deadAnswer{letter: letters[0], Event: event})
	if err := released.verdict(); exitOf(err) != cli.ExitFindings {
		t.Errorf("events that stay withheld: %v", err)
	}
}

func releasedOf(domain string, n int, still ...route.Record) released {
	return released{To: "staging", Domain: domain, Released: n, StillWithheld: append([]route.Record{}, still...)}
}

func exitOf(err error) int {
	var ours *cli.Error
	if errors.As(err, &ours) {
		return max(1, ours.Exit)
	}
	return 0
}

// Guards against a filter that means something else than its user thinks:
// numbers that count in another stream, or a release of everything by accident.
func TestFlags(t *testing.T) {
	for name, c := range map[string]struct {
		flags ListFlags
		want  string
	}{
		"both":                {ListFlags{Limit: 1}, "[withheld refused]"},
		"a route's":           {ListFlags{Limit: 1, Filter: Filter{To: "staging"}}, "[withheld]"},
		"settled":             {ListFlags{Limit: 1, Settled: true}, "[withheld]"},
		"one kind":            {ListFlags{Limit: 1, Kind: "refused"}, "[refused]"},
		"no kind":             {ListFlags{Limit: 1, Kind: "lost"}, ""},
		"refused by a route":  {ListFlags{Limit: 1, Kind: "refused", Filter: Filter{To: "staging"}}, ""},
		"numbers of no route": {ListFlags{Limit: 1, Kind: "withheld", Filter: Filter{Sequences: []uint{1}}}, ""},
		"none":                {ListFlags{}, ""},
		"too many":            {ListFlags{Limit: route.MaxLimit + 1}, ""},
	} {
		kinds, err := c.flags.kinds()
		if got := fmt.Sprint(kinds); err == nil && got != c.want || (err != nil) != (c.want == "") || err != nil && exitOf(err) != cli.ExitUsage {
			t.Errorf("%s: %v, %v", name, kinds, err)
		}
	}
	app := cli.New()
	for name, f := range map[string]ReleaseFlags{
		"of nothing": {}, "of all and some": {All: true, Filter: Filter{To: "staging"}}, "numbers of no route": {Filter: Filter{Sequences: []uint{1}}},
		"without data": {All: true, Flags: operator.Flags{By: "ann"}},
	} {
		if err := Release(t.Context(), app, f); exitOf(err) != cli.ExitUsage {
			t.Errorf("release %s: %v", name, err)
		}
	}
}
