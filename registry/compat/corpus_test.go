package compat

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// corpus finds a folder of inputs that others wrote, or skips the test.
func corpus(t testing.TB, path ...string) string {
	t.Helper()
	root := os.Getenv("LOCKSTEP_CORPUS")
	if root == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
			if dir == filepath.Dir(dir) {
				t.Skip("not within the module: no corpus")
			}
			dir = filepath.Dir(dir)
		}
		root = filepath.Join(dir, "..", "shared", "corpus")
	}
	found := filepath.Join(append([]string{root}, path...)...)
	if _, err := os.Stat(found); err != nil {
		t.Skipf("the corpus is not here (set LOCKSTEP_CORPUS): %v", err)
	}
	return found
}

func parse(t testing.TB, text []byte) *jsonschema.Bundle {
	t.Helper()
	document, err := jsonschema.Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return &jsonschema.Bundle{Document: document}
}

func TestApicurio(t *testing.T) {
	// Guards against a checker that refuses what everybody else can see is
	// compatible, or calls compatible what another implementation refutes.
	text, err := os.ReadFile(corpus(t, "apicurio-json-compatibility", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			ID                string
			Enabled           bool
			Compatibility     string
			Original, Updated json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	agreed, derived, refused, disputed := 0, 0, 0, 0
	one := func(id string, reader, writer json.RawMessage, opinion bool) {
		r, err := jsonschema.Parse(reader)
		if err != nil {
			t.Logf("%s: not a schema here: %v", id, err)
			return
		}
		w, err := jsonschema.Parse(writer)
		if err != nil {
			t.Logf("%s: not a schema here: %v", id, err)
			return
		}
		v := Check(&jsonschema.Bundle{Document: r}, &jsonschema.Bundle{Document: w}, Strict)
		switch {
		case v.Result == Compatible && opinion:
			derived++
		case v.Result == Compatible:
			disputed++
			t.Logf("%s: derived here, refused there\n  old %s\n  new %s", id, writer, reader)
		case opinion:
			refused++
			t.Logf("%s: compatible there, %s\n  old %s\n  new %s", id, v, writer, reader)
		default:
			agreed++
		}
	}
	for _, c := range file.Tests {
		one(c.ID, c.Updated, c.Original, c.Compatibility == "backward" || c.Compatibility == "both")
		if c.Compatibility == "both" {
			one(c.ID+" (forward)", c.Original, c.Updated, true)
		}
	}
	t.Logf("both say compatible %d, both refuse %d, only they say compatible %d, only this package %d", derived, agreed, refused, disputed)
}

// github loads the GitHub webhook schemas with their references.
func github(t testing.TB) map[string]*jsonschema.Bundle {
	t.Helper()
	root := corpus(t, "github-webhooks", "schemas")
	bundles := map[string]*jsonschema.Bundle{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".json") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		bundles[filepath.ToSlash(name)] = parse(t, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bundles {
		link(b, bundles)
	}
	return bundles
}

func link(b *jsonschema.Bundle, bundles map[string]*jsonschema.Bundle) {
	b.References = map[string]*jsonschema.Bundle{}
	for _, name := range b.Document.References() {
		b.References[name] = bundles[name]
		if b.References[name] == nil { // the shared ones refer to their neighbours
			b.References[name] = bundles["common/"+name]
		}
	}
}

// changed is a bundle with its root altered.
func changed(t testing.TB, b *jsonschema.Bundle, bundles map[string]*jsonschema.Bundle, change func(map[string]any)) *jsonschema.Bundle {
	t.Helper()
	root := clone(b.Document.Value()).(map[string]any)
	change(root)
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	out := parse(t, text)
	link(out, bundles)
	return out
}

func TestGitHub(t *testing.T) {
	// Guards against a checker that real schemas, large and full of references,
	// bring to its limits: none may be too complex, and the everyday changes must
	// be told apart.
	bundles := github(t)
	unusable := 0
	for i, name := range slices.Sorted(maps.Keys(bundles)) {
		if i%3 != 0 {
			continue // a third shows as much, in a third of the time
		}
		b := bundles[name]
		if _, err := b.Compile(); err != nil {
			unusable++
			continue
		}
		described := changed(t, b, bundles, func(s map[string]any) { s["description"] = "changed" })
		if v := Check(described, b, Strict); v.Result != Compatible {
			t.Errorf("%s with another description is %s", name, v)
		}
		if _, ok := b.Document.Value().(map[string]any)["properties"]; !ok {
			continue
		}
		wider := changed(t, b, bundles, func(s map[string]any) {
			s["properties"].(map[string]any)["lockstep_new"] = map[string]any{"type": "string"}
		})
		if v := Check(wider, b, Gated); v.Result != Compatible {
			t.Errorf("%s with one more optional property is %s", name, v)
		}
		if v := Check(b, wider, Gated); v.Result == Compatible && b.Document.Value().(map[string]any)["additionalProperties"] == false {
			t.Errorf("%s with one optional property less, closed, is %s", name, v)
		}
		narrower := changed(t, wider, bundles, func(s map[string]any) {
			required, _ := s["required"].([]any)
			s["required"] = append(required, "lockstep_new")
		})
		if v := Check(narrower, b, Gated); v.Result != Incompatible {
			t.Errorf("%s with one more required property is %s", name, v)
		}
	}
	t.Logf("%d schemas, %d of them not usable by themselves", len(bundles), unusable)
}

func BenchmarkCheck(b *testing.B) {
	bundles := github(b)
	root := bundles["pull_request/opened.schema.json"]
	wider := changed(b, root, bundles, func(s map[string]any) {
		s["properties"].(map[string]any)["lockstep_new"] = map[string]any{"type": "string"}
	})
	b.Run("pull request", func(b *testing.B) {
		for b.Loop() {
			if v := Check(wider, root, Gated); v.Result != Compatible {
				b.Fatal(v)
			}
		}
	})
}
