package demo

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/internal/feed"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

// finished is a report on events of which all arrived, but for what change does.
func finished(t *testing.T, change func(*way)) *report {
	t.Helper()
	mesh, err := target.LoadMesh("")
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{flags: Flags{Events: 3000}, mesh: mesh, routes: []carried{{"production", "staging", "orders"}, {"production", "staging", "customers"}, {"production", "edge-berlin", "orders"}}}
	r := d.newReport(map[string]feed.Stats{"orders": {Published: 2000, Refused: 8}, "customers": {Published: 1000, Refused: 4}})
	for c, w := range r.ways {
		w.last = w.published
		for sequence := range w.published {
			w.seen(sequence+1, sequence == 5)
		}
		w.ledger = ledger.Report{
			Origin: c.from, Domain: c.domain, VerifiedTo: w.last, Delivered: w.delivered, Withheld: w.withheld, MaskedFields: 10 * w.delivered,
			Lags: []time.Duration{1234 * time.Microsecond, 2 * time.Second, 900 * time.Microsecond},
		}
		if c == d.routes[0] && change != nil {
			change(w)
		}
	}
	r.Values, r.Seconds = 1234, 7.5
	r.settle()
	return r
}

// A script that reads the report would break on a changed key.
func TestGolden(t *testing.T) {
	clitest.Golden(t, "report", finished(t, nil))
}

// A demonstration in which something went wrong would look like one in which
// all is well.
func TestVerdict(t *testing.T) {
	if err := finished(t, nil).verdict(); err != nil {
		t.Errorf("all is well, and the verdict is %v", err)
	}
	for name, c := range map[string]struct {
		change func(*way)
		says   string
	}{
		"lost":              {func(w *way) { w.delivered-- }, "orders in staging: 1 of 2000 events are missing"},
		"too many":          {func(w *way) { w.delivered++ }, "2001 are accounted for"},
		"doubled":           {func(w *way) { w.seen(7, false) }, "1 events are there more than once"},
		"differs":           {func(w *way) { w.ledger.Mismatches = 1 }, "1 segments that differ"},
		"not verified":      {func(w *way) { w.ledger.VerifiedTo-- }, "verified to event 1999 of 2000"},
		"counts differ":     {func(w *way) { w.ledger.Delivered-- }, "the streams hold 1999"},
		"route has stopped": {func(w *way) { w.route.State, w.route.Problem = "stopped", "the stream is gone" }, "the stream is gone"},
	} {
		r := finished(t, c.change)
		err := r.verdict()
		var ours *cli.Error
		if r.Converged || !errors.As(err, &ours) || ours.Exit != cli.ExitFindings || !strings.Contains(strings.Join(r.Problems, "\n"), c.says) {
			t.Errorf("%s: %v, %q", name, err, r.Problems)
		}
	}
	mesh := &topology.Mesh{}
	d := &demo{flags: Flags{Events: 10}, mesh: mesh}
	if r := d.newReport(map[string]feed.Stats{"orders": {Published: 9}}); len(r.Problems) != 1 {
		t.Errorf("an event that was not published: %q", r.Problems)
	}
}

// Messages that are not events would be counted, or events not.
func TestPlace(t *testing.T) {
	for subject, want := range map[string]string{
		"evt.production.orders.order.created.k1": "production orders event",
		"evt.production.github.push":             "production github event",
		"ledger.production.orders.withheld":      "production orders withheld",
		"ledger.production.orders.watermark":     "",
		"evt.production":                         "",
		"registry.x":                             "",
	} {
		origin, domain, withheld := place(subject)
		got := ""
		if origin != "" {
			got = origin + " " + domain + map[bool]string{true: " withheld", false: " event"}[withheld]
		}
		if got != want {
			t.Errorf("%s: %q, want %q", subject, got, want)
		}
	}
}
