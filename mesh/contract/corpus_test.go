package contract

import (
	"encoding/json"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
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

// githubEvent is a webhook delivery with the contract that it falls under.
type githubEvent struct {
	name     string
	data     []byte
	contract *Contract
}

// githubs remembers what github has compiled.
var githubs sync.Map

// github are the events of the corpus with the GitHub schemas that they need,
// compiled.
func github(t testing.TB, overlay *mask.Overlay, open bool) []githubEvent {
	t.Helper()
	type key struct {
		overlay *mask.Overlay
		open    bool
	}
	if known, ok := githubs.Load(key{overlay, open}); ok {
		return known.([]githubEvent)
	}
	events := compileGitHub(t, overlay, open)
	githubs.Store(key{overlay, open}, events)
	return events
}

func compileGitHub(t testing.TB, overlay *mask.Overlay, open bool) []githubEvent {
	t.Helper()
	root := corpus(t, "github-webhooks")
	bundles := map[string]*jsonschema.Bundle{}
	var bundle func(name string) *jsonschema.Bundle
	bundle = func(name string) *jsonschema.Bundle {
		if b, ok := bundles[name]; ok {
			return b
		}
		text, err := os.ReadFile(filepath.Join(root, "schemas", filepath.FromSlash(name)))
		if err != nil {
			return nil
		}
		document, err := jsonschema.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b := &jsonschema.Bundle{Document: document, References: map[string]*jsonschema.Bundle{}}
		bundles[name] = b
		for _, ref := range document.References() {
			if b.References[ref] = bundle(ref); b.References[ref] == nil {
				b.References[ref] = bundle(path.Join(path.Dir(name), ref))
			}
		}
		return b
	}
	contracts := map[string]*Contract{}
	files, _ := filepath.Glob(filepath.Join(root, "events", "*", "*.json"))
	var events []githubEvent
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		entity := filepath.Base(filepath.Dir(file))
		subject, schema := "github."+entity, entity+"/event.schema.json"
		var event struct{ Action string }
		if json.Unmarshal(data, &event) == nil && event.Action != "" && bundle(entity+"/"+event.Action+".schema.json") != nil {
			subject, schema = subject+"."+event.Action, entity+"/"+event.Action+".schema.json"
		}
		if contracts[subject] == nil {
			contracts[subject], err = Compile(bundle(schema), Options{Subject: subject, Version: 1, Overlay: overlay, Open: open})
			if err != nil {
				t.Fatalf("%s: %v", schema, err)
			}
		}
		events = append(events, githubEvent{entity + "/" + filepath.Base(file), data, contracts[subject]})
	}
	return events
}

// knownInvalid are the two events of the corpus that its README names.
var knownInvalid = map[string]bool{
	"check_run/rerequested.payload.json":                   true,
	"check_run/rerequested.with-organization.payload.json": true,
}

// Real events would be refused, or broken ones stored.
func TestGitHubEvents(t *testing.T) {
	for _, open := range []bool{false, true} {
		valid := 0
		events := github(t, nil, open)
		for _, event := range events {
			err := event.contract.Validate(event.data)
			var invalid *Invalid
			switch {
			case err == nil && !knownInvalid[event.name]:
				valid++
			case err == nil:
				t.Errorf("open %v: %s is valid", open, event.name)
			case !errors.As(err, &invalid):
				t.Errorf("open %v: %s: %v", open, event.name, err)
			case !knownInvalid[event.name]:
				t.Errorf("open %v: %s: %v", open, event.name, err)
			case !strings.Contains(err.Error(), "/check_run/app/updated_at (format)"):
				t.Errorf("open %v: %s: the error doesn't point to updated_at: %v", open, event.name, err)
			}
		}
		if len(events) != 273 || valid != 271 {
			t.Errorf("open %v: %d of %d events are valid, want 271 of 273", open, valid, len(events))
		}
	}
}
