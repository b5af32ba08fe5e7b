package schema

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/registry/sample"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// ExampleFlags are the flags of `schema example`.
type ExampleFlags struct {
	RegistryFlags
	Name    string
	Version string
	Dir     string
	Minimal bool
}

func exampleCommand(app *cli.App) *cobra.Command {
	var f ExampleFlags
	c := &cobra.Command{
		Use: "example SUBJECT|FILE", Short: "Make a valid sample document of a schema", Args: cobra.ExactArgs(1),
		Long: `Make a document that is valid under a schema and that a gate lets in: with all that
the schema declares in it, and the schema's own examples where it gives them. The
same schema gives the same document.`,
		Example: `  lockstep schema example orders.order.created
  lockstep schema example schemas/orders/order/created.schema.json --minimal`,
		PreRun: func(_ *cobra.Command, args []string) { f.Name = args[0] },
	}
	flags := c.Flags()
	flags.StringVar(&f.Version, "schema-version", "latest", "the `version` of a subject: a number, or latest")
	flags.StringVar(&f.Dir, "dir", "", "the `folder` of a file's domain (default: what holds its entity's folder)")
	flags.BoolVar(&f.Minimal, "minimal", false, "leave out what is optional")
	f.add(flags)
	return app.Command(c, func(ctx context.Context) error { return Example(ctx, app, f) })
}

// Example answers with a sample document.
func Example(ctx context.Context, app *cli.App, f ExampleFlags) error {
	s, err := f.find(ctx, app, f.Name, f.Version, f.Dir)
	if err != nil {
		return err
	}
	of := sample.Of
	if f.Minimal {
		of = sample.Minimal
	}
	text, err := of(s.Bundle)
	if err != nil {
		e := &cli.Error{Code: "sample", What: "no sample document can be made", Where: s.Name, Cause: err}
		if none := (*sample.Error)(nil); errors.As(err, &none) {
			e.Code, e.Why, e.Cure = none.Code, none.Problem, none.Cure
		}
		return e
	}
	return app.Answer(example{Schema: s.Name, Document: text})
}

type example struct {
	Schema   string          `json:"schema"`
	Document json.RawMessage `json:"document"`
}

// Table writes the document as it is, so that it can go into a file.
func (e example) Table(w io.Writer) { fmt.Fprintln(w, string(e.Document)) }
