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

// RevealFlags are the flags of `mask reveal`.
type RevealFlags struct {
	Flags
	Class, To, Token string
	Type, Field, Key string
}

// RevealCommand is `mask reveal`.
func RevealCommand(app *cli.App) *cobra.Command {
	var f RevealFlags
	c := &cobra.Command{
		Use: "reveal --class CLASS --to ENV TOKEN", Short: "Show the value behind an encrypted one, on record",
		Long: `Show, in the origin and to who may read its data directory, the value that the
technique encrypt or fpe made TOKEN of. CLASS is the class of the field that it stands
in, and ENV the destination that it was made for: each has a key of its own.

What fpe made doesn't show which key it was, nor what the schema admits in its place.
So name them: the event's type, the field, and the key that the event's header
Lockstep-Key-Id names (default: the active one). The route's policy of now counts.
With another key or policy than it was masked by, another value is shown: nothing in
the token tells.

It is recorded in the origin's stream AUDIT before the value is shown: who asked,
when, for which token, and whether it was shown. Without a record nothing is shown.
What a destroyed key encrypted is gone.

A token may begin with a hyphen: put -- before it.`,
		Example: "  lockstep mask reveal --data ./mesh --class account --to staging -- 3YxWx…\n  lockstep mask reveal --data ./mesh --class id --to staging --type orders.order.created --field /customer/number 4083317",
		Args:    oneArgument("token", &f.Token),
	}
	f.Add(c.Flags())
	f.AddBy(c.Flags())
	c.Flags().StringVar(&f.Class, "class", "", "the `class` of the field")
	c.Flags().StringVar(&f.To, "to", "", "the destination `environment`")
	c.Flags().StringVar(&f.Type, "type", "", "of fpe: the `type` of the event that it stands in")
	c.Flags().StringVar(&f.Field, "field", "", "of fpe: the `pointer` to it in the event, with * for items and names in maps")
	c.Flags().StringVar(&f.Key, "key-id", "", "of fpe: the `ID` of the key that it was masked with (default: the active one)")
	return app.Command(c, func(ctx context.Context) error { return Reveal(ctx, app, f) }, "class", "to")
}

// Reveal shows the value behind a token.
func Reveal(ctx context.Context, app *cli.App, f RevealFlags) error {
	if err := checkClass(f.Class); err != nil {
		return err
	}
	if (f.Type == "") != (f.Field == "") || f.Key != "" && f.Type == "" {
		return cli.Usage("--type, --field and --key-id are for what fpe made, and belong together")
	}
	client, who, end, err := f.asker()
	if err != nil {
		return err
	}
	defer end()
	got, err := client.Reveal(ctx, custody.RevealRequest{Who: who, To: f.To, Class: f.Class, Token: f.Token, Type: f.Type, Field: f.Field, Key: f.Key})
	if err != nil {
		return operator.Explain("the value cannot be revealed", err)
	}
	return app.Answer(revealed{got})
}

type revealed struct{ custody.Revealed }

// Table writes the answer for people.
func (r revealed) Table(w io.Writer) { fmt.Fprintln(w, cli.OneLine(r.Value)) }
