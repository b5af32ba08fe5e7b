package strictyaml

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// describeNode says what a node is, and whether it is a scalar.
func describeNode(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		text, _ := scalarText(node)
		return fmt.Sprintf("the text %q", shorten(text)), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + shorten(n.GetToken().Value), true
	case *ast.BoolNode:
		return "the truth value " + n.GetToken().Value, true
	case *ast.SequenceNode:
		return "a list", false
	case ast.MapNode:
		return "a mapping", false
	}
	return "something that cannot be read", false
}

func shorten(s string) string {
	if runes := []rune(s); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return s
}

// article names what a type takes, with its article.
func article(t reflect.Type) string {
	if named, ok := reflect.Zero(t).Interface().(interface{ Article() string }); ok {
		return named.Article()
	}
	if values := choices(t); values != nil {
		return "one of " + strings.Join(values, ", ")
	}
	if isText(t) {
		return "a plain value"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return article(t.Elem())
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		if k, ok := section(t); ok {
			return "a mapping, one key for each " + k.kind
		}
		return "a list"
	case reflect.Struct:
		return "a mapping with " + list(names(fields(t)))
	}
	return "a mapping"
}

func requiredNames(t reflect.Type) []string {
	var required []string
	for _, f := range fields(t) {
		if f.required {
			required = append(required, f.name)
		}
	}
	return required
}

// list joins words as a sentence does.
func list(words []string) string {
	switch n := len(words); n {
	case 0:
		return "nothing"
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

func indexOf(described []field, name string) int {
	for i, f := range described {
		if f.name == name {
			return i
		}
	}
	return -1
}

// clause makes a clause of the first sentence of a documentation.
func clause(doc string) string {
	sentence, _, _ := strings.Cut(strings.TrimSuffix(doc, "."), ". ")
	if len(sentence) > 1 && unicode.IsUpper(rune(sentence[0])) && unicode.IsLower(rune(sentence[1])) {
		return strings.ToLower(sentence[:1]) + sentence[1:]
	}
	return sentence
}
