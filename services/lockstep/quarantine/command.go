// Package quarantine is the commands `lockstep quarantine` and `lockstep dlq`:
// what of the events did not get on, why, and how it does after all. Routes
// withhold what they cannot mask, gates refuse what is invalid, and subscribers
// give up what they cannot process.
//
// Masking a withheld event again and sending it, exactly once, is the route's:
// see package mesh/route. Here is how a person asks for it.
package quarantine

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
)

// The kinds of what is listed.
const (
	kindWithheld = "withheld"
	kindRefused  = "refused"
)

// Filter is how a user chooses among withheld events.
type Filter struct {
	To, Domain  string
	Sequences   []uint
	First, Last uint64
	Codes       []string
	Types       []string
}

func (f *Filter) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.To, "to", "", "of the route to this `environment` (default: of all)")
	flags.StringVar(&f.Domain, "domain", "", "of this `domain` (default: of all)")
	flags.UintSliceVar(&f.Sequences, "sequence", nil, "this origin `sequence`; may be repeated, and needs --to and --domain")
	flags.Uint64Var(&f.First, "first", 0, "from this origin `sequence` on")
	flags.Uint64Var(&f.Last, "last", 0, "up to this origin `sequence`")
	flags.StringArrayVar(&f.Codes, "code", nil, "for this `reason`, as listed; may be repeated")
	flags.StringArrayVar(&f.Types, "type", nil, "of this event `type`; may be repeated")
}

// any reports whether the filter leaves anything out.
func (f Filter) any() bool {
	return f.To != "" || f.Domain != "" || len(f.Sequences)+len(f.Codes)+len(f.Types) > 0 || f.First+f.Last > 0
}

func (f Filter) check() error {
	if len(f.Sequences) > 0 && (f.To == "" || f.Domain == "") {
		return cli.Usage("--sequence counts within one domain's stream, and each route has its own record: name --domain and --to")
	}
	return nil
}

func (f Filter) route() (route.Of, route.Filter) {
	chosen := route.Filter{First: f.First, Last: f.Last, Codes: f.Codes, Types: f.Types}
	for _, s := range f.Sequences {
		chosen.Sequences = append(chosen.Sequences, uint64(s))
	}
	return route.Of{To: f.To, Domain: f.Domain}, chosen
}

// Command is `quarantine`.
func Command(app *cli.App) *cobra.Command {
	return cli.Group(
		&cobra.Command{
			Use: "quarantine", Short: "See which events did not get on, and release them",
			Long: `A route withholds an event that it cannot mask, and a gate refuses one that is
invalid; neither is lost. Withheld events stand in the origin as they were, and
are released once what was wrong is mended: they cross then, in order and exactly
once. Refused ones are the publisher's to correct and publish again.

These commands work on the environment's own machine, as the user that it runs
as: --data names its data directory.`,
			Example: "  lockstep quarantine list --data ./mesh\n  lockstep quarantine release --data ./mesh --to staging --code policy",
		},
		listCommand(app), showCommand(app), releaseCommand(app),
	)
}

// DeadLetterCommand is `dlq`.
func DeadLetterCommand(app *cli.App) *cobra.Command {
	return cli.Group(
		&cobra.Command{
			Use: "dlq", Short: "See which events subscribers gave up",
			Long: `A subscriber that cannot process an event gives it up after its last attempt, and
the environment keeps it, with the reason, in stream DLQ. The event itself stands
in the domain's stream as before.`,
			Example: "  lockstep dlq list --data ./mesh --env staging\n  lockstep dlq show --data ./mesh --env staging 7",
		},
		deadListCommand(app), deadShowCommand(app),
	)
}

// ListFlags are the flags of `quarantine list`.
type ListFlags struct {
	operator.Flags
	Filter
	Kind    string
	Settled bool
	Limit   int
}

func listCommand(app *cli.App) *cobra.Command {
	var f ListFlags
	c := &cobra.Command{
		Use: "list", Short: "List the events that routes withhold and the gate refused, and why",
		Long: `List, for an origin environment, the events that its routes withhold, each with the
reason, the field and its class, and what mends it; and those that its gate
refused, the latest last. No values of events are shown, but a refusal says what
was found, as its publisher was told.`,
		Example: "  lockstep quarantine list --data ./mesh\n  lockstep quarantine list --data ./mesh --kind withheld --to staging --code no_key -o json",
	}
	f.Flags.Add(c.Flags())
	f.add(c.Flags())
	c.Flags().StringVar(&f.Kind, "kind", "", "only `one` of withheld and refused (default: both)")
	c.Flags().BoolVar(&f.Settled, "settled", false, "instead of what is withheld, what was and was released")
	c.Flags().IntVarP(&f.Limit, "limit", "n", 50, "`how many` to show of each kind, at most 1000; the totals count all")
	return app.Command(c, func(ctx context.Context) error { return List(ctx, app, f) })
}

// ShowFlags are the flags of `quarantine show` and `dlq show`.
type ShowFlags struct {
	operator.Flags
	To, Domain string
	Sequence   uint64
	Raw        bool
}

func showCommand(app *cli.App) *cobra.Command {
	var f ShowFlags
	c := &cobra.Command{
		Use: "show SEQUENCE", Short: "Show one event that is withheld or was refused",
		Long: `Show why an event is withheld: SEQUENCE is its origin sequence, --domain and --to
name the route. Without them, SEQUENCE is a refused event's, as listed.

The event itself is shown only with --raw: it holds what must not leave its
environment.`,
		Example: "  lockstep quarantine show --data ./mesh --domain orders --to staging 42\n  lockstep quarantine show --data ./mesh 7 --raw",
		Args:    oneSequence(&f.Sequence),
	}
	f.Flags.Add(c.Flags())
	c.Flags().StringVar(&f.To, "to", "", "the `environment` that it is withheld from")
	c.Flags().StringVar(&f.Domain, "domain", "", "its `domain`")
	c.Flags().BoolVar(&f.Raw, "raw", false, "show the event, unmasked")
	return app.Command(c, func(ctx context.Context) error { return Show(ctx, app, f) })
}

// ReleaseFlags are the flags of `quarantine release`.
type ReleaseFlags struct {
	operator.Flags
	Filter
	All bool
}

func releaseCommand(app *cli.App) *cobra.Command {
	var f ReleaseFlags
	c := &cobra.Command{
		Use: "release", Short: "Release withheld events",
		Long: `Mask withheld events again, under the policy and key of now, and send those that
can be masked: in origin order, each exactly once, however often it is asked for.
What still cannot be masked stays withheld, with the reason of now.

Choose among them, or say --all. Who asks is recorded with each event. The exit
code is 3 if some stay withheld. If it is interrupted, ask again: what was released
already is not released twice.`,
		Example: "  lockstep quarantine release --data ./mesh --all\n  lockstep quarantine release --data ./mesh --to staging --domain orders --sequence 42",
	}
	f.Flags.Add(c.Flags())
	f.AddBy(c.Flags())
	f.add(c.Flags())
	c.Flags().BoolVar(&f.All, "all", false, "all that is withheld")
	return app.Command(c, func(ctx context.Context) error { return Release(ctx, app, f) })
}

// DeadListFlags are the flags of `dlq list`.
type DeadListFlags struct {
	operator.Flags
	Domain   string
	Consumer string
	Limit    int
}

func deadListCommand(app *cli.App) *cobra.Command {
	var f DeadListFlags
	c := &cobra.Command{
		Use: "list", Short: "List the events that subscribers gave up, and why",
		Long:    "List the events that the subscribers of an environment gave up, the latest last, with\nwhat they said about it.",
		Example: "  lockstep dlq list --data ./mesh --env staging\n  lockstep dlq list --data ./mesh --env staging --domain orders --consumer billing -o json",
	}
	f.Flags.Add(c.Flags())
	c.Flags().StringVar(&f.Domain, "domain", "", "of this `domain` (default: of all)")
	c.Flags().StringVar(&f.Consumer, "consumer", "", "of this subscriber's durable `name` (default: of all)")
	c.Flags().IntVarP(&f.Limit, "limit", "n", 50, "`how many` to show, at most 1000; the total counts all")
	return app.Command(c, func(ctx context.Context) error { return DeadList(ctx, app, f) })
}

func deadShowCommand(app *cli.App) *cobra.Command {
	var f ShowFlags
	c := &cobra.Command{
		Use: "show SEQUENCE", Short: "Show one event that a subscriber gave up",
		Long:    "Show what a subscriber said about an event that it gave up, and with --raw the event,\nas the environment holds it.",
		Example: "  lockstep dlq show --data ./mesh --env staging 7 --raw",
		Args:    oneSequence(&f.Sequence),
	}
	f.Flags.Add(c.Flags())
	c.Flags().BoolVar(&f.Raw, "raw", false, "show the event")
	return app.Command(c, func(ctx context.Context) error { return DeadShow(ctx, app, f) })
}

// oneSequence reads the only argument.
func oneSequence(into *uint64) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return cli.Usage("one sequence is needed, and %d arguments were given", len(args))
		}
		n, err := strconv.ParseUint(args[0], 10, 64)
		if err != nil || n == 0 {
			return cli.Usage("%q is no sequence", args[0])
		}
		*into = n
		return nil
	}
}

// kinds are those that a list is to hold.
func (f ListFlags) kinds() ([]string, error) {
	ofRoutes := f.To != "" || len(f.Sequences) > 0 || f.First+f.Last > 0 || f.Settled
	switch {
	case f.Limit < 1 || f.Limit > route.MaxLimit:
		return nil, cli.Usage("-n %d: it is between 1 and %d", f.Limit, route.MaxLimit)
	case f.Kind == "" && ofRoutes:
		return []string{kindWithheld}, nil
	case f.Kind == "":
		return []string{kindWithheld, kindRefused}, nil
	case !slices.Contains([]string{kindWithheld, kindRefused}, f.Kind):
		return nil, cli.Usage("--kind %q is neither withheld nor refused", f.Kind)
	case f.Kind == kindRefused && ofRoutes:
		return nil, cli.Usage("--to, --sequence, --first, --last and --settled are about what routes withhold, not about %s events", f.Kind)
	}
	return []string{f.Kind}, f.check()
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
