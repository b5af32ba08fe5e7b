package sample

import (
	"encoding/base64"
	"encoding/json"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// Strings may hold something else, written as text. JSON Schema says so with
// "contentMediaType" and "contentEncoding", the mesh's masking with
// "x-lockstep-content"; "contentSchema" says what JSON there is.
const (
	contentKeyword  = "x-lockstep-content"
	contentSchema   = "contentSchema"
	contentMedia    = "contentMediaType"
	contentEncoding = "contentEncoding"
)

// maxHeld bounds how many strings hold each other: each escapes what it holds anew, so
// that they grow with a power of it.
const maxHeld = 4

// contents are texts to try that hold what the schemas say they do.
func (m *maker) contents(all []*v5.Schema, name string, depth int) []string {
	isJSON, isBase64 := false, false
	var held []*v5.Schema
	for _, s := range all {
		keywords := m.linked.Keywords(s)
		content, _ := keywords[contentKeyword].(string)
		isJSON = isJSON || content == "json" || content == "base64-json" || keywords[contentMedia] == "application/json"
		isBase64 = isBase64 || content == "base64" || content == "base64-json" || keywords[contentEncoding] == "base64"
		if _, ok := keywords[contentSchema]; !ok {
			continue
		}
		if m.unread == nil {
			m.unread = m.linked.Unread()
		}
		if inside, err := m.unread(s, contentSchema); err == nil {
			held = append(held, inside)
		}
	}
	text := "A sample"
	switch {
	case isJSON:
		var value any = map[string]any{}
		if len(held) > 0 && m.held < maxHeld {
			m.held++
			if made, ok := m.value(held, name, depth+1); ok {
				value = made
			}
			m.held--
		}
		written, err := json.Marshal(value)
		if err != nil {
			return nil // it was made of what JSON has
		}
		text = string(written)
	case !isBase64:
		return nil
	}
	if isBase64 {
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	return []string{text}
}
