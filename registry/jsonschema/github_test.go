package jsonschema

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// corpus is the folder of test data in it that no one here wrote, or a skip.
func corpus(t testing.TB, folder string) string {
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
			parent := filepath.Dir(dir)
			if parent == dir {
				t.Skip("no go.mod above the test")
			}
			dir = parent
		}
		root = filepath.Join(dir, "..", "shared", "corpus")
	}
	found := filepath.Join(root, folder)
	if _, err := os.Stat(found); err != nil {
		t.Skipf("the corpus is absent: %v (set LOCKSTEP_CORPUS)", err)
	}
	return found
}

// githubBundles builds a bundle for each of the GitHub schemas, by file name
// relative to schemas/. The files under common/ refer to each other relative
// to their own folder.
func githubBundles(t testing.TB) map[string]*Bundle {
	t.Helper()
	root := filepath.Join(corpus(t, "github-webhooks"), "schemas")
	bundles := map[string]*Bundle{}
	err := filepath.WalkDir(root, func(file string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, file)
		document, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return nil
		}
		bundles[filepath.ToSlash(name)] = &Bundle{Document: document, References: map[string]*Bundle{}}
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

// It would go unnoticed that real schemas, with references by file name and
// ids that contradict them, don't compile, or give other verdicts than the
// ones known.
func TestGitHubKnownAnswer(t *testing.T) {
	bundles := githubBundles(t)
	if len(bundles) != 291 {
		t.Errorf("%d schemas, want 291", len(bundles))
	}
	compiled := map[string]*Linked{}
	for name, bundle := range bundles {
		linked, err := bundle.Link()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		compiled[name] = linked
	}
	known := map[string]bool{
		"check_run/rerequested.payload.json":                   true,
		"check_run/rerequested.with-organization.payload.json": true,
	}
	events, _ := filepath.Glob(filepath.Join(corpus(t, "github-webhooks"), "events", "*", "*.json"))
	valid := 0
	for _, file := range events {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		value, err := strictjson.Decode(text, strictjson.Limits{})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		folder := filepath.Base(filepath.Dir(file))
		name := folder + "/event.schema.json"
		var action struct{ Action string }
		if json.Unmarshal(text, &action) == nil && bundles[folder+"/"+action.Action+".schema.json"] != nil {
			name = folder + "/" + action.Action + ".schema.json"
		}
		err = compiled[name].Schema.Validate(value)
		switch event := folder + "/" + filepath.Base(file); {
		case err == nil:
			valid++
		case !known[event]:
			t.Errorf("%s is refused: %v", event, err)
		case !strings.Contains(err.Error(), "date-time"):
			t.Errorf("%s is refused for another reason than its date-time: %v", event, err)
		}
	}
	if len(events) != 273 || valid != 271 {
		t.Errorf("%d of %d events are valid, want 271 of 273", valid, len(events))
	}
}
