package mask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/coverage"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// CoverageFlags are the flags of `mask coverage`.
type CoverageFlags struct {
	Flags
	To, From string
	Domain   string
	Strict   bool
}

func coverageCommand(app *cli.App) *cobra.Command {
	var f CoverageFlags
	c := &cobra.Command{
		Use: "coverage", Short: "Report for each route which fields are classified, and which events would be withheld",
		Long: `Report for each route of the mesh: how many fields of its events are classified and
how many are not, by which technique each class crosses, which event types would be
withheld and because of which field, and which fields of a newest schema version are
new and not classified yet (from a registry, which knows earlier versions).

Exit code with --strict: 3 if a field is not classified, an event type never crosses,
or schemas could not be looked at.`,
		Example: `  lockstep mask coverage
  lockstep mask coverage -f mesh.yaml --registry http://127.0.0.1:8081 --strict
  lockstep mask coverage --schemas github=schemas/github --to staging`,
	}
	flags := c.Flags()
	f.add(flags)
	flags.StringVar(&f.To, "to", "", "only routes to this `environment`")
	flags.StringVar(&f.From, "from", "", "only routes from this `environment`")
	flags.StringVar(&f.Domain, "domain", "", "only this `domain`")
	flags.BoolVar(&f.Strict, "strict", false, "exit with 3 if something is not classified")
	return app.Command(c, func(ctx context.Context) error { return Coverage(ctx, app, f) })
}

// Coverage answers with the report; what is missing is an error with --strict.
func Coverage(ctx context.Context, app *cli.App, f CoverageFlags) error {
	s, err := f.open(app)
	if err != nil {
		return err
	}
	defer s.close()
	if f.Domain != "" {
		if _, ok := s.mesh.Domain(f.Domain); !ok {
			return cli.Usage("there is no domain %q", f.Domain)
		}
	}
	for _, name := range []string{f.To, f.From} {
		if _, ok := s.mesh.Environment(name); !ok && name != "" {
			return cli.Usage("there is no environment %q", name)
		}
	}
	report := coverageReport{Mesh: s.mesh.File(), Routes: []routeReport{}}
	for _, route := range s.mesh.Routes() {
		if f.To != "" && route.To != f.To || f.From != "" && route.From != f.From {
			continue
		}
		for _, domain := range route.Domains {
			if f.Domain != "" && domain != f.Domain {
				continue
			}
			r, err := f.route(ctx, s, route, domain)
			if err != nil {
				return err
			}
			report.Routes = append(report.Routes, r)
		}
	}
	if err := app.Answer(report); err != nil {
		return err
	}
	if n := report.findings(); f.Strict && n > 0 {
		return &cli.Error{
			Exit: cli.ExitFindings, Code: cli.CodeFindings, What: "not everything is classified", Why: counted(n, "finding"),
			Cure: "classify the fields in their schemas or in an overlay; lockstep mask suggest proposes classes",
		}
	}
	return nil
}

// route reports on one domain of a route.
func (f CoverageFlags) route(ctx context.Context, s *schemas, route topology.Route, domain string) (routeReport, error) {
	m, _, err := f.masker(ctx, s.mesh, route, "")
	if err != nil {
		return routeReport{}, err
	}
	r := routeReport{From: route.From, To: route.To, Domain: domain, Policy: m.Policy(), Types: []typeReport{}, Classes: []classReport{}}
	subjects, err := s.subjects(ctx, domain)
	if errors.Is(err, errNoSchemas) {
		r.Missing = "the schemas of " + domain + " were not looked at: name their folder with --schemas, or a registry with --registry"
		return r, nil
	} else if err != nil {
		return r, err
	}
	for _, subject := range subjects {
		t, err := f.subject(ctx, s, m, subject, &r)
		if err != nil {
			return r, err
		}
		r.Types = append(r.Types, t)
	}
	slices.SortFunc(r.Classes, func(a, b classReport) int {
		return slices.Index(mask.Classes(), a.Class) - slices.Index(mask.Classes(), b.Class)
	})
	return r, nil
}

func (f CoverageFlags) subject(ctx context.Context, s *schemas, m *mask.Masker, subject string, r *routeReport) (typeReport, error) {
	versions, err := s.versions(ctx, subject, 2)
	if err != nil {
		return typeReport{}, err
	}
	c, err := s.compile(versions[0])
	if err != nil {
		return typeReport{}, err
	}
	report, err := coverage.Of(c, m)
	if err != nil {
		return typeReport{}, err
	}
	t := typeReport{
		Subject: subject, Version: versions[0].number, Fields: report.Classified + report.Unclassified + report.Enumerated + report.Boolean,
		Classified: report.Classified, Unclassified: report.Unclassified, ByDefault: report.Enumerated + report.Boolean, Crosses: crossesAll, Partial: report.Partial,
		Withheld: []withheldField{}, New: []string{},
	}
	for _, field := range report.Fields {
		r.count(field)
		if field.Withheld != nil {
			t.Crosses = crossesSome
			t.Withheld = append(t.Withheld, withheldField{
				Pointer: field.Pointer, Names: field.Names, Always: field.Required && !field.Depends && field.Condition == "",
				Code: field.Withheld.Code, Class: field.Withheld.Class, Why: field.Withheld.Why, Cure: field.Withheld.Cure,
			})
		}
	}
	if report.Always() {
		t.Crosses = crossesNone
	}
	r.Classified += t.Classified
	r.Unclassified += t.Unclassified
	r.ByDefault += t.ByDefault
	if len(versions) < 2 {
		return t, nil
	}
	older, err := s.compile(versions[1])
	if err != nil {
		return t, err
	}
	before, err := older.Classify()
	if err != nil {
		return t, err
	}
	after, err := c.Classify()
	if err != nil {
		return t, err
	}
	for _, p := range coverage.Added(before, after) {
		t.New = append(t.New, p.Pointer)
	}
	t.New = slices.Compact(t.New)
	return t, nil
}

// Whether events of a type cross.
const (
	crossesAll  = "all"
	crossesSome = "without the fields named"
	crossesNone = "none"
)

type coverageReport struct {
	Mesh   string        `json:"mesh"`
	Routes []routeReport `json:"routes"`
}

// routeReport is about one domain on one route.
type routeReport struct {
	From         string        `json:"from"`
	To           string        `json:"to"`
	Domain       string        `json:"domain"`
	Policy       string        `json:"policy"`
	Classified   int           `json:"classified"`
	Unclassified int           `json:"unclassified"`
	ByDefault    int           `json:"by_default"` // unclassified, but listed by the schema or true or false
	Classes      []classReport `json:"classes"`
	Types        []typeReport  `json:"types"`
	Missing      string        `json:"missing,omitempty"` // why nothing is known
}

type classReport struct {
	Class     mask.Class     `json:"class"`
	Technique mask.Technique `json:"technique"`
	Fields    int            `json:"fields"`
}

type typeReport struct {
	Subject      string          `json:"subject"`
	Version      int             `json:"version,omitempty"`
	Fields       int             `json:"fields"`
	Classified   int             `json:"classified"`
	Unclassified int             `json:"unclassified"`
	ByDefault    int             `json:"by_default"`
	Crosses      string          `json:"crosses"`
	Withheld     []withheldField `json:"withheld"`
	New          []string        `json:"new"` // not in the version before, and not classified
	Partial      []string        `json:"partial,omitempty"`
}

type withheldField struct {
	Pointer string `json:"pointer"`
	Names   bool   `json:"names,omitempty"`
	Always  bool   `json:"always"` // every event has it
	Code    string `json:"code"`
	Class   string `json:"class,omitempty"`
	Why     string `json:"why"`
	Cure    string `json:"cure"`
}

// count counts a field by its class.
func (r *routeReport) count(f coverage.Field) {
	if f.Class == "" || len(f.Kinds) > 0 && (f.Kinds[0] == "object" || f.Kinds[0] == "array" || f.Kinds[0] == contract.KindContent) {
		return
	}
	i := slices.IndexFunc(r.Classes, func(c classReport) bool { return c.Class == f.Class && c.Technique == f.Technique })
	if i < 0 {
		r.Classes = append(r.Classes, classReport{Class: f.Class, Technique: f.Technique})
		i = len(r.Classes) - 1
	}
	r.Classes[i].Fields++
}

// findings counts what --strict doesn't let pass.
func (c coverageReport) findings() int {
	n := 0
	for _, r := range c.Routes {
		n += r.Unclassified
		if r.Missing != "" {
			n++
		}
		for _, t := range r.Types {
			if t.Crosses == crossesNone && !slices.ContainsFunc(t.Withheld, func(w withheldField) bool {
				return w.Code == contract.CodeUnclassified || w.Code == contract.CodeUnclassifiedKey
			}) {
				n++
			}
			n += len(t.Partial)
		}
	}
	return n
}

// Table writes the report for people.
func (c coverageReport) Table(w io.Writer) {
	rows := make([][]string, len(c.Routes))
	for i, r := range c.Routes {
		some, none := 0, 0
		for _, t := range r.Types {
			switch t.Crosses {
			case crossesSome:
				some++
			case crossesNone:
				none++
			}
		}
		rows[i] = []string{r.From + "→" + r.To, r.Domain, r.Policy, strconv.Itoa(len(r.Types)), strconv.Itoa(r.Classified), strconv.Itoa(r.Unclassified), strconv.Itoa(r.ByDefault), strconv.Itoa(some), strconv.Itoa(none)}
	}
	cli.Columns(w, []string{"route", "domain", "policy", "types", "classified", "unclassified", "by default", "withheld at times", "always"}, rows)
	for _, r := range c.Routes {
		name := fmt.Sprintf("%s→%s %s", r.From, r.To, r.Domain)
		if r.Missing != "" {
			fmt.Fprintf(w, "\n%s: %s\n", name, r.Missing)
			continue
		}
		if len(r.Classes) > 0 {
			fmt.Fprintf(w, "\n%s:\n", name)
			classes := make([][]string, len(r.Classes))
			for i, class := range r.Classes {
				classes[i] = []string{string(class.Class), string(class.Technique), strconv.Itoa(class.Fields)}
			}
			cli.Columns(w, []string{"class", "becomes", "fields"}, classes)
		}
		for _, t := range r.Types {
			t.table(w, name)
		}
	}
}

func (t typeReport) table(w io.Writer, route string) {
	schema := version{subject: t.Subject, number: t.Version}.String()
	for _, f := range t.Withheld {
		what := "a value"
		if f.Names {
			what = "a name"
		}
		if f.Always {
			fmt.Fprintf(w, "%s: %s never crosses, for %s: %s (%s)\n", route, schema, orWhole(f.Pointer), f.Why, f.Cure)
		} else {
			fmt.Fprintf(w, "%s: %s is withheld with %s at %s: %s (%s)\n", route, schema, what, orWhole(f.Pointer), f.Why, f.Cure)
		}
	}
	for _, pointer := range t.New {
		fmt.Fprintf(w, "%s: %s: %s is new and not classified\n", route, schema, pointer)
	}
	for _, pointer := range t.Partial {
		fmt.Fprintf(w, "%s: %s: not all was looked at below %s: its alternatives are too many\n", route, schema, orWhole(pointer))
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
