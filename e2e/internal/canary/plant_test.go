package canary

import (
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

const schema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
  "properties": {
    "free": {"type": "string"}, "mail": {"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"}, "kind": {"enum": ["a", "b"]},
    "short": {"type": "string", "maxLength": 3}, "account": {"type": "integer"}, "price": {"type": "number", "maximum": 9999999.5},
    "map": {"type": "object", "additionalProperties": {"type": "string"}}, "list": {"type": "array", "items": {"type": "string"}}
  }
}`

const document = `{"free": "x", "mail": "a@b.c", "kind": "a", "short": "abc", "account": 1, "price": 2.5, "map": {"k": "v"}, "list": ["one", "two"]}`

// A planter that leaves places out, or plants what cannot be told apart, would
// let tests find nothing because there is nothing to find.
func TestPlant(t *testing.T) {
	parsed, err := jsonschema.Parse([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Compile(&jsonschema.Bundle{Document: parsed}, contract.Options{Subject: "a.b.c"})
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text []byte) bool { return c.Validate(text) == nil }
	var p Planter
	seen := map[string]bool{}
	bed := NewBed([]byte(document), valid)
	for range 3 {
		planted, values, left, err := p.Plant(bed)
		if err != nil {
			t.Fatal(err)
		}
		if !valid(planted) {
			t.Errorf("not valid: %s", planted)
		}
		var pointers []string
		for _, v := range values {
			pointers = append(pointers, v.Pointer)
			if seen[v.Core] {
				t.Errorf("%q was planted twice", v.Core)
			}
			seen[v.Core] = true
			if len(v.Core) < 8 || !strings.Contains(string(planted), v.Core) {
				t.Errorf("%s: %q is not in %s", v.Pointer, v.Core, planted)
			}
		}
		if got, want := strings.Join(pointers, " "), "/account /free /list/* /list/* /mail /map/* /map/* /price"; got != want {
			t.Errorf("planted at %s, want %s", got, want)
		}
		if got, want := strings.Join(left, " "), "/kind /short"; got != want {
			t.Errorf("left %s, want %s", got, want)
		}
	}
	if _, _, _, err := p.Plant(NewBed([]byte(`{"free": 1}`), valid)); err == nil {
		t.Error("a document that is not valid was planted in")
	}
}
