package jsonschema

import (
	"encoding/json"
	"strings"
)

// surelyValid reports whether a schema is valid under its draft's metaschema, as
// far as that can be told quickly: where it says true the metaschema, put to the
// library, says so too, a hundred times as slowly; where it says false nothing is
// known, and the library is asked. So all that is unusual is left to the library,
// and one rule serves several drafts by being as strict as the strictest of them.
//
// Regular expressions are taken to compile: checkPatterns comes first.
func surelyValid(value any, draft Draft) bool {
	if draft == Draft4 {
		return false // too unlike the others
	}
	return surely{draft}.schema(value)
}

// surely knows the draft that a schema is read as.
type surely struct{ draft Draft }

func (y surely) schema(value any) bool {
	switch value := value.(type) {
	case bool:
		return true
	case map[string]any:
		for name, v := range value {
			if !y.keyword(name, v) {
				return false
			}
		}
		return true
	}
	return false
}

// keyword checks a keyword's value. What no metaschema knows may be anything.
func (y surely) keyword(name string, v any) bool {
	switch name {
	case "$comment", "title", "description", "format", "pattern", "contentEncoding", "contentMediaType":
		return isString(v)
	case "deprecated", "readOnly", "writeOnly", "uniqueItems":
		return isBool(v)
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains":
		return isCount(v)
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		return isNumber(v)
	case "multipleOf":
		return isPositive(v)
	case "type":
		return isType(v)
	case "enum":
		return isEnum(v)
	case "required":
		return areDistinctStrings(v)
	case "examples":
		_, ok := v.([]any)
		return ok
	case "dependentRequired":
		return each(v, areDistinctStrings)
	case "dependencies":
		return each(v, func(v any) bool { return areDistinctStrings(v) || y.schema(v) })
	case "properties", "patternProperties", "definitions", "$defs", "dependentSchemas":
		return each(v, y.schema)
	case "not", "if", "then", "else", "additionalProperties", "propertyNames", "contains",
		"unevaluatedProperties", "unevaluatedItems", "contentSchema", "additionalItems":
		return y.schema(v)
	case "items":
		return y.schema(v) || y.draft <= Draft2019 && y.schemas(v)
	case "allOf", "anyOf", "oneOf", "prefixItems":
		return y.schemas(v)
	case "$schema":
		s, ok := v.(string)
		if ok {
			_, ok = DraftOf(s)
		}
		return ok
	case "$id", "$ref", "$dynamicRef", "$recursiveRef":
		return isPlainReference(v, name == "$id")
	case "$anchor", "$dynamicAnchor":
		return isAnchor(v)
	case "$vocabulary", "$recursiveAnchor":
		return false
	}
	return true
}

// schemas is a list of schemas that is not empty.
func (y surely) schemas(v any) bool {
	list, ok := v.([]any)
	for _, item := range list {
		if !y.schema(item) {
			return false
		}
	}
	return ok && len(list) > 0
}

// each is an object whose members are all so.
func each(v any, so func(any) bool) bool {
	members, ok := v.(map[string]any)
	for _, member := range members {
		if !so(member) {
			return false
		}
	}
	return ok
}

func isString(v any) bool { _, ok := v.(string); return ok }

func isBool(v any) bool { _, ok := v.(bool); return ok }

func isNumber(v any) bool { _, ok := v.(json.Number); return ok }

// isCount is an integer of at least 0, written plainly.
func isCount(v any) bool {
	n, ok := v.(json.Number)
	return ok && strings.Trim(string(n), "0123456789") == ""
}

// isPositive is a number greater than 0.
func isPositive(v any) bool {
	n, ok := v.(json.Number)
	if !ok || strings.HasPrefix(string(n), "-") {
		return false
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(string(n)), "e")
	return strings.ContainsAny(mantissa, "123456789")
}

func isType(v any) bool {
	switch v := v.(type) {
	case string:
		switch v {
		case "array", "boolean", "integer", "null", "number", "object", "string":
			return true
		}
	case []any:
		for _, item := range v {
			if !isString(item) || !isType(item) {
				return false
			}
		}
		return len(v) > 0 && areDistinctStrings(v)
	}
	return false
}

// isEnum is a list of different strings, which drafts up to 7 require.
func isEnum(v any) bool {
	list, ok := v.([]any)
	return ok && len(list) > 0 && areDistinctStrings(v)
}

func areDistinctStrings(v any) bool {
	list, ok := v.([]any)
	if !ok {
		return false
	}
	const few = 16
	if len(list) > few {
		seen := make(map[string]bool, len(list))
		for _, item := range list {
			s, ok := item.(string)
			if !ok || seen[s] {
				return false
			}
			seen[s] = true
		}
		return true
	}
	for i, item := range list {
		if !isString(item) {
			return false
		}
		for _, other := range list[:i] {
			if item == other {
				return false
			}
		}
	}
	return true
}

// isPlainReference is a URI reference of characters that stand for themselves:
// those in whose places a URL may be malformed are left to the library.
func isPlainReference(v any, id bool) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	rest, _ := strings.CutPrefix(s, "https://")
	rest, _ = strings.CutPrefix(rest, "http://")
	path, fragment, _ := strings.Cut(rest, "#")
	return plain(path, "/") && plain(fragment, "/~$") && !(id && fragment != "")
}

// plain reports whether s holds letters, digits, '.', '_', '-' and those of extra
// only.
func plain(s, extra string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
		if !letter && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return true
}

// isAnchor is a name that both drafts with anchors admit.
func isAnchor(v any) bool {
	s, ok := v.(string)
	return ok && s != "" && (s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z') && plain(s, "")
}
