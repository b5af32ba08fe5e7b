package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas"
)

// document is an event's bytes with both engines of its type.
type document struct {
	data     []byte
	contract *contract.Contract
	schema   *v5.Schema
}

// bundles reads a folder of schemas: each with what it refers to, by subject.
func bundles(domain string, fsys fs.FS) (map[string]*jsonschema.Bundle, error) {
	files, err := folder.Read(domain, fsys)
	if err != nil {
		return nil, err
	}
	byPath, bySubject := map[string]*jsonschema.Bundle{}, map[string]*jsonschema.Bundle{}
	for _, f := range files { // every file comes after those that it refers to
		b := &jsonschema.Bundle{Document: f.Document, References: map[string]*jsonschema.Bundle{}}
		for _, r := range f.References {
			b.References[r.Name] = byPath[r.Path]
		}
		byPath[f.Path], bySubject[f.Subject] = b, b
	}
	return bySubject, nil
}

// compile compiles a schema for both engines.
func compile(b *jsonschema.Bundle, o contract.Options) (document, error) {
	compiled, err := contract.Compile(b, o)
	if err != nil {
		return document{}, fmt.Errorf("compile %s: %w", o.Subject, err)
	}
	schema, err := b.Compile()
	if err != nil {
		return document{}, fmt.Errorf("compile %s with jsonschema v5: %w", o.Subject, err)
	}
	return document{contract: compiled, schema: schema}, nil
}

// compileOrder compiles the sample's schema of orders.
func compileOrder() (document, error) {
	sub, err := fs.Sub(schemas.FS, "orders")
	if err != nil {
		return document{}, err
	}
	all, err := bundles("orders", sub)
	if err != nil {
		return document{}, err
	}
	return compile(all[orderType], contract.Options{Subject: orderType, Version: 1})
}

// orderDocuments are small orders, or large ones.
func orderDocuments(large bool) ([]document, error) {
	compiled, err := compileOrder()
	if err != nil {
		return nil, err
	}
	events, err := orders(pool)
	if large {
		events, err = largeOrders(largePool)
	}
	documents := make([]document, len(events))
	for i, e := range events {
		documents[i] = compiled
		documents[i].data = e.data
	}
	return documents, err
}

// samplePolicy is the policy under which events are masked, for a destination,
// with a key of its own.
func samplePolicy() (*mask.Masker, error) {
	mesh, err := topology.LoadFS(schemas.FS, schemas.SampleMesh)
	if err != nil {
		return nil, err
	}
	p, ok := mesh.Policy(policy)
	if !ok {
		return nil, fmt.Errorf("%s has no policy %s", mesh.File(), policy)
	}
	key, err := mask.GenerateKey()
	if err != nil {
		return nil, err
	}
	return mask.New(p.Name, p.Policy, destination, key)
}

// errNoCorpus says that the data that nobody here wrote is not there.
var errNoCorpus = errors.New("GitHub's events and schemas are not part of Lockstep: set LOCKSTEP_CORPUS to the folder that holds github-webhooks, or run in a checkout beside which it lies (../shared/corpus)")

// corpus is the folder of GitHub's events and schemas.
func corpus() (string, error) {
	if dir := os.Getenv("LOCKSTEP_CORPUS"); dir != "" {
		return present(filepath.Join(dir, "github-webhooks"))
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return present(filepath.Join(dir, "..", "shared", "corpus", "github-webhooks"))
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errNoCorpus
		}
		dir = parent
	}
}

func present(dir string) (string, error) {
	_, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", errNoCorpus
	}
	return dir, err
}

// github are GitHub's events of the corpus that are valid, under the overlay of
// the sample mesh.
func github() ([]document, error) {
	root, err := corpus()
	if err != nil {
		return nil, err
	}
	all, err := bundles("github", os.DirFS(filepath.Join(root, "schemas")))
	if err != nil {
		return nil, err
	}
	mesh, err := topology.LoadFS(schemas.FS, schemas.SampleMesh)
	if err != nil {
		return nil, err
	}
	overlay, err := mesh.Overlay("github")
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(root, "events", "*", "*.json"))
	if err != nil {
		return nil, err
	}
	compiled := map[string]document{}
	var documents []document
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		subject := githubSubject(path.Base(filepath.ToSlash(filepath.Dir(file))), data, all)
		d, ok := compiled[subject]
		if !ok && all[subject] != nil {
			if d, err = compile(all[subject], contract.Options{Subject: subject, Version: 1, Overlay: overlay}); err != nil {
				return nil, err
			}
			compiled[subject] = d
		}
		if d.contract == nil || d.contract.Validate(data) != nil {
			continue // two of the corpus are invalid, by its own account
		}
		d.data = data
		documents = append(documents, d)
	}
	if len(documents) == 0 {
		return nil, fmt.Errorf("%s holds no event that is valid", root)
	}
	return documents, nil
}

// githubSubject is the subject of an event's schema: its action's, or its
// entity's.
func githubSubject(entity string, data []byte, all map[string]*jsonschema.Bundle) string {
	var event struct {
		Action string `json:"action"`
	}
	subject := "github." + entity
	if json.Unmarshal(data, &event) == nil && all[subject+"."+event.Action] != nil {
		return subject + "." + event.Action
	}
	return subject
}
