package compat

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	agreed, differ, undecided := 0, 0, 0
	var b strings.Builder
	one := func(id string, reader, writer json.RawMessage, opinion bool) {
		r, err := jsonschema.Parse(reader)
		if err != nil {
			fmt.Fprintf(&b, "## %s\n\nNo schema: %v\n\n", id, err)
			return
		}
		w, err := jsonschema.Parse(writer)
		if err != nil {
			fmt.Fprintf(&b, "## %s\n\nNo schema: %v\n\n", id, err)
			return
		}
		v := Check(&jsonschema.Bundle{Document: r}, &jsonschema.Bundle{Document: w}, Strict)
		reads, _ := (&jsonschema.Bundle{Document: r}).Compile()
		writes, _ := (&jsonschema.Bundle{Document: w}).Compile()
		if problem := witnessed(v, writes, reads, Strict); problem != "" {
			t.Errorf("%s: %s", id, problem)
		}
		if v.Result == Undecided {
			undecided++
			t.Errorf("%s is undecided: %s", id, v)
		}
		if opinion == (v.Result == Compatible) {
			agreed++
			return
		}
		differ++
		there := map[bool]string{true: "compatible", false: "incompatible"}[opinion]
		fmt.Fprintf(&b, "## %s\n\nThere %s, here %s.\n\n", id, there, v)
		if v.Result == Compatible {
			fmt.Fprintf(&b, "Derivation: %s\n\n", derivations[id])
			if derivations[id] == "" {
				t.Errorf("%s: no derivation is given", id)
			}
		}
		fmt.Fprintf(&b, "old %s\nnew %s\n\n", compactJSON(writer), compactJSON(reader))
	}
	for _, c := range file.Tests {
		one(c.ID, c.Updated, c.Original, c.Compatibility == "backward" || c.Compatibility == "both")
		if c.Compatibility == "both" {
			one(c.ID+" (forward)", c.Original, c.Updated, true)
		}
	}
	t.Logf("of %d pairs %d are decided alike, %d differently, %d not", len(file.Tests), agreed, differ, undecided)
	compareGolden(t, filepath.Join("testdata", "apicurio.golden"), b.String())
}

// derivations say why pairs are compatible that are said not to be.
var derivations = map[string]string{
	"String: pattern 2":          "[A-Z]* is searched for, and matches the empty string at the beginning of every string.",
	"Conditional: if":            "both patterns are found in every string, so then and else demand nothing of it.",
	"String: contentEncoding 3":  "nothing is checked of an encoding and a media type that the reference validator does not know.",
	"String: contentMediaType 3": "nothing is checked of a media type that the reference validator does not know.",
	"Const":                      "the old schema asks for a string that equals an array, so it admits nothing.",
}

func compactJSON(text []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return string(text)
	}
	return b.String()
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
		if i%10 != 0 || testing.Short() && i > 60 {
			continue // a tenth shows as much, in a tenth of the time
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
	narrower := changed(b, wider, bundles, func(s map[string]any) {
		required, _ := s["required"].([]any)
		s["required"] = append(required, "lockstep_new")
	})
	run := func(name string, reader, writer *jsonschema.Bundle, want Result) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if v := Check(reader, writer, Gated); v.Result != want {
					b.Fatal(v)
				}
			}
		})
	}
	run("pull request, compatible", wider, root, Compatible)
	run("pull request, with a witness", narrower, root, Incompatible)
	for _, p := range pairs {
		if p.name == "optional property added" || p.name == "required property added" {
			run(p.name, parse(b, []byte(p.new)), parse(b, []byte(p.old)), p.gated)
		}
	}
	linked := func(bundle *jsonschema.Bundle) *jsonschema.Linked {
		l, err := bundle.Link()
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	for name, reader := range map[string]*jsonschema.Linked{"linked, compatible": linked(wider), "linked, with a witness": linked(narrower)} {
		writer := linked(root)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				CheckLinked(reader, writer, Gated)
			}
		})
	}
}
