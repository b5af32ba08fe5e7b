package registry

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/lockstep-mesh/lockstep/registry/store"
)

// Redacted is a record of the log as other environments may have it. Schemas
// cross without their examples and comments: those are somebody's words and,
// often, somebody's data, and no event is judged by them. A schema's id and
// identity stay those of the whole schema.
func Redacted(e store.Entry) (kind, name string, data []byte, err error) {
	v, err := decode(e.Data)
	if err == nil {
		v.Schema, err = redactText(v.Schema)
	}
	if err == nil {
		data, err = encode(v)
	}
	if err != nil {
		return "", "", nil, fmt.Errorf("record %d of the registry's log cannot be shared: %w", e.Position.Revision, err)
	}
	return kindVersion, v.Subject, data, nil
}

// redactText is a schema's text without what redact takes out; the text itself
// where there is nothing of it.
func redactText(text string) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var schema any
	if err := decoder.Decode(&schema); err != nil {
		return "", err
	}
	if !redact(schema) {
		return text, nil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(schema); err != nil {
		return "", err
	}
	return string(bytes.TrimRight(out.Bytes(), "\n")), nil
}

// named are the keywords whose value is a map from names to schemas.
var named = map[string]bool{
	"properties": true, "patternProperties": true, "definitions": true, "$defs": true, "dependentSchemas": true, "dependencies": true,
}

// redact removes examples and comments wherever a schema may stand, and
// reports whether there were any. What documents are compared with stays.
func redact(value any) (found bool) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			found = redact(element) || found
		}
	case map[string]any:
		for _, keyword := range []string{"examples", "example", "$comment"} {
			if _, ok := v[keyword]; ok {
				delete(v, keyword)
				found = true
			}
		}
		for keyword, child := range v {
			if schemas, ok := child.(map[string]any); ok && named[keyword] {
				for _, schema := range schemas {
					found = redact(schema) || found
				}
			} else if keyword != "const" && keyword != "enum" && keyword != "default" {
				found = redact(child) || found
			}
		}
	}
	return found
}
