// Package schematest reads folders of event schemas for the tests of the
// services: what "lockstep schema push" would register, without a registry.
package schematest

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

const suffix = ".schema.json"

// Root is the project's root: the nearest folder above that has a go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}

// Corpus is a folder of the corpus; the test is skipped where there is none.
func Corpus(t testing.TB, elements ...string) string {
	t.Helper()
	corpus := os.Getenv("LOCKSTEP_CORPUS")
	if corpus == "" {
		corpus = filepath.Join(Root(t), "..", "shared", "corpus")
	}
	dir := filepath.Join(append([]string{corpus}, elements...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the corpus is not here (%s; set LOCKSTEP_CORPUS to where it is)", dir)
	}
	return dir
}

// Load reads a domain's folder of schemas. The keys are registry subjects:
// DOMAIN.entity.action, DOMAIN.entity for an event.schema.json, and
// DOMAIN.common.name. References are relative to the folder, or to the file.
func Load(t testing.TB, domain, dir string) map[string]*jsonschema.Bundle {
	t.Helper()
	files := map[string]*jsonschema.Bundle{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, suffix) {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		document, err := jsonschema.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
		relative, err := filepath.Rel(dir, name)
		files[filepath.ToSlash(relative)] = &jsonschema.Bundle{Document: document, References: map[string]*jsonschema.Bundle{}}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	subjects := map[string]*jsonschema.Bundle{}
	for name, bundle := range files {
		for _, ref := range bundle.Document.References() {
			target, ok := files[ref]
			if !ok {
				target, ok = files[path.Join(path.Dir(name), ref)]
			}
			if !ok {
				t.Errorf("%s: %q leads to no file", name, ref)
				continue
			}
			bundle.References[ref] = target
		}
		subjects[subject(domain, name)] = bundle
	}
	return subjects
}

func subject(domain, name string) string {
	tokens := strings.Split(strings.TrimSuffix(name, suffix), "/")
	if last := len(tokens) - 1; tokens[last] == "event" {
		tokens = tokens[:last]
	}
	return strings.Join(slices.Insert(tokens, 0, domain), ".")
}
