package diff_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry/diff"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

var update = flag.Bool("update", false, "rewrite what the tests compare with")

func bundle(t testing.TB, text string, references map[string]*jsonschema.Bundle) *jsonschema.Bundle {
	t.Helper()
	d, err := jsonschema.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &jsonschema.Bundle{Document: d, References: references}
}

// A change that is told wrongly, at the wrong place, or not at all would mislead
// whoever reviews a schema.
func TestBetween(t *testing.T) {
	var got strings.Builder
	for _, c := range []struct{ name, old, new string }{
		{"nothing", `{"type":"object","properties":{"a":{"type":"string"}}}`, `{"properties":{"a":{"type":"string"}},"type":"object"}`},
		{"the same in another way", `{"properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"string","minLength":1}}}`, `{"properties":{"a":{"minLength":1.0,"type":"string"}}}`},
		{"properties", `{"properties":{"a":{},"b":{"type":"string"}},"required":["a"]}`, `{"properties":{"a":{},"c":{"type":"string"},"d/e":{"type":"null"}},"required":["d/e"]}`},
		{"types", `{"properties":{"a":{"type":"number"},"b":{"type":"integer"},"c":{"type":["string","null"]},"d":{"type":"string"}}}`, `{"properties":{"a":{"type":"integer"},"b":{"type":"number"},"c":{"type":"string"},"d":{}}}`},
		{"values", `{"properties":{"a":{"enum":["x","y"]},"b":{"const":1},"c":{}}}`, `{"properties":{"a":{"enum":["y","z"]},"b":{"enum":[1.0,2]},"c":{"const":null}}}`},
		{"numbers", `{"minLength":1,"maximum":10,"multipleOf":2,"pattern":"a","uniqueItems":true}`, `{"minLength":2,"maximum":20,"multipleOf":6,"pattern":"b","maxItems":3}`},
		{"closing", `{"properties":{"a":{}}}`, `{"properties":{"a":{}},"additionalProperties":false}`},
		{"opening", `{"properties":{"a":{}}}`, `{"properties":{"a":{}},"additionalProperties":true}`},
		{"the rest", `{"additionalProperties":{"type":"string"}}`, `{"additionalProperties":{"type":"string","maxLength":4}}`},
		{"items", `{"items":{"properties":{"a":{"maxLength":3}}}}`, `{"prefixItems":[{"type":"string"}],"items":{"properties":{"a":{"maxLength":4}}}}`},
		{"tuples", `{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"string"}],"additionalItems":false}`, `{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"string"},{"type":"null"}],"additionalItems":true}`},
		{"alternatives", `{"oneOf":[{"properties":{"k":{"const":"a"}}},{"properties":{"k":{"const":"b"}}}]}`, `{"oneOf":[{"properties":{"k":{"const":"b"},"v":{}}},{"properties":{"k":{"const":"c"}}}]}`},
		{"classes", `{"properties":{"a":{"x-lockstep-class":"pii.email","description":"x"}}}`, `{"properties":{"a":{"x-lockstep-class":"public","title":"A"}}}`},
		{"draft", `{"$schema":"http://json-schema.org/draft-07/schema#"}`, `{}`},
		{"dependencies", `{"$schema":"http://json-schema.org/draft-07/schema#","dependencies":{"a":["b"]}}`, `{"dependentRequired":{"a":["c"]}}`},
		{"nothing at all", `{"properties":{"a":{}}}`, `{"properties":{"a":false}}`},
		{"recursion", `{"properties":{"next":{"$ref":"#"},"v":{"type":"string"}}}`, `{"properties":{"next":{"$ref":"#"},"v":{"type":"integer"}}}`},
		{"a reference beside keywords", `{"minLength":1,"$ref":"#/$defs/a","$defs":{"a":{"minLength":2}}}`, `{"minLength":1,"$ref":"#/$defs/a","$defs":{"a":{"minLength":3}}}`},
	} {
		fmt.Fprintf(&got, "# %s\n", c.name)
		for _, change := range diff.Between(bundle(t, c.old, nil), bundle(t, c.new, nil)) {
			fmt.Fprintf(&got, "%s %q (%s → %s): %s\n", change.Kind, change.Pointer, change.OldPointer, change.NewPointer, change.Text)
		}
	}
	golden := filepath.Join("testdata", "changes.golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

// A change in a file that others share must be told at the place where documents
// have it, under the name of that file.
func TestSharedDefinition(t *testing.T) {
	const text = `{"properties":{"buyer":{"$ref":"user.json"},"deep":{"items":{"$ref":"user.json"}}}}`
	with := func(user string) *jsonschema.Bundle {
		return bundle(t, text, map[string]*jsonschema.Bundle{"user.json": bundle(t, user, nil)})
	}
	changes := diff.Between(with(`{"properties":{"mail":{}}}`), with(`{"properties":{"mail":{}},"required":["mail"]}`))
	if len(changes) != 1 || changes[0].Pointer != "/buyer/mail" || changes[0].NewPointer != "user.json#/required" || changes[0].Kind != diff.PropertyRequired {
		t.Errorf("%+v", changes)
	}
}

// A broken schema must be named and not be taken for one without changes.
func TestUnusable(t *testing.T) {
	changes := diff.Between(bundle(t, `{}`, nil), bundle(t, `{"$ref":"gone.json"}`, nil))
	if len(changes) != 1 || changes[0].Kind != diff.Unusable {
		t.Errorf("%+v", changes)
	}
}
