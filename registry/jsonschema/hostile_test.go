package jsonschema

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/registry/cputest"
)

// repeated is n texts, separated by commas.
func repeated(n int, text func(i int) string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(text(i))
	}
	return b.String()
}

// Guards against a document of at most a megabyte that takes minutes of a processor, or all of the
// memory, to read or to compile.
func TestHostile(t *testing.T) {
	const modern, old = `"$schema":"https://json-schema.org/draft/2020-12/schema",`, `"$schema":"http://json-schema.org/draft-07/schema#",`
	chain := func(keyword string, n int) string {
		return `{"$defs":{` + repeated(n, func(i int) string {
			return fmt.Sprintf(`"s%d":{%s}`, i, strings.ReplaceAll(keyword, "NEXT", fmt.Sprintf("#/$defs/s%d", i+1)))
		}) + fmt.Sprintf(`,"s%d":{}},"$ref":"#/$defs/s0"}`, n)
	}
	for _, c := range []struct{ name, text, code string }{
		{"schemas of 2020-12", `{` + modern + `"properties":{` + repeated(60_000, func(i int) string { return fmt.Sprintf(`"%d":{}`, i) }) + `}}`, CodeTooLarge},
		{"schemas of draft-07", `{` + old + `"properties":{` + repeated(60_000, func(i int) string { return fmt.Sprintf(`"%d":{}`, i) }) + `}}`, ""},
		{"ids", `{` + old + `"definitions":{` + repeated(20_000, func(i int) string { return fmt.Sprintf(`"%d":{"$id":"http://a/%d"}`, i, i) }) + `}}`, CodeTooLarge},
		{"anchors", `{"allOf":[` + repeated(20_000, func(i int) string { return fmt.Sprintf(`{"$ref":"#a%d"}`, i) }) + `]}`, CodeTooLarge},
		{"repetitions", `{"allOf":[` + repeated(30_000, func(int) string { return `{"pattern":"\\pL{1000}"}` }) + `]}`, CodeTooLarge},
		{"a repetition of repetitions", `{"pattern":"((a{100}){100}){100}"}`, CodeInvalidPattern},
		{"patterns", `{"patternProperties":{` + repeated(8_000, func(i int) string { return fmt.Sprintf(`"^a%d[a-z]{3}$":true`, i) }) + `}}`, ""},
		{"a chain of references", chain(`"$ref":"NEXT"`, 3_000), ""},
		{"a tree of references", chain(`"allOf":[{"$ref":"NEXT"},{"$ref":"NEXT"}]`, 2_000), ""},
		{"nesting", strings.Repeat(`{"items":`, 190) + `{}` + strings.Repeat(`}`, 190), ""},
		{"an enum", `{"enum":[` + repeated(100_000, func(i int) string { return fmt.Sprint(i) }) + `]}`, ""},
		{"an enum of draft-07", `{` + old + `"enum":[` + repeated(100_000, func(i int) string { return fmt.Sprint(i) }) + `]}`, ""},
		{"required", `{"required":[` + repeated(60_000, func(i int) string { return fmt.Sprintf(`"%d"`, i) }) + `]}`, ""},
		{"a long description", `{"description":"` + strings.Repeat("x", 1_000_000) + `"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := cputest.Used()
			code := ""
			d, err := Parse([]byte(c.text))
			if err == nil {
				_, err = (&Bundle{Document: d}).Link()
			}
			if e := (*Error)(nil); errors.As(err, &e) {
				code = e.Code
			}
			took := cputest.Used() - began
			runtime.ReadMemStats(&after)
			t.Logf("%d bytes: %v, %d MB", len(c.text), took, (after.TotalAlloc-before.TotalAlloc)>>20)
			if code != c.code {
				t.Errorf("the code is %q, not %q: %.300v", code, c.code, err)
			}
			if took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
