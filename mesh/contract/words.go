package contract

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// expected says in words what a keyword demands.
func expected(d demand) string {
	text := show(d.value)
	switch d.keyword {
	case "type":
		return strings.Join(typeNames(d.value), " or ")
	case "enum":
		return "one of " + strings.Trim(shortJSON(d.value, 300), "[]")
	case "const":
		return "exactly " + text
	case "format":
		return "text in the format " + text
	case "pattern":
		return "text that matches " + text
	case "minLength":
		return "at least " + counted(text, "character", "characters")
	case "maxLength":
		return "at most " + counted(text, "character", "characters")
	case "minItems":
		return "at least " + counted(text, "item", "items")
	case "maxItems":
		return "at most " + counted(text, "item", "items")
	case "minProperties":
		return "at least " + counted(text, "property", "properties")
	case "maxProperties":
		return "at most " + counted(text, "property", "properties")
	case "minimum":
		return "at least " + text
	case "maximum":
		return "at most " + text
	case "exclusiveMinimum":
		return "more than " + text
	case "exclusiveMaximum":
		return "less than " + text
	case "multipleOf":
		return "a multiple of " + text
	case "uniqueItems":
		return "items that all differ"
	case "not":
		return "a value that the schema under \"not\" refuses"
	case "oneOf":
		return "a value that exactly one alternative admits"
	case "dependencies", "dependentRequired":
		return "a property " + text + " wherever there is " + strconv.Quote(jsonschema.UnescapeToken(d.within))
	case "contains", "minContains":
		return "at least " + counted(text, "item", "items") + " as \"contains\" demands"
	case "maxContains":
		return "at most " + counted(text, "item", "items") + " as \"contains\" demands"
	}
	if d.value == false {
		return "no value here"
	}
	return "a value as \"" + d.keyword + "\" demands: " + text
}

// found says in words what is there instead.
func found(d demand, value any, message string) string {
	text := show(value)
	switch d.keyword {
	case "minLength", "maxLength":
		if s, ok := value.(string); ok {
			return fmt.Sprintf("%d: %s", utf8.RuneCountInString(s), text)
		}
	case "minItems", "maxItems":
		if items, ok := value.([]any); ok {
			return strconv.Itoa(len(items))
		}
	case "minProperties", "maxProperties":
		if object, ok := value.(map[string]any); ok {
			return strconv.Itoa(len(object))
		}
	case "dependencies", "dependentRequired":
		return "none"
	case "uniqueItems", "oneOf":
		if message != "" {
			return message // which indexes; no values
		}
	}
	return text
}

func typeNames(value any) []string {
	switch value := value.(type) {
	case string:
		return []string{withArticle(value)}
	case []any:
		names := make([]string, len(value))
		for i, name := range value {
			names[i] = withArticle(fmt.Sprint(name))
		}
		return names
	}
	return []string{show(value)}
}

func unique(items []string) []string {
	var found []string
	for _, item := range items {
		if !slices.Contains(found, item) {
			found = append(found, item)
		}
	}
	return found
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func withArticle(name string) string {
	switch name {
	case "null":
		return name
	case "object", "array", "integer":
		return "an " + name
	}
	return "a " + name
}

// show is a value as shortened JSON.
func show(value any) string { return shortJSON(value, 80) }

// shortJSON writes no more of a value than can be shown.
func shortJSON(value any, limit int) string {
	switch v := value.(type) {
	case string:
		if len(v) > 4*limit {
			v = strings.ToValidUTF8(v[:4*limit], "")
		}
		value = v
	case map[string]any:
		return "an object with " + count(len(v), "property", "properties")
	case []any:
		if len(v) > 20 {
			return "an array of " + count(len(v), "item", "items")
		}
	case json.Number:
		return shorten(v.String(), limit)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "something that can't be shown"
	}
	return shorten(string(text), limit)
}

func count(n int, one, many string) string { return counted(strconv.Itoa(n), one, many) }

func counted(n, one, many string) string {
	if n == "1" {
		return "1 " + one
	}
	return n + " " + many
}

// shorten cuts text after limit characters, and says so by an ellipsis.
func shorten(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit-1]) + "…"
}
