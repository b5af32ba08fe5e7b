// Package schema holds the commands below `lockstep schema`: what works with
// schemas as files and with those that a registry holds.
package schema

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/target"
)

const (
	attempts   = 3 // of each request, while the registry does not answer
	schemaType = "JSON"
)

// Command is `schema` with its verbs.
func Command(app *cli.App) *cobra.Command {
	return cli.Group(
		&cobra.Command{Use: "schema", Short: "Work with the schemas of events"},
		checkCommand(app), pushCommand(app), diffCommand(app), exampleCommand(app), explainCommand(app), listCommand(app), getCommand(app),
	)
}

// RegistryFlags say which registry is meant.
type RegistryFlags struct {
	target.Flags
	URL string
}

func (f *RegistryFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.URL, "registry", "", "the schema registry's `URL` (default: the hub's, as --data and --mesh say)")
	f.AddMesh(flags)
}

// open makes a client for the registry.
func (f *RegistryFlags) open(app *cli.App) (*client.Client, error) {
	address, err := f.Registry(f.URL)
	if err != nil {
		return nil, err
	}
	c, err := client.New(address, client.WithAttempts(attempts), client.WithAuthor(app.Getenv("USER")))
	if err != nil {
		return nil, cli.Usage("--registry: %v", err)
	}
	f.URL = address
	return c, nil
}

// PushFlags are the flags of `schema push`.
type PushFlags struct {
	RegistryFlags
	Domain string
	Dir    string
}

func pushCommand(app *cli.App) *cobra.Command {
	var f PushFlags
	c := &cobra.Command{
		Use: "push --domain DOMAIN --dir DIR", Short: "Register a folder of schemas",
		Long: `Register every *.schema.json below a folder as a schema of a domain. A file's path
is its subject:

  issues/opened.schema.json   DOMAIN.issues.opened
  issues/event.schema.json    DOMAIN.issues, for all actions without a schema of their own
  common/user.schema.json     DOMAIN.common.user, for others to refer to

A "$ref" names another file by its path, from the folder's root or from its own
folder. What is registered already stays as it is. If anything is wrong with the
folder itself, nothing is registered, and all of it is told at once; what the
registry refuses does not keep it from the rest.`,
		Example: "  lockstep schema push --domain github --dir schemas --registry http://127.0.0.1:8081",
	}
	flags := c.Flags()
	flags.StringVar(&f.Domain, "domain", "", "the `domain` that owns the events")
	flags.StringVar(&f.Dir, "dir", "", "the `folder` with the schemas")
	f.add(flags)
	return app.Command(c, func(ctx context.Context) error { return Push(ctx, app, f) }, "domain", "dir")
}

// Push registers the folder and answers with the versions that the registry has.
func Push(ctx context.Context, app *cli.App, f PushFlags) error {
	registry, err := f.open(app)
	if err != nil {
		return err
	}
	defer registry.Close()
	var problems folder.Problems
	files, err := folder.Read(f.Domain, os.DirFS(f.Dir))
	if errors.As(err, &problems) {
		return cli.SchemaProblems(fmt.Sprintf("%s are wrong with the schemas, and none was registered", things(len(problems))), problems.Below(f.Dir))
	} else if err != nil {
		return err
	}
	p := &pusher{registry: registry, created: map[string]bool{}}
	results, err := folder.Push(ctx, files, p.register)
	pushed := pushed{Registry: f.URL, Schemas: make([]version, len(results))}
	for i, r := range results {
		created := p.created[r.Subject]
		pushed.Schemas[i] = version{Subject: r.Subject, Version: r.Version, ID: r.ID, File: r.Path, Created: created}
		if created {
			pushed.Created++
		} else {
			pushed.Unchanged++
		}
	}
	if !errors.As(err, &problems) {
		if err != nil {
			return err
		}
		return app.Answer(pushed)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e := cli.SchemaProblems(fmt.Sprintf("%d of %d schemas are registered, the others are not", len(results), len(files)), problems.Below(f.Dir))
	var failure *client.Error
	if errors.As(err, &failure) && failure.Temporary() {
		e.Code, e.What = "registry", fmt.Sprintf("the registry at %s does not serve: %d of %d schemas are registered", f.URL, len(results), len(files))
		e.Cure = "start the mesh with lockstep dev or serve, or name the registry's URL with --registry; then push again"
	}
	if len(results) > 0 {
		e.Partial = pushed
	}
	return e
}

func things(n int) string {
	if n == 1 {
		return "one thing"
	}
	return strconv.Itoa(n) + " things"
}

// pusher registers schemas over HTTP.
type pusher struct {
	registry *client.Client
	created  map[string]bool // subjects that have a version more than before
}

// register finds the version that the text is already, or makes it.
func (p *pusher) register(ctx context.Context, subject string, text []byte, refs []folder.Reference) (int, int, error) {
	s := client.Schema{Schema: string(text), Type: schemaType}
	for _, r := range refs {
		s.References = append(s.References, client.Reference(r))
	}
	v, err := p.registry.Lookup(ctx, subject, s)
	if status(err) == http.StatusNotFound {
		if v, err = p.registry.Register(ctx, subject, s); err == nil {
			p.created[subject] = true
			if v.Version == 0 { // not every registry says it
				v, err = p.registry.Lookup(ctx, subject, s)
			}
		}
	}
	if code := status(err); err != nil && code != http.StatusConflict && code != http.StatusUnprocessableEntity {
		err = folder.Stop(err) // it is not about this schema
	}
	return v.Version, v.ID, err
}

// status is the HTTP status that a registry refused with; 0 if it did not.
func status(err error) int {
	var failure *client.Error
	if errors.As(err, &failure) {
		return failure.Status
	}
	return 0
}

// pushed is what the command says.
type pushed struct {
	Registry  string    `json:"registry"`
	Created   int       `json:"created"`
	Unchanged int       `json:"unchanged"`
	Schemas   []version `json:"schemas"`
}

// version is one version of a subject.
type version struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
	ID      int    `json:"id"`
	File    string `json:"file"`
	Created bool   `json:"created"`
}

// Table writes the answer for people.
func (p pushed) Table(w io.Writer) {
	rows := make([][]string, len(p.Schemas))
	for i, v := range p.Schemas {
		state := "unchanged"
		if v.Created {
			state = "created"
		}
		rows[i] = []string{v.Subject, strconv.Itoa(v.Version), strconv.Itoa(v.ID), state, v.File}
	}
	cli.Columns(w, []string{"subject", "version", "id", "state", "file"}, rows)
	fmt.Fprintf(w, "\n%d created, %d unchanged in %s\n", p.Created, p.Unchanged, p.Registry)
}
