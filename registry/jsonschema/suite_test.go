package jsonschema

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// suiteRemotes are the suite's remote documents as bundles, by the URLs under
// which the suite serves them.
type suiteRemotes struct {
	root    string
	draft   Draft
	bundles map[string]*Bundle
}

func (r *suiteRemotes) bundle(url string) *Bundle {
	if b, ok := r.bundles[url]; ok {
		return b
	}
	path, ok := strings.CutPrefix(url, "http://localhost:1234/")
	if !ok {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(path)))
	if err != nil {
		return nil
	}
	d, err := Parse(withDraft(text, r.draft))
	if err != nil {
		return nil
	}
	b := &Bundle{Document: d, References: map[string]*Bundle{}}
	r.bundles[url] = b
	r.complete(b, url)
	return b
}

// complete gives a bundle the references that the suite serves: here they are
// found by URL, so a relative one is resolved as a browser would.
func (r *suiteRemotes) complete(b *Bundle, url string) {
	s := newScope(b.Document, url)
	s.walk(b.Document.value, sortedKeys, func(_ string, schema map[string]any, base string) {
		for _, keyword := range refKeywords {
			ref, ok := schema[keyword].(string)
			if !ok {
				continue
			}
			if _, ok := s.find(ref, base, nil); ok {
				continue
			}
			absolute, _ := splitFragment(resolve(base, ref))
			target := r.bundle(absolute)
			if target == nil {
				continue
			}
			b.References[absolute] = target
			if written, _ := splitFragment(ref); base == s.base {
				b.References[written] = target
			}
		}
	})
}

// withDraft gives a schema without "$schema" the draft of its folder, as the
// suite means it.
func withDraft(text []byte, draft Draft) []byte {
	var schema map[string]json.RawMessage
	if json.Unmarshal(text, &schema) != nil || schema["$schema"] != nil {
		return text
	}
	schema["$schema"], _ = json.Marshal(draft.URL())
	text, _ = json.Marshal(schema)
	return text
}

// suiteExceptions are the suite's groups for which the library's verdict, or
// ours, is not the suite's, with the reason.
var suiteExceptions = map[string]string{
	"enum.json: empty enum": "the library takes an empty enum for none",
	"dynamicRef.json: $dynamicRef skips over intermediate resources - direct reference":      "the library stops at the intermediate resource",
	"vocabulary.json: schema that uses custom metaschema with with no validation vocabulary": "a $schema that is no draft is refused",
	"vocabulary.json: ignore unrecognized optional vocabulary":                               "a $schema that is no draft is refused",
}

// suiteGroup is a schema of the suite with its tests.
type suiteGroup struct {
	Description string
	Schema      json.RawMessage
	Tests       []struct {
		Description string
		Data        json.RawMessage
		Valid       bool
	}
}

// Verdicts would differ from what JSON Schema says, by linking documents or by
// reading them.
func TestOfficialSuite(t *testing.T) {
	root := corpus(t, "json-schema-test-suite")
	for folder, draft := range map[string]Draft{
		"draft4": Draft4, "draft6": Draft6, "draft7": Draft7, "draft2019-09": Draft2019, "draft2020-12": Draft2020,
	} {
		t.Run(folder, func(t *testing.T) {
			remotes := &suiteRemotes{root: filepath.Join(root, "remotes"), draft: draft, bundles: map[string]*Bundle{}}
			files, _ := filepath.Glob(filepath.Join(root, "tests", folder, "*.json"))
			run := 0
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				var groups []suiteGroup
				if err := json.Unmarshal(text, &groups); err != nil {
					t.Fatal(err)
				}
				for _, group := range groups {
					name := filepath.Base(file) + ": " + group.Description
					failure := remotes.check(group)
					switch reason := suiteExceptions[name]; {
					case failure != nil && reason == "":
						t.Errorf("%s: %v", name, failure)
					case failure == nil && reason != "":
						t.Logf("%s: passes, though %s", name, reason)
					}
					run += len(group.Tests)
				}
			}
			if run < 500 {
				t.Errorf("only %d tests", run)
			}
		})
	}
}

// check compiles a group's schema and compares the verdicts.
func (r *suiteRemotes) check(group suiteGroup) error {
	d, err := Parse(withDraft(group.Schema, r.draft))
	if err != nil {
		return err
	}
	b := &Bundle{Document: d, References: map[string]*Bundle{}}
	r.complete(b, localRoot)
	schema, err := b.Compile()
	if err != nil {
		return err
	}
	for _, test := range group.Tests {
		data, err := strictjson.Decode(test.Data, strictjson.Limits{})
		if err != nil {
			return fmt.Errorf("%s: %w", test.Description, err)
		}
		if err := schema.Validate(data); (err == nil) != test.Valid {
			return fmt.Errorf("%s: valid should be %v, and the library says: %w", test.Description, test.Valid, err)
		}
	}
	return nil
}
