package jsonschema

import (
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// dataKeywords hold instances, not schemas: a "$ref" in them is somebody's data.
var dataKeywords = map[string]bool{"const": true, "enum": true, "default": true, "examples": true}

// mapKeywords hold schemas by names that are no keywords.
var mapKeywords = map[string]bool{
	"properties": true, "patternProperties": true, "definitions": true, "$defs": true,
	"dependencies": true, "dependentSchemas": true,
}

// Schemas goes through the document's schema objects, outermost first, with
// their JSON pointers; in one object, by the keywords' names. What stands
// under a keyword that no draft knows counts as a schema if it is an object,
// because a "$ref" may lead there. Callers must not change the objects.
func (d *Document) Schemas() iter.Seq2[string, map[string]any] {
	return func(yield func(string, map[string]any) bool) {
		walkSchema("", d.value, sortedKeys, yield)
	}
}

// walkSchema visits the schema objects in value; keys are the keys of an object, in
// the order in which they are visited.
func walkSchema(pointer string, value any, keys func(map[string]any) []string, yield func(string, map[string]any) bool) bool {
	schema, ok := value.(map[string]any)
	if !ok {
		return true
	}
	if !yield(pointer, schema) {
		return false
	}
	for _, keyword := range keys(schema) {
		if dataKeywords[keyword] {
			continue
		}
		at := pointer + "/" + escapeToken(keyword)
		switch v := schema[keyword].(type) {
		case map[string]any:
			if !mapKeywords[keyword] {
				if !walkSchema(at, v, keys, yield) {
					return false
				}
				continue
			}
			for _, name := range keys(v) {
				if !walkSchema(at+"/"+escapeToken(name), v[name], keys, yield) {
					return false
				}
			}
		case []any:
			for i, item := range v {
				if !walkSchema(at+"/"+strconv.Itoa(i), item, keys, yield) {
					return false
				}
			}
		}
	}
	return true
}

// Find returns what pointer (RFC 6901) leads to in value.
func Find(value any, pointer string) (any, bool) {
	if pointer == "" {
		return value, true
	}
	if pointer[0] != '/' {
		return nil, false
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		switch v := value.(type) {
		case map[string]any:
			next, ok := v[UnescapeToken(token)]
			if !ok {
				return nil, false
			}
			value = next
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != token {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// anyKeys are the keys in any order, for those to whom it does not matter.
func anyKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

var (
	pointerEscaper   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

func escapeToken(name string) string { return pointerEscaper.Replace(name) }

// UnescapeToken is the name that one token of a JSON pointer stands for.
func UnescapeToken(token string) string { return pointerUnescaper.Replace(token) }

// EscapeToken is name as one token of a JSON pointer.
func EscapeToken(name string) string { return escapeToken(name) }

// unescapePointer undoes the percent-encoding that the library puts on top of
// a pointer's own escapes.
func unescapePointer(pointer string) string {
	plain, err := url.PathUnescape(pointer)
	if err != nil {
		return pointer
	}
	return plain
}
