package compat

import (
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"maps"
	"slices"

	"pgregory.net/rapid"
)

// Generators of schemas, of changes to them, and of documents. They draw from
// few names and values, so that schemas and documents meet.

var (
	names    = []string{"a", "b", "c", "ab"}
	patterns = []string{"^a", "b$", "^c$", "", "x"}
	texts    = []string{"", "a", "b", "ab", "abc", "2020-01-02", "a@b.c"}
	formats  = []string{"date", "email", "uri-template", "nonsense"}
	drafts   = []string{
		"http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-06/schema#", "http://json-schema.org/draft-07/schema#",
		"https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema",
	}
)

type object_ = map[string]any

// between draws an integer, all equally likely: rapid prefers small ones, and
// with those most schemas would be empty.
func between(t *rapid.T, low, high int, label string) int {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, rapid.Uint64().Draw(t, label))
	_, _ = h.Write([]byte(label))
	return low + int((h.Sum64()>>7)%uint64(high-low+1))
}

func chance(t *rapid.T, label string) bool { return between(t, 0, 1, label) == 1 }

func oneOfThese[E any](t *rapid.T, list []E, label string) E {
	return list[between(t, 0, len(list)-1, label)]
}

var numbers = []json.Number{"0", "1", "2", "3", "-1", "0.5", "1.5", "1.0", "4", "6"}

func scalar(t *rapid.T) any {
	switch between(t, 0, 4, "scalar") {
	case 0:
		return nil
	case 1:
		return chance(t, "bool")
	case 2:
		return oneOfThese(t, texts, "text")
	}
	return oneOfThese(t, numbers, "number")
}

func value(t *rapid.T, depth int) any {
	if depth <= 0 {
		return scalar(t)
	}
	switch between(t, 0, 5, "value") {
	case 0, 1:
		out := object_{}
		for _, name := range names {
			if chance(t, "has "+name) {
				out[name] = value(t, depth-1)
			}
		}
		return out
	case 2:
		out := []any{}
		for range between(t, 0, 3, "items") {
			out = append(out, value(t, depth-1))
		}
		return out
	}
	return scalar(t)
}

// schema draws a schema with some keywords. Those that its draft does not know
// are harmless.
func schema(t *rapid.T, depth int) any {
	switch between(t, 0, 14, "schema") {
	case 0:
		return object_{}
	case 1, 2:
		if depth > 0 {
			return object_{"$ref": oneOfThese(t, []string{"#", "#/definitions/d", "#/definitions/d", "#/definitions/e"}, "ref")}
		}
	}
	out := object_{}
	fill(t, out, depth, between(t, 0, 3, "keywords"))
	return out
}

// groups are the types that a schema is about, each with keywords that matter
// to it.
var groups = []string{"object", "object", "object", "array", "string", "number", "integer", "any"}

func fill(t *rapid.T, out object_, depth, keywords int) {
	group := oneOfThese(t, groups, "group")
	switch between(t, 0, 5, "typed") {
	case 0:
	case 1:
		out["type"] = oneOfThese(t, []any{"boolean", "null", []any{"string", "null"}, []any{"object", "string"}, []any{"integer", "array"}, []any{"number", "null"}}, "type")
	default:
		if group != "any" {
			out["type"] = group
		}
	}
	for range keywords {
		addKeyword(t, out, group, depth)
	}
}

func addKeyword(t *rapid.T, out object_, group string, depth int) {
	if between(t, 0, 9, "astray") == 0 {
		group = oneOfThese(t, groups, "group")
	}
	sub := func() any { return schema(t, depth-1) }
	if depth <= 0 {
		// Only refs and scalars are left to end the nesting.
		sub = func() any {
			return object_{"type": oneOfThese(t, []any{"string", "integer", "number", "object", "null"}, "leaf")}
		}
	}
	combined := between(t, 0, 3, "combined") == 0
	switch {
	case group == "any" || combined:
		addCombination(t, out, sub)
	case group == "object":
		addObjectKeyword(t, out, sub)
	case group == "array":
		addArrayKeyword(t, out, sub)
	case group == "string":
		switch between(t, 0, 3, "keyword") {
		case 0:
			out["minLength"] = count(t)
		case 1:
			out["maxLength"] = count(t)
		case 2:
			out["pattern"] = oneOfThese(t, patterns, "pattern")
		case 3:
			out["format"] = oneOfThese(t, formats, "format")
		}
	default:
		switch between(t, 0, 4, "keyword") {
		case 0:
			out["minimum"] = oneOfThese(t, numbers, "minimum")
		case 1:
			out["maximum"] = oneOfThese(t, numbers, "maximum")
		case 2:
			out["exclusiveMinimum"] = oneOfThese(t, numbers, "exclusiveMinimum")
		case 3:
			out["multipleOf"] = oneOfThese(t, []json.Number{"1", "2", "0.5", "3"}, "multipleOf")
		case 4:
			out["exclusiveMaximum"] = oneOfThese(t, numbers, "exclusiveMaximum")
		}
	}
}

func count(t *rapid.T) json.Number {
	return json.Number(oneOfThese(t, []string{"0", "1", "2", "3"}, "count"))
}

func someNames(t *rapid.T) any {
	return slices.Clone(oneOfThese(t, [][]any{{"a"}, {"b"}, {"a", "b"}, {"c"}}, "names"))
}

func byName(t *rapid.T, f func() any) object_ {
	all := object_{}
	for range between(t, 1, 3, "entries") {
		all[oneOfThese(t, names, "name")] = f()
	}
	return all
}

func several(t *rapid.T, f func() any) []any {
	var all []any
	for range between(t, 1, 3, "branches") {
		all = append(all, f())
	}
	return all
}

func addCombination(t *rapid.T, out object_, sub func() any) {
	switch between(t, 0, 8, "combination") {
	case 0:
		out["const"] = value(t, 1)
	case 1:
		out["enum"] = []any{value(t, 1), scalar(t), scalar(t)}
	case 2:
		out["not"] = sub()
	case 3:
		out["allOf"] = several(t, sub)
	case 4:
		out["anyOf"] = several(t, sub)
	case 5, 6:
		out["oneOf"] = several(t, sub)
	case 7:
		out["if"], out["then"] = sub(), sub()
		if chance(t, "otherwise") {
			out["else"] = sub()
		}
	case 8:
		out["$recursiveRef"] = "#"
	}
}

func addObjectKeyword(t *rapid.T, out object_, sub func() any) {
	switch between(t, 0, 17, "keyword") {
	case 0, 1, 2, 3, 4:
		out["properties"] = byName(t, sub)
	case 5, 6:
		out["patternProperties"] = object_{oneOfThese(t, patterns, "pattern"): sub(), oneOfThese(t, patterns, "pattern"): sub()}
	case 7, 8:
		out["additionalProperties"] = oneOfThese(t, []any{false, false, true, object_{"type": "string"}}, "additional")
	case 9:
		out["additionalProperties"] = sub()
	case 10:
		out["unevaluatedProperties"] = oneOfThese(t, []any{false, true, object_{"type": "string"}}, "unevaluated")
	case 11:
		out["propertyNames"] = sub()
	case 12:
		out["dependentRequired"] = byName(t, func() any { return someNames(t) })
	case 13:
		out["dependentSchemas"] = byName(t, sub)
	case 14:
		out["dependencies"] = byName(t, func() any {
			if chance(t, "list") {
				return someNames(t)
			}
			return sub()
		})
	case 15:
		out["minProperties"] = count(t)
	case 16:
		out["maxProperties"] = count(t)
	case 17:
		out["required"] = someNames(t)
	}
}

func addArrayKeyword(t *rapid.T, out object_, sub func() any) {
	switch between(t, 0, 8, "keyword") {
	case 0, 1:
		out["items"] = sub()
	case 2:
		out["items"] = several(t, sub)
		if chance(t, "more") {
			out["additionalItems"] = oneOfThese(t, []any{false, object_{"type": "string"}}, "additionalItems")
		}
	case 3:
		out["prefixItems"] = several(t, sub)
	case 4:
		out["contains"] = sub()
		if chance(t, "counted") {
			out["minContains"], out["maxContains"] = count(t), count(t)
		}
	case 5:
		out["uniqueItems"] = true
	case 6:
		out["unevaluatedItems"] = oneOfThese(t, []any{false, object_{"type": "string"}}, "unevaluatedItems")
	case 7:
		out["minItems"] = count(t)
	case 8:
		out["maxItems"] = count(t)
	}
}

// mutate changes a schema, a copy, in a few places.
func mutate(t *rapid.T, root object_) object_ {
	root = clone(root).(object_)
	for range oneOfThese(t, []int{0, 1, 1, 1, 2, 2, 3}, "mutations") {
		whole := root
		if between(t, 0, 5, "definitions too") > 0 {
			whole = maps.Clone(root)
			delete(whole, "definitions")
		}
		places := subschemas(whole)
		places[0] = root
		at := places[between(t, 0, len(places)-1, "where")]
		keys := slices.Sorted(maps.Keys(at))
		keys = slices.DeleteFunc(keys, func(k string) bool { return k == "$schema" || k == "definitions" })
		switch how := between(t, 0, 7, "how"); {
		case how == 0 && len(keys) > 0:
			delete(at, oneOfThese(t, keys, "removed"))
		case how <= 2:
			group, ok := at["type"].(string)
			if !ok {
				group = oneOfThese(t, groups, "group")
			}
			addKeyword(t, at, group, 1)
		case how == 3:
			properties, ok := at["properties"].(object_)
			if !ok {
				properties = object_{}
				at["properties"] = properties
			}
			properties[oneOfThese(t, names, "property")] = schema(t, 1)
		case how == 4:
			properties, ok := at["properties"].(object_)
			if ok && len(properties) > 0 {
				delete(properties, oneOfThese(t, slices.Sorted(maps.Keys(properties)), "property"))
			}
		case how == 5 && len(keys) > 0:
			inner := object_{}
			for _, key := range keys {
				inner[key] = clone(at[key])
				delete(at, key)
			}
			at[oneOfThese(t, []string{"anyOf", "oneOf", "allOf"}, "wrap")] = []any{inner, schema(t, 0)}
		case how == 6:
			for _, keyword := range []string{"anyOf", "oneOf"} {
				if branches, ok := at[keyword].([]any); ok {
					at[keyword] = append(branches, schema(t, 1))
				}
			}
		default:
			delete(at, "required")
			delete(at, "additionalProperties")
		}
	}
	return root
}

// subschemas are the objects in schema positions, roughly: whatever is an object
// and not a map of schemas.
func subschemas(s object_) []object_ {
	out := []object_{s}
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if key == "const" || key == "enum" {
			continue
		}
		switch v := s[key].(type) {
		case object_:
			switch key {
			case "properties", "patternProperties", "dependentSchemas", "definitions":
				for _, name := range slices.Sorted(maps.Keys(v)) {
					if sub, ok := v[name].(object_); ok {
						out = append(out, subschemas(sub)...)
					}
				}
			case "dependencies", "dependentRequired":
			default:
				out = append(out, subschemas(v)...)
			}
		case []any:
			for _, item := range v {
				if sub, ok := item.(object_); ok {
					out = append(out, subschemas(sub)...)
				}
			}
		}
	}
	return out
}

func clone(v any) any {
	switch v := v.(type) {
	case object_:
		out := object_{}
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// likely draws a document that a schema is likely to admit.
func likely(t *rapid.T, root object_, s any, depth int) any {
	m, ok := s.(object_)
	if !ok || depth <= 0 || between(t, 0, 9, "stray") == 0 {
		return value(t, min(depth, 1))
	}
	if ref, ok := m["$ref"].(string); ok {
		target := any(root)
		if name, found := cutDefinition(ref); found {
			target = root["definitions"].(object_)[name]
		}
		return likely(t, root, target, depth-1)
	}
	if v, ok := m["const"]; ok {
		return v
	}
	if list, ok := m["enum"].([]any); ok {
		return oneOfThese(t, list, "listed")
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		if list, ok := m[keyword].([]any); ok && chance(t, "branch of "+keyword) {
			return likely(t, root, merge(m, oneOfThese(t, list, keyword)), depth-1)
		}
	}
	if then, ok := m["then"]; ok && chance(t, "then") {
		return likely(t, root, merge(m, then), depth-1)
	}
	types := m["type"]
	if list, ok := types.([]any); ok {
		types = oneOfThese(t, list, "type")
	}
	if types == nil {
		types = oneOfThese(t, []any{"object", "object", "array", "scalar"}, "type")
	}
	switch types {
	case "object":
		out := object_{}
		properties, _ := m["properties"].(object_)
		for _, name := range names {
			sub, declared := properties[name]
			required, _ := m["required"].([]any)
			switch {
			case slices.Contains(required, any(name)), declared && between(t, 0, 2, "has "+name) > 0:
				out[name] = likely(t, root, sub, depth-1)
			case !declared && between(t, 0, 5, "extra "+name) == 0:
				extra := m["additionalProperties"]
				if patterned, ok := m["patternProperties"].(object_); ok {
					for _, pattern := range slices.Sorted(maps.Keys(patterned)) {
						extra = patterned[pattern]
					}
				}
				out[name] = likely(t, root, extra, depth-1)
			}
		}
		return out
	case "array":
		out := []any{}
		tuple, _ := m["items"].([]any)
		if prefix, ok := m["prefixItems"].([]any); ok {
			tuple = prefix
		}
		for i := range between(t, 0, 3, "items") {
			sub := m["items"]
			if i < len(tuple) {
				sub = tuple[i]
			}
			out = append(out, likely(t, root, sub, depth-1))
		}
		return out
	case "string":
		return oneOfThese(t, texts, "text")
	case "integer", "number":
		return oneOfThese(t, numbers, "number")
	case "boolean":
		return chance(t, "bool")
	case "null":
		return nil
	}
	return value(t, depth-1)
}

func cutDefinition(ref string) (string, bool) {
	const prefix = "#/definitions/"
	if len(ref) > len(prefix) {
		return ref[len(prefix):], true
	}
	return "", false
}

func merge(a object_, b any) any {
	out := object_{}
	for k, v := range a {
		switch k {
		case "allOf", "anyOf", "oneOf", "then", "$schema":
		default:
			out[k] = v
		}
	}
	m, ok := b.(object_)
	if !ok {
		return out
	}
	if _, ref := m["$ref"]; ref {
		return m
	}
	for k, v := range m {
		if old, ok := out[k].(object_); ok && k == "properties" {
			both := object_{}
			maps.Copy(both, old)
			if more, ok := v.(object_); ok {
				maps.Copy(both, more)
			}
			v = both
		}
		out[k] = v
	}
	return out
}
