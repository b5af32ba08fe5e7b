package schema

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/schema/check"
)

// source is a schema that a user named: a file or a subject.
type source struct {
	Name    string // as people call it: the file's path, or SUBJECT version N
	Subject string // empty for a file that stands alone
	Version int    // 0 for a file
	Bundle  *jsonschema.Bundle

	dir  string // the folder of the file's domain; empty for a file that stands alone, and for a subject
	path string // of the file in dir
}

// isFile reports whether an argument names a file and not a subject.
func isFile(name string) bool {
	_, err := os.Stat(name)
	return err == nil || strings.HasSuffix(name, ".json") || strings.ContainsAny(name, `/\`)
}

// find is the schema that name means, in dir or in the registry.
func (f *RegistryFlags) find(ctx context.Context, app *cli.App, name, version, dir string) (source, error) {
	if isFile(name) {
		return fromFile(name, dir)
	}
	registry, done, err := f.remote(app)
	if err != nil {
		return source{}, err
	}
	defer done()
	return fromRegistry(ctx, registry, name, version)
}

// remote opens the registry that the flags mean.
func (f *RegistryFlags) remote(app *cli.App) (*check.Remote, func(), error) {
	c, err := f.open(app)
	if err != nil {
		return nil, nil, err
	}
	return check.OpenRemote(f.URL, c, func(err error) error { return failed(f.URL, err) }), c.Close, nil
}

// fromFile reads a schema and the files of its folder that it refers to.
func fromFile(name, dir string) (source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return source{}, &cli.Error{Code: "schema", What: "the schema cannot be read", Where: name, Cause: err, Cure: "check the path; a subject has no / and does not end in .json"}
	}
	document, err := jsonschema.Parse(text)
	if err != nil {
		return source{}, unusable(name, text, err)
	}
	if dir == "" && len(document.References()) == 0 {
		b := &jsonschema.Bundle{Document: document}
		if _, err := b.Compile(); err != nil {
			return source{}, unusable(name, text, err)
		}
		return source{Name: name, Bundle: b}, nil
	}
	if dir == "" {
		dir = folderOf(name)
	}
	within, err := filepath.Rel(dir, name)
	if err != nil || !filepath.IsLocal(within) {
		return source{}, cli.Usage("%s does not lie in the folder %s", name, dir)
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return source{}, err
	}
	var problems folder.Problems
	files, err := folder.Read(filepath.Base(absolute), os.DirFS(dir))
	if errors.As(err, &problems) {
		return source{}, cli.SchemaProblems(fmt.Sprintf("the schemas in the folder %s, to which %s refers, cannot be used", dir, name), problems.Below(dir))
	} else if err != nil {
		return source{}, err
	}
	within = filepath.ToSlash(within)
	at := slices.IndexFunc(files, func(f folder.File) bool { return f.Path == within })
	if at < 0 {
		return source{}, cli.Usage("%s is no schema of the folder %s: its name has to end in %s", name, dir, folder.Suffix)
	}
	return source{Name: name, Subject: files[at].Subject, Bundle: files[at].Bundle, dir: dir, path: within}, nil
}

// folderOf is the folder of the domain whose file it is: what holds common/, or the
// folders of the entities.
func folderOf(name string) string {
	parts := strings.Split(filepath.ToSlash(name), "/")
	if i := slices.Index(parts[:len(parts)-1], "common"); i >= 0 {
		return filepath.FromSlash(strings.Join(append(slices.Clone(parts[:i]), "."), "/"))
	}
	return filepath.Join(filepath.Dir(name), "..")
}

func unusable(name string, text []byte, err error) error {
	problem := cli.Problem{Code: "schema", File: name, What: err.Error()}
	var schema *jsonschema.Error
	if errors.As(err, &schema) {
		problem.What, problem.Cure = schema.Problem, schema.Cure
		if line, column, ok := jsonschema.Position(text, schema.Pointer); ok && schema.Name == "" {
			problem.Line, problem.Column = line, column
		}
	}
	return &cli.Error{Code: "schema", What: "it is no usable JSON Schema", Problems: []cli.Problem{problem}}
}

// fromRegistry is a version of a subject; "latest" is the newest one.
func fromRegistry(ctx context.Context, registry *check.Remote, subject, version string) (source, error) {
	number, err := numberOf(ctx, registry, subject, version)
	if err != nil {
		return source{}, err
	}
	b, err := registry.Bundle(ctx, subject, number)
	if err != nil {
		return source{}, err
	}
	return source{Name: fmt.Sprintf("%s version %d", subject, number), Subject: subject, Version: number, Bundle: b}, nil
}

func numberOf(ctx context.Context, registry *check.Remote, subject, version string) (int, error) {
	if version != "latest" {
		n, err := strconv.Atoi(version)
		if err != nil || n < 1 {
			return 0, cli.Usage("%q is no version: it is a number from 1, or latest", version)
		}
		return n, nil
	}
	numbers, err := registry.Numbers(ctx, subject)
	if err != nil {
		return 0, err
	}
	return numbers[len(numbers)-1], nil
}
