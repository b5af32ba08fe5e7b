package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/store"
)

// Redacted is a record of the log as other environments may have it. Schemas
// cross without their examples, defaults, comments and descriptions: those are
// somebody's words and, often, somebody's data, and no event is judged by them. Of
// metadata only the tags cross, which say what is personal; properties, rules and who
// made a change stay. A schema's id and identity stay those of the whole schema.
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

// keywords are those whose value stays as it is: by it documents are judged, schemas
// found, or values masked.
var keywords = map[string]bool{
	"$schema": true, "$id": true, "id": true, "$ref": true, "$anchor": true, "$dynamicRef": true, "$dynamicAnchor": true, "$recursiveRef": true, "$recursiveAnchor": true, "$vocabulary": true,
	"type": true, "const": true, "enum": true, "format": true, "pattern": true, "contentEncoding": true, "contentMediaType": true, "title": true, "deprecated": true, "readOnly": true, "writeOnly": true,
	"multipleOf": true, "minimum": true, "maximum": true, "exclusiveMinimum": true, "exclusiveMaximum": true, "minLength": true, "maxLength": true, "minItems": true, "maxItems": true, "uniqueItems": true,
	"minProperties": true, "maxProperties": true, "minContains": true, "maxContains": true, "required": true, "dependentRequired": true, "discriminator": true, "nullable": true,
}

// applied are the keywords whose value is a schema, or several.
var applied = map[string]bool{
	"items": true, "additionalItems": true, "prefixItems": true, "contains": true, "unevaluatedItems": true, "additionalProperties": true, "unevaluatedProperties": true, "propertyNames": true,
	"allOf": true, "anyOf": true, "oneOf": true, "not": true, "if": true, "then": true, "else": true, "contentSchema": true,
}

// redact removes wherever a schema may stand what is somebody's words or data, and
// reports whether there was any: examples, comments, descriptions, defaults, and what no
// draft knows, which tools have for more of these. An object of objects that no draft
// knows may be schemas for others to refer to, and is gone into, unless its name begins
// with x-. What documents are compared with stays.
func redact(value any) (found bool) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			found = redact(element) || found
		}
	case map[string]any:
		for keyword, child := range v {
			object, isObject := child.(map[string]any)
			switch {
			case keywords[keyword], strings.HasPrefix(keyword, "x-lockstep-"), strings.HasPrefix(keyword, "confluent:"):
			case named[keyword] && isObject:
				for _, schema := range object {
					found = redact(schema) || found
				}
			case applied[keyword]:
				found = redact(child) || found
			case isObject && !prose[keyword] && !strings.HasPrefix(keyword, "x-") && holdsObjects(object):
				found = redactUnder(object) || found
			default:
				delete(v, keyword)
				found = true
			}
		}
	}
	return found
}

// redactUnder is redact for an object of objects that no draft knows: these are schemas,
// or hold others by their names.
func redactUnder(objects map[string]any) (found bool) {
	for _, member := range objects {
		if object, _ := member.(map[string]any); holdsObjects(object) && !slices.ContainsFunc(slices.Collect(maps.Keys(object)), isKeyword) {
			found = redactUnder(object) || found
		} else {
			found = redact(member) || found
		}
	}
	return found
}

func isKeyword(name string) bool { return keywords[name] || applied[name] || named[name] }

// holdsObjects reports whether an object holds nothing but objects, as one does that
// has schemas by their names.
func holdsObjects(object map[string]any) bool {
	for _, member := range object {
		if _, ok := member.(map[string]any); !ok {
			return false
		}
	}
	return true
}

// prose are the keywords of somebody's words or data, whatever they are.
var prose = map[string]bool{"examples": true, "example": true, "$comment": true, "description": true, "default": true}
