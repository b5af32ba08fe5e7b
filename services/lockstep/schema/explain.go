package schema

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// ExplainFlags are the flags of `schema explain`.
type ExplainFlags struct {
	RegistryFlags
	Name    string
	Version string
	Dir     string
	Open    bool
}

func explainCommand(app *cli.App) *cobra.Command {
	var f ExplainFlags
	c := &cobra.Command{
		Use: "explain SUBJECT|FILE", Short: "Show which parts of a schema are validated in a single pass", Args: cobra.ExactArgs(1),
		Long: `Show which parts of a schema the engine validates in a single pass over an event's
bytes, and for the others why not: those are left to the reference validator, with the
same verdict, only slower.`,
		Example: "  lockstep schema explain schemas/orders/order/created.schema.json",
		PreRun:  func(_ *cobra.Command, args []string) { f.Name = args[0] },
	}
	flags := c.Flags()
	flags.StringVar(&f.Version, "schema-version", "latest", "the `version` of a subject: a number, or latest")
	flags.StringVar(&f.Dir, "dir", "", "the `folder` of a file's domain (default: what holds its entity's folder)")
	flags.BoolVar(&f.Open, "open", false, "for a domain whose mesh.yaml says \"write: open\"")
	f.add(flags)
	return app.Command(c, func(ctx context.Context) error { return Explain(ctx, app, f) })
}

// Explain answers with the parts of a schema.
func Explain(ctx context.Context, app *cli.App, f ExplainFlags) error {
	s, err := f.find(ctx, app, f.Name, f.Version, f.Dir)
	if err != nil {
		return err
	}
	linked, err := s.Bundle.Link()
	if err != nil {
		return &cli.Error{Code: "schema", What: "the schema cannot be compiled", Where: s.Name, Cause: err, Cure: "correct it first"}
	}
	e := explanation{Schema: s.Name, Slow: []slowPart{}}
	for _, part := range program.Compile(linked, program.Options{Open: f.Open, Explain: true}).Explain() {
		e.Parts++
		if !part.Fast {
			e.Slow = append(e.Slow, slowPart{Pointer: part.Pointer, Why: part.Why})
		}
	}
	e.Fast = len(e.Slow) == 0
	slices.SortFunc(e.Slow, func(a, b slowPart) int { return cmp.Compare(a.Pointer, b.Pointer) })
	return app.Answer(e)
}

type explanation struct {
	Schema string     `json:"schema"`
	Fast   bool       `json:"fast"`  // all of it
	Parts  int        `json:"parts"` // schemas within the schema, itself included
	Slow   []slowPart `json:"slow"`
}

type slowPart struct {
	Pointer string `json:"pointer"` // name#pointer
	Why     string `json:"why"`
}

// Table writes the explanation for people.
func (e explanation) Table(w io.Writer) {
	if e.Fast {
		fmt.Fprintf(w, "%s: all of its %d parts are validated in a single pass\n", e.Schema, e.Parts)
		return
	}
	rows := make([][]string, len(e.Slow))
	for i, s := range e.Slow {
		rows[i] = []string{s.Pointer, s.Why}
	}
	cli.Columns(w, []string{"part", "why it is left to the reference validator"}, rows)
	fmt.Fprintf(w, "\n%s: %d of its %d parts are validated in a single pass\n", e.Schema, e.Parts-len(e.Slow), e.Parts)
}
