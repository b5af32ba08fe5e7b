package cli

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// toYAML writes one JSON document as YAML, block by block. Names keep their
// order and numbers their digits.
func toYAML(document []byte) ([]byte, error) {
	y := &yamlWriter{in: jsontext.NewDecoder(bytes.NewReader(document), jsontext.AllowDuplicateNames(true))}
	if err := y.value(0, false); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return bytes.TrimPrefix(y.out.Bytes(), []byte(" ")), nil
}

type yamlWriter struct {
	in  *jsontext.Decoder
	out bytes.Buffer
}

// value writes the next value and the line's end. Before it stand a name or
// nothing, or with item the dash of a list, behind which an object's or list's
// first member goes on.
func (y *yamlWriter) value(depth int, item bool) error {
	kind := y.in.PeekKind()
	if kind != '{' && kind != '[' {
		return y.scalar()
	}
	if _, err := y.in.ReadToken(); err != nil {
		return err
	}
	if next := y.in.PeekKind(); next == '}' || next == ']' {
		fmt.Fprintf(&y.out, " %s\n", string(kind)+string(next))
		_, err := y.in.ReadToken()
		return err
	}
	behind := item // the dash
	if !behind && depth > 0 {
		y.out.WriteByte('\n')
	}
	for y.in.PeekKind() != '}' && y.in.PeekKind() != ']' {
		switch {
		case behind:
			y.out.WriteByte(' ')
			behind = false
		default:
			y.out.WriteString(strings.Repeat("  ", depth))
		}
		if err := y.member(kind, depth); err != nil {
			return err
		}
	}
	_, err := y.in.ReadToken()
	return err
}

// member writes one member of an object or a list.
func (y *yamlWriter) member(kind jsontext.Kind, depth int) error {
	if kind == '[' {
		y.out.WriteByte('-')
		return y.value(depth+1, true)
	}
	name, err := y.in.ReadToken()
	if err != nil {
		return err
	}
	y.out.WriteString(yamlText(name.String()))
	y.out.WriteByte(':')
	return y.value(depth+1, false)
}

func (y *yamlWriter) scalar() error {
	value, err := y.in.ReadValue()
	if err != nil {
		return err
	}
	text := string(value)
	if value.Kind() == '"' {
		unquoted, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return err
		}
		text = yamlText(string(unquoted))
	}
	fmt.Fprintf(&y.out, " %s\n", text)
	return nil
}

// plainText is what YAML takes for a text without quotes, whatever the parser's
// version: what begins with a letter or a slash, and has no colon before a space.
var plainText = regexp.MustCompile(`^[\pL/_]([\pL\pN _./@+(),=→-]|:[\pL\pN/])*$`)

var yamlWords = []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}

func yamlText(text string) string {
	if plainText.MatchString(text) && !strings.HasSuffix(text, " ") && !slices.Contains(yamlWords, strings.ToLower(text)) {
		return text
	}
	// YAML's double quotes understand JSON's escapes.
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"', c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c < ' ', c >= 0x7f && c < 0xa0, c == '\u2028', c == '\u2029', c == '\ufeff':
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
