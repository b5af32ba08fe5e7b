package program_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

func mustSubject(t testing.TB, schema string) *subject {
	t.Helper()
	document, err := jsonschema.Parse([]byte(schema))
	if err != nil {
		t.Fatalf("%v in %s", err, shown([]byte(schema)))
	}
	s, err := newSubject(&jsonschema.Bundle{Document: document})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// many joins n texts made of format and their number.
func many(n int, format string) string {
	var parts []string
	for i := range n {
		parts = append(parts, strings.ReplaceAll(format, "#", fmt.Sprint(i)))
	}
	return strings.Join(parts, ",")
}

const draft7 = `"$schema": "http://json-schema.org/draft-07/schema#"`

// What a program does where a schema is unlike most could be wrong without the
// random ones meeting it: the bounds on groups, and alternatives that settle
// only at the end of the document what was undeclared at its beginning.
func TestCases(t *testing.T) {
	cases := []struct {
		name, schema string
		fast         bool
		documents    string // separated by blanks; the first one is valid when closed
	}{
		{
			"an alternative that fails late declares nothing",
			`{"anyOf": [{"properties": {"a": {"properties": {"x": true}}}}, {"properties": {"a": {"properties": {"y": true}}, "b": {"const": 1}}}]}`,
			true,
			`{"a":{"x":1,"y":1},"b":1} {"a":{"y":1},"b":2} {"a":{"y":1},"b":1} {"a":{"x":1},"b":2} {"a":{"x":1}} {"a":{"z":1},"b":1} {"c":1}`,
		},
		{
			"an alternative deep inside of another",
			`{"oneOf": [{"required": ["k"], "properties": {"k": {"const": 1}, "v": {"anyOf": [{"required": ["m"], "properties": {"m": true}}, {"required": ["n"], "properties": {"n": true}}]}}},
				{"required": ["k"], "properties": {"k": {"const": 2}, "v": {"properties": {"o": true}}}}]}`,
			true,
			`{"v":{"m":1,"n":1},"k":1} {"v":{"m":1,"o":1},"k":1} {"v":{"o":1},"k":2} {"v":{"m":1},"k":2} {"v":{"m":1},"k":1} {"k":1,"v":{"n":1,"x":2}} {"k":3}`,
		},
		{
			"a negation declares nothing",
			`{"properties": {"a": true}, "not": {"properties": {"b": {"type": "string"}}, "required": ["b"]}}`,
			true,
			`{"a":1} {"a":1,"b":1} {"b":"x"}`,
		},
		{
			"only a negation names properties",
			`{"not": {"properties": {"b": {"type": "string"}}, "required": ["b"]}}`,
			true,
			`{"c":1} {"b":1} {"b":"x"}`,
		},
		{
			"what is contained declares",
			`{"items": {"properties": {"a": true}}, "contains": {"properties": {"b": {"const": 1}}, "required": ["b"]}}`,
			true,
			`[{"b":1}] [{"b":1,"a":2}] [{"b":2},{"b":1}] [{"a":1},{"b":1}] [{"c":1},{"b":1}] []`,
		},
		{
			"a condition declares where it holds",
			`{"if": {"properties": {"a": {"const": 1}}, "required": ["a"]}, "then": {"properties": {"b": true}}, "else": {"properties": {"c": true}}}`,
			true,
			`{"a":1,"b":2} {"a":1,"c":2} {"a":2,"c":2} {"c":2} {"b":2} {"a":2} 1`,
		},
		{
			"a dependent schema declares where its property is",
			`{"properties": {"a": true}, "dependentSchemas": {"a": {"properties": {"b": true}}}}`,
			true,
			`{"a":1,"b":1} {"b":1} {"a":1} {"a":1,"c":1}`,
		},
		{
			"an alternative that two others share",
			`{"anyOf": [{"$ref": "#/$defs/x", "required": ["a"], "properties": {"a": {"const": 1}}}, {"$ref": "#/$defs/x", "required": ["b"]}],
				"$defs": {"x": {"anyOf": [{"properties": {"b": true}}, {"required": ["c"], "properties": {"c": true}}]}}}`,
			true,
			`{"a":1,"b":1} {"a":2,"b":1} {"a":2,"b":1,"c":1} {"b":1,"c":1} {"a":1}`,
		},
		{
			// Units are numbers within a group: what some of them say of an object must
			// not be taken for what the same numbers say of one inside of it.
			"an object whose alternatives are those around it",
			`{"anyOf": [{"properties": {"a": true}}, {"properties": {"b": {"type": "integer"}, "v": {"$ref": "#"}}}]}`,
			true,
			`{"b":1,"v":{"b":1}} {"b":1,"v":{"b":"x"}} {"b":1,"v":{"b":2,"v":{"b":"x"}}} {"b":1,"v":{"a":1}} {"v":{"b":"x"},"b":1} {"b":1,"v":{"a":1,"b":"x"}}`,
		},
		{
			// And what an item has left open for the array to decide must not be taken
			// for what the next item leaves open.
			"items of an array of which one must contain something",
			`{"anyOf": [{"items": {"properties": {"x": false}}}, {}], "contains": {"patternProperties": {"b": true}}}`,
			true,
			`[{"b":1},{"b":2}] [{"b":1},{"x":0}] [{"x":0},{"b":1}] [{"b":1},{"c":0}] [{"b":1},{"b":1,"x":0}]`,
		},
		{
			"a place that one alternative leaves free",
			`{"anyOf": [{"additionalProperties": true, "required": ["f"]}, {"properties": {"a": {"type": "integer"}}}]}`,
			true,
			`{"f":1,"g":1} {"a":1} {"a":1,"g":1} {"a":"x","f":1}`,
		},
		{
			"more alternatives than a group has units",
			`{"properties": {"v": {"oneOf": [` + many(80, `{"properties": {"k": {"const": #}, "p#": {"type": "integer"}}, "required": ["k"]}`) + `]}, "w": {"type": "string"}}}`,
			false,
			`{"w":"x"} {"v":{"k":3,"p3":1}} {"v":{"k":3,"p3":"x"}} {"v":{"k":80}} {"v":1}`,
		},
		{
			"more names than words at hand",
			`{"properties": {` + many(400, `"p#": {"type": "integer"}`) + `}, "required": [` + many(300, `"p#"`) + `], "dependentRequired": {"p399": ["p398"]}}`,
			true,
			`{` + many(300, `"p#":#`) + `} {` + many(299, `"p#":#`) + `} {` + many(400, `"p#":#`) + `} {` + many(300, `"p#":#`) + `,"p399":1} {` + many(300, `"p#":#`) + `,"p7":1}`,
		},
		{
			"more patterns than are combined",
			`{"patternProperties": {` + many(7, `"^.{#}a": {"minimum": #}`) + `}, "dependencies": {"a": {"required": ["b"]}}}`,
			false,
			`{} {"aaa":2} {"aaa":1} {"xxxa":3} {"xxxa":2} {"x":2} {"a":1} {"a":1,"b":2}`,
		},
		{
			"patterns that match one name",
			`{"patternProperties": {"a": {"minimum": 1}, "b": {"maximum": 3}, "^c": {"type": "integer"}}, "additionalProperties": {"type": "string"}}`,
			true,
			`{"ab":2,"c":1,"z":"z"} {"ab":0} {"ab":4} {"cab":1.5} {"z":1} {"b":-1} {"\u0061":0}`,
		},
		{
			"a loop that shows only in documents",
			`{` + draft7 + `, "properties": {"p": {"$ref": "#"}}, "dependencies": {"x": {"$ref": "#/properties/p"}}}`,
			false,
			`{"p":{}} {"x":1} {"p":{"x":1}} {"p":{"p":1}}`,
		},
		{
			"a schema inside of itself",
			`{"type": "object", "properties": {"next": {"$ref": "#"}, "value": {"type": "integer"}}, "required": ["value"]}`,
			true,
			strings.Repeat(`{"value":1,"next":`, 98) + `{"value":1}` + strings.Repeat("}", 98) + ` ` + strings.Repeat(`{"value":1,"next":`, 100) + `{"value":1}` + strings.Repeat("}", 100) + ` {"value":1,"next":{}}`,
		},
		{
			"items that are equal though written differently",
			`{"uniqueItems": true}`,
			true,
			`[1,2,"1",true,null,"a",[1],{"a":1}] [1,1.0] ["a","\u0061"] ["a\n","\u0061\u000a"] [[1],[1.0]] [{"a":1,"b":2},{"b":2,"a":1}] [0,-0] [[],{}] [null,false] [-1,1] [` + many(60, `#`) + `] [` + many(60, `#`) + `,5e0]`,
		},
		{
			"constants that are containers",
			`{"enum": [{"a": [1, 2.0]}, [], "x", 1e2, false]}`,
			false,
			`[] "x" 100 {"a":[1.0,2]} {"a":[1,2,3]} false true {} null 1e3`,
		},
		{
			"what alternatives evaluate",
			`{"properties": {"a": {"$ref": "#/$defs/u"}, "b": {"type": "integer"}}, "$defs": {"u": {"properties": {"x": true}, "anyOf": [{"properties": {"y": true}, "required": ["y"]}, true], "unevaluatedProperties": false}}}`,
			true,
			`{"b":1} {"a":{"x":1,"y":1}} {"a":{"x":1,"z":1}} {"a":{"x":1},"c":1} {"b":"x","a":{}}`,
		},
		{
			"cousins evaluate nothing",
			`{"allOf": [{"properties": {"a": true}, "dependentSchemas": {"a": {"properties": {"b": true}}}, "unevaluatedProperties": false},
				{"properties": {"c": true}, "if": {"required": ["b"]}, "then": {"properties": {"d": true}}}]}`,
			true,
			`{"a":1,"b":2} {"a":1} {"b":1} {"a":1,"c":1} {"a":1,"b":1,"d":1} {}`,
		},
		{
			"unevaluated properties of alternatives inside each other",
			`{"$ref": "#/$defs/base", "oneOf": [{"required": ["k"], "properties": {"k": {"const": 1}}, "anyOf": [{"required": ["m"], "properties": {"m": true}}, {"required": ["n"], "properties": {"n": true}}]},
				{"properties": {"k": {"const": 2}, "o": true}}], "unevaluatedProperties": false, "$defs": {"base": {"properties": {"id": true}, "not": {"required": ["z"], "properties": {"z": true}}}}}`,
			true,
			`{"id":1,"k":1,"m":1,"n":1} {"id":1,"k":1,"m":1,"o":1} {"k":2,"o":1} {"k":2,"m":1} {"k":1,"z":1} {"k":1,"n":1,"z":1} {"id":1,"o":2} {"z":1}`,
		},
		{
			"unevaluated properties with what isn't fast",
			`{"anyOf": [{"unevaluatedItems": false, "properties": {"a": true}}, {"properties": {"b": true}}], "unevaluatedProperties": false}`,
			false,
			`{"a":1,"b":2} {"a":1} {"c":1} []`,
		},
		{
			"unevaluated properties and items in one schema",
			`{"unevaluatedItems": false, "unevaluatedProperties": false, "properties": {"a": true}}`,
			false,
			`{"a":1} [true] [] {"b":1}`,
		},
		{
			"contents are looked into in draft 7",
			`{` + draft7 + `, "contentEncoding": "base64", "contentMediaType": "application/json", "minLength": 1}`,
			false,
			`"e30=" "e30" "e3==" "eyI=" "" 1`,
		},
	}
	for _, c := range cases {
		s := mustSubject(t, c.schema)
		if s.closed.Fast() != c.fast {
			t.Errorf("%s: fast is %t: %v", c.name, s.closed.Fast(), s.closed.Explain())
		}
		for i, document := range strings.Split(c.documents, " ") {
			s.agree(t, c.name, []byte(document))
			if got := s.closed.Check([]byte(document)); i == 0 && got != program.Valid && (c.fast || got != program.Undecided) {
				t.Errorf("%s: closed: %s for %s", c.name, got, document)
			}
		}
	}
}

// It would stay unknown which parts of a schema are slow, and why.
func TestExplain(t *testing.T) {
	s := mustSubject(t, `{"properties": {"a": {"properties": {"b": {"type": "string"}}, "unevaluatedProperties": {"type": "null"}}, "c": {"type": "integer"}}}`)
	want := []program.Part{
		{Pointer: "#", Fast: true},
		{Pointer: "#/properties/a", Why: "unevaluatedProperties has no fast form but true and false"},
		{Pointer: "#/properties/a/properties/b", Why: "it is applied only inside of what isn't fast"},
		{Pointer: "#/properties/a/unevaluatedProperties", Why: "it is applied only inside of what isn't fast"},
		{Pointer: "#/properties/c", Fast: true},
	}
	if got := s.open.Explain(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// A document that only a slower engine can judge could be refused, or let in.
func TestUndecided(t *testing.T) {
	s := mustSubject(t, `{"properties": {"a": {"properties": {"x": true}, "unevaluatedProperties": {"type": "integer"}}, "c": {"properties": {"d": true}}}}`)
	for document, want := range map[string]program.Verdict{
		`{"a": {"x": 1, "y": 1}}`:        program.Undecided,
		`{"a": {"y": "x"}}`:              program.Invalid,
		`{"a": 1}`:                       program.Valid,
		`{"c": {"d": 1}}`:                program.Valid,
		`{"c": {"e": 1}}`:                program.Invalid,
		`{"a": {}, "a": {}}`:             program.Invalid,
		`{"a": {"y": 1}, "c": {"d": 1}}`: program.Undecided,
	} {
		if got := s.closed.Check([]byte(document)); got != want {
			t.Errorf("%s: %s, want %s", document, got, want)
		}
	}
}
