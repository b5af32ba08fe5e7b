package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// KeyAnnotation is the keyword at a schema's root that lists, as JSON pointers
// into the event, the values that make up its key.
const KeyAnnotation = "x-lockstep-key"

// maxKeyToken bounds one token of a key in bytes.
const maxKeyToken = 128

func keyPointers(d *jsonschema.Document) ([]string, error) {
	schema, ok := d.Value().(map[string]any)
	if !ok {
		return nil, nil
	}
	value, ok := schema[KeyAnnotation]
	if !ok {
		return nil, nil
	}
	bad := func(why string) error {
		return &jsonschema.Error{
			Code: jsonschema.CodeInvalidSchema, Pointer: "/" + KeyAnnotation, Problem: why,
			Cure: `write it as a list of JSON pointers into the event, as in ["/order_id"]`,
		}
	}
	list, ok := value.([]any)
	if !ok {
		return nil, bad("the key is no list")
	}
	var pointers []string
	for _, item := range list {
		pointer, ok := item.(string)
		if !ok || !strings.HasPrefix(pointer, "/") {
			return nil, bad("an entry of the key is no JSON pointer")
		}
		if slices.Contains(pointers, pointer) {
			return nil, bad("a pointer stands in the key twice")
		}
		pointers = append(pointers, pointer)
	}
	return pointers, nil
}

// Key are the JSON pointers of the values that make up an event's key, in the
// order of its subject's tokens; nil if the schema gives none.
func (c *Contract) Key() []string { return slices.Clone(c.key) }

// KeyParts is how many values make up an event's key; 0 if the schema gives none.
func (c *Contract) KeyParts() int { return len(c.key) }

// KeyTokens are the values of the event's key as tokens of a subject. A
// character that can't stand in a token, and '%', is percent-encoded. The
// error is an *Invalid: a value is absent, empty, too long, or no string,
// number or boolean.
func (c *Contract) KeyTokens(data []byte) ([]string, error) {
	if len(c.key) == 0 {
		return nil, nil
	}
	value, err := strictjson.Decode(data, c.options.Limits)
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		return nil, c.notJSON(syntax)
	}
	tokens := make([]string, len(c.key))
	for i, pointer := range c.key {
		token, found := keyToken(value, pointer)
		if found != "" {
			return nil, &Invalid{
				Subject: c.options.Subject, Version: c.options.Version,
				Violations: []Violation{{
					Pointer: pointer, Keyword: KeywordKey, SchemaPointer: "#/" + KeyAnnotation,
					Expected: fmt.Sprintf("a string, number or boolean of at most %d bytes as a part of the key", maxKeyToken), Found: found,
				}},
				Cure: "send the value; or require it in the schema, so that its absence is found at once",
			}
		}
		tokens[i] = token
	}
	return tokens, nil
}

// AppendKey appends the tokens of KeyTokens, a dot before each, for an event that
// is known to be valid. It reads no further than to the last value of the key.
func (c *Contract) AppendKey(dst, valid []byte) ([]byte, error) {
	if quick, ok := c.quickKey(dst, valid); ok {
		return quick, nil
	}
	tokens, err := c.KeyTokens(valid)
	for _, token := range tokens {
		dst = append(append(dst, '.'), token...)
	}
	return dst, err
}

// quickKey is AppendKey without decoding the document. It is not ok if a value
// is absent or can't be a token, or for whatever other reason.
func (c *Contract) quickKey(dst, valid []byte) ([]byte, bool) {
	var room [4][]byte
	values := append(room[:0], make([][]byte, len(c.key))...)
	if !program.Find(valid, c.options.Limits, c.keyPaths, values) {
		return dst, false
	}
	quick := dst
	for _, quoted := range values {
		text := quoted
		switch text[0] {
		case '"':
			if text = text[1 : len(text)-1]; bytes.IndexByte(text, '\\') >= 0 {
				var err error
				if text, err = jsontext.AppendUnquote(nil, quoted); err != nil {
					return dst, false
				}
			}
		case '{', '[', 'n':
			return dst, false
		}
		start := len(quick) + 1
		quick = appendEscaped(append(quick, '.'), text)
		if size := len(quick) - start; size == 0 || size > maxKeyToken {
			return dst, false
		}
	}
	return quick, true
}

// keyToken is the token for one part of the key, or what was found in its stead.
func keyToken(value any, pointer string) (token, found string) {
	part, ok := jsonschema.Find(value, pointer)
	if !ok {
		return "", "nothing"
	}
	var text string
	switch part := part.(type) {
	case string:
		text = part
	case json.Number:
		text = part.String()
	case bool:
		text = fmt.Sprint(part)
	default:
		return "", show(part)
	}
	if text == "" {
		return "", "an empty string"
	}
	if token = escapeKey(text); len(token) > maxKeyToken {
		return "", fmt.Sprintf("%d bytes", len(token))
	}
	return token, ""
}

// escapeKey is a text as a token.
func escapeKey(text string) string { return string(appendEscaped(nil, []byte(text))) }

func appendEscaped(dst, text []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range text {
		switch {
		case c <= ' ', c >= 0x7f, c == '.', c == '*', c == '>', c == '%':
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
