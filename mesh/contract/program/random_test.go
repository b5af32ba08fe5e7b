package program_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// The vocabulary of random schemas and documents is small, so that they meet.
var (
	someNames    = []string{"a", "b", "kind", "x-1", "ä", "a~/b", "longer_name_than_16_bytes", "longer_name_than_16_bytez"}
	someStrings  = []string{"", "a", "ab", "abc", "ä", "😀", "a\"b", "2024-02-29", "2024-02-29T10:00:00Z", "a@b.c", "https://a.b/c", "1.2.3.4", "::1"}
	someNumbers  = []string{"0", "-0", "1", "1.0", "1e0", "10e-1", "2", "-1", "0.01", "0.1", "1.5", "9007199254740993", "9007199254740992", "1e2", "100", "123456789012345678901234567890", "1e-30", "3"}
	somePatterns = []string{"^a", "b$", "^[a-z]+$", "^x-", "a|b", "^.{1,2}$", "^\\S+$", "ä", "^$", "^a{2,3}b*$", "\\bab\\b", "(?i)A"}
	someFormats  = []string{"date", "date-time", "time", "email", "uri", "uuid", "ipv4", "ipv6", "hostname", "uri-reference", "regex", "json-pointer", "uri-template", "duration", "unknown"}
	someTypes    = []string{"null", "boolean", "integer", "number", "string", "array", "object"}
	someDrafts   = []jsonschema.Draft{jsonschema.Draft4, jsonschema.Draft6, jsonschema.Draft7, jsonschema.Draft2019, jsonschema.Draft2020}
)

// raw is JSON text in a value that is to be marshalled.
func raw(text string) json.RawMessage { return json.RawMessage(text) }

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func chance(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// randomValue is a document.
func randomValue(r *rand.Rand, depth int) any {
	choices := []int{0, 1, 2, 3, 4, 5}
	if depth > 0 {
		choices = []int{0, 1, 2, 4, 6, 6, 7, 7, 7, 7, 7}
	}
	switch pick(r, choices) {
	case 0:
		return nil
	case 1:
		return chance(r, 2)
	case 2, 3:
		return raw(pick(r, someNumbers))
	case 4, 5:
		return pick(r, someStrings)
	case 6:
		items := make([]any, pick(r, []int{0, 1, 2, 3, 4, 40}))
		for i := range items {
			items[i] = randomValue(r, depth-1)
		}
		return items
	default:
		members := map[string]any{}
		for range pick(r, []int{0, 1, 2, 3, 4, 5}) {
			members[pick(r, someNames)] = randomValue(r, depth-1)
		}
		return members
	}
}

// schemas draws random schemas of one draft.
type schemas struct {
	*rand.Rand
	draft jsonschema.Draft
}

func (s schemas) schema(depth int) any {
	if s.draft > jsonschema.Draft4 && chance(s.Rand, 12) {
		return chance(s.Rand, 2)
	}
	m := map[string]any{}
	for range pick(s.Rand, []int{0, 1, 2, 2, 3, 3, 4, 6}) {
		s.keyword(m, depth)
	}
	return m
}

func (s schemas) list(depth int) []any {
	list := make([]any, (1 + s.Rand.IntN(3)))
	for i := range list {
		list[i] = s.schema(depth - 1)
	}
	return list
}

func (s schemas) named(depth int, names []string) map[string]any {
	m := map[string]any{}
	for range pick(s.Rand, []int{0, 1, 2, 2, 3, 4}) {
		m[pick(s.Rand, names)] = s.schema(depth - 1)
	}
	return m
}

func (s schemas) names() []string {
	set := map[string]bool{}
	for range 1 + s.Rand.IntN(2) {
		set[pick(s.Rand, someNames)] = true
	}
	var names []string
	for name := range set {
		names = append(names, name)
	}
	return names
}

// keyword adds a keyword to m. Where the draft doesn't know it, v5 ignores it.
func (s schemas) keyword(m map[string]any, depth int) {
	small := func() int { return (0 + s.Rand.IntN(4)) }
	simple := []func(){
		func() { m["type"] = pick(s.Rand, someTypes) },
		func() { m["type"] = []string{"object", pick(s.Rand, someTypes[:6])} },
		func() { m["type"] = "object" },
		func() { m["enum"] = []any{randomValue(s.Rand, 1)} },
		func() { m["enum"] = []any{"a", raw("1"), nil, raw("1.5"), "ä"} },
		func() { m["const"] = randomValue(s.Rand, 1) },
		func() { m["minLength"] = small() },
		func() { m["maxLength"] = small() },
		func() { m["pattern"] = pick(s.Rand, somePatterns) },
		func() { m["format"] = pick(s.Rand, someFormats) },
		func() { m["minimum"] = raw(pick(s.Rand, someNumbers)) },
		func() { m["maximum"] = raw(pick(s.Rand, someNumbers)) },
		func() { m["multipleOf"] = raw(pick(s.Rand, []string{"0.01", "1", "1.5", "3", "1e-30", "0.1"})) },
		func() { m["required"] = s.names() },
		func() { m["minProperties"] = small() },
		func() { m["maxProperties"] = small() },
		func() { m["minItems"] = small() },
		func() { m["maxItems"] = small() },
		func() { m["uniqueItems"] = true },
		func() { m["dependentRequired"] = map[string]any{pick(s.Rand, someNames): s.names()} },
		func() { m["dependencies"] = map[string]any{pick(s.Rand, someNames): s.names()} },
		func() {
			if s.draft > jsonschema.Draft4 {
				m["exclusiveMinimum"] = raw(pick(s.Rand, someNumbers))
			}
		},
		func() { m["$ref"] = pick(s.Rand, []string{"#/definitions/one", "#/definitions/two"}) },
		func() { m["contentEncoding"] = "base64" },
		func() { m["contentMediaType"] = "application/json" },
	}
	deep := []func(){
		func() { m["properties"] = s.named(depth, someNames) },
		func() { m["properties"] = s.named(depth, someNames) },
		func() { m["properties"] = s.named(depth, someNames) },
		func() { m["patternProperties"] = s.named(depth, somePatterns) },
		func() { m["additionalProperties"] = s.schema(depth - 1) },
		func() { m["additionalProperties"] = chance(s.Rand, 2) },
		func() { m["propertyNames"] = s.schema(depth - 1) },
		func() { m["items"] = s.schema(depth - 1) },
		func() {
			if s.draft < jsonschema.Draft2020 {
				m["items"], m["additionalItems"] = s.list(depth), s.schema(depth-1)
			} else {
				m["prefixItems"] = s.list(depth)
			}
		},
		func() { m["contains"] = s.schema(depth - 1) },
		func() { m["contains"], m["minContains"], m["maxContains"] = s.schema(depth-1), small(), small() },
		func() { m["allOf"] = s.list(depth) },
		func() { m["anyOf"] = s.list(depth) },
		func() { m["oneOf"] = s.list(depth) },
		func() { m["not"] = s.schema(depth - 1) },
		func() {
			m["if"], m["then"], m["else"] = s.schema(depth-1), s.schema(depth-1), s.schema(depth-1)
		},
		func() { m["dependentSchemas"] = s.named(depth, someNames) },
		func() { m["dependencies"] = s.named(depth, someNames) },
		func() { m["unevaluatedProperties"] = s.schema(depth - 1) },
		func() { m["unevaluatedProperties"] = false },
		func() { m["unevaluatedProperties"] = false },
		func() { m["unevaluatedItems"] = chance(s.Rand, 2) },
	}
	if depth > 0 && !chance(s.Rand, 3) {
		pick(s.Rand, deep)()
	} else {
		pick(s.Rand, simple)()
	}
}

// combined draws a schema that does little but combine others about which
// properties an object has: what is closed and unevaluated is decided so.
func (s schemas) combined(depth int) any {
	m := map[string]any{}
	few := someNames[:4]
	list := func() []any {
		out := make([]any, 2+s.IntN(2))
		for i := range out {
			out[i] = s.combined(depth - 1)
		}
		return out
	}
	for range 1 + s.IntN(3) {
		choice := s.IntN(15)
		if depth <= 0 {
			choice = s.IntN(5)
		}
		switch choice {
		case 0:
			m["properties"] = map[string]any{pick(s.Rand, few): true, pick(s.Rand, few): map[string]any{"const": s.IntN(2)}}
		case 1:
			m["required"] = []string{pick(s.Rand, few)}
		case 2:
			m["unevaluatedProperties"] = false
		case 3:
			m["patternProperties"] = map[string]any{pick(s.Rand, []string{"^a", "b$", "k|b"}): chance(s.Rand, 2)}
		case 4:
			m["additionalProperties"] = chance(s.Rand, 3)
		case 5:
			m["properties"] = map[string]any{pick(s.Rand, few): s.combined(depth - 1), pick(s.Rand, few): true}
		case 6:
			m["anyOf"] = list()
		case 7:
			m["oneOf"] = list()
		case 8:
			m["allOf"] = list()
		case 9:
			m["if"], m["then"], m["else"] = s.combined(depth-1), s.combined(depth-1), s.combined(depth-1)
		case 10:
			m["dependentSchemas"] = map[string]any{pick(s.Rand, few): s.combined(depth - 1)}
		case 11:
			m["not"] = s.combined(depth - 1)
		case 12:
			m["$ref"] = pick(s.Rand, []string{"#/$defs/one", "#/$defs/two"})
		case 13:
			m["items"] = s.combined(depth - 1)
		case 14:
			m["contains"] = s.combined(depth - 1)
		}
	}
	return m
}

func (s schemas) combinedRoot() []byte {
	root := s.combined(3).(map[string]any)
	root["$defs"] = map[string]any{"one": s.combined(2), "two": s.combined(1)}
	return mustMarshal(root)
}

// combinedValue is a document for such a schema.
func combinedValue(r *rand.Rand, depth int) any {
	if depth == 0 || chance(r, 4) {
		return r.IntN(2)
	}
	if chance(r, 5) {
		return []any{combinedValue(r, depth-1), combinedValue(r, depth-1)}
	}
	m := map[string]any{}
	for range r.IntN(4) {
		m[pick(r, someNames[:4])] = combinedValue(r, depth-1)
	}
	return m
}

func randomSchema(r *rand.Rand) []byte {
	s := schemas{r, pick(r, someDrafts)}
	root := map[string]any{"type": "object"}
	for range 2 + r.IntN(4) {
		s.keyword(root, 4)
	}
	delete(root, "$ref") // with which older drafts ignore all the rest
	if chance(r, 3) {
		delete(root, "type")
	}
	root["$schema"] = s.draft.URL()
	definitions := map[string]any{}
	for _, name := range []string{"one", "two"} {
		definition := s.schema(2)
		if _, isBool := definition.(bool); isBool {
			definition = map[string]any{}
		}
		definitions[name] = definition
	}
	root["definitions"] = definitions
	return mustMarshal(root)
}

func mustMarshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// Combinations of keywords that nobody thought of could be judged differently
// than by the reference validator.
func TestRandomSchemas(t *testing.T) {
	n := 600
	if testing.Short() {
		n = 100
	}
	if more, err := strconv.Atoi(os.Getenv("LOCKSTEP_RANDOM_SCHEMAS")); err == nil {
		n = more
	}
	start := uint64(time.Now().UnixNano())
	for i := range uint64(n) {
		if checkRandom(t, start+i); t.Failed() {
			t.Fatalf("with seed %d", start+i)
		}
	}
}

func FuzzRandomSchemas(f *testing.F) {
	f.Fuzz(func(t *testing.T, seed uint64) { checkRandom(t, seed) })
}

// checkRandom compares the engines on one random schema and some documents.
func checkRandom(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	text, value := randomSchema(r), func() any { return randomValue(r, 3) }
	if chance(r, 2) {
		text, value = schemas{r, jsonschema.Draft2020}.combinedRoot(), func() any { return combinedValue(r, 3) }
	}
	document, err := jsonschema.Parse(text)
	if err != nil {
		return
	}
	s, err := newSubject(&jsonschema.Bundle{Document: document})
	if err != nil {
		return
	}
	for i := range 10 {
		data := mustMarshal(value())
		s.agree(t, "random", data)
		if i == 0 {
			s.agree(t, "random, escaped", escapeAll(data))
		}
	}
}

// FuzzSchemas lets both schema and document be changed at will.
func FuzzSchemas(f *testing.F) {
	f.Add([]byte(`{"properties": {"a": {"type": "string"}}}`), []byte(`{"a": "x"}`))
	if _, err := os.Stat(os.Getenv("LOCKSTEP_CORPUS")); err == nil {
		for _, file := range suite(f) {
			for _, g := range file.groups {
				for _, c := range g.Tests {
					f.Add([]byte(g.Schema), []byte(c.Data))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, schema, data []byte) {
		if len(schema) > 4<<10 || len(data) > 4<<10 {
			return
		}
		document, err := jsonschema.Parse(schema)
		if err != nil {
			return
		}
		if s, err := newSubject(&jsonschema.Bundle{Document: document}); err == nil {
			s.agree(t, "fuzzed", data)
		}
	})
}

// escapeAll writes each letter of a document's strings as an escape.
func escapeAll(data []byte) []byte {
	var b strings.Builder
	inside := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			inside = !inside
			b.WriteByte(c)
		case inside && c == '\\':
			b.WriteByte(c)
			i++
			b.WriteByte(data[i])
		case inside && (c >= 'a' && c <= 'c' || c == '/'):
			fmt.Fprintf(&b, "\\u%04X", c)
		default:
			b.WriteByte(c)
		}
	}
	return []byte(b.String())
}
