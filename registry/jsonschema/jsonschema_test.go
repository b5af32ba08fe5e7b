package jsonschema

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

func parse(t testing.TB, text string) *Document {
	t.Helper()
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return d
}

func value(t testing.TB, text string) any {
	t.Helper()
	v, err := strictjson.Decode([]byte(text), strictjson.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A text that is no usable schema would be registered, and fail its users later.
func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, text, code, pointer string }{
		{"no JSON", `{`, CodeNotJSON, ""},
		{"duplicate keyword", `{"type":"string","type":"object"}`, CodeNotJSON, "/type"},
		{"array", `[]`, CodeNotASchema, ""},
		{"null", `null`, CodeNotASchema, ""},
		{"draft-03", `{"$schema":"http://json-schema.org/draft-03/schema#"}`, CodeUnknownDraft, "/$schema"},
		{"a metaschema of their own", `{"$schema":"https://example.com/meta"}`, CodeUnknownDraft, "/$schema"},
		{"$schema that is no text", `{"$schema":7}`, CodeUnknownDraft, "/$schema"},
		{"unknown type", `{"properties":{"a":{"type":"text"}}}`, CodeInvalidSchema, "/properties/a/type"},
		{"negative length", `{"$schema":"http://json-schema.org/draft-07/schema","minLength":-1}`, CodeInvalidSchema, "/minLength"},
		{"required that is no list", `{"required":true}`, CodeInvalidSchema, "/required"},
		{"look-ahead", `{"properties":{"a":{"pattern":"^(?=x)"}}}`, CodeInvalidPattern, "/properties/a"},
		{"broken pattern of names", `{"patternProperties":{"(":{}}}`, CodeInvalidPattern, ""},
		{"a number that explodes", `{"maximum":1e999999999}`, CodeNotJSON, "/maximum"},
		{"too deep", strings.Repeat(`{"not":`, 300) + `{}` + strings.Repeat(`}`, 300), CodeNotJSON, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(test.text))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%v, want an *Error", err)
			}
			if e.Code != test.code || test.pointer != "" && e.Pointer != test.pointer {
				t.Errorf("%s at %q (%v), want %s at %q", e.Code, e.Pointer, e, test.code, test.pointer)
			}
			if e.Problem == "" || e.Cure == "" {
				t.Errorf("%v has no problem or no cure", e)
			}
		})
	}
}

// A schema would be read by the rules of another draft.
func TestDraft(t *testing.T) {
	for url, want := range map[string]Draft{
		"": Draft2020,
		"http://json-schema.org/draft-04/schema#":      Draft4,
		"http://json-schema.org/draft-06/schema":       Draft6,
		"http://json-schema.org/draft-07/schema":       Draft7,
		"https://json-schema.org/draft-07/schema#":     Draft7,
		"https://json-schema.org/draft/2019-09/schema": Draft2019,
		"https://json-schema.org/draft/2020-12/schema": Draft2020,
	} {
		text := `{}`
		if url != "" {
			text = fmt.Sprintf(`{"$schema":%q}`, url)
		}
		if d := parse(t, text); d.Draft() != want {
			t.Errorf("%q is %v, want %v", url, d.Draft(), want)
		}
		if again, ok := DraftOf(want.URL()); !ok || again != want {
			t.Errorf("%v has URL %q, which is %v", want, want.URL(), again)
		}
	}
	if d := parse(t, `true`); d.Draft() != Draft2020 {
		t.Errorf("true is %v", d.Draft())
	}
}

// The registry would ask for references that aren't any, or miss one.
func TestReferences(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{`{"$ref":"#/$defs/a","$defs":{"a":{}}}`, nil},
		{`{"properties":{"a":{"$ref":"b.json"},"c":{"$ref":"b.json#/$defs/x"},"d":{"$ref":"a/../c.json"}}}`, []string{"a/../c.json", "b.json"}},
		{`{"const":{"$ref":"x"},"enum":[{"$ref":"y"}],"default":{"$ref":"z"},"examples":[{"$ref":"w"}]}`, nil},
		{`{"properties":{"$ref":{"type":"string"},"const":{"$ref":"x"},"enum":{"$ref":"y"}}}`, []string{"x", "y"}},
		{`{"$id":"https://example.com/a.json","properties":{"self":{"$ref":"a.json"},"other":{"$ref":"b.json"}}}`, []string{"b.json"}},
		{`{"$id":"https://example.com/","$defs":{"x":{"$id":"x.json"}},"properties":{"a":{"$ref":"https://example.com/x.json"},"b":{"$ref":"x.json#/y"}}}`, nil},
		{`{"properties":{"a":{"$ref":"https://json-schema.org/draft/2020-12/schema"},"b":{"$ref":"http://json-schema.org/draft-07/schema#"}}}`, nil},
		{`{"$dynamicRef":"tree.json#node"}`, []string{"tree.json"}},
		{`{"x-mine":{"$ref":"y.json"},"allOf":[{"items":{"$ref":"z.json"}}]}`, []string{"y.json", "z.json"}},
		{`{"$ref":"urn:example:a"}`, []string{"urn:example:a"}},
		{`false`, nil},
	}
	for _, test := range tests {
		if got := parse(t, test.text).References(); !slices.Equal(got, test.want) {
			t.Errorf("%s refers to %q, want %q", test.text, got, test.want)
		}
	}
}

// documents builds bundles that refer to each other by name, as a registry would.
func documents(t testing.TB, texts map[string]string) map[string]*Bundle {
	t.Helper()
	bundles := map[string]*Bundle{}
	for name, text := range texts {
		bundles[name] = &Bundle{Document: parse(t, text), References: map[string]*Bundle{}}
	}
	for _, b := range bundles {
		for _, ref := range b.Document.References() {
			if target := bundles[ref]; target != nil {
				b.References[ref] = target
			}
		}
	}
	return bundles
}

// A reference would lead to another document than the one that was registered
// under its name.
func TestReferencesLeadWhereTheirNamesSay(t *testing.T) {
	tests := []struct {
		name           string
		docs           map[string]string // "root" is compiled
		valid, invalid []string
	}{
		{
			"by name, against ids that say otherwise",
			map[string]string{
				"root":             `{"$id":"https://example.com/elsewhere/root.json","properties":{"a":{"$ref":"common/a.json"}}}`,
				"common/a.json":    `{"$id":"https://example.com/not/here.json","type":"integer"}`,
				"not/even/here":    `{"type":"string"}`,
				"https://other/id": `{"type":"null"}`,
			},
			[]string{`{"a":1}`},
			[]string{`{"a":"x"}`},
		},
		{
			"a circle of documents",
			map[string]string{
				"root": `{"type":"object","properties":{"next":{"$ref":"b"}},"required":["v"]}`,
				"b":    `{"type":"object","properties":{"next":{"$ref":"c"},"v":{"type":"string"}},"required":["v"]}`,
				"c":    `{"type":"object","properties":{"next":{"$ref":"b#/properties/v"}}}`,
			},
			[]string{`{"v":1,"next":{"v":"x","next":{"next":"s"}}}`},
			[]string{`{"v":1,"next":{"v":"x","next":{"next":1}}}`, `{"v":1,"next":{}}`},
		},
		{
			"documents of different drafts",
			map[string]string{
				"root": `{"$schema":"https://json-schema.org/draft/2020-12/schema","prefixItems":[{"$ref":"old"}]}`,
				"old":  `{"$schema":"http://json-schema.org/draft-04/schema#","minimum":3,"exclusiveMinimum":true}`,
			},
			[]string{`[4]`},
			[]string{`[3]`},
		},
		{
			"a fragment, an anchor and a name within a document",
			map[string]string{
				"root":   `{"properties":{"p":{"$ref":"d.json#/$defs/n~1m"},"a":{"$ref":"d.json#here"},"i":{"$ref":"d.json#/$defs/inner"}}}`,
				"d.json": `{"$defs":{"n/m":{"type":"integer"},"x":{"$anchor":"here","type":"string"},"inner":{"$id":"https://example.com/inner","$ref":"#/$defs/q","$defs":{"q":{"type":"null"}}}}}`,
			},
			[]string{`{"p":1,"a":"x","i":null}`},
			[]string{`{"p":"x"}`, `{"a":1}`, `{"i":1}`},
		},
		{
			"two documents with one id",
			map[string]string{
				"root": `{"$id":"urn:same","properties":{"a":{"$ref":"a"},"b":{"$ref":"b"}}}`,
				"a":    `{"$id":"urn:same","$ref":"#/$defs/t","$defs":{"t":{"type":"string"}}}`,
				"b":    `{"$id":"urn:same","$ref":"#/$defs/t","$defs":{"t":{"type":"integer"}}}`,
			},
			[]string{`{"a":"x","b":1}`},
			[]string{`{"a":1}`, `{"b":"x"}`},
		},
		{
			"a metaschema",
			map[string]string{"root": `{"$ref":"http://json-schema.org/draft-07/schema#"}`},
			[]string{`{"type":"string"}`},
			[]string{`{"type":7}`},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bundles := documents(t, test.docs)
			schema, err := bundles["root"].Compile()
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range test.valid {
				if err := schema.Validate(value(t, text)); err != nil {
					t.Errorf("%s: %v", text, err)
				}
			}
			for _, text := range test.invalid {
				if schema.Validate(value(t, text)) == nil {
					t.Errorf("%s is valid", text)
				}
			}
		})
	}
}

// A reference given under a name that also resolves to the document's own id
// would be disregarded.
func TestGivenReferenceWinsOverOwnID(t *testing.T) {
	root := &Bundle{
		Document:   parse(t, `{"$id":"https://example.com/a.json","properties":{"a":{"$ref":"a.json"},"b":{"$ref":"https://example.com/sub/b.json"}}}`),
		References: map[string]*Bundle{"a.json": {Document: parse(t, `{"type":"integer"}`)}, "sub/b.json": {Document: parse(t, `{"type":"null"}`)}},
	}
	schema, err := root.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value(t, `{"a":1,"b":null}`)); err != nil {
		t.Error(err)
	}
	if schema.Validate(value(t, `{"a":{}}`)) == nil || schema.Validate(value(t, `{"b":1}`)) == nil {
		t.Error("the references' documents were not used")
	}
}

// A schema would be fetched from the network or a file, or a dangling
// reference be found only when an event comes.
func TestNothingIsFetched(t *testing.T) {
	for _, test := range []struct{ text, named string }{
		{`{"$ref":"https://example.com/remote.json"}`, "https://example.com/remote.json"},
		{`{"$ref":"file:///etc/hostname"}`, "file:///etc/hostname"},
		{`{"properties":{"a":{"$ref":"missing.json#/x"}}}`, "missing.json"},
		{`{"$ref":"#/$defs/none"}`, "#/$defs/none"},
		{`{"$ref":"#nowhere"}`, "#nowhere"},
		{`{"$schema":"http://json-schema.org/draft-07/schema","$ref":"../../etc/passwd"}`, "../../etc/passwd"},
		{`{"$schema":"https://json-schema.org/draft/2020-12/schema","$dynamicRef":"x.json#n"}`, "x.json"},
		{`{"const":{},"properties":{"const":{"default":{"$ref":"hidden.json"},"$ref":"#/properties/const/default"}}}`, "hidden.json"},
	} {
		text, named := test.text, test.named
		_, err := (&Bundle{Document: parse(t, text)}).Compile()
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeUnresolvedReference && e.Code != CodeLoop {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !strings.Contains(e.Error(), named) {
			t.Errorf("%s: %v doesn't name %s", text, e, named)
		}
		if strings.Contains(e.Error(), scheme) {
			t.Errorf("%s: %v shows an internal URL", text, e)
		}
	}
	if _, err := (&Bundle{Document: parse(t, `{"$ref":"a"}`), References: map[string]*Bundle{"a": nil}}).Compile(); err == nil {
		t.Error("a reference without a document compiles")
	}
}

// A schema that includes itself without end would hang or crash the registry.
func TestLoops(t *testing.T) {
	for _, text := range []string{
		`{"$ref":"#"}`, `{"allOf":[{"$ref":"#"}]}`, `{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}`,
	} {
		_, err := (&Bundle{Document: parse(t, text)}).Compile()
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeLoop {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Formats would not be checked, or "uri-template" would refuse every template,
// or leaving it out would change the library for everybody else.
func TestFormats(t *testing.T) {
	const templates = `"https://api.github.com/users/x/events{/privacy}"`
	for _, draft := range []Draft{Draft4, Draft6, Draft7, Draft2019, Draft2020} {
		check := func(format, text string) bool {
			b := &Bundle{Document: parse(t, fmt.Sprintf(`{"$schema":%q,"format":%q}`, draft.URL(), format))}
			schema, err := b.Compile()
			if err != nil {
				t.Fatal(err)
			}
			return schema.Validate(value(t, text)) == nil
		}
		if !check("uri-template", templates) {
			t.Errorf("%v: a template is refused", draft)
		}
		if check("date-time", `"yesterday"`) == draft.AssertsFormat() {
			t.Errorf("%v: date-time is asserted: %v", draft, !draft.AssertsFormat())
		}
		if !check("unknown-format", `"x"`) {
			t.Errorf("%v: an unknown format is asserted", draft)
		}
	}
	if v5.Formats["uri-template"](value(t, templates)) {
		t.Error("the library's own table was changed, or its check mended: then it need not be left out")
	}
}

// Compiling in several goroutines would race.
func TestCompileConcurrently(t *testing.T) {
	bundles := documents(t, map[string]string{
		"root": `{"$schema":"http://json-schema.org/draft-07/schema","properties":{"u":{"format":"uri-template"},"b":{"$ref":"b"}}}`,
		"b":    `{"type":"object","properties":{"root":{"$ref":"root"}}}`,
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			schema, err := bundles["root"].Compile()
			if err != nil {
				t.Error(err)
				return
			}
			if err := schema.Validate(map[string]any{"u": "{/x}", "b": map[string]any{}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A violation would point nowhere.
func TestLocate(t *testing.T) {
	bundles := documents(t, map[string]string{
		"root": `{"properties":{"a b/c~d%25":{"$ref":"b","x-mine":1},"plain":true}}`,
		"b":    `{"type":"integer"}`,
	})
	linked, err := bundles["root"].Link()
	if err != nil {
		t.Fatal(err)
	}
	sub := linked.Schema.Properties["a b/c~d%25"]
	origin, ok := linked.Locate(sub.Location)
	if want := "#/properties/a b~1c~0d%25"; !ok || origin.String() != want {
		t.Errorf("%s is %v, want %s", sub.Location, origin, want)
	}
	if keywords := linked.Keywords(sub); keywords["x-mine"] != json.Number("1") {
		t.Errorf("keywords %v", keywords)
	}
	if origin, ok := linked.Locate(sub.Ref.Location + "/type"); !ok || origin.String() != "b#/type" {
		t.Errorf("%s is %v", sub.Ref.Location, origin)
	}
	if keywords := linked.Keywords(linked.Schema.Properties["plain"]); keywords != nil {
		t.Errorf("true has keywords %v", keywords)
	}
	for _, location := range []string{"", "#", "http://json-schema.org/draft-07/schema#/x", "lockstep://9/#", "lockstep://x/#", "lockstep://0/#/%zz"} {
		if origin, ok := linked.Locate(location); ok {
			t.Errorf("%q is %v", location, origin)
		}
	}
}

// More documents than anybody means would be compiled.
func TestTooManyReferences(t *testing.T) {
	root := &Bundle{Document: parse(t, `{}`), References: map[string]*Bundle{}}
	for i := range MaxBundles {
		root.References[fmt.Sprint(i)] = &Bundle{Document: root.Document}
	}
	_, err := root.Compile()
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeTooManyReferences {
		t.Error(err)
	}
}

// Find would lead elsewhere than RFC 6901 says.
func TestFind(t *testing.T) {
	doc := value(t, `{"a":[{"b~/c":1}],"":2,"0":3}`)
	for pointer, want := range map[string]string{"/a/0/b~0~1c": "1", "/": "2", "/0": "3"} {
		if got, ok := Find(doc, pointer); !ok || fmt.Sprint(got) != want {
			t.Errorf("%q is %v, want %s", pointer, got, want)
		}
	}
	for _, pointer := range []string{"a", "/a/00", "/a/-1", "/a/1", "/a/0/x", "/a/0/b~0~1c/d", "/none"} {
		if got, ok := Find(doc, pointer); ok {
			t.Errorf("%q is %v", pointer, got)
		}
	}
}

// A hostile schema would panic.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"$id":"http://a/b","$defs":{"x":{"$id":"#y","$ref":"http://a/b#z"}}}`, `{"$ref":"%zz"}`, `{"$id":"::","$ref":":"}`,
		`{"$schema":"http://json-schema.org/draft-04/schema#","id":"x","dependencies":{"a":["b"],"c":{"$ref":"#/x"}},"x":{"items":[true]}}`,
		`{"$dynamicRef":"#a","$dynamicAnchor":"a"}`, `{"$recursiveRef":"#","$schema":"https://json-schema.org/draft/2019-09/schema"}`,
		`{"$ref":"#/enum/0","enum":[{"type":7}]}`, `{"minLength":1e30,"multipleOf":1e-300}`, `{"$vocabulary":{"x":true}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%#v", err)
			}
			return
		}
		b := &Bundle{Document: d, References: map[string]*Bundle{}}
		for _, ref := range d.References() {
			b.References[ref] = b
		}
		linked, err := b.Link()
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%#v", err)
			}
			return
		}
		if _, ok := linked.Locate(linked.Schema.Location); !ok && !strings.Contains(linked.Schema.Location, "json-schema.org") {
			t.Fatalf("%s can't be located", linked.Schema.Location)
		}
	})
}
