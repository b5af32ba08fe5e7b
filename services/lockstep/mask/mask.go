// Package mask holds the commands below `lockstep mask`: what tells which fields
// are personal, what becomes of them in another environment, and why.
//
// They ask the engine that masks events; what it decides is decided there, and
// what is found out about a policy as a whole in mesh/coverage.
package mask

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

// Command is `mask` with its verbs.
func Command(app *cli.App) *cobra.Command {
	return cli.Group(
		&cobra.Command{Use: "mask", Short: "See what masking does with events, and classify their fields"},
		explainCommand(app), previewCommand(app), coverageCommand(app), suggestCommand(app),
	)
}

// Flags are what the commands have in common: which mesh, and where its schemas are.
type Flags struct {
	target.Flags
	URL     string   // of a registry
	Schemas []string // [DOMAIN=]DIR
	Overlay string
}

func (f *Flags) add(flags *pflag.FlagSet) {
	flags.StringVarP(&f.Mesh, "mesh", "f", "", "the mesh's `file`, mesh.yaml (default: the sample that comes with the program)")
	flags.StringVar(&f.Data, "data", "", "the data `directory` of the mesh: of its keys, and of its registry if it runs")
	flags.StringVar(&f.URL, "registry", "", "the schema registry's `URL`, to take schemas from")
	flags.StringArrayVar(&f.Schemas, "schemas", nil, "a `folder` to take schemas from, of one domain: DIR or DOMAIN=DIR; may be repeated (default: the folders that mesh.yaml names)")
	flags.StringVar(&f.Overlay, "overlay", "", "a `file` to take as the domain's overlay, instead of the one that mesh.yaml names")
}

// Route are the flags by which a route is found.
type Route struct {
	To, From string
	Key      string
}

func (r *Route) add(flags *pflag.FlagSet) {
	flags.StringVar(&r.To, "to", "", "the `environment` that events go to")
	flags.StringVar(&r.From, "from", "", "the `environment` that they come from (default: the only one with a route)")
	flags.StringVar(&r.Key, "key", "", "where the origin's key is: a `source` as in file:PATH, env:NAME or command:PROGRAM (default: as mesh.yaml says, with --data)")
}

// find is the route that carries a domain.
func (r Route) find(mesh *topology.Mesh, domain string) (topology.Route, error) {
	var names []string
	for _, e := range mesh.Environments() {
		names = append(names, e.Name)
	}
	for _, name := range []string{r.To, r.From} {
		if name != "" && !slices.Contains(names, name) {
			return topology.Route{}, cli.Usage("there is no environment %q; %s", name, near(name, names))
		}
	}
	var found []topology.Route
	for _, route := range mesh.RoutesTo(r.To) {
		if slices.Contains(route.Domains, domain) && (r.From == "" || route.From == r.From) {
			found = append(found, route)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return topology.Route{}, &cli.Error{
			Code: "no_route", What: fmt.Sprintf("no route carries %s to %s", domain, r.To), Where: mesh.File(), Why: "so nothing of it crosses",
			Cure: "name another environment, or declare a route",
		}
	}
	var from []string
	for _, route := range found {
		from = append(from, route.From)
	}
	return topology.Route{}, cli.Usage("%s comes to %s from %s: say from which with --from", domain, r.To, strings.Join(from, " and from "))
}

// key is the key of a route's origin, if it can be read, and what is to be said of it.
type key struct {
	ID     string `json:"id,omitempty"`
	Source string `json:"source,omitempty"`
	// Note says why the origin's key isn't used, and what that means.
	Note string `json:"note,omitempty"`

	fault error // why it can't be read
}

// crossing is what happens to the events of a type on a route.
type crossing struct {
	version
	route    topology.Route
	contract *contract.Contract
	masker   *mask.Masker
	key      key
}

// crossing finds a type's newest schema, the route that is meant, and what masks
// there.
func (f Flags) crossing(ctx context.Context, app *cli.App, r Route, eventType string) (x crossing, err error) {
	s, err := f.open(app)
	if err != nil {
		return x, err
	}
	defer s.close()
	if x.version, err = s.find(ctx, eventType); err != nil {
		return x, err
	}
	domain, _, _ := strings.Cut(eventType, ".")
	if x.route, err = r.find(s.mesh, domain); err != nil {
		return x, err
	}
	if x.contract, err = s.compile(x.version); err != nil {
		return x, err
	}
	x.masker, x.key, err = f.masker(ctx, s.mesh, x.route, r.Key)
	return x, err
}

// masker is the policy of a route, under the origin's key or, where that can't be
// read, under one that is made up.
func (f Flags) masker(ctx context.Context, mesh *topology.Mesh, route topology.Route, source string) (*mask.Masker, key, error) {
	policy, ok := mesh.Policy(route.Policy)
	if !ok {
		return nil, key{}, fmt.Errorf("route %s names the policy %q, which is not declared", route, route.Policy)
	}
	origin, _ := mesh.Environment(route.From)
	root, k := f.key(ctx, origin, source)
	if k.fault != nil || root.IsZero() {
		made := make([]byte, mask.KeySize)
		if _, err := rand.Read(made); err != nil {
			return nil, k, err
		}
		var err error
		if root, err = mask.NewKey(made); err != nil {
			return nil, k, err
		}
	}
	m, err := mask.New(policy.Name, policy.Policy, route.To, root)
	return m, k, err
}

func (f Flags) key(ctx context.Context, origin topology.Environment, source string) (mask.Key, key) {
	var parsed mask.KeySource
	var err error
	switch {
	case source != "":
		parsed, err = mask.ParseKeySource(source)
	case f.Data != "":
		parsed, err = origin.MaskKey.Source(filepath.Join(f.Data, origin.Name))
	default:
		return mask.Key{}, key{Note: "not asked for (--data or --key): tokens are made with another one, and differ from those in the destination"}
	}
	if err != nil {
		return mask.Key{}, key{Note: "it can't be read: tokens are made with another one, and differ from those in the destination", fault: err}
	}
	k := key{Source: parsed.String()}
	var root mask.Key
	if parsed.File != "" {
		root, err = mask.LoadKey(parsed.File) // never makes one
	} else {
		var ring *mask.Ring
		ring, err = parsed.Load(ctx)
		root = ring.Active()
	}
	if err != nil {
		k.fault, k.Note = err, "it can't be read by this user: tokens are made with another one, and differ from those in the destination"
		return mask.Key{}, k
	}
	k.ID = root.ID()
	return root, k
}

// text is the key in a line.
func (k key) text() string {
	switch {
	case k.ID != "":
		return k.ID + " (" + k.Source + ")"
	case k.Source != "":
		return k.Source + ": " + k.Note
	}
	return k.Note
}

// at tells where a rule stands and for what.
func at(r contract.Rule) string {
	text := r.Where
	switch r.Kind {
	case contract.RuleNone:
		return "nobody"
	case contract.RuleSchema:
		text = "schema " + r.Where
		if r.Entry != "x-lockstep-class" {
			text += " " + r.Entry
		}
	case contract.RuleProperty:
		text += " every " + r.Entry
	case contract.RuleSubject, contract.RuleDefinition:
		text += " " + r.Entry
	}
	if r.From != nil {
		from := *r.From
		if from == "" {
			from = "the whole event"
		}
		text += ", as part of " + from
	}
	return text
}
