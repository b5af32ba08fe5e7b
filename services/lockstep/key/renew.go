package key

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
)

// renewTimeout is for one request: a route closes its segment before it begins anew.
const renewTimeout = 30 * time.Second

// RenewFlags are the flags of `mask renew`.
type RenewFlags struct {
	Flags
	To, Domain string
}

// RenewCommand is `mask renew`.
func RenewCommand(app *cli.App) *cobra.Command {
	var f RenewFlags
	c := &cobra.Command{
		Use: "renew --to ENV", Short: "Mask the whole history of a destination anew",
		Long: `Have the routes to ENV mask their whole history anew, under the keys and policies of
now. After a rotation, all of it joins again; after a change of policy, what was
masked under the former one is there no more.

The destination gets every event again, in origin order, and what it has of them is
taken out of its streams for good: consumers there meet the whole history once more,
and queries find less of it until it has come. What was withheld is decided anew.
Without --yes the command only says what would be masked.

It goes on by itself, whatever is restarted meanwhile: lockstep status tells how far it
is, and lockstep ledger status at ENV when all is verified. Repairs of before cannot
be undone any more. Who asked is recorded in stream AUDIT. Asked for again, it begins
again.`,
		Example: "  lockstep mask renew --data ./mesh --to staging\n  lockstep mask renew --data ./mesh --to staging --domain orders --yes",
	}
	f.Add(c.Flags())
	f.AddBy(c.Flags())
	c.Flags().StringVar(&f.To, "to", "", "the destination `environment`")
	c.Flags().StringVar(&f.Domain, "domain", "", "of this `domain` only (default: of all)")
	c.Flags().BoolVar(&f.Yes, "yes", false, "do it")
	return app.Command(c, func(ctx context.Context) error { return Renew(ctx, app, f) }, "to")
}

// Renew has the whole history of routes masked anew, or says what that would be.
func Renew(ctx context.Context, app *cli.App, f RenewFlags) error {
	by, err := f.Who()
	if err != nil {
		return err
	}
	at, err := f.Connect("mask")
	if err != nil {
		return err
	}
	defer at.Close()
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	got, err := route.AskRenew(ctx, at.Conn, at.Name, route.RenewRequest{Of: route.Of{To: f.To, Domain: f.Domain}, By: by, Dry: !f.Yes})
	a := renewal{Environment: at.Name, By: by, Routes: got.Routes}
	if err == nil && !f.Yes {
		err = &cli.Error{Code: "not_confirmed", What: "nothing was done", Why: "the destination loses what it has, until it comes again", Cure: "say --yes to do it", Partial: a}
	} else {
		err = operator.Explain("the history cannot be masked anew", err)
	}
	if ours := (*cli.Error)(nil); errors.As(err, &ours) && len(a.Routes) > 0 {
		with := *ours
		with.Partial = a
		return &with
	}
	if err != nil {
		return err
	}
	return app.Answer(a)
}

// renewal is what is masked anew.
type renewal struct {
	Environment string            `json:"environment"`
	By          string            `json:"by"`
	Routes      []route.RenewPart `json:"routes"`
}

// Table writes the answer for people.
func (a renewal) Table(w io.Writer) {
	var rows [][]string
	for _, r := range a.Routes {
		rows = append(rows, []string{r.To, r.Domain, strconv.FormatUint(r.Events, 10), strconv.FormatUint(r.Generation, 10), r.Key, r.Policy})
	}
	cli.Columns(w, []string{"to", "domain", "events to", "generation", "key", "policy"}, rows)
	if len(a.Routes) > 0 {
		fmt.Fprintf(w, "\n`lockstep status` tells how far it is, `lockstep ledger status --env %s` when all is verified\n", a.Routes[0].To)
	}
}
