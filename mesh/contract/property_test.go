package contract

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/cputest"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// made is a schema that was drawn, with a way to draw documents for it.
type made struct {
	schema map[string]any
	value  func(t *rapid.T) any
}

// canary begins every classified string, in whatever format, so that any of
// it is found again.
const canary = "zqcanary"

// drawSchema draws a schema whose fields are all classified, and whose strings
// hold canaries.
func drawSchema(t *rapid.T, depth int) made {
	kinds := []string{"string", "integer", "number", "boolean", "null", "enum"}
	if depth > 0 {
		kinds = append(kinds, "object", "object", "object", "array", "map", "oneOf", "allOf", "ref", "content")
	}
	// Amounts pass nowhere: what is a number can be told from what it was.
	class := string(rapid.SampledFrom([]mask.Class{
		mask.ID, mask.UUID, mask.IP, mask.URL, mask.Name, mask.Login, mask.PersonName, mask.Phone, mask.Email, mask.Address, mask.Text, mask.Sensitive,
	}).Draw(t, "class"))
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "string":
		return drawString(t, class)
	case "integer":
		return made{
			map[string]any{"type": "integer", "x-lockstep-class": class, "minimum": -5},
			func(t *rapid.T) any { return rapid.Int64Range(-5, 1<<40).Draw(t, "integer") },
		}
	case "number":
		return made{map[string]any{"type": "number", "x-lockstep-class": class}, func(t *rapid.T) any { return rapid.Float64Range(-1e9, 1e9).Draw(t, "number") }}
	case "boolean":
		return made{map[string]any{"type": "boolean"}, func(t *rapid.T) any { return rapid.Bool().Draw(t, "boolean") }}
	case "null":
		return made{map[string]any{"type": []string{"null", "string"}, "x-lockstep-class": class}, func(*rapid.T) any { return nil }}
	case "enum":
		return made{map[string]any{"enum": []any{"a", "b", 3}}, func(t *rapid.T) any { return rapid.SampledFrom([]any{"a", "b", 3}).Draw(t, "enum") }}
	case "array":
		item := drawSchema(t, depth-1)
		return made{map[string]any{"type": "array", "items": item.schema}, func(t *rapid.T) any {
			items := make([]any, rapid.IntRange(0, 4).Draw(t, "length"))
			for i := range items {
				items[i] = item.value(t)
			}
			return items
		}}
	case "map":
		item := drawSchema(t, depth-1)
		return made{map[string]any{"additionalProperties": item.schema, "x-lockstep-key-class": "login"}, func(t *rapid.T) any {
			object := map[string]any{}
			for i := range rapid.IntRange(0, 3).Draw(t, "size") {
				object[fmt.Sprint(canary, i)] = item.value(t)
			}
			return object
		}}
	case "oneOf":
		a, b := drawObject(t, depth, "a"), drawObject(t, depth, "b")
		return made{map[string]any{"oneOf": []any{a.schema, b.schema}}, func(t *rapid.T) any {
			return rapid.SampledFrom([]made{a, b}).Draw(t, "alternative").value(t)
		}}
	case "allOf":
		inner := drawObject(t, depth, "c")
		return made{map[string]any{"allOf": []any{inner.schema, map[string]any{"properties": map[string]any{"more": map[string]any{"type": "string", "x-lockstep-class": class}}}}}, func(t *rapid.T) any {
			object := inner.value(t).(map[string]any)
			object["more"] = canary
			return object
		}}
	case "content":
		inner := drawSchema(t, depth-1)
		schema := map[string]any{"type": "string", "x-lockstep-content": "json", "contentMediaType": "application/json", "contentSchema": inner.schema}
		encode := func(text []byte) string { return string(text) }
		if rapid.Bool().Draw(t, "base64") {
			schema["x-lockstep-content"], schema["contentEncoding"], encode = "base64-json", "base64", base64.StdEncoding.EncodeToString
		}
		return made{schema, func(t *rapid.T) any {
			text, err := json.Marshal(inner.value(t))
			if err != nil {
				t.Fatal(err)
			}
			return encode(text)
		}}
	case "ref":
		return made{map[string]any{"$ref": "person.json"}, func(t *rapid.T) any {
			return map[string]any{"login": canary + "login", "email": canary + "@example.de"}
		}}
	}
	return drawObject(t, depth, "d")
}

func drawString(t *rapid.T, class string) made {
	schema := map[string]any{"type": "string", "x-lockstep-class": class}
	value := canary
	switch rapid.IntRange(0, 5).Draw(t, "form") {
	case 0:
		schema["format"], value = "email", canary+"@example.de"
	case 1:
		schema["format"], value = "uri", "https://example.de/"+canary
	case 2:
		schema["pattern"], value = "^[a-z]{4,20}_[0-9]{6}$", canary+"_123456"
	case 3:
		schema["minLength"], schema["maxLength"] = 5, 12
	}
	return made{schema, func(t *rapid.T) any {
		if value == canary {
			return canary + rapid.StringMatching(`[a-c]{0,2}`).Draw(t, "end")
		}
		return value
	}}
}

func drawObject(t *rapid.T, depth int, kind string) made {
	members := map[string]made{}
	properties := map[string]any{"kind": map[string]any{"const": kind}}
	for i := range rapid.IntRange(0, 4).Draw(t, "members") {
		name := fmt.Sprintf("m%d", i)
		members[name] = drawSchema(t, depth-1)
		properties[name] = members[name].schema
	}
	schema := map[string]any{"type": "object", "properties": properties, "required": []string{"kind"}}
	return made{schema, func(t *rapid.T) any {
		object := map[string]any{"kind": kind}
		for i := range len(members) {
			name := fmt.Sprintf("m%d", i)
			if rapid.IntRange(0, 4).Draw(t, "has "+name) > 0 {
				object[name] = members[name].value(t)
			}
		}
		return object
	}}
}

const person = `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"login":{"type":"string","x-lockstep-class":"login"},"email":{"type":"string","format":"email","x-lockstep-class":"email"}}}`

// drawContract draws a schema, which may refer to a person's, and a document under it.
func drawContract(t *rapid.T, person *jsonschema.Document) (c *Contract, schema, data []byte) {
	drawn := drawObject(t, 3, "root")
	drawn.schema["$schema"] = jsonschema.Draft7.URL()
	schema, err := json.Marshal(drawn.schema)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	c, err = Compile(&jsonschema.Bundle{Document: document, References: map[string]*jsonschema.Bundle{"person.json": {Document: person}}}, Options{Subject: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if data, err = json.Marshal(drawn.value(t)); err != nil {
		t.Fatal(err)
	}
	return c, schema, data
}

// A masked event would not be valid, or hold some of what was masked; or equal
// events become different, or alike in two destinations.
func TestMaskedDocuments(t *testing.T) {
	staging, edge := masker(t, testers(), "staging"), masker(t, testers(), "edge-berlin")
	parsedPerson := parse(t, person)
	rapid.Check(t, func(t *rapid.T) {
		c, text, data := drawContract(t, parsedPerson)
		if err := c.Validate(data); err != nil {
			t.Fatalf("%s under %s: %v", data, text, err)
		}
		original := bytes.Clone(data)
		out, stats, err := c.Mask(nil, data, staging)
		if err != nil {
			t.Fatalf("%s under %s: %v", data, text, err)
		}
		again, _, _ := c.Mask(nil, data, staging)
		other, _, _ := c.Mask(nil, data, edge)
		switch {
		case !bytes.Equal(data, original):
			t.Fatal("the document was changed")
		case c.Validate(out) != nil:
			t.Fatalf("%s is not valid: %v", out, c.Validate(out))
		case reveals(out):
			t.Fatalf("%s shows a value", out)
		case !bytes.Equal(out, again):
			t.Fatalf("masked twice: %s and %s", out, again)
		case bytes.Equal(out, other) != (stats.Masked == 0):
			t.Fatalf("%d tokens; for two destinations: %s and %s", stats.Masked, out, other)
		case bytes.Count(data, []byte(canary)) > stats.Changed():
			t.Fatalf("%+v of %s", stats, data)
		}
	})
}

// reveals reports whether a canary is anywhere in a text, or in what strings of it hold.
func reveals(text []byte) bool {
	if bytes.Contains(text, []byte(canary)) {
		return true
	}
	for _, found := range anyString.FindAll(text, -1) {
		var held string
		if json.Unmarshal(found, &held) != nil {
			continue
		}
		if decoded, err := base64.StdEncoding.DecodeString(held); err == nil && len(decoded) > 0 && reveals(decoded) {
			return true
		}
		if json.Valid([]byte(held)) && len(held) < len(found) && reveals([]byte(held)) {
			return true
		}
	}
	return false
}

var anyString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// fuzzContracts are schemas that use everything the engine knows.
func fuzzContracts(t testing.TB) []*Contract {
	var contracts []*Contract
	for _, open := range []bool{false, true} {
		for _, schema := range []string{
			`{"properties":{"a":{"$ref":"#"},"b":{"items":{"oneOf":[{"type":"string","x-lockstep-class":"login"},{"$ref":"#/properties/b"},{"type":"integer","x-lockstep-class":"id"}]}},"c":{"x-lockstep-class":"secret"}},"patternProperties":{"^x":{"x-lockstep-class":"email"}},"x-lockstep-key-class":"name"}`,
			`{"x-lockstep-class":"text","x-lockstep-key-class":"login","if":{"required":["k"]},"then":{"properties":{"k":{"enum":[1,"a",null]}}},"else":{"unevaluatedProperties":{"x-lockstep-class":"id"}},"contains":{"x-lockstep-class":"secret","type":"number"},"uniqueItems":true}`,
			`{"type":["object","array"],"prefixItems":[{"multipleOf":0.1,"x-lockstep-class":"id"},{"maxLength":3,"x-lockstep-class":"text"}],"unevaluatedItems":{"x-lockstep-class":"public"},"dependentSchemas":{"a":{"properties":{"b":{"minimum":0,"x-lockstep-class":"id"}}}},"x-lockstep-key":["/a"]}`,
		} {
			contracts = append(contracts, compile(t, schema, nil, Options{Open: open, Overlay: overlay(t, "properties: {b: id, '': text}\nsubjects: {shop.>: {/a/*: login}}")}))
		}
	}
	return contracts
}

// A hostile event would crash the gate or the route, or what is withheld would
// say why by showing it.
func FuzzContract(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"b":["x",[1,"y"]],"xq":"m@n"}}`, `[1,"ab",null,2]`, `{"k":"a","l":{"":1e400}}`, `{"a":1,"b":-0.10,"c":[]}`, `"\ud800"`, `{"a":{"a":{"a":{}}}}`,
		`[0.1,"abc",{"zqcanary":"zqcanary"}]`, `{"zqcanary":"zqcanary","b":["zqcanary"]}`,
	} {
		f.Add([]byte(seed))
	}
	contracts := fuzzContracts(f)
	m := masker(f, testers(), "staging")
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, c := range contracts {
			err := c.Validate(data)
			var invalid *Invalid
			if err != nil && (!errors.As(err, &invalid) || len(invalid.Violations) == 0 || invalid.Cure == "" || len(err.Error()) > 4000) {
				t.Fatalf("%#v", err)
			}
			agree(t, c, data)
			_, _ = c.KeyTokens(data)
			out, _, err := c.Mask(nil, data, m)
			var w *Withheld
			switch {
			case err == nil:
				if err := c.Validate(out); err != nil {
					t.Fatalf("%s: %v", out, err)
				}
			case !errors.As(err, &w) || w.Code == CodeFault:
				t.Fatalf("%#v", err)
			case strings.Contains(w.Error(), canary):
				t.Fatalf("%v", w)
			}
		}
	})
}

// A real event would be withheld, or cross with a login in it.
func TestGitHubMasked(t *testing.T) {
	o := githubOverlay(t)
	p := testers()
	p.Classes["secret"], p.Classes["account"] = mask.Rule{Technique: mask.Redact}, mask.Rule{Technique: mask.Redact}
	m := masker(t, p, "staging")
	tokens := map[string][]string{}
	masked := 0
	for _, event := range github(t, o, false) {
		out, stats, err := event.contract.Mask(nil, event.data, m)
		if knownInvalid[event.name] {
			if err == nil {
				t.Errorf("%s is not valid and crosses", event.name)
			}
			continue
		}
		if err != nil || stats.Masked == 0 {
			t.Errorf("%s: %+v, %v", event.name, stats, err)
			continue
		}
		masked++
		var raw, safe any
		if json.Unmarshal(event.data, &raw) != nil || json.Unmarshal(out, &safe) != nil {
			t.Fatal(event.name)
		}
		pairLogins(raw, safe, tokens)
		for _, name := range []string{"codertocat", "octocat"} {
			if bytes.Contains(bytes.ToLower(out), []byte(name)) {
				t.Errorf("%s holds %s", event.name, name)
			}
		}
	}
	if masked != 271 || len(tokens) < 20 {
		t.Errorf("%d events, %d logins", masked, len(tokens))
	}
	delete(tokens, "github") // GitHub's own name, which its schema has as a constant
	for login, tokens := range tokens {
		if len(tokens) != 1 || tokens[0] == login {
			t.Errorf("%s became %q", login, tokens)
		}
	}
}

// pairLogins collects what each login became.
func pairLogins(raw, safe any, tokens map[string][]string) {
	switch raw := raw.(type) {
	case map[string]any:
		safe, _ := safe.(map[string]any)
		for name, value := range raw {
			if login, ok := value.(string); ok && name == "login" {
				token, _ := safe[name].(string)
				login = strings.ToLower(login)
				if !slices.Contains(tokens[login], token) {
					tokens[login] = append(tokens[login], token)
				}
			}
			pairLogins(value, safe[name], tokens)
		}
	case []any:
		safe, _ := safe.([]any)
		for i, value := range raw {
			if i < len(safe) {
				pairLogins(value, safe[i], tokens)
			}
		}
	}
}

// A hostile event would hold the gate up, or fill its memory.
func TestHostileDocumentsAreCheap(t *testing.T) {
	c := compile(t, `{"properties":{"n":{"items":{"type":"integer","maximum":5}},"s":{"uniqueItems":true}},"additionalProperties":{"$ref":"#"}}`, nil, Options{})
	for name, document := range map[string]string{
		"numbers with large exponents": `{"n":[` + strings.Repeat("1e1024,", 20_000) + `1]}`,
		"numbers beyond all bounds":    `{"n":[` + strings.Repeat("1e999999999,", 50_000) + `1]}`,
		"violations without end":       `{"n":[` + strings.Repeat(`"",`, 60_000) + `1]}`,
		"undeclared without end":       `{"n":[` + strings.Repeat(`{"":1},`, 30_000) + `1]}`,
		"many equal items":             `{"s":[` + strings.Repeat(`1,`, 400_000) + `1]}`,
		"many items that differ":       `{"s":[` + differing(100_000) + `]}`,
		"many names":                   `{` + names(80_000) + `}`,
		"deep":                         strings.Repeat(`{"a":`, 99) + `{"b":` + `1` + strings.Repeat(`}`, 100),
		"long name":                    `{"` + strings.Repeat("n", 1_000_000) + `":{"n":"x"}}`,
	} {
		start := cputest.Used()
		err := c.Validate([]byte(document))
		if took := cputest.Used() - start; took > 20*time.Second {
			t.Errorf("%s: %v", name, took)
		} else {
			t.Logf("%s: %v, %.150v", name, took, err)
		}
		if err != nil && len(err.Error()) > 5000 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

func differing(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.String() + "-1"
}

func names(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d":{},`, i)
	}
	return b.String() + `"x":{}`
}

// Documents could fill the gate's memory with what is remembered of a schema.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	var choices []string
	for i := range 10 {
		choices = append(choices, fmt.Sprintf(`{"anyOf":[{"required":["a%d"]},{"type":"object"}]}`, i))
	}
	c := compile(t, `{"x-lockstep-class":"public","x-lockstep-key-class":"public","allOf":[`+strings.Join(choices, ",")+`],"additionalProperties":{"$ref":"#"}}`, nil, Options{})
	w := c.slow().(*walker)
	m := masker(t, testers(), "staging")
	for n := range 1 << 10 {
		object := map[string]any{fmt.Sprint("n", n): map[string]any{fmt.Sprint("m", n): map[string]any{}}}
		for i := range 10 {
			if n>>i&1 == 1 {
				object[fmt.Sprint("a", i)] = map[string]any{}
			}
		}
		data, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if out, _, err := c.Mask(nil, data, m); err != nil || len(out) != len(data) {
			t.Fatalf("%s, %v", out, err)
		}
	}
	if n := len(w.places.known); n > 10 {
		t.Errorf("%d places", n)
	}
	for _, p := range w.places.known {
		n := 0
		p.spots.Range(func(_, s any) bool {
			s.(*spot).children.Range(func(any, any) bool { n++; return true })
			n++
			return true
		})
		if n > maxSpots+1 {
			t.Errorf("%d spots", n)
		}
	}
}
