package contract

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/registry/cputest"
)

// nested alternatives: the library takes 3^depth steps.
const nestedAlternatives = `{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://example.com/tree","$defs":{
	"node":{"type":"object","properties":{"n":{"anyOf":[{"$ref":"#/$defs/node"},{"$ref":"#/$defs/other"},{"$ref":"#/$defs/third"}]},"x":{"type":"integer","x-lockstep-class":"public"}}},
	"other":{"allOf":[{"$ref":"#/$defs/node"}],"required":["x"]},"third":{"allOf":[{"$ref":"#/$defs/node"}],"maxProperties":5}},"$ref":"#/$defs/node"%s}`

func deepTree(depth int, leaf string) []byte {
	return []byte(strings.Repeat(`{"x":1,"n":`, depth) + leaf + strings.Repeat("}", depth))
}

// within fails if work takes longer, or allocates more, than a gate can bear.
func within(t *testing.T, name string, limit time.Duration, megabytes uint64, work func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cputest.Used()
	work()
	took := cputest.Used() - start
	runtime.ReadMemStats(&after)
	allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
	if t.Logf("%s: %v, %d MB", name, took, allocated); took > limit || allocated > megabytes {
		t.Errorf("%s takes %v and %d MB", name, took, allocated)
	}
}

// A small event under a schema whose alternatives nest would hold the gate or
// a route up for hours.
func TestNestedAlternativesAreCheap(t *testing.T) {
	m := masker(t, testers(), "staging")
	for name, more := range map[string]string{
		"in one pass":         "",
		"left to the library": `,"unevaluatedItems":{"type":"integer"}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := compile(t, strings.Replace(nestedAlternatives, "%s", more, 1), nil, Options{})
			for _, document := range [][]byte{deepTree(60, `{"x":1}`), deepTree(60, `{"x":"one"}`), deepTree(60, `{"undeclared":1}`), deepTree(60, `7`)} {
				valid := strings.Contains(string(document), `"n":{"x":1}`)
				within(t, "validate", 5*time.Second, 300, func() {
					err := c.Validate(document)
					var invalid *Invalid
					switch {
					case err == nil && !valid:
						t.Errorf("%.40s… is valid", document)
					case err != nil && (!errors.As(err, &invalid) || invalid.Cure == "" || len(invalid.Violations) == 0):
						t.Errorf("%v", err)
					case err != nil && valid && (more == "" || invalid.Violations[0].Keyword != KeywordEffort):
						t.Errorf("%v", err)
					}
				})
				within(t, "mask", 5*time.Second, 300, func() {
					_, _, err := c.Mask(nil, document, m)
					var w *Withheld
					if err != nil && (!errors.As(err, &w) || w.Code == CodeFault) {
						t.Errorf("%v", err)
					}
				})
			}
		})
	}
}

// An event that violates its schema in a quarter of a million places would take
// half a gigabyte of the gate's memory.
func TestViolationsWithoutEndAreCheap(t *testing.T) {
	schema := `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{
		"list":{"type":"array","items":{"type":"string"}},"objects":{"type":"array","items":{"type":"object","required":["a","b"],"properties":{"a":{},"b":{"oneOf":[{"type":"string"},{"type":"null"}]}},"additionalProperties":false}},
		"map":{"additionalProperties":{"anyOf":[{"type":"string","maxLength":3},{"type":"string","pattern":"^long"}]}}}}`
	c := compile(t, schema, nil, Options{})
	for name, test := range map[string]struct{ document, pointer, keyword string }{
		"items":      {`{"list":["fine",` + strings.Repeat("1,", 250_000) + `1]}`, "/list/1", "type"},
		"members":    {`{"objects":[` + strings.Repeat(`{"a":1},`, 60_000) + `{}]}`, "/objects/0", "required"},
		"nullable":   {`{"objects":[` + strings.Repeat(`{"a":1,"b":2},`, 40_000) + `{}]}`, "/objects/0/b", "oneOf"},
		"additional": {`{"objects":[{"a":1,"b":null,` + names(60_000) + `}]}`, "/objects/0/0", "additionalProperties"},
		"undeclared": {`{` + names(60_000) + `}`, "/0", KeywordUndeclared},
		"choices":    {`{"map":{` + strings.ReplaceAll(names(60_000), "{}", `"other"`) + `}}`, "/map/0", "anyOf"},
	} {
		within(t, name, 5*time.Second, 160, func() {
			err := c.Validate([]byte(test.document))
			var invalid *Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("%s: %v", name, err)
			}
			if n := len(invalid.Violations); n != MaxViolations || !invalid.AtLeast || invalid.Omitted < 1 || !strings.Contains(err.Error(), "at least") {
				t.Errorf("%s: %d violations, at least %d more (%v): %v", name, n, invalid.Omitted, invalid.AtLeast, err)
			}
			if v := invalid.Violations[0]; v.Pointer != test.pointer || v.Keyword != test.keyword {
				t.Errorf("%s: the first is %+v", name, v)
			}
		})
	}
}

// A large event with a single mistake would be refused without saying where.
func TestLargeDocumentIsExplained(t *testing.T) {
	schema := `{"properties":{"lines":{"type":"array","items":{"$ref":"#/definitions/line"}}},"definitions":{"line":{"type":"object","required":["sku"],
		"properties":{"sku":{"type":"string","pattern":"^[A-Z]"},"n":{"type":"integer","minimum":1},"kind":{"enum":["a","b"]},
		"price":{"oneOf":[{"type":"null"},{"type":"object","properties":{"amount":{"type":"number","multipleOf":0.01}},"required":["amount"]}]}},
		"if":{"required":["kind"]},"then":{"properties":{"n":{"maximum":5}}},"dependencies":{"kind":["n"]}}}}`
	c := compile(t, schema, nil, Options{})
	good := strings.Repeat(`{"sku":"A-1","n":2,"kind":"a","price":{"amount":1.25}},`, 3000)
	for bad, want := range map[string]string{
		`{"sku":"a"}`:                              "/lines/3000/sku pattern",
		`{"n":2}`:                                  "/lines/3000 required",
		`{"sku":"A","n":1.5}`:                      "/lines/3000/n type",
		`{"sku":"A","n":2,"kind":"c"}`:             "/lines/3000/kind enum",
		`{"sku":"A","price":{"amount":0.001}}`:     "/lines/3000/price/amount multipleOf",
		`{"sku":"A","n":9,"kind":"a"}`:             "/lines/3000/n maximum",
		`{"sku":"A","kind":"a"}`:                   "/lines/3000 dependencies",
		`{"sku":"A","other":1}`:                    "/lines/3000/other undeclared",
		`{"sku":"A","price":{"amount":1,"tax":1}}`: "/lines/3000/price/tax undeclared",
		`[]`: "/lines/3000 type",
	} {
		err := c.Validate([]byte(`{"lines":[` + good + bad + `]}`))
		var invalid *Invalid
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %v", bad, err)
			continue
		}
		if v := invalid.Violations[0]; v.Pointer+" "+v.Keyword != want || len(invalid.Violations) != 1 {
			t.Errorf("%s: %d violations, %+v; want %s", bad, len(invalid.Violations), v, want)
		}
		// The same as where there is no need to hurry.
		var short *Invalid
		if err := c.Validate([]byte(`{"lines":[` + bad + `]}`)); !errors.As(err, &short) || short.Violations[0].Keyword != invalid.Violations[0].Keyword ||
			short.Violations[0].SchemaPointer != invalid.Violations[0].SchemaPointer || short.Violations[0].Expected != invalid.Violations[0].Expected {
			t.Errorf("%s: %+v, in a short document %+v", bad, invalid.Violations[0], short)
		}
	}
	if err := c.Validate([]byte(`{"lines":[` + strings.TrimSuffix(good, ",") + `]}`)); err != nil {
		t.Error(err)
	}
}
