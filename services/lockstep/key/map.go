package key

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/key/custody"
	"github.com/lockstep-mesh/lockstep/services/lockstep/operator"
)

// MapFlags are the flags of `key map`.
type MapFlags struct {
	Flags
	To, Domain, Class string
	Old, New          string
	First             uint64
}

func mapCommand(app *cli.App) *cobra.Command {
	var f MapFlags
	c := &cobra.Command{
		Use: "map --class CLASS --to ENV --domain DOMAIN", Short: "Give the tokens of two keys side by side",
		Long: `After a rotation, give for each value of a class in a domain's events the token that
it had under the former key and the one it has under the active one: a mapping by
which a destination's older and newer data can be joined. The values themselves are
not shown. They are read in the origin's own stream, and masked under both keys.

Each pair is given once, or of more than a million pairs at least once; in JSON, each
page of up to a thousand events is a line. A mapping tells nothing but which tokens are the same
value's; who has it and both parts of the data can join them as before.`,
		Example: "  lockstep key map --data ./mesh --class email --to staging --domain orders\n  lockstep key map --data ./mesh --class id --to staging --domain orders -o json >pairs.jsonl",
	}
	f.Add(c.Flags())
	f.AddBy(c.Flags())
	c.Flags().StringVar(&f.Class, "class", "", "the `class` of the values")
	c.Flags().StringVar(&f.To, "to", "", "the destination `environment`")
	c.Flags().StringVar(&f.Domain, "domain", "", "the `domain` whose events hold the values")
	c.Flags().StringVar(&f.Old, "from-key", "", "the former key's `ID` (default: the one before the active one)")
	c.Flags().StringVar(&f.New, "to-key", "", "the other key's `ID` (default: the active one)")
	c.Flags().Uint64Var(&f.First, "first", 0, "the origin `sequence` to begin at")
	return app.Command(c, func(ctx context.Context) error { return Map(ctx, app, f) }, "class", "to", "domain")
}

// Map writes the pairs, a page at a time.
func Map(ctx context.Context, app *cli.App, f MapFlags) error {
	if err := checkClass(f.Class); err != nil {
		return err
	}
	client, who, end, err := f.asker()
	if err != nil {
		return err
	}
	defer end()
	q := custody.MapRequest{Who: who, To: f.To, Domain: f.Domain, Class: f.Class, Old: f.Old, New: f.New, First: f.First}
	skipped, known := 0, map[custody.Pair]bool{}
	for first := true; first || q.First > 0; first = false {
		page, err := client.Map(ctx, q)
		if err != nil {
			return operator.Explain("the tokens cannot be mapped", err)
		}
		kept := page.Pairs[:0]
		for _, p := range page.Pairs {
			if known[p] {
				continue
			}
			if len(known) < maxKnown {
				known[p] = true
			}
			kept = append(kept, p)
		}
		page.Pairs = kept
		if err := app.Line(pageAnswer{page, first}); err != nil {
			return err
		}
		skipped += page.Skipped
		q.First = page.Next
		if q.Old == "" { // the same two, whatever happens meanwhile
			q.Old, q.New = page.Old, page.New
		}
	}
	if skipped > 0 {
		return &cli.Error{
			Exit: cli.ExitFindings, Code: cli.CodeFindings, What: fmt.Sprintf("%d events cannot be masked under both keys, and their values are not in the mapping", skipped),
			Cure: "`lockstep quarantine list` says why such events are withheld",
		}
	}
	return nil
}

// maxKnown bounds the pairs that are remembered so as to be given once.
const maxKnown = 1 << 20

// pageAnswer is a page of a mapping.
type pageAnswer struct {
	custody.MapPage
	first bool
}

// Table writes the answer for people.
func (a pageAnswer) Table(w io.Writer) {
	if a.first {
		fmt.Fprintf(w, "# %s\t%s\n", a.Old, a.New)
	}
	for _, p := range a.Pairs {
		fmt.Fprintf(w, "%s\t%s\n", cli.OneLine(p.Old), cli.OneLine(p.New))
	}
}
