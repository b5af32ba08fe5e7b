package compat

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/registry/cputest"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Guards against schemas of up to a megabyte for which each question is so large that
// a bounded number of questions takes minutes or gigabytes.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes several seconds")
	}
	const draft7 = `"$schema":"http://json-schema.org/draft-07/schema#",`
	each := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	chain := func(n int, keyword, last string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"s%d":{%s},`, i, strings.ReplaceAll(keyword, "NEXT", fmt.Sprintf("#/definitions/s%d", i+1)))
		}
		return fmt.Sprintf(`{%s"definitions":{%s"s%d":%s},"allOf":[{"$ref":"#/definitions/s0"}]}`, draft7, b.String(), n, last)
	}
	for _, p := range []struct{ name, old, new string }{
		{"numbers that are listed", `{` + draft7 + `"enum":[` + each(60_000, "%d") + `]}`, `{` + draft7 + `"enum":[` + each(60_000, "1%d") + `]}`},
		{"objects that are listed", `{"enum":[` + each(20_000, `{"a":%[1]d,"b":"%[1]d"}`) + `]}`, `{"enum":[` + each(20_000, `{"b":"%[1]d","a":%[1]d}`) + `]}`},
		{"properties", `{` + draft7 + `"properties":{` + each(3_000, `"p%[1]d":{"minimum":%[1]d}`) + `}}`, `{` + draft7 + `"properties":{` + each(3_000, `"p%[1]d":{"minimum":1%[1]d}`) + `}}`},
		{"required", `{"required":[` + each(50_000, `"v%d"`) + `]}`, `{"required":[` + each(50_000, `"v1%d"`) + `]}`},
		{"patterns of properties", `{"patternProperties":{` + each(3_000, `"^a%[1]d.*x":{"minimum":%[1]d}`) + `}}`, `{"patternProperties":{` + each(3_000, `"^b%[1]d.*x":{"minimum":%[1]d}`) + `},"additionalProperties":false}`},
		{"items", `{` + draft7 + `"items":[` + each(10_000, `{"minimum":%[1]d}`) + `]}`, `{` + draft7 + `"items":[` + each(10_000, `{"minimum":1%[1]d}`) + `]}`},
		{"oneOf", `{` + draft7 + `"oneOf":[` + each(1_500, `{"required":["a%[1]d"],"properties":{"a%[1]d":{"type":"string"}}}`) + `]}`, `{` + draft7 + `"oneOf":[` + each(1_500, `{"required":["a%[1]d"],"properties":{"a%[1]d":{"minLength":1}}}`) + `]}`},
		{"allOf", `{` + draft7 + `"allOf":[` + each(5_000, `{"minimum":%[1]d,"maximum":1%[1]d}`) + `]}`, `{` + draft7 + `"allOf":[` + each(5_000, `{"minimum":%[1]d,"maximum":2%[1]d}`) + `]}`},
		{"conditions", `{` + draft7 + `"allOf":[` + each(3_000, `{"if":{"required":["a%[1]d"]},"then":{"required":["b%[1]d"]}}`) + `]}`, `{` + draft7 + `"allOf":[` + each(3_000, `{"if":{"required":["b%[1]d"]},"then":{"required":["c%[1]d"]}}`) + `]}`},
		{"dependencies", `{` + draft7 + `"required":["a0"],"dependencies":{` + each(20_000, `"a%[1]d":["b%[1]d"]`) + `}}`, `{` + draft7 + `"dependencies":{` + each(20_000, `"a%[1]d":["c%[1]d"]`) + `}}`},
		{"a chain", chain(1_200, `"allOf":[{"$ref":"NEXT"}]`, `{"type":"string"}`), chain(1_200, `"allOf":[{"$ref":"NEXT"}]`, `{"type":"integer"}`)},
		{"a chain of properties", chain(800, `"required":["a"],"properties":{"a":{"$ref":"NEXT"}}`, `{"type":"string"}`), chain(800, `"required":["a"],"properties":{"a":{"$ref":"NEXT"}}`, `{"type":"integer"}`)},
		{"a tree", chain(600, `"anyOf":[{"$ref":"NEXT"},{"$ref":"NEXT"}]`, `{"type":"string"}`), chain(600, `"anyOf":[{"$ref":"NEXT"},{"$ref":"NEXT"}]`, `{"type":"integer"}`)},
		{"a long string", `{"const":"` + strings.Repeat("ab", 200_000) + `"}`, `{"pattern":"^(a|b|ab)*(a|b)*c$"}`},
		{"a long pattern", `{"pattern":"` + strings.Repeat("ab", 100_000) + `"}`, `{"pattern":"` + strings.Repeat("ba", 100_000) + `"}`},
		{"a large object", `{"const":{` + each(20_000, `"a%[1]d":%[1]d`) + `}}`, `{"additionalProperties":{"minimum":1}}`},
	} {
		t.Run(p.name, func(t *testing.T) {
			linked := func(text string) *jsonschema.Linked {
				document, err := jsonschema.Parse([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				l, err := (&jsonschema.Bundle{Document: document}).Link()
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
			old, next := linked(p.old), linked(p.new)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := cputest.Used()
			v := CheckLinked(next, old, Gated)
			took := cputest.Used() - began
			runtime.ReadMemStats(&after)
			used := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%s in %v, %d MB", v.Result, took.Round(time.Millisecond), used)
			if took > 20*time.Second || used > 3000 {
				t.Errorf("it took %v and %d MB", took, used)
			}
		})
	}
}
