package mask

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/schema/check"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

// attempts of each request, while the registry does not answer.
const attempts = 3

// schemas are a mesh's schemas, in folders or in a registry.
type schemas struct {
	flags    Flags
	mesh     *topology.Mesh
	registry *check.Remote // nil if they are in folders
	client   *client.Client

	files    map[string]map[string]*jsonschema.Bundle // by domain and subject
	overlays map[string]*mask.Overlay
}

// version is one version of a subject; its number is 0 if it is a file's.
type version struct {
	subject string
	number  int
	bundle  *jsonschema.Bundle
	tags    map[string][]string // of its metadata
}

// String is the version as people call it.
func (v version) String() string {
	if v.number == 0 {
		return v.subject
	}
	return fmt.Sprintf("%s version %d", v.subject, v.number)
}

// open finds the mesh and its schemas. The caller closes it.
func (f Flags) open(app *cli.App) (*schemas, error) {
	mesh, err := target.LoadMesh(f.Mesh)
	if err != nil {
		return nil, err
	}
	s := &schemas{flags: f, mesh: mesh, files: map[string]map[string]*jsonschema.Bundle{}, overlays: map[string]*mask.Overlay{}}
	address := f.URL
	if address == "" && f.Data != "" && len(f.Schemas) == 0 {
		// With keys at hand, the mesh's own registry is asked if it is known where it is.
		if all, hub, err := f.All(); err == nil && all[hub].Credentials != "" && running(f.Data) {
			address = all[hub].Registry
		}
	}
	if address == "" {
		return s, nil
	}
	if len(f.Schemas) > 0 {
		return nil, cli.Usage("--registry and --schemas exclude each other")
	}
	if s.client, err = client.New(address, client.WithAttempts(attempts), client.WithAuthor(app.Getenv("USER"))); err != nil {
		return nil, cli.Usage("--registry: %v", err)
	}
	s.registry = check.OpenRemote(address, s.client, func(err error) error { return unanswered(address, err) })
	return s, nil
}

// running reports whether `lockstep dev` has left its addresses.
func running(data string) bool {
	_, err := os.Stat(filepath.Join(data, "dev.json"))
	return err == nil
}

func (s *schemas) close() {
	if s.client != nil {
		s.client.Close()
	}
}

func unanswered(address string, err error) error {
	e := &cli.Error{Code: "registry", What: "the registry did not answer as hoped", Where: address, Cause: err}
	var failure *client.Error
	switch {
	case errors.As(err, &failure) && failure.Status == http.StatusNotFound:
		e.Code, e.What, e.Cure = "not_found", "there is no such schema", "lockstep schema list shows what there is"
	case !errors.As(err, &failure) || failure.Status == 0:
		e.Cure = "start the mesh with lockstep dev or serve, or take the schemas from a folder with --schemas"
	}
	return e
}

// subjects are the event types of a domain that have schemas, sorted: shared
// definitions are none.
func (s *schemas) subjects(ctx context.Context, domain string) ([]string, error) {
	var names []string
	if s.registry != nil {
		all, _, err := s.registry.Subjects(ctx, check.Domain{Name: domain})
		if err != nil {
			return nil, err
		}
		names = all
	} else {
		files, err := s.folder(domain)
		if err != nil {
			return nil, err
		}
		for name := range files {
			names = append(names, name)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		subject, err := wire.ParseSubject(name)
		return err != nil || subject.Entity == wire.SharedEntity
	})
	slices.Sort(names)
	return names, nil
}

// errNoSchemas says that nobody told where a domain's schemas are.
var errNoSchemas = errors.New("it is not known where they are")

// folder reads the schemas of a domain.
func (s *schemas) folder(domain string) (map[string]*jsonschema.Bundle, error) {
	if known, ok := s.files[domain]; ok {
		return known, nil
	}
	root, name, err := s.root(domain)
	if err != nil {
		return nil, err
	}
	var problems folder.Problems
	files, err := folder.Read(domain, root)
	if errors.As(err, &problems) {
		return nil, cli.SchemaProblems(fmt.Sprintf("the schemas of %s cannot be used", domain), problems.Below(name))
	} else if err != nil {
		return nil, err
	}
	found := make(map[string]*jsonschema.Bundle, len(files))
	for _, f := range files {
		found[f.Subject] = f.Bundle
	}
	s.files[domain] = found
	return found, nil
}

func (s *schemas) root(domain string) (fs.FS, string, error) {
	for _, given := range s.flags.Schemas {
		name, dir, ok := strings.Cut(given, "=")
		if !ok {
			dir = given
			if len(s.flags.Schemas) > 1 {
				return nil, "", cli.Usage("--schemas %s: of several folders it has to be said whose they are: DOMAIN=%s", given, given)
			}
		}
		if !ok || name == domain {
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return nil, "", &cli.Error{Code: "schema", What: "there is no such folder", Where: dir, Cause: err, Cure: "name the folder of the domain's schemas"}
			}
			return os.DirFS(dir), dir, nil
		}
	}
	root, ok, err := s.mesh.Schemas(domain)
	switch {
	case err != nil:
		return nil, "", err
	case !ok:
		return nil, "", &cli.Error{
			Code: "no_schemas", What: "the schemas of " + domain + " are needed", Cause: errNoSchemas,
			Cure: "name their folder with --schemas, or the registry that has them with --registry",
		}
	}
	d, _ := s.mesh.Domain(domain)
	return root, d.Schemas, nil
}

// find is the newest version that events of a type fall under.
func (s *schemas) find(ctx context.Context, eventType string) (version, error) {
	domain, _, _ := strings.Cut(eventType, ".")
	if _, ok := s.mesh.Domain(domain); !ok {
		var names []string
		for _, d := range s.mesh.Domains() {
			names = append(names, d.Name)
		}
		return version{}, cli.Usage("there is no domain %q, which %q would be of; %s", domain, eventType, near(domain, names))
	}
	subject, err := wire.ParseSubject(eventType)
	if err != nil || len(subject.Keys) > 0 {
		return version{}, cli.Usage("%q is no event type: it is DOMAIN.ENTITY.ACTION", eventType)
	}
	names, err := s.subjects(ctx, domain)
	if err != nil {
		return version{}, err
	}
	name := subject.Type()
	if !slices.Contains(names, name) {
		name = subject.EntityType()
	}
	if !slices.Contains(names, name) {
		return version{}, cli.Usage("there is no schema for %s; %s", eventType, near(eventType, names))
	}
	versions, err := s.versions(ctx, name, 1)
	if err != nil {
		return version{}, err
	}
	return versions[0], nil
}

// versions are a subject's newest versions, up to n of them, newest first.
func (s *schemas) versions(ctx context.Context, subject string, n int) ([]version, error) {
	domain, _, _ := strings.Cut(subject, ".")
	if s.registry == nil {
		files, err := s.folder(domain)
		if err != nil {
			return nil, err
		}
		return []version{{subject: subject, bundle: files[subject]}}, nil
	}
	numbers, err := s.registry.Numbers(ctx, subject)
	if err != nil {
		return nil, err
	}
	var found []version
	for _, number := range slices.Backward(numbers) {
		if len(found) == n {
			break
		}
		b, err := s.registry.Bundle(ctx, subject, number)
		if err != nil {
			return nil, err
		}
		v, err := s.client.Version(ctx, subject, strconv.Itoa(number))
		if err != nil {
			return nil, unanswered(s.registry.Label(), err)
		}
		found = append(found, version{subject: subject, number: number, bundle: b})
		if v.Metadata != nil {
			found[len(found)-1].tags = v.Metadata.Tags
		}
	}
	return found, nil
}

// compile makes a version's contract, with the overlay of its domain.
func (s *schemas) compile(v version) (*contract.Contract, error) {
	domain, _, _ := strings.Cut(v.subject, ".")
	overlay, err := s.overlay(domain)
	if err != nil {
		return nil, err
	}
	d, _ := s.mesh.Domain(domain)
	c, err := contract.CompileTagged(v.bundle, contract.Options{
		Subject: v.subject, Version: v.number, Overlay: overlay, Open: d.Write == topology.WriteOpen,
	}, v.tags)
	if err != nil {
		return nil, &cli.Error{Code: "schema", What: "the schema cannot be compiled", Where: v.subject, Cause: err, Cure: "correct it first"}
	}
	return c, nil
}

func (s *schemas) overlay(domain string) (*mask.Overlay, error) {
	if known, ok := s.overlays[domain]; ok {
		return known, nil
	}
	overlay, err := s.readOverlay(domain)
	var problems mask.Problems
	if errors.As(err, &problems) {
		e := &cli.Error{Code: "overlay", What: "the overlay cannot be used"}
		for _, p := range problems {
			e.Problems = append(e.Problems, cli.Problem{File: p.File, Line: p.Line, Column: p.Col, What: p.What + ": " + p.Why, Cure: p.Cure})
		}
		return nil, e
	}
	if err == nil {
		s.overlays[domain] = overlay
	}
	return overlay, err
}

func (s *schemas) readOverlay(domain string) (*mask.Overlay, error) {
	if s.flags.Overlay == "" {
		return s.mesh.Overlay(domain)
	}
	text, err := os.ReadFile(s.flags.Overlay)
	if err != nil {
		return nil, &cli.Error{Code: "overlay", What: "the overlay cannot be read", Where: s.flags.Overlay, Cause: err, Cure: "check the path"}
	}
	return mask.ParseOverlay(s.flags.Overlay, text)
}

// near says which of the names is meant, if it can be told, or lists them.
func near(name string, names []string) string {
	const listed = 12
	best := slices.Clone(names)
	slices.SortStableFunc(best, func(a, b string) int { return cmp.Compare(distance(name, a), distance(name, b)) })
	if len(best) == 0 {
		return "there are none"
	}
	if d := distance(name, best[0]); d <= 2 || d <= len(name)/4 {
		alike := slices.DeleteFunc(slices.Clone(best), func(other string) bool { return distance(name, other) > d })
		return "did you mean " + strings.Join(alike[:min(len(alike), 3)], " or ") + "?"
	}
	more := ""
	if len(best) > listed {
		more = fmt.Sprintf(" and %d more", len(best)-listed)
		best = best[:listed]
	}
	slices.Sort(best)
	return "there are " + strings.Join(best, ", ") + more
}

// distance is how many letters have to be changed, added or removed.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		before := row[0]
		row[0] = i + 1
		for j := range y {
			change := before
			if x[i] != y[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, before+1, row[j]+1)
		}
	}
	return row[len(y)]
}
