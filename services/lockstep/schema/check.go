package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/mesh/coverage"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/compat"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/schema/check"
)

// CheckFlags are the flags of `schema check`.
type CheckFlags struct {
	Dir     string
	Against string
	Domain  string
	Mesh    string
	Level   string
	Policy  string
	Format  string
	Classes bool
}

// The formats for the machinery of continuous integration.
const (
	formatGitHub = "github"
	formatJUnit  = "junit"
)

func checkCommand(app *cli.App) *cobra.Command {
	var f CheckFlags
	c := &cobra.Command{
		Use: "check DIR", Short: "Check a folder of schemas, and compare it with what was there before", Args: cobra.ExactArgs(1),
		Long: `Check that every *.schema.json below DIR is a schema, that its references lead
somewhere, and that some document is valid under it; and, with --against, that
what was written under the earlier schemas can be read under these.

--against names a git revision (main, HEAD~1, v1.2) of the same folder, or the URL
of a schema registry. A schema is compared with all that it refers to, each side
with its own files, so that a change in a shared definition counts for every
schema that uses it.

DIR is the folder of one domain, as for schema push, named by --domain or like the
folder; or one that holds a folder for each domain.

A schema is compared under the level BACKWARD, or as the registry has configured
it, and under the policy gated; domains that mesh.yaml (--mesh) declares "write:
open" are compared under strict, whatever --policy says, because their gate lets
undeclared fields in.

Of domains that mesh.yaml declares "classify: required", and of all with
--require-classes, every field needs a masking class, in its schema or in the
domain's overlay.

Exit code 0: nothing is wrong; 3: there are findings; 1 and 2: it could not be checked.`,
		Example: `  lockstep schema check --against main schemas
  lockstep schema check --against http://127.0.0.1:8081 --domain github --format github schemas/github`,
		PreRun: func(_ *cobra.Command, args []string) { f.Dir = args[0] },
	}
	flags := c.Flags()
	flags.StringVar(&f.Against, "against", "", "what was there before: a git `revision`, or a registry's URL")
	flags.StringVar(&f.Domain, "domain", "", "the `domain` whose folder DIR is")
	flags.StringVar(&f.Mesh, "mesh", "", "the mesh's `file`, for the domains' write modes, overlays and required classes")
	cli.WithoutVariable(flags, "mesh")
	flags.StringVar(&f.Level, "compatibility", "", "the `level`: NONE, BACKWARD, FORWARD, FULL, or one of the last three with _TRANSITIVE (default: the registry's, or BACKWARD)")
	flags.StringVar(&f.Policy, "policy", "", "the `policy`: gated, strict or lenient (default: the registry's, or gated)")
	flags.BoolVar(&f.Classes, "require-classes", false, "require a masking class for every field, of domains of which mesh.yaml does not say so, too")
	flags.StringVar(&f.Format, "format", "", "`format` for continuous integration, instead of that of --output: github (workflow commands) or junit")
	return app.Command(c, func(ctx context.Context) error { return Check(ctx, app, f) })
}

// Check answers with what is wrong with the folder; findings are an error too.
func Check(ctx context.Context, app *cli.App, f CheckFlags) error {
	if f.Format != "" && app.Format() != cli.Table {
		return cli.Usage("--format and --output exclude each other")
	}
	options, domains, err := f.prepare()
	if err != nil {
		return err
	}
	if f.Against != "" {
		baseline, done, err := f.baseline(ctx, app)
		if err != nil {
			return err
		}
		defer done()
		options.Baseline = baseline
		if git, ok := baseline.(*check.Git); ok && domains[0].Path != "." {
			if domains, err = withGone(domains, git); err != nil {
				return err
			}
		}
	}
	report, err := check.Run(ctx, domains, options)
	if err != nil {
		return err
	}
	report = report.Below(filepath.ToSlash(f.Dir))
	if err := f.answer(app, report); err != nil {
		return err
	}
	if report.Errors > 0 {
		return &cli.Error{
			Exit: cli.ExitFindings, Code: cli.CodeFindings, What: "the schemas are not as they should be", Why: report.Sum(),
			Cure: "mend them as the findings say",
		}
	}
	return nil
}

// prepare reads the flags, and finds the domains' folders.
func (f CheckFlags) prepare() (check.Options, []check.Domain, error) {
	var o check.Options
	var err error
	if f.Format != "" && f.Format != formatGitHub && f.Format != formatJUnit {
		return o, nil, cli.Usage("--format %q is neither github nor junit; --output has the others", f.Format)
	}
	if f.Level != "" {
		if o.Level, err = check.Level(f.Level); err != nil {
			return o, nil, cli.Usage("--compatibility: %v", err)
		}
	}
	policy, err := check.Policy(f.Policy)
	if err != nil {
		return o, nil, cli.Usage("--policy: %v", err)
	}
	var mesh *topology.Mesh
	if f.Mesh != "" {
		if mesh, err = topology.Load(f.Mesh); err != nil {
			return o, nil, err
		}
	}
	o.Policy = func(domain string) (compat.Policy, bool) {
		if mesh != nil && mesh.CompatibilityOf(domain) == compat.Strict {
			return compat.Strict, true
		}
		return policy, f.Policy != ""
	}
	if o.Classes, err = f.classes(mesh); err != nil {
		return o, nil, err
	}
	domains, err := domainsIn(f.Dir, f.Domain)
	return o, domains, err
}

// classes says which domains have to classify all fields.
func (f CheckFlags) classes(mesh *topology.Mesh) (func(string) (coverage.Requirement, bool), error) {
	required := map[string]coverage.Requirement{}
	overlays := map[string]coverage.Requirement{}
	if mesh != nil {
		for _, d := range mesh.Domains() {
			overlay, err := mesh.Overlay(d.Name)
			if err != nil {
				return nil, err
			}
			overlays[d.Name] = coverage.Requirement{Overlay: overlay}
			if d.RequiresClasses() {
				required[d.Name] = overlays[d.Name]
			}
		}
	}
	return func(domain string) (coverage.Requirement, bool) {
		r, ok := required[domain]
		if f.Classes && !ok {
			return overlays[domain], true
		}
		return r, ok
	}, nil
}

// domainsIn are the domains whose folders dir is, or holds.
func domainsIn(dir, domain string) ([]check.Domain, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is no folder")
	}
	if err != nil {
		return nil, &cli.Error{Code: "schema", What: "the folder cannot be read", Where: dir, Cause: err, Cure: "name the folder of schemas"}
	}
	root := os.DirFS(dir)
	if domain == "" {
		names, err := nested(root)
		if err != nil {
			return nil, &cli.Error{Code: "schema", What: "the folder cannot be read", Where: dir, Cause: err, Cure: "check its permissions"}
		}
		if len(names) > 0 {
			domains := make([]check.Domain, len(names))
			for i, name := range names {
				sub, err := fs.Sub(root, name)
				if err != nil {
					return nil, err
				}
				domains[i] = check.Domain{Name: name, Path: name, FS: sub}
			}
			return domains, nil
		}
		absolute, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		domain = filepath.Base(absolute)
	}
	return []check.Domain{{Name: domain, Path: ".", FS: root}}, nil
}

// nested are the folders that are domains of their own: all that hold schemas, if
// one of them holds such as lie too deep for a domain, or definitions that schemas
// share. None if the folder is a domain itself.
func nested(root fs.FS) ([]string, error) {
	var names []string
	deep := false
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		parts := strings.Split(name, "/")
		if entry.IsDir() || !strings.HasSuffix(name, folder.Suffix) || len(parts) < 2 || parts[0] == "common" {
			return nil
		}
		deep = deep || len(parts) > 2
		if !slices.Contains(names, parts[0]) {
			names = append(names, parts[0])
		}
		return nil
	})
	if !deep {
		return nil, err
	}
	return names, err
}

// withGone adds the domains whose folders are not there any more.
func withGone(domains []check.Domain, git *check.Git) ([]check.Domain, error) {
	names, err := nested(git.Root())
	for _, name := range names {
		if !slices.ContainsFunc(domains, func(d check.Domain) bool { return d.Name == name }) {
			domains = append(domains, check.Domain{Name: name, Path: name})
		}
	}
	return domains, err
}

// isURL reports whether --against means a registry.
func isURL(against string) bool {
	return strings.HasPrefix(against, "http://") || strings.HasPrefix(against, "https://")
}

// baseline opens what is compared with; done closes it.
func (f CheckFlags) baseline(ctx context.Context, app *cli.App) (check.Baseline, func(), error) {
	if isURL(f.Against) {
		return remote(app, f.Against)
	}
	git, err := check.OpenGit(ctx, f.Dir, f.Against)
	return git, func() {}, err
}

func remote(app *cli.App, address string) (*check.Remote, func(), error) {
	c, err := client.New(address, client.WithAttempts(attempts), client.WithAuthor(app.Getenv("USER")))
	if err != nil {
		return nil, nil, cli.Usage("--against: %v", err)
	}
	return check.OpenRemote(address, c, func(err error) error { return failed(address, err) }), c.Close, nil
}

// answer writes the report in the format that is wanted.
func (f CheckFlags) answer(app *cli.App, report check.Report) error {
	var text bytes.Buffer
	var write func(io.Writer) error
	switch f.Format {
	case formatGitHub:
		write = report.GitHub
	case formatJUnit:
		write = report.JUnit
	default:
		return app.Answer(report)
	}
	if err := write(&text); err != nil {
		return fmt.Errorf("write the report as %s: %w", f.Format, err)
	}
	if _, err := app.Stdout.Write(text.Bytes()); err != nil {
		return &cli.Error{Code: "output", What: "the report could not be written to stdout", Cause: err}
	}
	return nil
}
