package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// A report would call a field protected that isn't, or name a rule that didn't decide.
func TestClassify(t *testing.T) {
	overlay, err := mask.ParseOverlay("o.yaml", []byte(`properties:
  login: login
  nick: {class: name, when: {at: kind, in: [team]}, else: person-name}
definitions:
  "#/$defs/money": amount
subjects:
  shop.order.placed:
    /note: text
    /items/*/gift: {class: sensitive}
    /labels: {class: internal, keys: internal}
`))
	if err != nil {
		t.Fatal(err)
	}
	c := compile(t, `{
		"type": "object", "required": ["id", "customer"],
		"properties": {
			"id": {"type": "string", "format": "uuid", "x-lockstep-class": "uuid"},
			"customer": {"type": "object", "x-lockstep-class": "sensitive", "required": ["mail"], "properties": {
				"mail": {"type": ["string", "null"], "format": "email", "confluent:tags": ["EMAIL"]}, "age": {"type": "integer"}, "login": {"type": "string"}}},
			"by": {"type": "object", "properties": {"kind": {"enum": ["team", "user"]}, "nick": {"type": "string"}, "login": {"type": "string"}}},
			"note": {"type": "string"}, "price": {"$ref": "#/$defs/money"}, "odd": {"type": "string"}, "flag": {"type": "boolean"},
			"items": {"type": "array", "items": {"type": "object", "properties": {"gift": {"type": "string"}, "count": {"type": "number"}}}},
			"labels": {"type": "object", "additionalProperties": {"type": "string"}},
			"tree": {"$ref": "#/$defs/tree"},
			"contact": {"oneOf": [{"type": "string", "x-lockstep-class": "email"}, {"type": "string", "pattern": "^[+]", "x-lockstep-class": "phone"}, {"type": "null"}]},
			"map": {"type": "object", "patternProperties": {"^x-": {"type": "number"}}}
		},
		"$defs": {"money": {"type": "object", "properties": {"value": {"type": "number"}}},
			"tree": {"type": "object", "properties": {"leaf": {"type": "string", "x-lockstep-class": "public"}, "below": {"$ref": "#/$defs/tree"}}}}
	}`, nil, Options{Subject: "shop.order.placed", Overlay: overlay})
	found, err := c.Classify()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, p := range found.Places {
		from := ""
		if p.Rule.From != nil {
			from = " from " + *p.Rule.From
		}
		fmt.Fprintf(&b, "%s names=%v %v class=%q %s %s %s%s enum=%v req=%v if=%q dep=%v\n",
			p.Pointer, p.Names, p.Kinds, p.Class, p.Rule.Kind, p.Rule.Where, p.Rule.Entry, from, p.Enumerated, p.Required, p.Condition, p.Depends)
	}
	fmt.Fprintf(&b, "repeats %v partial %v\n", found.Repeats, found.Partial)
	golden(t, "classify.txt", b.String())
	var bare []string
	for _, p := range found.Unclassified() {
		bare = append(bare, p.Pointer)
	}
	if want := []string{"/items/*/count", "/map/*", "/map/*", "/odd"}; !slices.Equal(bare, want) {
		t.Errorf("unclassified: %v, want %v", bare, want)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if string(want) != got {
		t.Errorf("differs from %s (rewrite it with -update); got\n%s", file, got)
	}
}

// A trace would show another value than the one that crosses, or not say why
// none does; or a report would name another class than the one that counts.
func TestTraceIsWhatMaskDoes(t *testing.T) {
	overlay := githubOverlay(t)
	for _, e := range github(t, overlay, false) {
		found, err := e.contract.Classify()
		if err != nil {
			t.Fatal(err)
		}
		if len(found.Partial) > 0 {
			t.Errorf("%s: not all is looked at: %v", e.name, found.Partial)
		}
		for i, m := range policies(t)[:2] {
			traced, err := e.contract.Trace(e.data, m)
			if err != nil {
				t.Fatal(err)
			}
			masked, _, err := e.contract.Mask(nil, e.data, m)
			withheld := slices.IndexFunc(traced, func(one Traced) bool { return one.Withheld != nil })
			var w *Withheld
			switch {
			case errors.As(err, &w) && w.Code != CodeInvalidMasked:
				if withheld < 0 || !slices.ContainsFunc(traced, func(one Traced) bool {
					return one.Withheld != nil && one.Withheld.Code == w.Code
				}) {
					t.Fatalf("%s: withheld (%v), which the trace doesn't tell", e.name, err)
				}
				continue
			case err != nil:
				continue
			case withheld >= 0:
				t.Fatalf("%s: not withheld, but the trace says %v", e.name, traced[withheld].Withheld)
			}
			var document any
			decoder := json.NewDecoder(bytes.NewReader(masked))
			decoder.UseNumber()
			if err := decoder.Decode(&document); err != nil {
				t.Fatal(err)
			}
			for _, one := range traced {
				if i == 0 && one.Pointer != "" && !one.Container && one.Kind != mask.Null && !found.says(one) {
					t.Errorf("%s: %s has the class %q by %v, which the classification lacks", e.name, one.Place, one.Class, one.Rule)
				}
				if one.Names || one.Masked == nil || strings.Contains(one.Place, "*") {
					continue
				}
				value, ok := jsonschema.Find(document, one.Pointer)
				text, err := json.Marshal(value)
				if err != nil || !ok || !sameJSON(text, one.Masked) {
					t.Fatalf("%s: %s becomes %s, and the trace says %s", e.name, one.Pointer, text, one.Masked)
				}
			}
		}
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// says reports whether a classification says of a traced value what the trace
// does: of its place, or of one around it that it repeats.
func (c Classification) says(one Traced) bool {
	tokens := strings.Split(one.Place, "/")
	matches := func(pattern string, whole bool) bool {
		p := strings.Split(pattern, "/")
		return len(p) <= len(tokens) && (!whole || len(p) == len(tokens)) &&
			slices.EqualFunc(p, tokens[:len(p)], func(a, b string) bool { return a == "*" || a == b })
	}
	for pointer := range c.Repeats {
		if matches(pointer, false) {
			return true
		}
	}
	return slices.ContainsFunc(c.Places, func(p Place) bool {
		return p.Class == one.Class && p.Names == one.Names && p.Rule.Kind == one.Rule.Kind && matches(p.Pointer, true)
	})
}
