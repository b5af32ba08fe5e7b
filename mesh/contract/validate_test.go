package contract

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A field that no schema knows would get in, and a later schema that gives it
// a meaning would meet old events that contradict it; or a field that the
// schema admits would be refused.
func TestClosedWriteSide(t *testing.T) {
	refs := map[string]string{
		"person": `{"type":"object","properties":{"name":{"type":"string"}}}`,
		"tree":   `{"type":"object","properties":{"v":{},"kids":{"type":"array","items":{"$ref":"tree"}}}}`,
	}
	tests := []struct {
		name, schema   string
		valid, refused []string // documents
		undeclared     []string // pointers in the first refused document
		oldDraft       bool
	}{
		{
			name: "declared only", schema: `{"type":"object","properties":{"a":{}}}`,
			valid: []string{`{}`, `{"a":{"anything":[1]}}`}, refused: []string{`{"a":1,"b":2}`}, undeclared: []string{"/b"},
		},
		{name: "nothing said", schema: `{}`, valid: []string{`{"a":{"b":1}}`, `1`}},
		{name: "true", schema: `true`, valid: []string{`{"a":{"b":1}}`}},
		{name: "an object that isn't described", schema: `{"type":"object","required":["a"]}`, valid: []string{`{"a":1,"b":{"c":2}}`}},
		{name: "no properties at all", schema: `{"type":"object","properties":{}}`, valid: []string{`{"a":1}`}},
		{
			name: "additionalProperties true", schema: `{"properties":{"a":{}},"additionalProperties":true}`,
			valid: []string{`{"b":{"c":1}}`},
		},
		{
			name: "additionalProperties with a schema", schema: `{"properties":{"a":{}},"additionalProperties":{"properties":{"c":{}}}}`,
			valid: []string{`{"b":{"c":1}}`}, refused: []string{`{"b":{"d":1}}`}, undeclared: []string{"/b/d"},
		},
		{
			name: "patterns", schema: `{"patternProperties":{"^x-":{}}}`,
			valid: []string{`{"x-1":1}`}, refused: []string{`{"y":1}`}, undeclared: []string{"/y"},
		},
		{
			name: "reference", schema: `{"properties":{"p":{"$ref":"person"}}}`,
			valid: []string{`{"p":{"name":"x"}}`}, refused: []string{`{"p":{"nam":"x"}}`}, undeclared: []string{"/p/nam"},
		},
		{
			name: "recursion", schema: `{"$ref":"tree"}`,
			valid: []string{`{"kids":[{"kids":[{"v":{"x":1}}]}]}`}, refused: []string{`{"kids":[{"kids":[{"w":1}]}]}`}, undeclared: []string{"/kids/0/kids/0/w"},
		},
		{
			name: "allOf declares together", schema: `{"allOf":[{"properties":{"a":{}}},{"properties":{"b":{}}},{"$ref":"person"}],"properties":{"c":{}}}`,
			valid: []string{`{"a":1,"b":1,"c":1,"name":"x"}`}, refused: []string{`{"d":1,"e":1}`}, undeclared: []string{"/d", "/e"},
		},
		{
			name:   "only the alternative that holds declares",
			schema: `{"oneOf":[{"properties":{"kind":{"const":"a"},"x":{}},"required":["kind"]},{"properties":{"kind":{"const":"b"},"y":{}},"required":["kind"]}]}`,
			valid:  []string{`{"kind":"a","x":1}`, `{"kind":"b","y":1}`}, refused: []string{`{"kind":"a","y":1}`}, undeclared: []string{"/y"},
		},
		{
			name: "anyOf with several that hold", schema: `{"anyOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]}`,
			valid: []string{`{"a":1,"b":1}`}, refused: []string{`{"c":1}`}, undeclared: []string{"/c"},
		},
		{
			name: "alternatives inside of the same ones", schema: `{"anyOf":[{"properties":{"a":{}}},{"properties":{"b":{"type":"integer"},"v":{"$ref":"#"}}}]}`,
			valid: []string{`{"b":1,"v":{"b":1}}`}, refused: []string{`{"b":1,"v":{"b":"x"}}`, `{"v":{"b":"x"},"b":1}`}, undeclared: []string{"/v/b"},
		},
		{
			name:   "if, then, else",
			schema: `{"properties":{"k":{}},"if":{"properties":{"k":{"const":1},"i":{}},"required":["k"]},"then":{"properties":{"t":{}}},"else":{"properties":{"e":{}}}}`,
			valid:  []string{`{"k":1,"t":1,"i":1}`, `{"k":2,"e":1}`, `{"e":1}`}, refused: []string{`{"k":2,"t":1}`, `{"k":1,"e":1}`, `{"k":2,"i":1}`}, undeclared: []string{"/t"},
		},
		{
			name: "dependent schemas", schema: `{"properties":{"a":{}},"dependentSchemas":{"a":{"properties":{"b":{}}}}}`,
			valid: []string{`{"a":1,"b":1}`}, refused: []string{`{"b":1}`}, undeclared: []string{"/b"},
		},
		{
			name: "dependencies", oldDraft: true, schema: `{"properties":{"a":{}},"dependencies":{"a":{"properties":{"b":{}}},"c":["a"]}}`,
			valid: []string{`{"a":1,"b":1}`}, refused: []string{`{"b":1}`}, undeclared: []string{"/b"},
		},
		{
			name: "unevaluatedProperties with a schema", schema: `{"properties":{"a":{}},"unevaluatedProperties":{"type":"integer"}}`,
			valid: []string{`{"a":"x","b":1}`},
		},
		{
			name: "items by position", schema: `{"prefixItems":[{"properties":{"a":{}}}],"items":{"properties":{"b":{}}}}`,
			valid: []string{`[{"a":1},{"b":1}]`}, refused: []string{`[{"b":1},{"a":1}]`}, undeclared: []string{"/0/b", "/1/a"},
		},
		{
			name: "items by position, as once", oldDraft: true, schema: `{"items":[{"properties":{"a":{}}}],"additionalItems":{"properties":{"b":{}}}}`,
			valid: []string{`[{"a":1},{"b":1}]`}, refused: []string{`[{"b":1},{"a":1}]`}, undeclared: []string{"/0/b", "/1/a"},
		},
		{
			name: "names that need escapes, and many items", schema: `{"items":{"properties":{"a/b":{"properties":{}},"~":{"properties":{"x":{}}}}}}`,
			refused: []string{`[{"~":{"y/z":1}},{},{},{},{},{},{},{},{},{},{"c~":1}]`}, undeclared: []string{"/0/~0/y~1z", "/10/c~0"},
		},
		{
			name: "dynamic reference", schema: `{"$id":"https://example.com/t","$dynamicAnchor":"n","properties":{"v":{},"next":{"$dynamicRef":"#n"}}}`,
			valid: []string{`{"next":{"next":{"v":1}}}`}, refused: []string{`{"next":{"next":{"w":1}}}`}, undeclared: []string{"/next/next/w"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			schema := test.schema
			if test.oldDraft {
				schema = `{"$schema":"http://json-schema.org/draft-07/schema#",` + schema[1:]
			}
			closed, open := compile(t, schema, refs, Options{}), compile(t, schema, refs, Options{Open: true})
			for _, document := range test.valid {
				if err := closed.Validate([]byte(document)); err != nil {
					t.Errorf("%s: %v", document, err)
				}
			}
			for i, document := range test.refused {
				var pointers []string
				for _, v := range violations(t, closed, document) {
					pointers = append(pointers, v.Pointer)
					if v.Keyword != KeywordUndeclared || v.Expected == "" || v.Found == "" || !strings.Contains(v.SchemaPointer, "#") {
						t.Errorf("%s: %+v", document, v)
					}
				}
				if i == 0 && !reflect.DeepEqual(pointers, test.undeclared) || len(pointers) == 0 {
					t.Errorf("%s: undeclared are %q, want %q", document, pointers, test.undeclared)
				}
				if err := open.Validate([]byte(document)); err != nil {
					t.Errorf("open: %s: %v", document, err)
				}
			}
		})
	}
}

// What a refusal says would help nobody to mend the event, or would change
// from one run to the next.
func TestViolations(t *testing.T) {
	refs := map[string]string{"person.json": `{"type":"object","required":["name","id"],"properties":{"name":{"type":"string","minLength":2},"id":{"type":"integer"}}}`}
	tests := []struct{ name, schema, document string }{
		{"type", `{"properties":{"a":{"type":"string"}}}`, `{"a":7}`},
		{"types", `{"properties":{"a":{"type":["string","null"]}}}`, `{"a":{"x":1}}`},
		{"several at once", `{"properties":{"b":{"type":"integer"},"a":{"maxLength":2}},"required":["c","d"]}`, `{"a":"xyz","b":"1"}`},
		{"enum", `{"enum":["open","closed",3]}`, `"opened"`},
		{"const", `{"const":{"a":[1]}}`, `{"a":[2]}`},
		{"format", `{"$schema":"http://json-schema.org/draft-07/schema#","items":{"format":"date-time"}}`, `["2018-04-25 20:42:10"]`},
		{"pattern", `{"pattern":"^[a-z]+$"}`, `"ABC"`},
		{"lengths", `{"prefixItems":[{"minLength":3},{"maxLength":1}]}`, `["é","éé"]`},
		{"numbers", `{"prefixItems":[{"minimum":5},{"maximum":5},{"exclusiveMinimum":5},{"exclusiveMaximum":5},{"multipleOf":0.01}]}`, `[4,6,5,5,0.001]`},
		{"counts", `{"prefixItems":[{"minItems":2},{"maxItems":1},{"minProperties":2},{"maxProperties":0},{"uniqueItems":true}]}`, `[[1],[1,2],{"a":1},{"a":1},[1,2,1]]`},
		{"additionalProperties", `{"properties":{"a":{}},"patternProperties":{"^x":{}},"additionalProperties":false}`, `{"a":1,"c/d":"secret","b":{"e":1},"x":1}`},
		{"reference", `{"properties":{"p":{"$ref":"person.json"}}}`, `{"p":{"name":"x"}}`},
		{"alternatives by type", `{"oneOf":[{"type":"string"},{"type":"null"},{"type":["integer","string"]}]}`, `true`},
		{"alternatives, one meant", `{"properties":{"p":{"oneOf":[{"type":"null"},{"$ref":"person.json"}]}}}`, `{"p":{"name":"xy"}}`},
		{"alternatives by constant", `{"anyOf":[{"properties":{"k":{"const":"a"},"x":{"type":"string"}}},{"properties":{"k":{"const":"b"}}}]}`, `{"k":"a","x":1}`},
		{"alternatives, none meant", `{"anyOf":[{"minProperties":2},{"required":["z"]}]}`, `{"k":1}`},
		{"too many alternatives", `{"oneOf":[{"minimum":1},{"minimum":2}]}`, `3`},
		{"not", `{"not":{"type":"string"}}`, `"x"`},
		{"false", `{"properties":{"a":false}}`, `{"a":1}`},
		{"allOf and if", `{"allOf":[{"if":{"required":["a"]},"then":{"required":["b"]}}]}`, `{"a":1}`},
		{"dependentRequired", `{"dependentRequired":{"a":["b","c"]}}`, `{"a":1,"c":1}`},
		{"dependencies", `{"$schema":"http://json-schema.org/draft-07/schema#","dependencies":{"a":["b"]}}`, `{"a":1}`},
		{"contains", `{"contains":{"const":1}}`, `[2,3]`},
		{"propertyNames", `{"propertyNames":{"maxLength":3}}`, `{"abcd":1}`},
		{"unevaluatedProperties", `{"properties":{"a":{}},"unevaluatedProperties":false}`, `{"b":1}`},
		{"undeclared", `{"properties":{"a":{},"b":{}}}`, `{"c":"x","d":1}`},
		{"long value", `{"type":"integer"}`, `"` + strings.Repeat("é", 500) + `"`},
		{"strict JSON", `{}`, `{"email":1,"\u0065mail":2}`},
		{"nothing", `{}`, ``},
		{"items in order", `{"items":{"type":"string"}}`, `[1,"",1,"","","","","","","",1]`},
	}
	var golden strings.Builder
	for _, test := range tests {
		c := compile(t, test.schema, refs, Options{})
		var first string
		for range 20 {
			err := c.Validate([]byte(test.document))
			var invalid *Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("%s: %v", test.name, err)
			}
			text, jsonErr := json.MarshalIndent(invalid, "", "  ")
			if jsonErr != nil {
				t.Fatal(jsonErr)
			}
			said := fmt.Sprintf("## %s\n%s\n%s\n%v\n%s\n\n", test.name, test.schema, shorten(test.document, 120), err, text)
			if first == "" {
				first = said
			}
			if said != first {
				t.Errorf("%s: not the same each time:\n%s\n%s", test.name, first, said)
				break
			}
			for _, v := range invalid.Violations {
				if v.Keyword == "" || v.SchemaPointer == "" || v.Expected == "" || v.Found == "" || utf8.RuneCountInString(v.Found) > 200 {
					t.Errorf("%s: %+v", test.name, v)
				}
			}
		}
		golden.WriteString(first)
	}
	compareGolden(t, "violations.golden", golden.String())
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (rewrite it with -update if that is meant); it would be:\n%s", path, got)
	}
}

// An event would be refused by a list as long as the event.
func TestManyViolations(t *testing.T) {
	c := compile(t, `{"items":{"type":"string"}}`, nil, Options{})
	err := c.Validate([]byte("[" + strings.Repeat("1,", 5000) + "1]"))
	var invalid *Invalid
	if !errors.As(err, &invalid) || len(invalid.Violations) != MaxViolations || invalid.Omitted != 5001-MaxViolations {
		t.Fatalf("%d violations, %d omitted", len(invalid.Violations), invalid.Omitted)
	}
	if len(err.Error()) > 500 || !strings.Contains(err.Error(), "and 4997 more") || !strings.HasPrefix(err.Error(), "not valid under shop.order.created version 3: /0: ") {
		t.Errorf("%v", err)
	}
}

// Whoever asks for the reason would not find the syntax error behind it.
func TestSyntaxErrorIsWrapped(t *testing.T) {
	err := compile(t, `true`, nil, Options{}).Validate([]byte(`{"a":1}x`))
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Code != strictjson.CodeTrailingData {
		t.Errorf("%#v", err)
	}
}

// A defect of a library would take the gate down, or let the event in.
func TestValidateSurvivesPanics(t *testing.T) {
	c := &Contract{options: Options{Subject: "s", Version: 1}}
	err := c.Validate([]byte(`{}`))
	var fault *Fault
	if !errors.As(err, &fault) || fault.Error() == "" {
		t.Errorf("%v", err)
	}
}

// The verdict would be another than the reference's.
func TestVerdictsAreTheLibrarys(t *testing.T) {
	schema := `{"type":"object","properties":{"a":{"type":"number","multipleOf":0.01},"b":{"minLength":2,"maxLength":3},"c":{"uniqueItems":true}},"additionalProperties":true}`
	c := compile(t, schema, nil, Options{})
	reference := v5.MustCompileString("https://example.com/s", schema)
	for _, document := range []string{
		`{}`, `[]`, `{"a":1.01}`, `{"a":1.001}`, `{"a":1e2}`, `{"a":9007199254740993.01}`, `{"b":"é"}`, `{"b":"éé"}`, `{"b":"éééé"}`, `{"c":[1,1.0]}`, `{"c":[1,"1"]}`,
	} {
		value, err := strictjson.Decode([]byte(document), strictjson.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := c.Validate([]byte(document)) == nil, reference.Validate(value) == nil; got != want {
			t.Errorf("%s: valid is %v, the library says %v", document, got, want)
		}
	}
}

// A schema that can't be used would be found out by the first event.
func TestCompileRefuses(t *testing.T) {
	for _, text := range []string{
		`{"$ref":"missing"}`, `{"$ref":"#"}`, `{"x-lockstep-key":"/a"}`, `{"x-lockstep-key":["a"]}`, `{"x-lockstep-key":["/a","/a"]}`, `{"x-lockstep-key":[7]}`,
	} {
		_, err := Compile(&jsonschema.Bundle{Document: parse(t, text)}, Options{})
		var e *jsonschema.Error
		if !errors.As(err, &e) || e.Cure == "" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// An event would be stored or routed under a subject that is not its key's.
func TestKeyTokens(t *testing.T) {
	c := compile(t, `{"x-lockstep-key":["/order/id","/n"],"properties":{"order":{},"n":{}}}`, nil, Options{})
	if got := c.Key(); !reflect.DeepEqual(got, []string{"/order/id", "/n"}) {
		t.Errorf("key %q", got)
	}
	for document, want := range map[string]string{
		`{"order":{"id":"o-1"},"n":12}`:            "o-1 12",
		`{"order":{"id":"a.b *>%c"},"n":true}`:     "a%2Eb%20%2A%3E%25c true",
		`{"order":{"id":"\u00e9\u0000"},"n":1.50}`: "%C3%A9%00 1%2E50",
	} {
		got, err := c.KeyTokens([]byte(document))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s has key %q, %v; want %q", document, got, err, want)
		}
	}
	for _, document := range []string{
		`{"n":1}`, `{"order":{"id":""},"n":1}`, `{"order":{"id":null},"n":1}`, `{"order":{"id":[1]},"n":1}`, `{"order":{"id":"x"},"n":{}}`,
		`{"order":{"id":"` + strings.Repeat("x", 129) + `"},"n":1}`, `{"order":{"id":"x"},"n":1`,
	} {
		_, err := c.KeyTokens([]byte(document))
		var invalid *Invalid
		if !errors.As(err, &invalid) || invalid.Cure == "" {
			t.Errorf("%s: %v", document, err)
		}
	}
	if tokens, err := compile(t, `{}`, nil, Options{}).KeyTokens([]byte(`x`)); tokens != nil || err != nil {
		t.Errorf("a schema without a key gives %q, %v", tokens, err)
	}
}
