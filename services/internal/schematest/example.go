package schematest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Examples makes documents of a schema with everything in them that it
// declares, optional properties and one made-up property of each map included.
// Where a schema has alternatives, each document takes another. They are meant
// to be valid, but nothing promises it: who uses them validates them. Made for
// the vocabulary of GitHub's and of the shop's schemas, not for any there is.
func Examples(b *jsonschema.Bundle) [][]byte {
	var documents [][]byte
	for choice := range maxChoices {
		e := example{choice: choice}
		value := e.of(b, b.Document.Value(), 0)
		text, err := json.Marshal(value)
		if err != nil {
			panic(fmt.Sprintf("schematest: an example cannot be marshalled: %v", err)) // it is made of JSON's own types
		}
		if !slices.ContainsFunc(documents, func(d []byte) bool { return bytes.Equal(d, text) }) {
			documents = append(documents, text)
		}
	}
	return documents
}

const (
	maxChoices = 4
	maxDepth   = 24 // of nesting: schemas refer to themselves
)

// example makes one document.
type example struct {
	choice int
	n      int // values made so far
}

// nothing is what a schema of nothing in particular makes.
type nothing struct{}

func (e *example) of(b *jsonschema.Bundle, schema any, depth int) any {
	s, ok := schema.(map[string]any)
	if !ok || depth > maxDepth {
		return "anything"
	}
	if ref, ok := s["$ref"].(string); ok {
		target := b.References[ref]
		return e.of(target, target.Document.Value(), depth+1)
	}
	if c, ok := s["const"]; ok {
		return c
	}
	if enum, ok := s["enum"].([]any); ok {
		return enum[e.choice%len(enum)]
	}
	var value any = nothing{}
	if own := e.own(b, s, depth); own != any(nothing{}) {
		value = own
	}
	for _, keyword := range []string{"oneOf", "anyOf"} {
		if list, ok := s[keyword].([]any); ok {
			value = merge(value, e.of(b, list[e.choice%len(list)], depth+1))
		}
	}
	if list, ok := s["allOf"].([]any); ok {
		for _, sub := range list {
			value = merge(value, e.of(b, sub, depth+1))
		}
	}
	if value == any(nothing{}) {
		return "anything"
	}
	return value
}

// own makes a value of what the schema itself says.
func (e *example) own(b *jsonschema.Bundle, s map[string]any, depth int) any {
	switch e.typeOf(s) {
	case "object":
		return e.object(b, s, depth)
	case "array":
		if most, ok := s["maxItems"].(json.Number); ok && most == "0" {
			return []any{}
		}
		switch items := s["items"].(type) {
		case map[string]any:
			return []any{e.of(b, items, depth+1)}
		case []any:
			var list []any
			for _, item := range items {
				list = append(list, e.of(b, item, depth+1))
			}
			return list
		}
		return []any{}
	case "string":
		return e.text(s)
	case "integer", "number":
		if maximum, ok := s["maximum"]; ok {
			return maximum
		}
		e.n++
		return json.Number(fmt.Sprint(1000 + e.n))
	case "boolean":
		return e.choice%2 == 0
	case "null":
		return nil
	}
	return nothing{}
}

func (e *example) typeOf(s map[string]any) string {
	switch t := s["type"].(type) {
	case string:
		return t
	case []any:
		name, _ := t[e.choice%len(t)].(string)
		return name
	}
	if s["properties"] != nil {
		return "object"
	}
	return ""
}

func (e *example) object(b *jsonschema.Bundle, s map[string]any, depth int) map[string]any {
	object := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		object[name] = e.of(b, properties[name], depth+1)
	}
	switch additional := s["additionalProperties"].(type) {
	case map[string]any:
		object["made-up"] = e.of(b, additional, depth+1)
	case bool:
		if additional {
			object["made-up"] = "anything"
		}
	}
	return object
}

func (e *example) text(s map[string]any) string {
	if given, ok := s["examples"].([]any); ok {
		if text, ok := given[0].(string); ok {
			return text
		}
	}
	e.n++
	switch s["format"] {
	case "date-time":
		return fmt.Sprintf("2024-05-06T07:08:%02dZ", e.n%60)
	case "uri":
		return fmt.Sprintf("https://example.test/%d", e.n)
	case "uri-template":
		return fmt.Sprintf("https://example.test/%d{/x}", e.n)
	case "email":
		return fmt.Sprintf("someone-%d@example.test", e.n)
	}
	return fmt.Sprintf("%s%d", plain, e.n)
}

// plain begins every text of which its schema says nothing.
const plain = "value-"

// merge is what two schemas make together: the later one is the narrower one,
// unless it says nothing of a text but that it is one.
func merge(a, b any) any {
	if b == any(nothing{}) {
		return a
	}
	left, ok := a.(map[string]any)
	right, also := b.(map[string]any)
	if !ok || !also {
		before, _ := a.(string)
		if after, _ := b.(string); before != "" && strings.HasPrefix(after, plain) {
			return a
		}
		return b
	}
	merged := maps.Clone(left)
	for name, value := range right {
		if before, ok := merged[name]; ok {
			value = merge(before, value)
		}
		merged[name] = value
	}
	return merged
}
