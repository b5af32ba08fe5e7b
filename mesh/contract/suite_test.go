package contract

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// An alternative that holds would be taken for one that doesn't, and its
// classes and properties be disregarded; or some schema would break the engine.
func TestSuite(t *testing.T) {
	root := corpus(t, "json-schema-test-suite")
	m := masker(t, testers(), "staging")
	for folder, draft := range map[string]jsonschema.Draft{
		"draft4": jsonschema.Draft4, "draft6": jsonschema.Draft6, "draft7": jsonschema.Draft7,
		"draft2019-09": jsonschema.Draft2019, "draft2020-12": jsonschema.Draft2020,
	} {
		files, _ := filepath.Glob(filepath.Join(root, "tests", folder, "*.json"))
		run, plain := 0, 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var groups []struct {
				Description string
				Schema      json.RawMessage
				Tests       []struct{ Data json.RawMessage }
			}
			if err := json.Unmarshal(text, &groups); err != nil {
				t.Fatal(err)
			}
			for _, group := range groups {
				var schema map[string]any
				if json.Unmarshal(group.Schema, &schema) == nil && schema["$schema"] == nil {
					schema["$schema"] = draft.URL()
					group.Schema, _ = json.Marshal(schema)
				}
				document, err := jsonschema.Parse(group.Schema)
				if err != nil {
					continue
				}
				b := &jsonschema.Bundle{Document: document}
				reference, err := b.Compile()
				if err != nil {
					continue // for want of the suite's remotes
				}
				open, err := Compile(b, Options{Subject: "s", Open: true})
				if err != nil {
					t.Fatal(err)
				}
				closed, err := Compile(b, Options{Subject: "s"})
				if err != nil {
					t.Fatal(err)
				}
				w := open.slow().(*walker)
				for _, test := range group.Tests {
					run++
					value, err := strictjson.Decode(test.Data, strictjson.Limits{})
					if err != nil {
						t.Fatal(err)
					}
					valid := reference.Validate(value) == nil
					if got := open.Validate(test.Data) == nil; got != valid {
						t.Errorf("%s: %s: %s: valid is %v, the library says %v", folder, group.Description, test.Data, got, valid)
					}
					if closed.Validate(test.Data) == nil && !valid {
						t.Errorf("%s: %s: %s: only valid where the write side is closed", folder, group.Description, test.Data)
					}
					if refuted(w.graph.root, value, maxRefuted) {
						plain++
						if valid {
							t.Errorf("%s: %s: %s is refuted", folder, group.Description, test.Data)
						}
					}
					if _, _, err := open.Mask(nil, test.Data, m); err != nil && err.(*Withheld).Code == CodeFault { //nolint:errorlint // by contract
						t.Errorf("%s: %s: %v", folder, group.Description, err)
					}
				}
			}
		}
		if run < 300 || plain < 30 {
			t.Errorf("%s: %d tests, %d refuted", folder, run, plain)
		}
	}
}
