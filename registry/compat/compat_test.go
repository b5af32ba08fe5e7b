package compat

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/registry/cputest"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// pair is an old and a new schema, with what is expected under each policy.
type pair struct {
	name     string
	old, new string
	gated    Result
	strict   Result
	rules    string // of the strict verdict
}

const (
	yes   = Compatible
	no    = Incompatible
	maybe = Undecided
)

var pairs = []pair{
	// Types.
	{"same", `{"type":"string"}`, `{"type":"string"}`, yes, yes, ""},
	{"anything becomes a string", `{}`, `{"type":"string"}`, no, no, "type-removed"},
	{"a type more", `{"type":"string"}`, `{"type":["string","null"]}`, yes, yes, ""},
	{"a type less", `{"type":["string","null"]}`, `{"type":"string"}`, no, no, "type-removed"},
	{"integer to number", `{"type":"integer"}`, `{"type":"number"}`, yes, yes, ""},
	{"number to integer", `{"type":"number"}`, `{"type":"integer"}`, no, no, "type-narrowed"},
	{"halves to integer", `{"type":"number","multipleOf":2}`, `{"type":"integer"}`, yes, yes, ""},
	{"false to anything", `false`, `{"type":"string"}`, yes, yes, ""},
	{"anything to false", `{"type":"string"}`, `false`, no, no, "false-schema"},
	{"true", `{"minimum":3}`, `true`, yes, yes, ""},

	// Values.
	{"a value more", `{"enum":["a"]}`, `{"enum":["a","b"]}`, yes, yes, ""},
	{"a value less", `{"enum":["a","b"]}`, `{"enum":["a"]}`, no, no, "value-refused"},
	{"const to enum", `{"const":"a"}`, `{"enum":["a","b"]}`, yes, yes, ""},
	{"enum to pattern", `{"enum":["a1","b2"]}`, `{"type":"string","pattern":"^[a-z][0-9]$"}`, yes, yes, ""},
	{"string to enum", `{"type":"string"}`, `{"enum":["a"]}`, no, no, "enum-added"},
	{"booleans are two", `{"type":"boolean"}`, `{"enum":[true,false]}`, yes, yes, ""},
	{"one boolean", `{"type":"boolean"}`, `{"const":true}`, no, no, "value-refused"},
	{"one is 1.0", `{"const":1}`, `{"const":1.0}`, yes, yes, ""},

	// Numbers and strings.
	{"wider bounds", `{"type":"integer","minimum":1,"maximum":9}`, `{"type":"integer","minimum":0,"maximum":10}`, yes, yes, ""},
	{"narrower bounds", `{"type":"integer","minimum":0}`, `{"type":"integer","minimum":1}`, no, no, "minimum-raised"},
	{"exclusive for integers", `{"type":"integer","minimum":1}`, `{"type":"integer","exclusiveMinimum":0}`, yes, yes, ""},
	{"exclusive for numbers", `{"type":"number","minimum":0}`, `{"type":"number","exclusiveMinimum":0}`, no, no, "minimum-raised"},
	{"multiples of six", `{"type":"number","multipleOf":6}`, `{"type":"number","multipleOf":3}`, yes, yes, ""},
	{"multiples of three", `{"type":"number","multipleOf":3}`, `{"type":"number","multipleOf":6}`, no, no, "multiple-of-added"},
	{"cents", `{"type":"integer"}`, `{"type":"number","multipleOf":0.01}`, yes, yes, ""},
	{"longer strings", `{"type":"string","maxLength":5}`, `{"type":"string","maxLength":6}`, yes, yes, ""},
	{"shorter strings", `{"type":"string","maxLength":6}`, `{"type":"string","maxLength":5}`, no, no, "max-length-lowered"},
	{"another pattern", `{"type":"string","pattern":"^a$"}`, `{"type":"string","pattern":"^a"}`, yes, yes, ""},
	{"format added", `{"$schema":"http://json-schema.org/draft-07/schema#","type":"string"}`, `{"$schema":"http://json-schema.org/draft-07/schema#","type":"string","format":"email"}`, no, no, "format-added"},
	{"format as a note", `{"type":"string"}`, `{"type":"string","format":"email"}`, yes, yes, ""},
	{"format becomes a check", `{"type":"string","format":"email"}`, `{"$schema":"http://json-schema.org/draft-07/schema#","type":"string","format":"email"}`, no, no, "format-added"},

	// Objects.
	{
		"optional property added", `{"type":"object","properties":{"a":{}}}`, `{"type":"object","properties":{"a":{},"b":{"type":"string"}}}`,
		yes, no, "property-in-open-object",
	},
	{
		"optional property added to an open object", `{"type":"object","properties":{"a":{}},"additionalProperties":true}`, `{"type":"object","properties":{"a":{},"b":{"type":"string"}}}`,
		no, no, "property-in-open-object",
	},
	{
		"optional property added to a closed object", `{"type":"object","properties":{"a":{}},"additionalProperties":false}`, `{"type":"object","properties":{"a":{},"b":{"type":"string"}},"additionalProperties":false}`,
		yes, yes, "",
	},
	{
		"optional property added where nothing was said", `{"type":"object"}`, `{"type":"object","properties":{"b":{"type":"string"}}}`,
		no, no, "property-in-open-object",
	},
	{"required property added", `{"properties":{"a":{}},"type":"object"}`, `{"properties":{"a":{}},"type":"object","required":["a"]}`, no, no, "required-added"},
	{"required property relaxed", `{"properties":{"a":{}},"type":"object","required":["a"]}`, `{"properties":{"a":{}},"type":"object"}`, yes, yes, ""},
	{
		"property dropped, still open", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}}}`, `{"type":"object","properties":{"a":{"type":"string"}}}`,
		yes, yes, "",
	},
	{
		"property dropped, closed", `{"type":"object","properties":{"a":{},"b":{}},"additionalProperties":false}`, `{"type":"object","properties":{"a":{}},"additionalProperties":false}`,
		no, no, "property-refused",
	},
	{
		"object closed", `{"type":"object","properties":{"a":{}}}`, `{"type":"object","properties":{"a":{}},"additionalProperties":false}`,
		yes, no, "property-refused",
	},
	{
		"deep property added", `{"properties":{"o":{"properties":{"a":{}}}}}`, `{"properties":{"o":{"properties":{"a":{},"b":{"type":"string"}}}}}`,
		yes, no, "property-in-open-object",
	},
	{
		"patterns", `{"patternProperties":{"^a":{"type":"integer"},"^b":{"type":"string"}},"additionalProperties":false}`, `{"patternProperties":{"^a":{"type":"number"},"^b":{"type":"string"}},"additionalProperties":false}`,
		yes, yes, "",
	},
	{
		"pattern added", `{"patternProperties":{"^a":{"type":"integer"}},"additionalProperties":false}`, `{"patternProperties":{"^a":{"type":"integer"},"^aa":{"type":"string"}}}`,
		no, no, "type-removed",
	},
	{
		"map to map", `{"type":"object","additionalProperties":{"type":"integer"}}`, `{"type":"object","additionalProperties":{"type":"number"}}`,
		yes, yes, "",
	},
	{
		"allOf composition", `{"allOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"b":{"type":"string"}}}]}`, `{"properties":{"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"integer"}}}`,
		yes, no, "property-in-open-object",
	},
	{
		"unevaluated instead of additional", `{"allOf":[{"properties":{"a":{}}}],"properties":{"b":{}},"additionalProperties":true}`, `{"allOf":[{"properties":{"a":{}}}],"properties":{"b":{}},"unevaluatedProperties":false}`,
		no, no, "property-unevaluated",
	},
	{
		"unevaluated closes", `{"allOf":[{"properties":{"a":{}}}],"properties":{"b":{}},"unevaluatedProperties":false}`, `{"allOf":[{"properties":{"a":{}}}],"properties":{"b":{},"c":{"type":"string"}},"unevaluatedProperties":false}`,
		yes, yes, "",
	},
	{"fewer properties", `{"type":"object","maxProperties":3}`, `{"type":"object","maxProperties":2}`, no, no, "max-properties-lowered"},
	{"closed objects are small", `{"type":"object","properties":{"a":{},"b":{}},"additionalProperties":false}`, `{"type":"object","maxProperties":2}`, yes, yes, ""},
	{"names", `{"type":"object","propertyNames":{"maxLength":3}}`, `{"type":"object","propertyNames":{"maxLength":2}}`, no, no, "property-names"},
	{"names that are listed", `{"type":"object","properties":{"a":{}},"additionalProperties":false}`, `{"type":"object","propertyNames":{"maxLength":1}}`, yes, yes, ""},
	{"dependency", `{"type":"object","properties":{"a":{},"b":{}}}`, `{"type":"object","dependentRequired":{"a":["b"]}}`, no, no, "dependency-added"},
	{"dependency that holds", `{"type":"object","required":["b"],"properties":{"a":{},"b":{}}}`, `{"type":"object","dependentRequired":{"a":["b"]}}`, yes, yes, ""},

	// Arrays.
	{"wider items", `{"type":"array","items":{"type":"integer"}}`, `{"type":"array","items":{"type":"number"}}`, yes, yes, ""},
	{"narrower items", `{"type":"array","items":{"type":"number"}}`, `{"type":"array","items":{"type":"integer"}}`, no, no, "type-narrowed"},
	{"items where anything was", `{"type":"array"}`, `{"type":"array","items":{"type":"string"}}`, no, no, "type-removed"},
	{"no items at all", `{"type":"array","maxItems":0}`, `{"type":"array","items":{"type":"string"}}`, yes, yes, ""},
	{"tuple to list", `{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":false}`, `{"type":"array","items":{"type":"integer"},"maxItems":2}`, yes, yes, ""},
	{"tuple grows", `{"type":"array","prefixItems":[{"type":"string"}],"items":false}`, `{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}`, yes, yes, ""},
	{"unique", `{"type":"array"}`, `{"type":"array","uniqueItems":true}`, no, no, "unique-items-added"},
	{"contains what all items are", `{"type":"array","minItems":1,"items":{"type":"integer"}}`, `{"type":"array","contains":{"type":"number"}}`, yes, yes, ""},
	{"contains", `{"type":"array"}`, `{"type":"array","contains":{"type":"string"}}`, no, no, "contains-added"},

	// Combinations.
	{"anyOf for each type", `{"type":["string","integer"]}`, `{"anyOf":[{"type":"string"},{"type":"number"}]}`, yes, yes, ""},
	{"anyOf grows", `{"anyOf":[{"type":"string"},{"type":"integer"}]}`, `{"anyOf":[{"type":"string"},{"type":"integer"},{"type":"null"}]}`, yes, yes, ""},
	{"anyOf shrinks", `{"anyOf":[{"type":"string"},{"type":"integer"}]}`, `{"anyOf":[{"type":"string"},{"type":"null"}]}`, no, no, "any-of-unmatched"},
	{
		"oneOf told apart", `{"oneOf":[{"properties":{"k":{"const":"a"},"x":{}},"required":["k"],"type":"object"},{"properties":{"k":{"const":"b"}},"required":["k"],"type":"object"}]}`,
		`{"oneOf":[{"properties":{"k":{"const":"a"},"x":{},"y":{"type":"string"}},"required":["k"],"type":"object"},{"properties":{"k":{"const":"b"}},"required":["k"],"type":"object"},{"properties":{"k":{"const":"c"}},"required":["k"],"type":"object"}]}`,
		yes, no, "one-of-unmatched property-in-open-object",
	},
	{"oneOf overlaps", `{"oneOf":[{"type":"string"}]}`, `{"oneOf":[{"type":"string"},{"maxLength":5}]}`, no, no, "one-of-overlap"},
	{"not kept", `{"not":{"type":"string"}}`, `{"not":{"type":"string","minLength":2}}`, yes, yes, ""},
	{"not added", `{}`, `{"not":{"type":"string"}}`, no, no, "not-changed"},
	{"not implied", `{"type":"integer"}`, `{"not":{"type":"string"}}`, yes, yes, ""},
	{
		"condition kept", `{"if":{"properties":{"k":{"const":1}}},"then":{"required":["a"]}}`, `{"if":{"properties":{"k":{"const":1}}},"then":{"required":["a"]},"title":"x"}`,
		yes, yes, "",
	},
	{
		"condition weakened", `{"if":{"properties":{"k":{"const":1}}},"then":{"required":["a","b"]},"else":{"type":"object"}}`, `{"if":{"properties":{"k":{"const":1}}},"then":{"required":["a"]}}`,
		yes, yes, "",
	},
	{"condition added", `{"type":"object"}`, `{"if":{"required":["a"]},"then":{"required":["b"]}}`, no, no, "required-added"},

	// References and recursion.
	{"moved behind a reference", `{"properties":{"a":{"type":"string"}}}`, `{"properties":{"a":{"$ref":"#/$defs/s"}},"$defs":{"s":{"type":["string","null"]}}}`, yes, yes, ""},
	{
		"a tree", `{"type":"object","properties":{"value":{"type":"integer"},"next":{"$ref":"#"}},"additionalProperties":false}`,
		`{"type":"object","properties":{"value":{"type":"number"},"next":{"$ref":"#"}}}`, yes, yes, "",
	},
	{
		"a tree that narrows deep down", `{"type":"object","properties":{"value":{"type":"number"},"next":{"$ref":"#"}},"additionalProperties":false}`,
		`{"type":"object","properties":{"value":{"type":"number"},"next":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"object","properties":{"value":{"type":"integer"}}}}}`, no, no, "type-narrowed",
	},
	{
		"dynamic references", `{"$dynamicAnchor":"n","type":"object","properties":{"next":{"$dynamicRef":"#n"}}}`, `{"$dynamicAnchor":"n","type":"object","properties":{"next":{"$dynamicRef":"#n"}},"title":"x"}`,
		maybe, maybe, "dynamic-reference",
	},
}

func TestPairs(t *testing.T) {
	// Guards against a rule that gets lost: each pair rests on one of them.
	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			old, next := parse(t, []byte(p.old)), parse(t, []byte(p.new))
			if v := Check(next, old, Gated); v.Result != p.gated {
				t.Errorf("gated: %s, want %s", v, p.gated)
			}
			v := Check(next, old, Strict)
			if v.Result != p.strict {
				t.Errorf("strict: %s, want %s", v, p.strict)
			}
			var rules []string
			for _, f := range v.Findings {
				rules = append(rules, f.Rule)
			}
			slices.Sort(rules)
			if got := strings.Join(slices.Compact(rules), " "); got != p.rules {
				t.Errorf("rules %q, want %q", got, p.rules)
			}
		})
	}
}

func TestFindings(t *testing.T) {
	// Guards against findings that no longer tell a person what to change where.
	var b strings.Builder
	for _, p := range pairs {
		v := Check(parse(t, []byte(p.new)), parse(t, []byte(p.old)), Strict)
		if v.Result != Compatible {
			fmt.Fprintf(&b, "%s: %s\n", p.name, v)
		}
	}
	compareGolden(t, filepath.Join("testdata", "findings.golden"), b.String())
}

// compareGolden compares with a golden file, or rewrites it.
func compareGolden(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s changed (run with -update and look at the difference):\n%s", golden, got)
	}
}

func TestLenient(t *testing.T) {
	// Guards against lenient being another word for gated or for anything goes.
	open := parse(t, []byte(`{"type":"object","properties":{"a":{}},"additionalProperties":true}`))
	more := parse(t, []byte(`{"type":"object","properties":{"a":{},"b":{"type":"string"}}}`))
	if v := Check(more, open, Lenient); v.Result != Compatible {
		t.Errorf("an optional property more: %s", v)
	}
	typed := parse(t, []byte(`{"type":"object","properties":{"a":{}},"additionalProperties":{"type":"integer"}}`))
	if v := Check(more, typed, Lenient); v.Result != Incompatible {
		t.Errorf("a property that held integers: %s", v)
	}
}

func TestReferencedSchemas(t *testing.T) {
	// Guards against a finding in a referenced schema that points into the wrong file.
	link := func(s string) *jsonschema.Bundle {
		root := parse(t, []byte(`{"properties":{"a":{"$ref":"money.json"}}}`))
		root.References = map[string]*jsonschema.Bundle{"money.json": parse(t, []byte(s))}
		return root
	}
	old, next := link(`{"type":"object","properties":{"amount":{"type":"number"}}}`), link(`{"type":"object","properties":{"amount":{"type":"integer"}}}`)
	v := Check(next, old, Gated)
	if len(v.Findings) != 1 {
		t.Fatalf("got %s", v)
	}
	f := v.Findings[0]
	if f.ReaderPointer != "money.json#/properties/amount/type" || f.WriterPointer != "money.json#/properties/amount" || f.Instance != "/a/amount" {
		t.Errorf("got %+v", f)
	}
}

func TestUnusable(t *testing.T) {
	// Guards against a panic, or a verdict, on what is no schema.
	broken := parse(t, []byte(`{"$ref":"nowhere.json"}`))
	fine := parse(t, []byte(`{}`))
	for _, v := range []Verdict{Check(broken, fine, Gated), Check(fine, broken, Gated)} {
		if v.Result != Undecided || len(v.Findings) != 1 || v.Findings[0].Rule != "unusable-schema" {
			t.Errorf("got %s", v)
		}
	}
}

func TestBounded(t *testing.T) {
	// Guards against a pair of schemas that keeps the registry busy for ever.
	branches := func(n int, extra string) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(`{"anyOf":[{"required":["a%d"]},{"required":["b%d"]},{"properties":{"c%d":{"type":"string"}}}]}`, i, i, i))
		}
		return `{"type":"object","allOf":[` + strings.Join(parts, ",") + `]` + extra + `}`
	}
	list := func(n int, first string) string {
		return `{"enum":[` + first + strings.Join(numbered(n), ",") + `]}`
	}
	if v := Check(parse(t, []byte(list(60_000, `"a",`))), parse(t, []byte(list(60_000, `"b",`))), Strict); v.Result == Compatible {
		t.Errorf("got %s", v.Result)
	}
	if v := Check(parse(t, []byte(list(1_000, `"a",`))), parse(t, []byte(list(1_000, ``))), Strict); v.Result != Compatible {
		t.Errorf("a thousand values and one more: %s", v)
	}
	old := parse(t, []byte(branches(24, "")))
	next := parse(t, []byte(branches(24, `,"not":{"required":["never"]}`)))
	if v := Check(next, old, Strict); v.Result == Compatible {
		t.Errorf("got %s", v.Result)
	}
}

func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(`"v%d"`, i)
	}
	return out
}

func FuzzCheck(f *testing.F) {
	for _, p := range pairs {
		f.Add(p.old, p.new)
	}
	f.Fuzz(func(t *testing.T, old, next string) {
		w, err := jsonschema.Parse([]byte(old))
		if err != nil {
			return
		}
		r, err := jsonschema.Parse([]byte(next))
		if err != nil {
			return
		}
		for _, policy := range []Policy{Gated, Strict, Lenient} {
			v := Check(&jsonschema.Bundle{Document: r}, &jsonschema.Bundle{Document: w}, policy)
			if (v.Result == Compatible) != (len(v.Findings) == 0) {
				t.Errorf("%s with %d findings", v.Result, len(v.Findings))
			}
			reader, writer := &jsonschema.Bundle{Document: r}, &jsonschema.Bundle{Document: w}
			reads, errR := reader.Compile()
			writes, errW := writer.Compile()
			if errR != nil || errW != nil {
				return
			}
			if problem := witnessed(v, writes, reads, policy); problem != "" {
				t.Errorf("%s: %s", problem, v)
			}
			if document, doubted := doubt(reader, writer, policy); doubted && v.Result == Compatible {
				t.Errorf("compatible under %s, and yet %v is refused", policy, document)
			}
		}
	})
}

func TestHostile(t *testing.T) {
	// Guards against schemas made to keep the checker busy or to exhaust it: each
	// pair has to be answered soon, whatever the answer is.
	doubling := func(n int, last string) string {
		defs := []string{fmt.Sprintf(`"d%d":%s`, n, last)}
		for i := range n {
			defs = append(defs, fmt.Sprintf(`"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"allOf":[{"$ref":"#/$defs/d%d"}],"title":"x"}]}`, i, i+1, i+1))
		}
		return `{"$ref":"#/$defs/d0","$defs":{` + strings.Join(defs, ",") + `}}`
	}
	deepening := func(n int, last string) string {
		defs := []string{fmt.Sprintf(`"d%d":%s`, n, last)}
		for i := range n {
			defs = append(defs, fmt.Sprintf(`"d%d":{"required":["a"],"oneOf":[{"properties":{"a":{"$ref":"#/$defs/d%d"}}},{"type":"object","properties":{"a":{"allOf":[{"$ref":"#/$defs/d%d"}],"minProperties":9}}}]}`, i, i+1, i+1))
		}
		return `{"$ref":"#/$defs/d0","$defs":{` + strings.Join(defs, ",") + `}}`
	}
	nested := strings.Repeat(`{"properties":{"a":`, 60) + `{"type":"string"}` + strings.Repeat(`},"required":["a"]}`, 60)
	many := func(format string, n int) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(format, i, i))
		}
		return strings.Join(parts, ",")
	}
	for _, p := range []struct{ name, old, new string }{
		{"alternatives that double", doubling(40, `{"type":"string"}`), doubling(40, `{"type":"string","minLength":1}`)},
		{"values that are validated twice at each level", deepening(40, `{"type":"string"}`), deepening(40, `{"type":"integer"}`)},
		{"deep", nested, strings.Replace(nested, "string", "integer", 1)},
		{"numbers without end", `{"type":"number","minimum":1e300,"multipleOf":1e-300}`, `{"type":"number","multipleOf":7e-299,"maximum":1e301}`},
		{"no common multiple in sight", `{"type":"integer","multipleOf":99991}`, `{"type":"integer","not":{"multipleOf":99989}}`},
		{"long strings", `{"type":"string","minLength":1000000000}`, `{"type":"string","maxLength":1000000001}`},
		{"long arrays", `{"type":"array","minItems":1000000000}`, `{"type":"array","maxItems":1000000001}`},
		{"many properties", `{"type":"object","minProperties":1000000}`, `{"type":"object","maxProperties":1000001}`},
		{"an expression of many states", `{"type":"string","pattern":"^(a|b)*a(a|b){18}$"}`, `{"type":"string","pattern":"^(a|b)*b(a|b){18}$"}`},
		{"a large expression", `{"type":"string","pattern":"^([a-z0-9]{1,900}-){1}$"}`, `{"type":"string","pattern":"^(([a-f0-9]{1,30}){1,30})+$"}`},
		{"many characters", `{"type":"string","pattern":"^[\\p{L}\\p{N}\\p{S}]+$"}`, `{"type":"string","pattern":"(?i)^\\p{Lu}\\w+\\b.$"}`},
		{"many patterns", `{"type":"object","patternProperties":{` + many(`"a.{%d}":{"minimum":%d}`, 60) + `}}`, `{"type":"object","patternProperties":{` + many(`"b.{%d}":{"maximum":%d}`, 60) + `},"additionalProperties":false}`},
		{"many branches", `{"oneOf":[` + many(`{"required":["a%d"],"properties":{"a%d":{"type":"string"}}}`, 120) + `]}`, `{"oneOf":[` + many(`{"required":["a%d"],"properties":{"a%d":{"type":"string","minLength":1}}}`, 120) + `]}`},
		{"many conditions", `{"allOf":[` + many(`{"if":{"required":["a%d"]},"then":{"required":["b%d"]}}`, 60) + `]}`, `{"allOf":[` + many(`{"if":{"required":["b%d"]},"then":{"required":["c%d"]}}`, 60) + `]}`},
		{"nothing but not", `{"not":{"not":{"not":{"anyOf":[` + many(`{"required":["a%d","b%d"]}`, 40) + `]}}}}`, `{"not":{"allOf":[` + many(`{"required":["a%d","b%d"]}`, 40) + `]}}`},
		{"many that must differ", `{"type":"array","uniqueItems":true,"minItems":400,"items":{"type":"object","required":["a","b"]}}`, `{"type":"array","maxItems":3}`},
	} {
		t.Run(p.name, func(t *testing.T) {
			start := cputest.Used()
			old, next := parse(t, []byte(p.old)), parse(t, []byte(p.new))
			for _, policy := range []Policy{Gated, Strict} {
				begin := time.Now()
				v := Check(next, old, policy)
				t.Logf("%s: %s in %s", policy, v.Result, time.Since(begin).Round(time.Millisecond))
			}
			if took := cputest.Used() - start; took > 15*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestEachFindingHasItsOwnWitness(t *testing.T) {
	// Guards against making a witness so small that it shows another finding's reason
	// and leaves its own unproven.
	old := parse(t, []byte(`{"type": "object", "properties": {"a": {"type": "string"}}}`))
	next := parse(t, []byte(`{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}`))
	witnesses := map[string]string{}
	for _, f := range Check(next, old, Gated).Findings {
		witnesses[f.Rule] = string(f.Witness)
	}
	if witnesses["required-added"] != `{}` || witnesses["type-removed"] != `{"a":"a"}` {
		t.Errorf("witnesses %v", witnesses)
	}
}
