package compat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

func TestSuite(t *testing.T) {
	// Guards against keywords that rules or search understand in another way than
	// the reference validator: a schema is compatible with "anything but this
	// document" exactly if it does not admit the document, and "this document alone"
	// with the schema exactly if it does.
	for _, draft := range []string{"draft4", "draft6", "draft7", "draft2019-09", "draft2020-12"} {
		t.Run(draft, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(corpus(t, "json-schema-test-suite", "tests", draft), "*.json"))
			if err != nil {
				t.Fatal(err)
			}
			outcomes := map[string]int{}
			undecided := map[string]int{}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				var groups []struct {
					Schema json.RawMessage
					Tests  []struct{ Data json.RawMessage }
				}
				if err := json.Unmarshal(text, &groups); err != nil {
					t.Fatal(err)
				}
				for _, group := range groups {
					s, compiled, ok := suiteSchema(draft, group.Schema)
					if !ok {
						continue
					}
					for _, test := range group.Tests {
						suiteCase(t, draft, s, compiled.Validate, test.Data, func(kind string, v Verdict) {
							outcomes[kind+" "+v.Result.String()]++
							if v.Result == Undecided {
								undecided[filepath.Base(file)]++
							}
						})
					}
				}
			}
			t.Logf("%v\nundecided %v", outcomes, undecided)
		})
	}
}

var drafted = map[string]jsonschema.Draft{
	"draft4": jsonschema.Draft4, "draft6": jsonschema.Draft6, "draft7": jsonschema.Draft7,
	"draft2019-09": jsonschema.Draft2019, "draft2020-12": jsonschema.Draft2020,
}

func suiteSchema(draft string, text json.RawMessage) (*jsonschema.Bundle, interface{ Validate(any) error }, bool) {
	var value any
	if json.Unmarshal(text, &value) != nil {
		return nil, nil, false
	}
	if m, ok := value.(map[string]any); ok && m["$schema"] == nil {
		m["$schema"] = drafted[draft].URL()
	}
	b, compiled, ok := bundle(value)
	return b, compiled, ok
}

func suiteCase(t *testing.T, draft string, s *jsonschema.Bundle, validate func(any) error, data json.RawMessage, count func(string, Verdict)) {
	t.Helper()
	if slices.Contains([]string{"1e308", "1E400"}, string(data)) {
		return
	}
	document, err := jsonDecode(data)
	if err != nil {
		return
	}
	valid := validate(document) == nil
	only, _, ok := suiteSchema(draft, json.RawMessage(`{"enum":[`+string(data)+`]}`))
	if !ok {
		return
	}
	other, _, ok := suiteSchema(draft, json.RawMessage(`{"not":{"enum":[`+string(data)+`]}}`))
	if !ok {
		return
	}
	want := map[bool]Result{true: Compatible, false: Incompatible}
	for _, c := range []struct {
		kind           string
		reader, writer *jsonschema.Bundle
		want           Result
	}{
		{"this alone", s, only, want[valid]},
		{"anything but this", other, s, want[!valid]},
	} {
		v := Check(c.reader, c.writer, Strict)
		count(c.kind, v)
		if v.Result != Undecided && v.Result != c.want {
			t.Errorf("%s: %s, want %s\nschema %s\ndocument %s", c.kind, v, c.want, s.Document.Text(), data)
		}
	}
}

func jsonDecode(data []byte) (any, error) { return strictjson.Decode(data, strictjson.Limits{}) }
