package mask

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/sample"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// maxEvent is the largest event that is read; the gate's own limit is below it.
const maxEvent = 4 << 20

// PreviewFlags are the flags of `mask preview`.
type PreviewFlags struct {
	Flags
	Route
	Name string // a type, a file, or - for standard input
	Type string // of a file
	Raw  bool
}

func previewCommand(app *cli.App) *cobra.Command {
	var f PreviewFlags
	c := &cobra.Command{
		Use: "preview TYPE|FILE|- --to ENV", Short: "Show an event before and after masking, value by value", Args: cobra.ExactArgs(1),
		Long: `Mask one event for an environment, and show it value by value: what stood there, and
what would cross. The event is one in a FILE (or on standard input), whose type
--type says; for a TYPE, one is made from the schema.

What stood there is shown as its type and length. --raw shows the values themselves,
to those who may read the key of the origin (--data or --key): who may not gets an
error. Without the key the tokens are not those of the destination.`,
		Example: `  lockstep mask preview orders.order.placed --to staging
  lockstep mask preview order.json --type orders.order.placed --to staging --data ./mesh --raw`,
		PreRun: func(_ *cobra.Command, args []string) { f.Name = args[0] },
	}
	f.Flags.add(c.Flags())
	f.Route.add(c.Flags())
	c.Flags().StringVar(&f.Type, "type", "", "the event `type` of the event in a file")
	c.Flags().BoolVar(&f.Raw, "raw", false, "show the values before masking, if the origin's key can be read")
	return app.Command(c, func(ctx context.Context) error { return Preview(ctx, app, f) }, "to")
}

// Preview answers with the values of an event before and after.
func Preview(ctx context.Context, app *cli.App, f PreviewFlags) error {
	isFile := f.Name == "-" || strings.ContainsAny(f.Name, `/\`) || strings.HasSuffix(f.Name, ".json")
	switch {
	case isFile && f.Type == "":
		return cli.Usage("say with --type of which type the event in %s is", f.Name)
	case !isFile && f.Type != "":
		return cli.Usage("--type is for the event in a file; %q is none, since it has neither / nor .json", f.Name)
	case !isFile:
		f.Type = f.Name
	}
	x, err := f.crossing(ctx, app, f.Route, f.Type)
	if err != nil {
		return err
	}
	if f.Raw && x.key.ID == "" {
		return notAllowed(x.route.From, x.key)
	}
	p := preview{
		Type: f.Type, Subject: x.subject, Version: x.number, From: x.route.From, To: x.route.To, Policy: x.masker.Policy(), Key: x.key, Raw: f.Raw,
		Event: "made from the schema", Values: []previewed{},
	}
	var data []byte
	if isFile {
		if data, p.Event, err = read(app, f.Name); err != nil {
			return err
		}
		if err := valid(x.contract, data, p.Event, x.version); err != nil {
			return err
		}
	} else {
		if data, err = made(x.version); err != nil {
			return err
		}
		if data, err = contents(x.contract, data); err != nil {
			return err
		}
	}
	return p.fill(x.contract, x.masker, data, app)
}

// notAllowed refuses to show values to who can't read the origin's key.
func notAllowed(origin string, k key) error {
	e := &cli.Error{
		Code: "not_allowed", What: "the values before masking are not shown", Where: k.Source,
		Why: "they are for those who may read the key of " + origin + ", and no key was named", Cure: "name it with --data or --key, or leave --raw out",
	}
	if k.fault != nil {
		e.Why, e.Cure = "they are for those who may read the key of "+origin+", and this user can't: "+k.fault.Error(), "ask somebody who may, or leave --raw out"
	}
	return e
}

func read(app *cli.App, name string) (_ []byte, where string, err error) {
	from, where := app.Stdin, "standard input"
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, name, &cli.Error{Code: "file", What: "the event cannot be read", Where: name, Cause: err, Cure: "check the path and its permissions"}
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		from, where = file, name
	}
	data, err := io.ReadAll(io.LimitReader(from, maxEvent+1))
	switch {
	case err != nil:
		return nil, where, &cli.Error{Code: "file", What: "the event cannot be read", Where: where, Cause: err}
	case len(data) > maxEvent:
		return nil, where, &cli.Error{Code: "file", What: fmt.Sprintf("the event is larger than %d MiB", maxEvent>>20), Where: where, Cure: "try a smaller one"}
	}
	return data, where, nil
}

// valid refuses an event that no gate would have let in, without showing any of it.
func valid(c *contract.Contract, data []byte, where string, v version) error {
	err := c.Validate(data)
	var invalid *contract.Invalid
	if !errors.As(err, &invalid) {
		return err
	}
	e := &cli.Error{Code: "invalid", What: "the event is not valid under " + v.String(), Where: where, Cure: "correct it, or name another --type"}
	for _, violation := range invalid.Violations {
		e.Problems = append(e.Problems, cli.Problem{Code: violation.Keyword, What: fmt.Sprintf("%s violates %s", orWhole(violation.Pointer), violation.Keyword)})
	}
	return e
}

func made(v version) ([]byte, error) {
	data, err := sample.Of(v.bundle)
	if err == nil {
		return data, nil
	}
	e := &cli.Error{Code: "sample", What: "no sample event can be made", Where: v.String(), Cause: err, Cure: "give an event in a file"}
	if none := (*sample.Error)(nil); errors.As(err, &none) {
		e.Code, e.Why = none.Code, none.Problem
	}
	return nil, e
}

type preview struct {
	Type    string `json:"type"`
	Subject string `json:"subject"`
	Version int    `json:"version,omitempty"`
	From    string `json:"from"`
	To      string `json:"to"`
	Policy  string `json:"policy"`
	Key     key    `json:"key"`
	Event   string `json:"event"` // where it is from
	Raw     bool   `json:"raw"`
	// Crosses is false if the event would be withheld, for the reason in Withheld.
	Crosses  bool               `json:"crosses"`
	Withheld *contract.Withheld `json:"withheld,omitempty"`
	Values   []previewed        `json:"values"`
	Masked   json.RawMessage    `json:"masked,omitempty"` // what would cross
}

// previewed is one value.
type previewed struct {
	Pointer   string             `json:"pointer"` // * stands for a name that is data
	Names     bool               `json:"names,omitempty"`
	Class     mask.Class         `json:"class,omitempty"`
	Technique mask.Technique     `json:"technique"`
	Type      string             `json:"type"`
	Length    int                `json:"length,omitempty"` // in characters, of a string or number
	Before    json.RawMessage    `json:"before,omitempty"` // with --raw
	After     json.RawMessage    `json:"after,omitempty"`  // nothing if it doesn't cross
	Withheld  *contract.Withheld `json:"withheld,omitempty"`
}

// fill masks the event and answers.
func (p preview) fill(c *contract.Contract, m *mask.Masker, data []byte, app *cli.App) error {
	traced, err := c.Trace(data, m)
	if err != nil {
		return err
	}
	masked, _, err := c.Mask(nil, data, m)
	switch {
	case err == nil:
		p.Crosses, p.Masked = true, masked
	case errors.As(err, &p.Withheld):
	default:
		return err
	}
	for _, one := range traced {
		v := previewed{
			Pointer: one.Shown, Names: one.Names, Class: one.Class, Technique: one.Technique, Type: one.Kind.String(),
			After: one.Masked, Withheld: one.Withheld,
		}
		if one.Kind == mask.String || one.Kind == mask.Number { // the length of true or false tells which
			v.Length = utf8.RuneCountInString(one.Text)
		}
		if one.Container {
			v.Type = "container"
		}
		if p.Raw {
			v.Pointer = one.Pointer
			v.Before = json.RawMessage(one.Text)
			if one.Kind == mask.String {
				if v.Before, err = json.Marshal(one.Text); err != nil {
					return err
				}
			} else if one.Container {
				v.Before = nil
			}
		}
		p.Values = append(p.Values, v)
	}
	return app.Answer(p)
}

// Table writes both sides for people.
func (p preview) Table(w io.Writer) {
	cli.Fields(w, [2]string{"event", p.Type + ", " + p.Event}, [2]string{"route", p.From + " to " + p.To}, [2]string{"policy", p.Policy}, [2]string{"key", p.Key.text()})
	fmt.Fprintln(w)
	rows := make([][]string, len(p.Values))
	for i, v := range p.Values {
		name := orWhole(v.Pointer)
		if v.Names {
			name += " (name)"
		}
		rows[i] = []string{name, v.before(), v.after(), orDash(string(v.Class)), string(v.Technique)}
	}
	cli.Columns(w, []string{"field", "before", "after", "class", "by"}, rows)
	fmt.Fprintln(w)
	if p.Crosses {
		fmt.Fprintf(w, "It crosses to %s.\n", p.To)
		return
	}
	class := ""
	if p.Withheld.Class != "" {
		class = " (" + p.Withheld.Class + ")"
	}
	fmt.Fprintf(w, "It does not cross to %s, for %s%s: %s; %s.\n", p.To, orWhole(p.Withheld.Pointer), class, p.Withheld.Why, p.Withheld.Cure)
}

func (v previewed) before() string {
	switch {
	case v.Before != nil:
		return short(string(v.Before))
	case v.Type == "string":
		return "string of " + strconv.Itoa(v.Length)
	case v.Type == "number":
		return "number of " + strconv.Itoa(v.Length)
	}
	return v.Type
}

func (v previewed) after() string {
	switch {
	case v.Withheld != nil:
		return "withheld: " + v.Withheld.Code
	case v.After == nil:
		return "dropped"
	}
	return short(string(v.After))
}

// short keeps a table readable; JSON and YAML have the whole value.
func short(text string) string {
	const width = 48
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}
