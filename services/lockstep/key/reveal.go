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
}

// RevealCommand is `mask reveal`.
func RevealCommand(app *cli.App) *cobra.Command {
	var f RevealFlags
	c := &cobra.Command{
		Use: "reveal --class CLASS --to ENV TOKEN", Short: "Show the value behind an encrypted one, on record",
		Long: `Show, in the origin and to who may read its data directory, the value that the
technique encrypt made TOKEN of. CLASS is the class of the field that it stands in,
and ENV the destination that it was made for: each has a key of its own.

It is recorded in the origin's stream AUDIT before the value is shown: who asked,
when, for which token, and whether it was shown. Without a record nothing is shown.
What a destroyed key encrypted is gone.

A token may begin with a hyphen: put -- before it.`,
		Example: "  lockstep mask reveal --data ./mesh --class account --to staging -- 3YxWx…",
		Args:    oneArgument("token", &f.Token),
	}
	f.Add(c.Flags())
	f.AddBy(c.Flags())
	c.Flags().StringVar(&f.Class, "class", "", "the `class` of the field")
	c.Flags().StringVar(&f.To, "to", "", "the destination `environment`")
	return app.Command(c, func(ctx context.Context) error { return Reveal(ctx, app, f) }, "class", "to")
}

// Reveal shows the value behind a token.
func Reveal(ctx context.Context, app *cli.App, f RevealFlags) error {
	if err := checkClass(f.Class); err != nil {
		return err
	}
	client, who, end, err := f.asker()
	if err != nil {
		return err
	}
	defer end()
	got, err := client.Reveal(ctx, custody.RevealRequest{Who: who, To: f.To, Class: f.Class, Token: f.Token})
	if err != nil {
		return operator.Explain("the value cannot be revealed", err)
	}
	return app.Answer(revealed{got})
}

type revealed struct{ custody.Revealed }

// Table writes the answer for people.
func (r revealed) Table(w io.Writer) { fmt.Fprintln(w, cli.OneLine(r.Value)) }
