package registry

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/lockstep-mesh/lockstep/registry/store"
)

// Redacted is a record of the log as other environments may have it. Schemas
// cross without their examples and comments: those are somebody's words and,
// often, somebody's data, and no event is judged by them. Of metadata only the
// tags cross, which say what is personal; properties, rules and who made a change
// stay. A schema's id and identity stay those of the whole schema.
func Redacted(e store.Entry) (kind, name string, data []byte, err error) {
	c, err := decode(e.Data)
	if err == nil {
		data, err = redactRecord(c)
	}
	if err != nil {
		return "", "", nil, fmt.Errorf("record %d of the registry's log cannot be shared: %w", e.Position.Revision, err)
	}
	return c.Kind, c.Subject, data, nil
}

// redactRecord names what of a record crosses: what is not named does not.
func redactRecord(c *record) ([]byte, error) {
	out := &record{Kind: c.Kind, Subject: c.Subject, At: c.At}
	switch c.Kind {
	case kindVersion:
		of, err := TypeOf(c.Type)
		if err != nil {
			return nil, err
		}
		text, err := of.Redact(c.Schema)
		if err != nil {
			return nil, err
		}
		out.Version, out.ID, out.GUID, out.Type, out.Schema = c.Version, c.ID, c.GUID, c.Type, text
		out.References, out.Imported, out.Metadata = c.References, c.Imported, tagsOf(c.Metadata)
		out.State = c.State
	case kindConfig:
		if from := c.Config; from != nil {
			out.Config = &Config{
				Level: from.Level, Policy: from.Policy, Group: from.Group, Normalize: from.Normalize, Alias: from.Alias,
				DefaultMetadata: tagsOf(from.DefaultMetadata), OverrideMetadata: tagsOf(from.OverrideMetadata),
			}
		}
	case kindMode:
		out.Mode = c.Mode
	case kindDelete:
		out.Versions, out.Permanent, out.Whole = c.Versions, c.Permanent, c.Whole
	case kindState:
		out.Version, out.State = c.Version, c.State // the reason is somebody's words
	case kindAbout:
		// Whose a subject is stays at home.
	default:
		return nil, fmt.Errorf("nothing says what of a record of kind %q may cross", c.Kind)
	}
	return out.encode()
}

// Shared is the version as other environments may have it: of it crosses what
// crosses of its record.
func (v Version) Shared() (Version, error) {
	of, err := TypeOf(v.Type)
	if err != nil {
		return Version{}, err
	}
	if v.Schema, err = of.Redact(v.Schema); err != nil {
		return Version{}, fmt.Errorf("version %d of %s cannot be shared: %w", v.Version, v.Subject, err)
	}
	v.Metadata, v.Rules, v.Author, v.StateReason = tagsOf(v.Metadata), nil, "", ""
	return v, nil
}

func tagsOf(m *Metadata) *Metadata {
	if m == nil || len(m.Tags) == 0 {
		return nil
	}
	return &Metadata{Tags: m.Tags}
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
	return compactText(schema)
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
