package jsonschema

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Guards against an annotation that points at the wrong line or column, or at
// nothing.
func TestPosition(t *testing.T) {
	const text = `{
  "a": [ 1,{"b/c": true} , "x" ],
` + "\t" + `"ü~" : {"\u0065mail":"ÄÖ", "q": [ [], {} ]}, "a": 2,
  "": null
}`
	for _, c := range []struct {
		text, pointer string
		line, col     int
	}{
		{text, "", 1, 1},
		{text, "/a", 2, 3},
		{text, "/a/0", 2, 10},
		{text, "/a/1", 2, 12},
		{text, "/a/1/b~1c", 2, 13},
		{text, "/a/2", 2, 28},
		{text, "/ü~0", 3, 2},
		{text, "/ü~0/email", 3, 10},
		{text, "/ü~0/q", 3, 29},
		{text, "/ü~0/q/1", 3, 40},
		{text, "/", 4, 3},
		{" \n 7", "", 2, 2},
		{`{"a":1} nonsense`, "/a", 1, 2},
		{`{"a":1,"b" 2`, "/a", 1, 2},
	} {
		if line, col, ok := Position([]byte(c.text), c.pointer); !ok || line != c.line || col != c.col {
			t.Errorf("%q is at %d:%d (%v), want %d:%d", c.pointer, line, col, ok, c.line, c.col)
		}
	}
	for _, c := range []struct{ text, pointer string }{
		{text, "a"},
		{text, "/b"},
		{text, "/a/3"},
		{text, "/a/01"},
		{text, "/a/-1"},
		{text, "/a/0/x"},
		{text, "/a/"},
		{"", ""},
		{"", "/a"},
		{"{", "/a"},
		{`{"a"`, "/b"},
		{`{"a":}`, "/a/b"},
		{`[1`, "/1"},
		{`[1,]`, "/1"},
		{"}", ""},
	} {
		if line, col, ok := Position([]byte(c.text), c.pointer); ok {
			t.Errorf("%q of %q is at %d:%d", c.pointer, c.text, line, col)
		}
	}
}

// Guards against a place that a walk over the decoded document finds and Position
// does not, or finds elsewhere.
func TestPositionOfEverything(t *testing.T) {
	name := rapid.SampledFrom([]string{"", "a", "b/c", "~", "ü", "\"", "x y", "\n"})
	rapid.Check(t, func(t *rapid.T) {
		var draw func(depth int) any
		draw = func(depth int) any {
			switch kind := rapid.IntRange(0, 3).Draw(t, "kind"); {
			case depth > 0 && kind == 0:
				return rapid.SliceOfN(rapid.Custom(func(*rapid.T) any { return draw(depth - 1) }), 0, 3).Draw(t, "array")
			case depth > 0 && kind == 1:
				return rapid.MapOfN(name, rapid.Custom(func(*rapid.T) any { return draw(depth - 1) }), 0, 3).Draw(t, "object")
			default:
				return name.Draw(t, "string")
			}
		}
		text, err := json.MarshalIndent(draw(4), "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		var whole any
		if err := json.Unmarshal(text, &whole); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		var visit func(pointer string, v any, begins string)
		visit = func(pointer string, v any, begins string) {
			line, col, ok := Position(text, pointer)
			if !ok {
				t.Fatalf("%q is nowhere in %s", pointer, text)
			}
			at := lines[line-1]
			for range col - 1 {
				_, size := utf8.DecodeRuneInString(at)
				at = at[size:]
			}
			if !strings.HasPrefix(at, begins) {
				t.Fatalf("%q is at %d:%d, where %q stands and not %q, in %s", pointer, line, col, at, begins, text)
			}
			switch v := v.(type) {
			case map[string]any:
				for name, member := range v {
					quoted, _ := json.Marshal(name)
					visit(pointer+"/"+EscapeToken(name), member, string(quoted)+":")
				}
			case []any:
				for i, item := range v {
					visit(pointer+"/"+strconv.Itoa(i), item, firstOf(item))
				}
			}
		}
		visit("", whole, firstOf(whole))
	})
}

func firstOf(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "{"
	case []any:
		return "["
	default:
		text, _ := json.Marshal(v)
		return string(text)
	}
}

// Guards against a finding in a referenced document that is shown in the wrong
// file, or not at all.
func TestSource(t *testing.T) {
	user := &Bundle{Document: parse(t, "{\n \"properties\": {\n  \"id\": {\"type\": \"string\"}}}")}
	user.References = map[string]*Bundle{"self": user}
	b := &Bundle{
		Document:   parse(t, "{\"properties\":\n{\"user\":{\"$ref\":\"user.json\"}}}"),
		References: map[string]*Bundle{"user.json": user},
	}
	for place, want := range map[string]Source{
		"#":                              {Bundle: b, Line: 1, Column: 1},
		"#/properties/user":              {Bundle: b, Pointer: "/properties/user", Line: 2, Column: 2},
		"#/properties/user/required":     {Bundle: b, Pointer: "/properties/user", Line: 2, Column: 2},
		"user.json#/properties/id/type":  {Bundle: user, Name: "user.json", Pointer: "/properties/id/type", Line: 3, Column: 10},
		"user.json#/properties/id/a/b/c": {Bundle: user, Name: "user.json", Pointer: "/properties/id", Line: 3, Column: 3},
		"user.json#":                     {Bundle: user, Name: "user.json", Line: 1, Column: 1},
	} {
		if got, ok := b.Source(place); !ok || got != want {
			t.Errorf("%s is %+v (%v), want %+v", place, got, ok, want)
		}
	}
	if got, ok := b.Source("other.json#/x"); ok {
		t.Errorf("%+v", got)
	}
	if _, err := (&Bundle{Document: user.Document, References: map[string]*Bundle{"gone": nil}}).Link(); !errors.As(err, new(*Error)) {
		t.Errorf("%v", err)
	}
}

// A text from anywhere would panic, or a place outside of it be named.
func FuzzPosition(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":2}]}`), "/a/1/b")
	f.Add([]byte(`[[[`), "/0/0/0")
	f.Fuzz(func(t *testing.T, text []byte, pointer string) {
		line, col, ok := Position(text, pointer)
		lines := strings.Split(string(text), "\n")
		if ok && (line < 1 || line > len(lines) || col < 1 || col > utf8.RuneCountInString(lines[line-1])) {
			t.Fatalf("%d:%d in %q", line, col, text)
		}
	})
}
