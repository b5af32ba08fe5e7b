package jsonschema

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

var allDrafts = []Draft{Draft4, Draft6, Draft7, Draft2019, Draft2020}

// agrees fails the test if a schema is said to be valid that the library refuses.
func agrees(t testing.TB, value any, draft Draft) (sure bool) {
	t.Helper()
	d := &Document{value: value, draft: draft}
	if d.checkPatterns() != nil || !surelyValid(value, draft) {
		return false
	}
	if err := d.checkMetaschema(); err != nil {
		text, _ := json.Marshal(value)
		t.Fatalf("%s, as %s: said to be valid, but: %v", text, draft, err)
	}
	return true
}

// Guards against a schema that is taken for valid though the metaschema refuses it:
// every keyword with every kind of value, in every draft.
func TestSurelyValidKeywords(t *testing.T) {
	keywords := []string{
		"$id", "id", "$schema", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary", "$comment",
		"$defs", "definitions", "title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples", "type", "const", "enum",
		"multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems",
		"uniqueItems", "maxContains", "minContains", "maxProperties", "minProperties", "required", "dependentRequired", "dependencies",
		"dependentSchemas", "prefixItems", "items", "additionalItems", "contains", "additionalProperties", "properties", "patternProperties",
		"propertyNames", "if", "then", "else", "allOf", "anyOf", "oneOf", "not", "unevaluatedItems", "unevaluatedProperties", "format",
		"contentEncoding", "contentMediaType", "contentSchema", "regexProperties", "x-anything",
	}
	values := []string{
		`null`, `true`, `false`, `0`, `-0`, `1`, `-1`, `1.0`, `0.5`, `1e2`, `1E-2`, `0e5`, `-1e5`, `0.0`, `12345678901234567890123`, `""`, `"a"`,
		`"string"`, `"#"`, `"#/a"`, `"#a"`, `"a#"`, `"a#b"`, `"a#b#c"`, `"1a"`, `"_a"`, `"a:b"`, `":"`, `"%"`, `"%zz"`, `"a b"`, `"["`, `"\\"`, `"//a:b"`,
		`"http://"`, `"https://http://a"`, `"http://a/b#"`, `"http://a:b"`, `"http://[a"`, `"http://json-schema.org/draft-07/schema#"`, `"é"`,
		`"///"`, `"http:///#"`, `"..//."`, `"a.b-c_d"`, `"a-$"`, `"#/$defs/a~1b"`, `"http://%41"`, `"-"`, `"."`, `".a"`,
		`[]`, `["a"]`, `["a","a"]`, `["a","b"]`, `[1]`, `[null]`, `[1,1.0]`, `["string","null"]`, `["string","string"]`, `["string",1]`,
		`[true]`, `[{}]`, `[{},true]`, `[[]]`, `[{"type":7}]`, `["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]`,
		`["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","1"]`,
		`{}`, `{"type":"string"}`, `{"type":7}`, `{"a":{}}`, `{"a":true}`, `{"a":[]}`, `{"a":["b"]}`, `{"a":["b","b"]}`, `{"a":null}`, `{"a":{"type":7}}`,
		`{"(":{}}`, `{"http://a":true}`, `{"a":{"items":[{}]}}`, `{"items":[]}`, `{"items":[{}]}`, `{"required":[]}`, `{"enum":[]}`,
	}
	for _, draft := range allDrafts {
		sure := 0
		for _, keyword := range keywords {
			for _, text := range values {
				if agrees(t, map[string]any{keyword: value(t, text)}, draft) {
					sure++
				}
			}
		}
		if draft != Draft4 && sure < 800 {
			t.Errorf("%s: only %d schemas are known to be valid", draft, sure)
		}
	}
}

// Guards against the same with schemas as they are written, and against a check
// that says so little that it saves nothing.
func TestSurelyValidCorpus(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(corpus(t, "json-schema-test-suite"), "tests", "draft*", "*.json"))
	all, sure := 0, 0
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
			for _, draft := range allDrafts[1:] {
				all++
				if agrees(t, value(t, string(group.Schema)), draft) {
					sure++
				}
			}
		}
	}
	if t.Logf("%d of %d are known to be valid", sure, all); sure < all*8/10 {
		t.Errorf("only %d of %d are known to be valid", sure, all)
	}
}

// A schema would be taken for valid that the metaschema refuses.
func FuzzSurelyValid(f *testing.F) {
	for _, seed := range []string{
		order, `{"$id":"a#","$ref":"http://a/b#/c~1","items":[{}],"dependencies":{"a":["b"],"c":false}}`,
		`{"multipleOf":0.0e1,"minLength":1,"$anchor":"a","enum":["a"],"required":[]}`, `{"if":true,"not":{"type":["null"]}}`,
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		if v, err := strictjson.Decode(text, strictjson.Limits{MaxDepth: MaxDepth}); err == nil {
			agrees(t, v, allDrafts[uint(n)%uint(len(allDrafts))])
		} else if !errors.As(err, new(*strictjson.Error)) {
			t.Fatal(err)
		}
	})
}
