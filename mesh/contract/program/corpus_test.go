package program_test

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// corpus is the folder of test data in it that no one here wrote, or a skip.
func corpus(t testing.TB, folder string) string {
	t.Helper()
	root := os.Getenv("LOCKSTEP_CORPUS")
	if root == "" {
		root = filepath.Join(moduleRoot(t), "..", "shared", "corpus")
	}
	found := filepath.Join(root, folder)
	if _, err := os.Stat(found); err != nil {
		t.Skipf("the corpus is absent: %v (set LOCKSTEP_CORPUS)", err)
	}
	return found
}

func moduleRoot(t testing.TB) string {
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
			t.Skip("no go.mod above the test")
		}
		dir = parent
	}
}

// bundlesIn builds a bundle for each schema file below root, by name relative
// to it. References are relative to root or to the file's own folder.
func bundlesIn(t testing.TB, root string) map[string]*jsonschema.Bundle {
	t.Helper()
	bundles := map[string]*jsonschema.Bundle{}
	err := filepath.WalkDir(root, func(file string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".schema.json") {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, file)
		document, err := jsonschema.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
		bundles[filepath.ToSlash(name)] = &jsonschema.Bundle{Document: document, References: map[string]*jsonschema.Bundle{}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, bundle := range bundles {
		for _, ref := range bundle.Document.References() {
			target := bundles[ref]
			if target == nil {
				target = bundles[path.Join(path.Dir(name), ref)]
			}
			if target == nil {
				t.Fatalf("%s: no file for reference %s", name, ref)
			}
			bundle.References[ref] = target
		}
	}
	return bundles
}

// event is a document of the GitHub corpus with the name of its schema.
type event struct {
	name, schema string
	text         []byte
}

func githubEvents(t testing.TB, bundles map[string]*jsonschema.Bundle) []event {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(corpus(t, "github-webhooks"), "events", "*", "*.json"))
	var events []event
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		folder := filepath.Base(filepath.Dir(file))
		e := event{name: folder + "/" + filepath.Base(file), schema: folder + "/event.schema.json", text: text}
		var payload struct{ Action string }
		if name := folder + "/"; json.Unmarshal(text, &payload) == nil && bundles[name+payload.Action+".schema.json"] != nil {
			e.schema = name + payload.Action + ".schema.json"
		}
		events = append(events, e)
	}
	return events
}

// suiteFile is one file of the official suite.
type suiteFile struct {
	draft, name string
	optional    bool
	groups      []suiteGroup
}

type suiteGroup struct {
	Description string
	Schema      json.RawMessage
	Tests       []struct {
		Description string
		Data        json.RawMessage
		Valid       bool
	}
}

var suiteDrafts = map[string]jsonschema.Draft{
	"draft4": jsonschema.Draft4, "draft6": jsonschema.Draft6, "draft7": jsonschema.Draft7,
	"draft2019-09": jsonschema.Draft2019, "draft2020-12": jsonschema.Draft2020,
}

func suite(t testing.TB) []suiteFile {
	t.Helper()
	root := filepath.Join(corpus(t, "json-schema-test-suite"), "tests")
	var files []suiteFile
	err := filepath.WalkDir(root, func(file string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".json") {
			return err
		}
		rel, _ := filepath.Rel(root, file)
		draft, name, _ := strings.Cut(filepath.ToSlash(rel), "/")
		if _, ok := suiteDrafts[draft]; !ok {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		f := suiteFile{draft: draft, name: name, optional: strings.HasPrefix(name, "optional/")}
		if err := json.Unmarshal(text, &f.groups); err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// suiteBundle parses a schema of the suite, in the draft of its folder where it
// names none, and gives it the suite's remotes for its references.
func suiteBundle(t testing.TB, f suiteFile, schema []byte) (*jsonschema.Bundle, error) {
	t.Helper()
	return withRemotes(t, f.draft, schema, "", map[string]*jsonschema.Bundle{})
}

func withRemotes(t testing.TB, draft string, schema []byte, base string, known map[string]*jsonschema.Bundle) (*jsonschema.Bundle, error) {
	var object map[string]any
	if json.Unmarshal(schema, &object) == nil && object != nil && object["$schema"] == nil {
		schema = []byte(`{"$schema":"` + suiteDrafts[draft].URL() + `",` + strings.TrimPrefix(strings.TrimSpace(string(schema)), "{"))
		schema = []byte(strings.Replace(string(schema), ",}", "}", 1))
	}
	document, err := jsonschema.Parse(schema)
	if err != nil {
		return nil, err
	}
	bundle := &jsonschema.Bundle{Document: document, References: map[string]*jsonschema.Bundle{}}
	if id, ok := object["$id"].(string); ok {
		base = id
	} else if id, ok := object["id"].(string); ok {
		base = id
	}
	if base != "" {
		known[base] = bundle
	}
	for _, ref := range document.References() {
		url := ref
		if !strings.Contains(ref, "://") {
			url = "http://localhost:1234/" + strings.TrimPrefix(ref, "/")
			if i := strings.LastIndex(base, "/"); strings.HasPrefix(base, "http://localhost:1234/") {
				url = base[:i+1] + ref
			}
		}
		if target := known[url]; target != nil {
			bundle.References[ref] = target
			continue
		}
		file, ok := strings.CutPrefix(url, "http://localhost:1234/")
		if !ok {
			continue
		}
		remotes := filepath.Join(corpus(t, "json-schema-test-suite"), "remotes")
		text, err := os.ReadFile(filepath.Join(remotes, filepath.FromSlash(path.Clean(file))))
		if err != nil { // the base changes on the way; there is but one file of the name
			found, _ := filepath.Glob(filepath.Join(remotes, draft, "*", path.Base(file)))
			if len(found) == 0 {
				found, _ = filepath.Glob(filepath.Join(remotes, "*", path.Base(file)))
			}
			if len(found) == 0 {
				continue
			}
			if text, err = os.ReadFile(found[0]); err != nil {
				return nil, err
			}
		}
		target, err := withRemotes(t, draft, text, url, known)
		if err != nil {
			return nil, err
		}
		bundle.References[ref] = target
	}
	return bundle, nil
}
