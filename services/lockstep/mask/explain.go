package mask

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/coverage"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// ExplainFlags are the flags of `mask explain`.
type ExplainFlags struct {
	Flags
	Route
	Type  string
	Field string
}

func explainCommand(app *cli.App) *cobra.Command {
	var f ExplainFlags
	c := &cobra.Command{
		Use: "explain TYPE [FIELD] --to ENV", Short: "Show what becomes of an event type's fields in an environment, and why", Args: cobra.RangeArgs(1, 2),
		Long: `Show, for each field that events of a type can have, which class it has and which
rule decided it (a line of an overlay, or a place in a schema), and what the policy
for the environment makes of it: the technique with its options, what it keeps of a
value and what it reveals.

FIELD is a JSON pointer (/customer/email), with * for the items of an array and for
the names in a map, or the last name of one (email); it narrows the answer to the
field and what is in it.`,
		Example: `  lockstep mask explain orders.order.placed --to staging
  lockstep mask explain orders.order.placed /customer --to staging
  lockstep mask explain github.push /pusher/email --to staging --schemas schemas -f mesh.yaml`,
		PreRun: func(_ *cobra.Command, args []string) {
			if f.Type = args[0]; len(args) > 1 {
				f.Field = args[1]
			}
		},
	}
	f.Flags.add(c.Flags())
	f.Route.add(c.Flags())
	return app.Command(c, func(ctx context.Context) error { return Explain(ctx, app, f) }, "to")
}

// Explain answers with the fields of a type.
func Explain(ctx context.Context, app *cli.App, f ExplainFlags) error {
	x, err := f.crossing(ctx, app, f.Route, f.Type)
	if err != nil {
		return err
	}
	report, err := coverage.Of(x.contract, x.masker)
	if err != nil {
		return err
	}
	fields := report.Fields
	if f.Field != "" {
		if fields, err = narrow(fields, f.Field); err != nil {
			return err
		}
	}
	e := explanation{
		Type: f.Type, Subject: x.subject, Version: x.number, From: x.route.From, To: x.route.To, Policy: x.masker.Policy(), Key: x.key,
		Fields: make([]explained, len(fields)), Techniques: map[mask.Technique]technique{}, Repeats: report.Repeats, Partial: report.Partial, whole: f.Field == "",
	}
	for i, field := range fields {
		e.Fields[i] = explained{Field: field}
		e.Techniques[field.Technique] = technique{
			What: field.Technique.Describe(), Keeps: field.Technique.Keeps(), Reveals: field.Technique.Reveals(), Collides: field.Technique.Collides(), Reversible: field.Technique.Reversible(),
		}
	}
	return app.Answer(e)
}

// narrow are the fields that a user's words mean: a pointer and what is below it,
// or all of that name.
func narrow(fields []coverage.Field, name string) ([]coverage.Field, error) {
	var found []coverage.Field
	var names []string
	for _, f := range fields {
		if !slices.Contains(names, f.Pointer) {
			names = append(names, f.Pointer)
		}
		if matches(f.Pointer, name) {
			found = append(found, f)
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	if !strings.HasPrefix(name, "/") {
		for i, pointer := range names {
			names[i] = pointer[strings.LastIndexByte(pointer, '/')+1:]
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	return nil, cli.Usage("the schema has no field %q; %s", name, near(name, names))
}

func matches(pointer, name string) bool {
	if !strings.HasPrefix(name, "/") {
		return strings.HasSuffix(pointer, "/"+name)
	}
	is, want := strings.Split(pointer, "/"), strings.Split(name, "/")
	if len(want) > len(is) {
		return false
	}
	for i, token := range want {
		if is[i] != token && is[i] != "*" {
			return false
		}
	}
	return true
}

type explanation struct {
	Type       string                       `json:"type"`
	Subject    string                       `json:"subject"` // of its schema
	Version    int                          `json:"version,omitempty"`
	From       string                       `json:"from"`
	To         string                       `json:"to"`
	Policy     string                       `json:"policy"`
	Key        key                          `json:"key"`
	Fields     []explained                  `json:"fields"`
	Techniques map[mask.Technique]technique `json:"techniques"`
	Repeats    map[string]string            `json:"repeats,omitempty"`
	Partial    []string                     `json:"partial,omitempty"`

	whole bool
}

type explained struct{ coverage.Field }

type technique struct {
	What       string `json:"what"`
	Keeps      string `json:"keeps"`
	Reveals    string `json:"reveals"`
	Collides   string `json:"collides"` // when two values become one
	Reversible bool   `json:"reversible"`
}

// detailed is up to how many fields are told one by one.
const detailed = 3

// Table writes the explanation for people.
func (e explanation) Table(w io.Writer) {
	schema := version{subject: e.Subject, number: e.Version}.String()
	cli.Fields(w, [2]string{"events", e.Type + " from " + e.From + " to " + e.To}, [2]string{"schema", schema},
		[2]string{"policy", e.Policy}, [2]string{"key", e.Key.text()})
	fmt.Fprintln(w)
	if !e.whole && len(e.Fields) <= detailed {
		for i, f := range e.Fields {
			if i > 0 {
				fmt.Fprintln(w)
			}
			f.detail(w)
		}
		return
	}
	rows := make([][]string, len(e.Fields))
	for i, f := range e.Fields {
		rows[i] = []string{f.name(), orDash(string(f.Class)), f.becomes(), at(f.Rule) + f.condition()}
	}
	cli.Columns(w, []string{"field", "class", "becomes", "by"}, rows)
	fmt.Fprintln(w)
	for _, t := range slices.Sorted(maps.Keys(e.Techniques)) {
		fmt.Fprintf(w, "%s: %s\n  keeps %s\n  reveals %s\n", t, e.Techniques[t].What, e.Techniques[t].Keeps, e.Techniques[t].Reveals)
	}
	for _, pointer := range slices.Sorted(maps.Keys(e.Repeats)) {
		fmt.Fprintf(w, "%s is as %s\n", pointer, orWhole(e.Repeats[pointer]))
	}
	for _, pointer := range e.Partial {
		fmt.Fprintf(w, "not all is listed below %s: its alternatives are too many\n", orWhole(pointer))
	}
}

func (f explained) detail(w io.Writer) {
	pairs := [][2]string{{"field", f.name()}, {"values", strings.Join(f.Kinds, ", ")}, {"class", orDash(string(f.Class))}}
	if text := f.Class.Describe(); text != "" {
		pairs[2][1] += ": " + text
	}
	pairs = append(pairs, [2]string{"by", at(f.Rule) + f.condition()}, [2]string{"becomes", f.becomes() + ": " + f.Technique.Describe()})
	if f.Withheld != nil {
		pairs = append(pairs, [2]string{"why", f.Withheld.Why}, [2]string{"cure", f.Withheld.Cure})
	} else {
		pairs = append(pairs, [2]string{"keeps", f.Technique.Keeps()}, [2]string{"reveals", f.Technique.Reveals()}, [2]string{"two become one", f.Technique.Collides()})
	}
	cli.Fields(w, pairs...)
}

// name is the field, or the names in a map.
func (f explained) name() string {
	name := orWhole(f.Pointer)
	if f.Names {
		name += " (names)"
	}
	return name
}

// becomes is the technique with its options.
func (f explained) becomes() string {
	text := string(f.Technique)
	for _, name := range slices.Sorted(maps.Keys(f.Options)) {
		text += fmt.Sprintf(" %s=%v", name, f.Options[name])
	}
	if f.With != "" {
		text += " with " + f.With
	}
	if f.Withheld != nil && f.Withheld.Code != contract.CodePolicy {
		text += " (" + f.Withheld.Code + ")"
	}
	return text
}

func (f explained) condition() string {
	switch {
	case f.Condition != "":
		return ", if " + f.Condition
	case f.Depends:
		return ", in one of the schema's alternatives"
	case f.Class == "" && f.Enumerated:
		return "; the schema lists its values"
	}
	return ""
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func orWhole(pointer string) string {
	if pointer == "" {
		return "(the whole event)"
	}
	return pointer
}
