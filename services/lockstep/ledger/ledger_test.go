package ledger

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var at = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func exitOf(err error) int {
	var ours *cli.Error
	if errors.As(err, &ours) {
		return max(1, ours.Exit)
	}
	return 0
}

// differing is a domain in which something of every kind is wrong.
func differing() ledger.Findings {
	return ledger.Findings{
		Report: ledger.Report{
			Origin: "production", Domain: "payments", VerifiedTo: 1000, Delivered: 3988, Withheld: 10, Released: 1, Repaired: 2,
			Missing: 2, Duplicates: 1, OutOfOrder: 1, Strays: 1, Replaced: 1, Mismatches: 4,
		},
		Segments: []ledger.Disputed{
			{From: 1001, To: 2000, Known: true, Differences: []ledger.Difference{
				{OriginSequence: 400, Kind: ledger.DifferenceMissing, Released: true},
				{OriginSequence: 1500, Kind: ledger.DifferenceMissing},
				{OriginSequence: 1501, Kind: ledger.DifferenceAltered, At: 1490},
				{OriginSequence: 1502, Kind: ledger.DifferenceExtra, At: 1491},
			}},
			{From: 2001, To: 3000},
			{From: 3001, To: 4000, Known: true},
		},
		Surplus: []ledger.Surplus{
			{OriginSequence: 7, Kind: ledger.SurplusDuplicate, At: 1700},
			{OriginSequence: 8, Kind: ledger.SurplusMisplaced, At: 1701},
			{Kind: ledger.SurplusStray, At: 1702},
		},
		Audit: &ledger.Pass{By: "ann", Started: at, Read: 1200, Of: 4100},
	}
}

func sound() ledger.Findings {
	return ledger.Findings{
		Report: ledger.Report{Origin: "production", Domain: "orders", VerifiedTo: 950, Delivered: 940, Withheld: 10},
		Audit:  &ledger.Pass{By: "bob", Started: at, Ended: at.Add(time.Minute), Read: 950, Of: 950},
	}
}

// Guards against an answer in which a person does not see what differs, or whose
// keys change under a script.
func TestGoldenStatus(t *testing.T) {
	unverifiable := sound()
	unverifiable.Report.Problem = "stream ORDERS, sequence 7: no sequence is in it"
	for name, c := range map[string]struct {
		found []ledger.Findings
		exit  int
		cure  string
	}{
		"nothing":      {nil, 0, ""},
		"sound":        {[]ledger.Findings{sound()}, 0, ""},
		"differing":    {[]ledger.Findings{differing(), sound()}, cli.ExitUnhealthy, "lockstep ledger repair --env staging"},
		"unverifiable": {[]ledger.Findings{unverifiable}, cli.ExitUnhealthy, "lockstep ledger audit --env staging"},
	} {
		a := newAnswer("staging", c.found)
		clitest.Golden(t, name, a)
		err := a.verdict(cli.ExitUnhealthy, cli.CodeUnhealthy, RepairCure("staging"))
		if exitOf(err) != c.exit {
			t.Errorf("%s: %v", name, err)
		}
		var ours *cli.Error
		if errors.As(err, &ours) && (len(ours.Problems) != 1 || !strings.Contains(ours.Problems[0].Cure, c.cure)) {
			t.Errorf("%s: %+v", name, ours.Problems)
		}
	}
}

// Guards against a repair of which it is not seen what it did or would do, or by
// which ID it is undone.
func TestGoldenRepair(t *testing.T) {
	d := differing()
	part := ledger.Repair{Origin: "production", Domain: "payments", Found: d.Segments[0].Differences, Surplus: d.Surplus, Remaining: 6, Beyond: 1}

	plan := newRepaired("staging", "ann", true)
	plan.take([]ledger.Repair{part}, true)
	plan.look(newAnswer("staging", []ledger.Findings{d, sound()}))
	clitest.Golden(t, "plan", plan)
	var ours *cli.Error
	if err := plan.verdict(); exitOf(err) != cli.ExitFindings || !errors.As(err, &ours) || !strings.Contains(ours.Problems[0].Cure, "--dry-run") {
		t.Errorf("a dry run that found something: %v", err)
	}

	done := newRepaired("staging", "ann", false)
	for id := uint64(3); id < 6; id++ {
		part.ID, part.Resent, part.Removed, part.Remaining, part.Beyond = id, 1, 2, int(5-id), 0
		done.take([]ledger.Repair{part, {Origin: "production", Domain: "orders"}}, true)
		part.Found, part.Surplus = part.Found[:1], nil
	}
	part.ID = 9
	done.take([]ledger.Repair{part}, true)
	done.look(newAnswer("staging", []ledger.Findings{sound()}))
	clitest.Golden(t, "repaired", done)
	if err := done.verdict(); err != nil || !done.Identical {
		t.Errorf("all is repaired: %v", err)
	}
	done.look(newAnswer("staging", []ledger.Findings{d}))
	clitest.Golden(t, "remaining", done)
	if err := done.verdict(); exitOf(err) != cli.ExitFindings || done.Identical {
		t.Errorf("something remains: %v", err)
	}

	nothing := newRepaired("staging", "ann", false)
	nothing.look(newAnswer("staging", []ledger.Findings{sound()}))
	clitest.Golden(t, "identical", nothing)
	clitest.Golden(t, "undone", undone{Environment: "staging", By: "ann", ID: 3, Origin: "production", Domain: "payments", Restored: 2, Removed: 1})
}

// Guards against an answer that grows with what differs, or that leaves things out
// and does not say so.
func TestListsAreBounded(t *testing.T) {
	a := newRepaired("staging", "ann", true)
	for first := uint64(0); first < 3*ledger.MaxListed; first += 100 {
		part := ledger.Repair{Origin: "production", Domain: "orders", Remaining: 1}
		for n := first + 1; n <= first+100; n++ {
			part.Found = append(part.Found, ledger.Difference{OriginSequence: n, Kind: ledger.DifferenceMissing})
			part.Surplus = append(part.Surplus, ledger.Surplus{At: n, Kind: ledger.SurplusStray})
		}
		a.take([]ledger.Repair{part}, true)
	}
	if p := a.Domains[0]; len(p.Found) != ledger.MaxListed || len(p.Surplus) != ledger.MaxListed || p.Differed["missing"] != 3*ledger.MaxListed {
		t.Errorf("%d and %d are listed of %v", len(p.Found), len(p.Surplus), p.Differed)
	}
	var b bytes.Buffer
	a.Table(&b)
	if lines := strings.Count(b.String(), "\n"); lines > maxRows+10 {
		t.Errorf("%d lines", lines)
	}
	for _, said := range []string{"and 1950 more lines", "of 6000 in all"} {
		if !strings.Contains(b.String(), said) {
			t.Errorf("%q is not said in\n%s", said, b.String())
		}
	}
}

// Guards against a command that takes another environment than its user means, or
// that acts on an ID that nobody gave.
func TestFlags(t *testing.T) {
	mesh := func(routes string) string {
		file := filepath.Join(t.TempDir(), "mesh.yaml")
		text := "environments:\n  production: {role: hub, listen: {nats: '127.0.0.1:0', leaf: '127.0.0.1:0'}}\n" +
			"  staging: {role: leaf, hub: production, listen: {nats: '127.0.0.1:0'}}\n" +
			"domains:\n  orders: {owner: team, origins: [production]}\n" + routes
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	one := mesh("routes:\n  - {from: production, to: staging, domains: [orders], policy: testers}\npolicies:\n  testers: {classes: {id: {technique: token}}}\n")
	if name, err := destination(one); err != nil || name != "staging" {
		t.Errorf("the only destination: %q, %v", name, err)
	}
	for name, c := range map[string]struct {
		args []string
		said string
	}{
		"several destinations": {[]string{"status", "--data", "d"}, "routes lead to staging, testing, edge-berlin"},
		"no destination":       {[]string{"status", "--data", "d", "--mesh", mesh("")}, "no route leads"},
		"no data":              {[]string{"repair", "--by", "ann", "--env", "staging"}, "--data is missing"},
		"no such environment":  {[]string{"audit", "--by", "ann", "--data", t.TempDir(), "--env", "nowhere"}, "there is no environment"},
		"no ID":                {[]string{"undo"}, "one repair's ID is needed"},
		"no number":            {[]string{"undo", "orders"}, "is no repair's ID"},
		"number of nothing":    {[]string{"undo", "0"}, "is no repair's ID"},
		"arguments":            {[]string{"status", "staging"}, "unknown command"},
	} {
		var out, talk bytes.Buffer
		app := &cli.App{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, Getenv: func(string) string { return "" }}
		root := cli.Group(&cobra.Command{Use: "lockstep"}, Command(app))
		if exit := app.Main(root, append([]string{"ledger"}, c.args...)); exit != cli.ExitUsage || !strings.Contains(talk.String(), c.said) {
			t.Errorf("%s: exit code %d, %s", name, exit, talk.String())
		}
	}
}
