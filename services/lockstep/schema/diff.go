package schema

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/lockstep-mesh/lockstep/registry/diff"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/schema/check"
)

// DiffFlags are the flags of `schema diff`.
type DiffFlags struct {
	RegistryFlags
	Name    string
	From    string
	To      string
	Against string
	Domain  string
	Dir     string
}

func diffCommand(app *cli.App) *cobra.Command {
	var f DiffFlags
	c := &cobra.Command{
		Use: "diff SUBJECT|FILE", Short: "Show what is different between two versions of a schema", Args: cobra.ExactArgs(1),
		Long: `Show what is different between two versions of a subject in a registry, or between
a file and what it was in a git revision or is in a registry: properties, constraints,
alternatives, classes and words, wherever they are written. How a schema is cut into
files and in which order it says things makes no difference.

What a change means for compatibility is for schema check to say.`,
		Example: `  lockstep schema diff orders.order.created --from 1 --to 2
  lockstep schema diff schemas/orders/order/created.schema.json --against main
  lockstep schema diff schemas/orders/order/created.schema.json --against http://127.0.0.1:8081 --domain orders`,
		PreRun: func(_ *cobra.Command, args []string) { f.Name = args[0] },
	}
	flags := c.Flags()
	flags.StringVar(&f.From, "from", "", "the old `version` of the subject (default: the one before the new)")
	flags.StringVar(&f.To, "to", "latest", "the new `version` of the subject")
	flags.StringVar(&f.Against, "against", "", "what a file is compared with: a git `revision`, or a registry's URL")
	flags.StringVar(&f.Domain, "domain", "", "the `domain` of a file, for its subject (default: the name of its folder)")
	flags.StringVar(&f.Dir, "dir", "", "the `folder` of a file's domain (default: what holds its entity's folder)")
	f.add(flags)
	return app.Command(c, func(ctx context.Context) error { return Diff(ctx, app, f) })
}

// Diff answers with the differences.
func Diff(ctx context.Context, app *cli.App, f DiffFlags) error {
	var before, after source
	var err error
	if isFile(f.Name) {
		before, after, err = f.file(ctx, app)
	} else {
		before, after, err = f.versions(ctx, app)
	}
	if err != nil {
		return err
	}
	changes := diff.Between(before.Bundle, after.Bundle)
	if changes == nil {
		changes = []diff.Change{}
	}
	return app.Answer(differences{Old: before.Name, New: after.Name, Changes: changes})
}

// versions are two versions of a subject.
func (f *DiffFlags) versions(ctx context.Context, app *cli.App) (before, after source, err error) {
	if f.Against != "" {
		return before, after, cli.Usage("--against compares a file; for two versions of a subject, say --from and --to")
	}
	registry, done, err := f.remote(app)
	if err != nil {
		return before, after, err
	}
	defer done()
	if after, err = fromRegistry(ctx, registry, f.Name, f.To); err != nil {
		return before, after, err
	}
	from := f.From
	if from == "" {
		numbers, err := registry.Numbers(ctx, f.Name)
		if err != nil {
			return before, after, err
		}
		i := slices.Index(numbers, after.Version)
		if i < 1 {
			return before, after, cli.Usage("there is no version of %s before version %d; say --from", f.Name, after.Version)
		}
		from = strconv.Itoa(numbers[i-1])
	}
	before, err = fromRegistry(ctx, registry, f.Name, from)
	return before, after, err
}

// file are a file, and what it is compared with.
func (f *DiffFlags) file(ctx context.Context, app *cli.App) (before, after source, err error) {
	if f.Against == "" {
		return before, after, cli.Usage("--against is missing: a git revision or a registry's URL to compare %s with", f.Name)
	}
	if f.Dir == "" {
		f.Dir = folderOf(f.Name)
	}
	if after, err = fromFile(f.Name, f.Dir); err != nil {
		return before, after, err
	}
	absolute, err := filepath.Abs(f.Dir)
	if err != nil {
		return before, after, err
	}
	domain := check.Domain{Name: filepath.Base(absolute), Path: ".", FS: os.DirFS(f.Dir)}
	if f.Domain != "" {
		after.Subject = f.Domain + after.Subject[len(domain.Name):]
		domain.Name = f.Domain
	}
	if isURL(f.Against) {
		registry, done, err := remote(app, f.Against)
		if err != nil {
			return before, after, err
		}
		defer done()
		before, err = fromRegistry(ctx, registry, after.Subject, f.To)
		return before, after, err
	}
	git, err := check.OpenGit(ctx, f.Dir, f.Against)
	if err != nil {
		return before, after, err
	}
	was, ok, err := git.File(domain, after.path)
	if err != nil {
		return before, after, err
	}
	if !ok {
		return before, after, &cli.Error{Code: "not_found", What: fmt.Sprintf("the file was not there in %q", f.Against), Where: f.Name, Cure: "name a revision that has it"}
	}
	return source{Name: f.Name + " in " + f.Against, Bundle: was.Bundle}, after, nil
}

// differences is what the command says.
type differences struct {
	Old     string        `json:"old"`
	New     string        `json:"new"`
	Changes []diff.Change `json:"changes"`
}

// Table writes the differences for people.
func (d differences) Table(w io.Writer) {
	rows := make([][]string, len(d.Changes))
	for i, c := range d.Changes {
		at := c.Pointer
		if at == "" {
			at = "/"
		}
		rows[i] = []string{at, string(c.Kind), c.Text}
	}
	if len(rows) > 0 {
		cli.Columns(w, []string{"where", "change", "what"}, rows)
		fmt.Fprintln(w)
	}
	what := strconv.Itoa(len(d.Changes)) + " changes"
	switch len(d.Changes) {
	case 0:
		what = "no difference"
	case 1:
		what = "1 change"
	}
	fmt.Fprintf(w, "%s from %s to %s\n", what, d.Old, d.New)
}
