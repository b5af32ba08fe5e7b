package program

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// surelyMaskers have each class masked by one technique.
func surelyMaskers(t testing.TB) (maskers []*mask.Masker) {
	t.Helper()
	key, err := mask.NewKey(bytes.Repeat([]byte{7}, mask.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range []mask.Rule{
		{Technique: mask.Token},
		{Technique: mask.Synthetic},
		{Technique: mask.Redact},
		{Technique: mask.FPE},
		{Technique: mask.Hash},
		{Technique: mask.Encrypt},
		{Technique: mask.Truncate, Length: 3},
		{Technique: mask.Truncate, To: "month"},
		{Technique: mask.DateShift, Days: 30, By: mask.ID},
		{Technique: mask.Bucket, Size: "10"},
		{Technique: mask.Noise, Percent: "5"},
		{Technique: mask.Constant, Value: "x"},
		{Technique: mask.CEL, Expression: "value"},
		{Technique: mask.Scrub},
	} {
		p := mask.Policy{Classes: map[string]mask.Rule{}}
		for _, class := range mask.Classes() {
			p.Classes[string(class)] = rule
		}
		m, err := mask.New("one", p, "staging", key)
		if err != nil {
			t.Fatal(err)
		}
		maskers = append(maskers, m)
	}
	return maskers
}

// rootGroup is the group of a schema's values.
func rootGroup(t failing, schema string) *group {
	document, err := jsonschema.Parse([]byte(schema))
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	linked, err := (&jsonschema.Bundle{Document: document}).Link()
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return Compile(linked, Options{}).root
}

// shapeOfSchema is what the schema demands.
func shapeOfSchema(schema map[string]any) *mask.Shape {
	s := &mask.Shape{}
	s.Format, _ = schema["format"].(string)
	if pattern, ok := schema["pattern"].(string); ok {
		s.Patterns = []string{pattern}
	}
	s.MinLength, _ = schema["minLength"].(int)
	s.MaxLength, _ = schema["maxLength"].(int)
	s.Integer = schema["type"] == "integer"
	for name, bound := range map[string]**big.Rat{"minimum": &s.Minimum, "maximum": &s.Maximum, "exclusiveMinimum": &s.Above, "multipleOf": &s.MultipleOf} {
		if value, ok := schema[name]; ok {
			*bound, _ = new(big.Rat).SetString(fmt.Sprint(value))
		}
	}
	return s.Compile()
}

type failing interface {
	Helper()
	Fatalf(string, ...any)
}

// A value would cross without being judged where something is not valid that the
// technique makes.
func TestAssuredValuesAreValid(t *testing.T) {
	maskers := surelyMaskers(t)
	classes := mask.Classes()
	drawn, assured := 0, map[Kind]int{}
	var event mask.Event
	event.Add(mask.ID, "cus_8f3k2m9x1a")
	values := []string{"4711", "1990-05-17", "4111 1111 1111 1111", "Ada\u2028 \"Lovelace\"", "\x00\\", "123456789.5"}
	rapid.Check(t, func(t *rapid.T) {
		drawn++
		schema := map[string]any{"$schema": "http://json-schema.org/draft-07/schema#"}
		maybe := func(name string, values ...any) {
			if rapid.IntRange(0, 2).Draw(t, "has "+name) == 0 {
				schema[name] = rapid.SampledFrom(values).Draw(t, name)
			}
		}
		maybe("type", "string", "number", "integer", []any{"string", "null"})
		maybe("format", "email", "uuid", "date-time", "uri", "hostname", "ipv4", "unheard-of")
		maybe("minLength", 0, 1, 10, 21, 30)
		maybe("maxLength", 10, 21, 28, 36, 100)
		maybe("pattern", "^[a-z]", "^[^@\\s]+@[^@\\s]+$", "^[0-9a-f]{8}-", "^[ -~]*$", "^user-", "^\\+[0-9]{7,15}$")
		maybe("minimum", 0, 1, -5, json.Number("0.5"))
		maybe("maximum", 9007199254740991, 100000000, json.Number("99999999.99"))
		maybe("exclusiveMinimum", 0, 1)
		maybe("multipleOf", 1, json.Number("0.01"), 2)
		text, err := json.Marshal(schema)
		if err != nil {
			t.Fatal(err)
		}
		g := rootGroup(t, string(text))
		kind := rapid.SampledFrom([]Kind{String, Number}).Draw(t, "kind")
		hinted := map[string]any{} // a shape is but a hint
		for _, name := range slices.Sorted(maps.Keys(schema)) {
			if rapid.IntRange(0, 4).Draw(t, "hints at "+name) > 0 {
				hinted[name] = schema[name]
			}
		}
		m := maskers[0]
		if rapid.Bool().Draw(t, "other than tokens") {
			m = rapid.SampledFrom(maskers).Draw(t, "masker")
		}
		f := m.Field(rapid.SampledFrom(classes).Draw(t, "class"), shapeOfSchema(hinted), false, mask.Kind(kind))
		s := &Step{Action: Replace, Kind: kind, Field: f}
		if g == nil || !s.assured(g) {
			return
		}
		assured[kind]++
		if !s.assured(g) {
			t.Fatalf("%s is assured the first time only", text)
		}
		for i := range 20 {
			value := fmt.Append(nil, 4711+i)
			if i%2 == 0 && kind == String {
				value = []byte(values[i/2%len(values)])
			}
			made, err := f.Append(nil, mask.Kind(kind), value, &event)
			if err != nil {
				if f.Technique() == mask.Token {
					t.Fatalf("%s: %v", text, err)
				}
				continue // the event is withheld
			}
			r := &run{}
			r.begin(&Program{}, made)
			if fail := r.value(g, false); fail != 0 || r.pos != len(made) {
				t.Fatalf("%s by %s is not valid under %s", made, f.Technique(), text)
			}
		}
	})
	// Of a few draws, as in short runs, none of a kind may be.
	if drawn >= 100 && (assured[String] == 0 || assured[Number] == 0) {
		t.Errorf("assured: %v", assured)
	}
	plain := rootGroup(t, `{"type":"string"}`)
	for _, m := range maskers {
		f := m.Field(mask.Name, nil, false, mask.String)
		if s := (&Step{Action: Replace, Kind: String, Field: f}); !s.assured(plain) {
			t.Errorf("%s of a string of which nothing is demanded is not assured", f.Technique())
		}
	}
}
