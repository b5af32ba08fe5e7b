package canary

import (
	"encoding/base64"
	"encoding/json"
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
    "map": {"type": "object", "additionalProperties": {"type": "string"}}, "list": {"type": "array", "items": {"type": "string"}},
    "record": {"type": "string"}, "blob": {"type": "string"}
  }
}`

const document = `{"free": "x", "mail": "a@b.c", "kind": "a", "short": "abc", "account": 1, "price": 2.5, "map": {"k": "v"}, "list": ["one", "two"],
  "record": "{\"mail\": \"a@b.c\", \"deep\": \"[1]\"}", "blob": "eyJfYSI6IngifQ=="}`

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
			if len(v.Core) < 8 || !strings.Contains(string(planted), v.Core) && !strings.HasPrefix(v.Pointer, "/blob/") {
				t.Errorf("%s: %q is not in %s", v.Pointer, v.Core, planted)
			}
		}
		if got, want := strings.Join(pointers, " "), "/account /blob/* /blob/* /free /list/* /list/* /mail /map/* /map/* /price /record/deep/* /record/mail"; got != want {
			t.Errorf("planted at %s, want %s", got, want)
		}
		var whole struct{ Record, Blob string }
		if err := json.Unmarshal(planted, &whole); err != nil {
			t.Fatal(err)
		}
		blob, err := base64.StdEncoding.DecodeString(whole.Blob)
		if err != nil || !json.Valid(blob) || !json.Valid([]byte(whole.Record)) {
			t.Errorf("%v: %s, %s", err, whole.Record, blob)
		}
		for _, v := range values {
			if strings.HasPrefix(v.Pointer, "/blob/") && !strings.Contains(string(blob), v.Core) {
				t.Errorf("%s: %q is not in %s", v.Pointer, v.Core, blob)
			}
		}
		if got, want := strings.Join(left, " "), "/kind /short"; got != want {
			t.Errorf("left %s, want %s", got, want)
		}
	}
	if _, _, _, err := p.Plant(NewBed([]byte(`{"free": 1}`), valid)); err == nil {
		t.Error("a document that is not valid was planted in")
	}
}
