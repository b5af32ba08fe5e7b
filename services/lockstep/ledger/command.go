// Package ledger is the commands `lockstep ledger`: which events of a destination
// differ from those that its origin sent, and their repair, which is on record and
// can be undone.
//
// Finding out what differs and repairing it is the destination's: see package
// mesh/ledger. Here is how a person asks for it, and waits until all of it is done.
package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

// Flags say which destination is meant.
type Flags struct{ operator.Flags }

func (f *Flags) add(flags *pflag.FlagSet) {
	f.Flags.Add(flags)
	flags.Lookup("env").Usage = "the `environment` that events are carried to (default: the only one that routes lead to)"
}

// connect reaches the destination.
func (f Flags) connect() (*operator.Environment, error) {
	if f.Env == "" {
		var err error
		if f.Env, err = destination(f.Mesh); err != nil {
			return nil, err
		}
	}
	return f.Connect("ledger")
}

// destination is the only environment of a mesh that routes lead to.
func destination(file string) (string, error) {
	m, err := target.LoadMesh(file)
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range m.Environments() {
		if len(m.RoutesTo(e.Name)) > 0 {
			names = append(names, e.Name)
		}
	}
	switch len(names) {
	case 0:
		return "", cli.Usage("no route leads to any environment, so that none verifies anything")
	case 1:
		return names[0], nil
	}
	return "", cli.Usage("--env is missing: routes lead to %s", strings.Join(names, ", "))
}

// asked is who asks for a change, and of which environment.
func (f Flags) asked() (by string, at *operator.Environment, err error) {
	if by, err = f.Who(); err != nil {
		return "", nil, err
	}
	at, err = f.connect()
	return by, at, err
}

// Selection is how a user chooses among what a destination verifies.
type Selection struct{ Origin, Domain string }

func (s *Selection) add(flags *pflag.FlagSet) {
	flags.StringVar(&s.Origin, "origin", "", "only events from this `environment` (default: from all)")
	flags.StringVar(&s.Domain, "domain", "", "only events of this `domain` (default: of all)")
}

func (s Selection) of() ledger.Of { return ledger.Of{Origin: s.Origin, Domain: s.Domain} }

// Command is `ledger`.
func Command(app *cli.App) *cobra.Command {
	return cli.Group(
		&cobra.Command{
			Use: "ledger", Short: "See which events of a destination differ from the origin, and repair them",
			Long: `A destination recomputes the digests of what arrives, and compares them with those
that the origin wrote beside its events: it knows up to which event it is complete
and identical, and which events differ. What differs can be repaired: the origin
sends those events again, and the destination puts aside what does not belong. Both
are on record, and a repair can be undone.

These commands work on the destination's own machine, as the user that it runs as:
--data names its data directory.`,
			Example: "  lockstep ledger status --data ./mesh --env staging\n  lockstep ledger repair --data ./mesh --env staging",
		},
		statusCommand(app), auditCommand(app), repairCommand(app), undoCommand(app),
	)
}

// StatusFlags are the flags of `ledger status`.
type StatusFlags struct {
	Flags
	Selection
}

func statusCommand(app *cli.App) *cobra.Command {
	var f StatusFlags
	c := &cobra.Command{
		Use: "status", Short: "Say what a destination has verified, and which events differ",
		Long: `Say, for each domain of each origin, up to which event the destination is complete
and identical, what differs, and whether an audit reads everything again. Of a segment
that differs, the events that do are known once a repair, or a dry run of one, has
asked the origin for them.

The exit code is 10 if anything differs.`,
		Example: "  lockstep ledger status --data ./mesh --env staging\n  lockstep ledger status --data ./mesh --env staging --domain orders -o json",
	}
	f.Flags.add(c.Flags())
	f.Selection.add(c.Flags())
	return app.Command(c, func(ctx context.Context) error { return Status(ctx, app, f) })
}

// AuditFlags are the flags of `ledger audit`.
type AuditFlags struct {
	Flags
	Selection
	NoWait bool
}

func auditCommand(app *cli.App) *cobra.Command {
	var f AuditFlags
	c := &cobra.Command{
		Use: "audit", Short: "Verify again all that a destination has stored",
		Long: `Have a destination read all that it has stored, and verify it again from the first
event on, as if it had just arrived. What the audit finds takes the place of what was
known before. It finds what has changed in the store since it was verified, and what
differs beyond what was held for a repair. Who asks is recorded.

The command waits for the end, and then says what was found; the exit code is 10 if
anything differs. Interrupting the command does not stop the audit: it goes on in the
environment, and lockstep ledger status tells how far it is.`,
		Example: "  lockstep ledger audit --data ./mesh --env staging\n  lockstep ledger audit --data ./mesh --env staging --domain orders --no-wait",
	}
	f.Flags.add(c.Flags())
	f.AddBy(c.Flags())
	f.Selection.add(c.Flags())
	c.Flags().BoolVar(&f.NoWait, "no-wait", false, "return once it has begun; the exit code says nothing of what differs then")
	return app.Command(c, func(ctx context.Context) error { return Audit(ctx, app, f) })
}

// RepairFlags are the flags of `ledger repair`.
type RepairFlags struct {
	Flags
	Selection
	DryRun bool
}

func repairCommand(app *cli.App) *cobra.Command {
	var f RepairFlags
	c := &cobra.Command{
		Use: "repair", Short: "Make a destination identical to its origins again",
		Long: `Repair what differs in a destination: ask the origin which events those are, have it
send again what is missing or different, and take out of the streams what does not
belong there. What is taken out is kept in stream REMOVED. Where more differs than
the destination holds, an audit finds the rest, and that is repaired, too.

Every repair is on record, with who asked for it, and has an ID by which
lockstep ledger undo takes it back. The exit code is 3 if anything still differs
afterwards. If it is interrupted, ask again: what was done is not done twice.

With --dry-run it only finds out what differs in the first segments, and lists it
event by event; the exit code is 3 if anything does.`,
		Example: "  lockstep ledger repair --data ./mesh --env staging --dry-run\n  lockstep ledger repair --data ./mesh --env staging --origin production --domain orders",
	}
	f.Flags.add(c.Flags())
	f.AddBy(c.Flags())
	f.Selection.add(c.Flags())
	c.Flags().BoolVar(&f.DryRun, "dry-run", false, "find out what differs, and change nothing")
	return app.Command(c, func(ctx context.Context) error { return Repair(ctx, app, f) })
}

// UndoFlags are the flags of `ledger undo`.
type UndoFlags struct {
	Flags
	ID uint64
}

func undoCommand(app *cli.App) *cobra.Command {
	var f UndoFlags
	c := &cobra.Command{
		Use: "undo ID", Short: "Undo a repair",
		Long: `Undo the repair with this ID, as lockstep ledger repair told it: what it took out
comes back, and what came in its place is taken out. Who asks is recorded.

The destination differs from its origin again afterwards, as it did before the repair;
a later lockstep ledger repair repairs it again.`,
		Example: "  lockstep ledger undo --data ./mesh --env staging 7",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usage("one repair's ID is needed, and %d arguments were given", len(args))
			}
			id, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil || id == 0 {
				return cli.Usage("%q is no repair's ID: that is a number, as lockstep ledger repair tells it", args[0])
			}
			f.ID = id
			return nil
		},
	}
	f.Flags.add(c.Flags())
	f.AddBy(c.Flags())
	return app.Command(c, func(ctx context.Context) error { return Undo(ctx, app, f) })
}

const (
	askTimeout = 150 * time.Second // longer than the environment takes at most
	pollEvery  = time.Second       // how often an audit's progress is asked for
)

// desk is a destination that is asked.
type desk struct {
	at    *operator.Environment
	every time.Duration // between two questions about an audit's progress
}

func (d desk) status(ctx context.Context, of ledger.Of) ([]ledger.Findings, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	got, err := ledger.AskStatus(ctx, d.at.Conn, d.at.Name, ledger.StatusRequest{Of: of})
	return got.Domains, err
}

func (d desk) startAudit(ctx context.Context, of ledger.Of, by string) ([]ledger.Findings, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	got, err := ledger.AskAudit(ctx, d.at.Conn, d.at.Name, ledger.AuditRequest{Of: of, By: by})
	return got.Domains, err
}

func (d desk) repair(ctx context.Context, q ledger.RepairRequest) ([]ledger.Repair, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	got, err := ledger.AskRepair(ctx, d.at.Conn, d.at.Name, q)
	return got.Domains, err
}

func (d desk) undo(ctx context.Context, id uint64, by string) (ledger.UndoAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return ledger.AskUndo(ctx, d.at.Conn, d.at.Name, ledger.UndoRequest{ID: id, By: by})
}

// Differing says in words in what a destination differs from its origin, as far as
// a repair can mend it.
func Differing(r ledger.Report) []string {
	var words []string
	for _, d := range []struct {
		n         uint64
		one, many string
	}{
		{r.Missing, "missing", "missing"},
		{r.Duplicates, "doubled", "doubled"},
		{r.OutOfOrder, "out of order", "out of order"},
		{r.Strays, "stray message", "stray messages"},
		{r.Replaced, "replaced and still there", "replaced and still there"},
		{r.Superseded, "superseded and still there", "superseded and still there"},
		{r.Mismatches, "segment differs", "segments differ"},
	} {
		if d.n > 0 {
			words = append(words, count(d.n, d.one, d.many))
		}
	}
	return words
}

// RepairCure says how what differs in an environment is mended.
func RepairCure(environment string) string {
	return fmt.Sprintf("`lockstep ledger repair --env %s` repairs it; with --dry-run it lists the events first", environment)
}

// auditCure says how that is judged again which could not be verified.
func auditCure(environment string) string {
	return fmt.Sprintf("see to that, then `lockstep ledger audit --env %s` verifies everything again", environment)
}

func count[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// sorted are findings by origin and domain.
func sorted(all []ledger.Findings) []ledger.Findings {
	slices.SortFunc(all, func(a, b ledger.Findings) int {
		return strings.Compare(a.Origin+"\x00"+a.Domain, b.Origin+"\x00"+b.Domain)
	})
	return all
}
