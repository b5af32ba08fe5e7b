package jsonschema

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// describe writes a compiled graph: each of its schemas with all that the library
// shows of it, other schemas by where they were written.
func describe(l *Linked) string {
	var out strings.Builder
	seen := map[*v5.Schema]bool{l.Schema: true}
	queue := []*v5.Schema{l.Schema}
	name := func(s *v5.Schema) string {
		if s == nil {
			return "none"
		}
		if !seen[s] {
			seen[s] = true
			queue = append(queue, s)
		}
		if origin, ok := l.Locate(s.Location); ok {
			return origin.String()
		}
		return s.Location
	}
	for ; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if strings.Contains(s.Location, "json-schema.org") {
			continue
		}
		fmt.Fprintf(&out, "%s\n", name(s))
		v := reflect.ValueOf(s).Elem()
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() || field.Name == "Location" {
				continue
			}
			switch value := v.Field(i).Interface().(type) {
			case []*v5.Schema:
				for j, sub := range value {
					fmt.Fprintf(&out, "  %s %d: %s\n", field.Name, j, name(sub))
				}
			case map[string]*v5.Schema:
				for _, key := range keysOf(value) {
					fmt.Fprintf(&out, "  %s %s: %s\n", field.Name, key, name(value[key]))
				}
			default:
				switch field.Name {
				case "PatternProperties":
					byText := map[string]*v5.Schema{}
					for pattern, sub := range s.PatternProperties {
						byText[pattern.String()] = sub
					}
					for _, key := range keysOf(byText) {
						fmt.Fprintf(&out, "  %s %s: %s\n", field.Name, key, name(byText[key]))
					}
				case "Dependencies":
					for _, key := range keysOf(s.Dependencies) {
						if sub, ok := s.Dependencies[key].(*v5.Schema); ok {
							fmt.Fprintf(&out, "  %s %s: %s\n", field.Name, key, name(sub))
						} else {
							fmt.Fprintf(&out, "  %s %s: %v\n", field.Name, key, s.Dependencies[key])
						}
					}
				default:
					switch value := value.(type) {
					case *v5.Schema: // of a field that may hold something else
						fmt.Fprintf(&out, "  %s: %s\n", field.Name, name(value))
					case *bool:
						fmt.Fprintf(&out, "  %s: %v\n", field.Name, value != nil && *value)
					default:
						fmt.Fprintf(&out, "  %s: %v\n", field.Name, value)
					}
				}
			}
		}
	}
	return out.String()
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// same fails the test if a bundle means something else when its documents are
// compiled inside of others. It reports whether they can be.
func same(t testing.TB, b *Bundle, instances ...any) bool {
	t.Helper()
	inside, err := b.link(true)
	if err != nil {
		return false // then the other way is what counts
	}
	if !slices.ContainsFunc(inside.parts, func(p part) bool { return p.inner != "" }) {
		return false // the ways are the same
	}
	outside, err := b.link(false)
	if err != nil {
		t.Fatalf("compiles inside another document only: %v\n%s", err, b.Document.Text())
	}
	if a, b := describe(inside), describe(outside); a != b {
		t.Fatalf("inside:\n%s\nand by itself:\n%s", a, b)
	}
	for _, instance := range instances {
		if a, b := inside.Schema.Validate(instance), outside.Schema.Validate(instance); (a == nil) != (b == nil) {
			t.Fatalf("%v is valid inside: %v, by itself: %v", instance, a, b)
		}
	}
	return inside.parts[0].inner != ""
}

// Guards against a schema that means something else where it is compiled faster.
func TestInside(t *testing.T) {
	other := &Bundle{Document: parse(t, `{"$anchor":"here","$defs":{"a":{"type":"integer"},"b":{"$anchor":"there","minimum":3}},"$ref":"#/$defs/a"}`)}
	for _, c := range []struct {
		schema string
		moved  bool
	}{
		{order, true},
		{`{"$ref":"#"}`, false},
		{`{"properties":{"a":{"$ref":"#"},"b":{"$ref":"#/"}}}`, true},
		{`{"properties":{"a":{"$ref":""},"b":{"$dynamicRef":""}},"required":["a"]}`, true},
		{`{"properties":{"a":{"$ref":"."},"b":{"$ref":"./#/properties/a"}},"required":["a"]}`, true},
		{`{"properties":{"a\"\\\u2028é\n":{"const":"\ud83d\ude00\u0000"}},"enum":[null,true,1.50,{"b":[]}]}`, true},
		{`{"properties":{"a":{"$ref":"#/$defs/x~1y"}},"$defs":{"x/y":{"type":"integer"}}}`, true},
		{`{"properties":{"a":{"$ref":"#/$defs/%25"}},"$defs":{"%":{"type":"integer"}}}`, true},
		{`{"$id":"http://a/b","properties":{"a":{"$ref":"b#/$defs/x"},"b":{"$ref":"http://a/b"},"c":{"$ref":"#x"}},"$defs":{"x":{"$anchor":"x","const":1}}}`, true},
		{`{"additionalItems":{"type":"string"},"$ref":"#/additionalItems"}`, true},
		{`{"x-own":{"deep":{"type":"string"}},"$ref":"#/x-own/deep"}`, true},
		{`{"x-own":{"deep":{"type":7}},"$ref":"#/x-own/deep"}`, false},
		{`{"enum":[{"$ref":"#"}],"properties":{"a":{"$ref":"#/enum/0"}}}`, false},
		{`{"const":{"a":[{"$recursiveRef":"#"}]},"properties":{"a":{"$ref":"#/const/a/0"}}}`, false},
		{`{"x":[[{"$ref":"#"}]],"properties":{"a":{"$ref":"#/x/0/0"}}}`, false},
		{`{"properties":{"a":{"$recursiveRef":"#"}},"required":["a"]}`, false},
		{`{"$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/core":true}}`, false},
		{`{"$defs":{"a":{"$id":"http://x/y"}}}`, false},
		{`{"$dynamicAnchor":"node","properties":{"next":{"$dynamicRef":"#node"}},"required":["value"]}`, true},
		{`{"properties":{"a":{"$ref":"other"},"b":{"$ref":"other#/$defs/b"},"c":{"$ref":"other#here"},"d":{"$ref":"other#there"},"e":{"$ref":"other#"}}}`, true},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"$ref":"other#/$defs/b"},"b":{"$ref":"#/properties/a"}}}`, false},
		{`{"$schema":"https://json-schema.org/draft/2019-09/schema","properties":{"a":{"$ref":"other"}}}`, false},
		{`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, true},
		{`true`, false},
	} {
		b := &Bundle{Document: parse(t, c.schema), References: map[string]*Bundle{"other": other}}
		var instances []any
		for _, text := range []string{`1`, `"a"`, `{}`, `{"a":1}`, `{"a":"x"}`, `{"a":{}}`, `{"b":2}`, `{"c":1}`, `{"c":"c"}`, `{"d":1}`, `{"e":"x"}`, `{"next":{},"value":1}`, `{"value":1}`, `{"a":{"a":{"a":3}}}`} {
			instances = append(instances, value(t, text))
		}
		if moved := same(t, b, instances...); moved != c.moved {
			t.Errorf("%s: compiled inside of another document: %v", c.schema, moved)
		}
	}
}

// Guards against the same for the schemas of the official suite, with all of their
// instances.
func TestInsideSuite(t *testing.T) {
	root := corpus(t, "json-schema-test-suite")
	files, _ := filepath.Glob(filepath.Join(root, "tests", "draft2020-12", "*.json"))
	moved := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups []suiteGroup
		if err := json.Unmarshal(text, &groups); err != nil {
			t.Fatal(err)
		}
		remotes := &suiteRemotes{root: filepath.Join(root, "remotes"), draft: Draft2020, bundles: map[string]*Bundle{}}
		for _, group := range groups {
			d, err := Parse(withDraft(group.Schema, Draft2020))
			if err != nil {
				continue
			}
			b := &Bundle{Document: d, References: map[string]*Bundle{}}
			remotes.complete(b, localRoot)
			var instances []any
			for _, test := range group.Tests {
				instances = append(instances, value(t, string(test.Data)))
			}
			if same(t, b, instances...) {
				moved++
			}
		}
	}
	if t.Logf("%d schemas are compiled inside of another document", moved); moved < 200 {
		t.Errorf("only %d", moved)
	}
}

// A schema would mean something else where it is compiled faster.
func FuzzInside(f *testing.F) {
	for _, seed := range []string{
		order, `{"$ref":"#/x","x":{"$ref":"#/properties/a"},"properties":{"a":{"$dynamicRef":"#b","$dynamicAnchor":"b"}}}`,
		`{"enum":[{"$ref":"#"}],"properties":{"a":{"$ref":"#/enum/0"}}}`, `{"$anchor":"a","items":{"$ref":"#a"},"additionalItems":{"$ref":"#/"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		b := &Bundle{Document: d, References: map[string]*Bundle{}}
		for _, ref := range d.References() {
			b.References[ref] = b
		}
		same(t, b, map[string]any{"a": "x", "b": json.Number("1")}, []any{true, nil}, json.Number("7"), "x")
	})
}

// Guards against a name that leads to one schema here and to another one there: the
// library chooses by chance.
func TestAnchorGivenTwice(t *testing.T) {
	for text, pointer := range map[string]string{
		`{"$defs":{"a":{"$anchor":"a"},"b":{"$anchor":"a"}},"$ref":"#a"}`:                                                                  "/$defs/b",
		`{"$defs":{"a":{"$anchor":"a"},"b":{"$dynamicAnchor":"a"}}}`:                                                                       "/$defs/b",
		`{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"x":{"$id":"#a"},"y":{"items":{"$id":"#a"}}}}`:                "/definitions/y/items",
		`{"$defs":{"a":{"$anchor":"a","$dynamicAnchor":"a"}}}`:                                                                             "",
		`{"$defs":{"a":{"$anchor":"a"},"b":{"$id":"http://b","$anchor":"a"}}}`:                                                             "",
		`{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"x":{"$id":"#a"},"y":{"$ref":"#/definitions/x","$id":"#a"}}}`: "",
	} {
		_, err := Parse([]byte(text))
		var e *Error
		switch {
		case pointer == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case pointer != "" && (!errors.As(err, &e) || e.Code != CodeInvalidSchema || e.Pointer != pointer):
			t.Errorf("%s: %v", text, err)
		}
	}
}
