package mask

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// An overlay would be read otherwise than it is written, and a field go
// unprotected.
func TestOverlay(t *testing.T) {
	o, err := ParseOverlay("o.yaml", []byte(`
properties:
  login: login
  "+1": internal
  true: public
definitions:
  user.schema.json:
    /name: person-name
    /emails/*: {class: email}
  license.schema.json: public
  "common/x.json#/$defs/y": {class: text, keys: name}
  "#/definitions/z":
    "": id
subjects:
  shop.order.created:
    /lines/*/note: text
    /a~1b: email
  shop.order.>:
    /lines/*/*: internal
    /meta: {class: text, keys: internal}
  "*.order.*":
    "": internal
`))
	if err != nil {
		t.Fatal(err)
	}
	if o.File() != "o.yaml" {
		t.Errorf("file %q", o.File())
	}
	for name, want := range map[string]Class{"login": Login, "+1": Internal, "true": Public, "none": ""} {
		if mark, _ := o.Property(name); mark.Class != want {
			t.Errorf("property %s is %q", name, mark.Class)
		}
	}
	class := func(m Mark) Class { return m.Class }
	keys := func(m Mark) Class { return m.Keys }
	at := func(paths []*Path, tokens ...string) []*Path {
		for _, token := range tokens {
			paths = Step(paths, token)
		}
		return paths
	}
	for _, test := range []struct {
		ref    string
		tokens []string
		class  Class
	}{
		{"common/user.schema.json", []string{"name"}, PersonName},
		{"user.schema.json", []string{"emails", "7"}, Email},
		{"other-user.schema.json", []string{"name"}, ""},
		{"user.schema.json#/properties/x", []string{"name"}, ""},
		{"license.schema.json", nil, Public},
		{"deep/common/x.json#/$defs/y", nil, Text},
		{"#/definitions/z", nil, ID},
		{"a.json#/definitions/z", nil, ""},
	} {
		if got := Best(at(o.Definition(test.ref), test.tokens...), class); got != test.class {
			t.Errorf("%s %v is %q, want %q", test.ref, test.tokens, got, test.class)
		}
	}
	exact, wildcard := o.Subject("shop.order.created")
	if len(exact) != 1 || len(wildcard) != 2 {
		t.Fatalf("%d exact, %d wildcards", len(exact), len(wildcard))
	}
	for _, test := range []struct {
		paths  []*Path
		tokens []string
		want   Class
	}{
		{exact, []string{"lines", "0", "note"}, Text},
		{exact, []string{"a/b"}, Email},
		{exact, []string{"lines", "0", "other"}, ""},
		{wildcard, []string{"lines", "0", "other"}, Internal},
		{wildcard, nil, Internal},
		{wildcard, []string{"meta"}, Text},
	} {
		if got := Best(at(test.paths, test.tokens...), class); got != test.want {
			t.Errorf("%v is %q, want %q", test.tokens, got, test.want)
		}
	}
	if got := Best(at(wildcard, "meta"), keys); got != Internal {
		t.Errorf("the keys of meta are %q", got)
	}
	if e, w := o.Subject("shop.order"); len(e) != 0 || len(w) != 1 {
		t.Errorf("shop.order: %d, %d", len(e), len(w))
	}
	if e, w := o.Subject("shop.refund.created"); len(e)+len(w) != 0 {
		t.Errorf("shop.refund.created: %d, %d", len(e), len(w))
	}
	var none *Overlay
	if _, ok := none.Property("x"); ok || none.Definition("x") != nil || none.File() != "" {
		t.Error("no overlay classifies")
	}
}

// Of several marks for one value, the less specific one would count.
func TestBest(t *testing.T) {
	o, err := ParseOverlay("o.yaml", []byte("definitions:\n  a:\n    /*/x: secret\n    /p/x: public\n    /p/*: text\n  b/a:\n    /p/x: internal\n"))
	if err != nil {
		t.Fatal(err)
	}
	paths := Step(Step(o.Definition("c/b/a"), "p"), "x")
	if got := Best(paths, func(m Mark) Class { return m.Class }); got != Internal {
		t.Errorf("%q counts, want internal: the more protective of the two most literal marks", got)
	}
}

// A field that is personal only when another says so would be taken for
// harmless, or for personal always; and where nothing is said, for harmless.
func TestConditionalMarks(t *testing.T) {
	o, err := ParseOverlay("o.yaml", []byte(`subjects:
  a.b:
    /owner/name: {class: person-name, when: {at: type, in: [User, 7, true, null]}, else: public}
    /plain: {class: email, when: {at: /kind, in: [x]}}
    /always: text
`))
	if err != nil {
		t.Fatal(err)
	}
	exact, _ := o.Subject("a.b")
	name := Step(Step(exact, "owner"), "name")[0].Mark
	if name.When.At != "type" || !slices.Equal(name.When.In, []string{"User", "7", "true", "null"}) {
		t.Fatalf("%+v", name.When)
	}
	plain, always := Step(exact, "plain")[0].Mark, Step(exact, "always")[0].Mark
	for _, test := range []struct {
		mark    *Mark
		text    string
		present bool
		want    Class
	}{
		{name, "User", true, PersonName},
		{name, "Organization", true, Public},
		{name, "", false, PersonName},
		{name, "null", true, PersonName},
		{plain, "x", true, Email},
		{plain, "y", true, ""},
		{plain, "", false, Email},
		{always, "", false, Text},
		{always, "x", true, Text},
	} {
		if got := test.mark.Of(test.text, test.present); got != test.want {
			t.Errorf("%+v with %q, %v is %q, want %q", *test.mark, test.text, test.present, got, test.want)
		}
		if test.want != "" && test.mark.When.Holds(test.text, test.present) != (test.want == test.mark.Class) {
			t.Errorf("%+v with %q holds otherwise", *test.mark, test.text)
		}
	}
}

// A technique would see another event's values, or miss its own.
func TestEvent(t *testing.T) {
	var e *Event
	if _, ok := e.First(ID); ok {
		t.Error("no event has a value")
	}
	for range e.Known() {
		t.Error("no event has values")
	}
	e = &Event{}
	e.Add(ID, "1")
	e.Add(Email, "")
	e.Add("", "x")
	e.Add(ID, "2")
	var all []string
	for class, text := range e.Known() {
		all = append(all, string(class)+text)
	}
	if first, ok := e.First(ID); !ok || first != "1" || !slices.Equal(all, []string{"id1", "id2"}) {
		t.Errorf("%s, %v", first, all)
	}
	for range e.Known() {
		break
	}
	if e.Reset(); len(e.values) != 0 {
		t.Error("it isn't empty")
	}
}

// A mistake in an overlay would be passed over, and a field go unprotected.
func TestOverlayProblems(t *testing.T) {
	tests := []struct {
		name, yaml string
		places     []string // line:col
	}{
		{"empty", "", []string{"1:1"}},
		{"only a comment", "# nothing\n", []string{"1:1"}},
		{"no mapping", "- a\n", []string{"1:1"}},
		{"no YAML", "properties: {a: [}\n", []string{"1:18"}},
		{"unknown key", "propertys:\n  a: text\n", []string{"1:1"}},
		{"unknown class", "properties:\n  a: txt\n  b: text\n  c: e-mail\n", []string{"2:6", "4:6"}},
		{"duplicate key", "properties:\n  a: text\n  a: public\n", []string{"3:3"}},
		{"no pointer", "definitions:\n  d:\n    name: text\n", []string{"3:5"}},
		{"unknown part of a mark", "properties:\n  a: {class: text, key: id}\n", []string{"2:20"}},
		{"empty mark", "properties:\n  a: {}\n  b:\n", []string{"2:6", "3:6"}},
		{"list for a mark", "properties:\n  a: [text]\n", []string{"2:6"}},
		{"bad subjects", "subjects:\n  a..b:\n    /x: text\n  a.>.b:\n    /x: text\n  a.b*:\n    /x: text\n", []string{"2:3", "4:3", "6:3"}},
		{"alias", "properties:\n  a: &x text\n  b: *x\n", []string{"2:6", "3:6"}},
		{"second document", "properties:\n  a: text\n---\nproperties:\n  a: public\n", []string{"4:1"}},
		{"when without in", "properties:\n  a: {class: text, when: {at: b}}\n", []string{"2:26"}},
		{"when without class", "properties:\n  a: {keys: text, when: {at: b, in: [c]}}\n", []string{"2:6"}},
		{"else without when", "properties:\n  a: {class: text, else: id}\n", []string{"2:6"}},
		{"in is no list", "properties:\n  a: {class: text, when: {at: b, in: c}}\n", []string{"2:38"}},
		{"in has a list", "properties:\n  a: {class: text, when: {at: b, in: [[c]]}}\n", []string{"2:39"}},
		{"at is no text", "properties:\n  a: {class: text, when: {at: [b], in: [c]}}\n", []string{"2:31"}},
		{"unknown part of a condition", "properties:\n  a: {class: text, when: {at: b, is: c}}\n", []string{"2:34"}},
		{"unknown content", "properties:\n  a: {class: text, content: xml}\n  b: {content: [json]}\n", []string{"2:29", "3:16"}},
		{"no pattern", "properties:\n  a: {class: id, pattern: \"^[A-\"}\n  b: {class: id, pattern: \"\"}\n  c: {pattern: [x]}\n", []string{"2:27", "3:27", "4:16"}},
		{"one place twice", "subjects:\n  a.b:\n    /a/b: text\n    /a/*: id\n    /a~0: id\n    \"/\": id\n    \"\": text\n", []string{"7:5"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o, err := ParseOverlay("o.yaml", []byte(test.yaml))
			var problems Problems
			if o != nil || !errors.As(err, &problems) {
				t.Fatalf("%v, %v", o, err)
			}
			var places []string
			for _, p := range problems {
				places = append(places, fmt.Sprintf("%d:%d", p.Line, p.Col))
				if p.File != "o.yaml" || p.What == "" || p.Why == "" || p.Cure == "" {
					t.Errorf("%+v is incomplete", p)
				}
			}
			if !slices.Equal(places, test.places) {
				t.Errorf("at %v, want %v:\n%v", places, test.places, err)
			}
		})
	}
	if _, err := ParseOverlay("o.yaml", []byte("properties: {a: text}"+strings.Repeat(" ", maxOverlayBytes))); err == nil {
		t.Error("an overlay of any size is read")
	}
}

// A hostile file would panic.
func FuzzParseOverlay(f *testing.F) {
	f.Add([]byte("properties: {a: text}\ndefinitions:\n  b: {/c: {class: id, keys: id}}\nsubjects:\n  a.>: public\n"))
	f.Add([]byte("? [a]\n: b\n<<: *x\n!!t a: &b c\n"))
	f.Add([]byte("properties:\n  ~: null\n  1.5: .nan\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 2000 {
			return
		}
		o, err := ParseOverlay("f", data)
		if (o == nil) == (err == nil) {
			t.Fatalf("%v, %v", o, err)
		}
		for _, p := range o.Definition("b") {
			Step([]*Path{p}, "c")
		}
		o.Subject("a.b")
	})
}
