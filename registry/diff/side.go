package diff

import (
	"encoding/json"
	"math/big"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// side is what one schema says of a place: its own keywords and those of what it
// refers to, as if they were written in one.
type side struct {
	linked *jsonschema.Linked
	schema *v5.Schema // the place itself
	// layers are the schema and what it refers to, as far as no keyword is said twice.
	layers []*v5.Schema
	words  map[string]word
	// rest is what it refers to beyond: it holds beside the layers, as one of allOf would.
	rest  *v5.Schema
	never bool // the schema is false
}

type word struct {
	value any
	owner *v5.Schema
}

// sideOf reads a schema.
func sideOf(linked *jsonschema.Linked, s *v5.Schema) *side {
	out := &side{linked: linked, schema: s, words: map[string]word{}}
	for layer := s; layer != nil; layer = layer.Ref {
		if slices.Contains(out.layers, layer) {
			break
		}
		if layer.Always != nil {
			out.never = out.never || !*layer.Always
			break
		}
		keywords := out.keywords(layer)
		for k := range keywords {
			if _, said := out.words[k]; said && !annotations[k] {
				out.rest = layer
				return out
			}
		}
		for k, v := range keywords {
			if _, said := out.words[k]; !said {
				out.words[k] = word{v, layer}
			}
		}
		out.layers = append(out.layers, layer)
	}
	return out
}

// keywords are a schema's, without those that its draft has it disregard beside a
// reference, and without those that say nothing.
func (s *side) keywords(layer *v5.Schema) map[string]any {
	out := map[string]any{}
	for k, v := range s.linked.Keywords(layer) {
		switch {
		case silent[k], v == false && (k == "uniqueItems" || k == "exclusiveMinimum" || k == "exclusiveMaximum"):
		case layer.Ref != nil && siblingsIgnored(layer) && !annotations[k] && known[k]:
		default:
			out[k] = v
		}
	}
	return out
}

func siblingsIgnored(s *v5.Schema) bool {
	return s.Draft == v5.Draft4 || s.Draft == v5.Draft6 || s.Draft == v5.Draft7
}

// at is where a keyword is written, or could be.
func (s *side) at(keyword string) string {
	if w, ok := s.words[keyword]; ok {
		return s.place(w.owner) + "/" + jsonschema.EscapeToken(keyword)
	}
	if len(s.layers) > 0 {
		return s.place(s.layers[len(s.layers)-1])
	}
	return s.place(s.schema)
}

// place is where a schema is written.
func (s *side) place(schema *v5.Schema) string {
	origin, ok := s.linked.Locate(schema.Location)
	if !ok {
		return schema.Location // a metaschema's
	}
	return origin.String()
}

// value is what a keyword says; nil if it is not there.
func (s *side) value(keyword string) json.RawMessage {
	w, ok := s.words[keyword]
	if !ok {
		return nil
	}
	return raw(w.value)
}

// written is a schema as it stands in its file, a reference as what it leads to.
func (s *side) written(schema *v5.Schema) json.RawMessage {
	if schema.Always != nil {
		return raw(*schema.Always)
	}
	return raw(s.linked.Keywords(schema))
}

func raw(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		return nil // it was read from JSON
	}
	return text
}

// equal reports whether two values of schemas are the same JSON value.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		x, y := rational(a), rational(b)
		return a == b || x != nil && y != nil && x.Cmp(y) == 0
	}
	return a == b
}

// rational is a number's value; nil for one that is no number, or too large to be
// worked with.
func rational(n any) *big.Rat {
	number, ok := n.(json.Number)
	if !ok {
		return nil
	}
	const longest = 400
	if f, err := number.Float64(); err != nil || len(number) > longest || f != 0 && (f < 1e-300 && f > -1e-300) {
		return nil
	}
	r, ok := new(big.Rat).SetString(string(number))
	if !ok {
		return nil
	}
	return r
}

// silent keywords say nothing of a place: they name and hold schemas.
var silent = map[string]bool{
	"$schema": true, "$id": true, "id": true, "$ref": true, "$anchor": true, "$dynamicAnchor": true, "$recursiveAnchor": true,
	"$defs": true, "definitions": true, "$vocabulary": true,
}

// annotations are the keywords of words.
var annotations = map[string]bool{
	"title": true, "description": true, "$comment": true, "default": true, "examples": true, "example": true,
	"deprecated": true, "readOnly": true, "writeOnly": true, "contentSchema": true,
}

// classifications are the keywords that masking goes by.
var classifications = map[string]bool{"x-lockstep-class": true, "x-lockstep-key": true, "x-lockstep-key-class": true, "x-lockstep-content": true, "confluent:tags": true}

// directed keywords grow tighter (1) or looser (-1) as their numbers grow; the
// others of 0 are compared as they are.
var directed = map[string]int{
	"minimum": 1, "exclusiveMinimum": 1, "minLength": 1, "minItems": 1, "minProperties": 1, "minContains": 1,
	"maximum": -1, "exclusiveMaximum": -1, "maxLength": -1, "maxItems": -1, "maxProperties": -1, "maxContains": -1,
	"multipleOf": 0, "pattern": 0, "format": 0, "uniqueItems": 0, "contentEncoding": 0, "contentMediaType": 0,
	"$dynamicRef": 0, "$recursiveRef": 0,
}

// schemaKeywords hold one schema each that speaks of the place itself, or of what
// in it is given no other name.
var schemaKeywords = map[string]bool{
	"not": true, "if": true, "then": true, "else": true, "contains": true, "propertyNames": true,
	"additionalProperties": true, "unevaluatedProperties": true, "unevaluatedItems": true,
}

// known are the keywords of JSON Schema that have rules of their own here.
var known = func() map[string]bool {
	all := map[string]bool{
		"type": true, "enum": true, "const": true, "required": true, "properties": true, "patternProperties": true,
		"items": true, "prefixItems": true, "additionalItems": true, "allOf": true, "anyOf": true, "oneOf": true,
		"dependencies": true, "dependentRequired": true, "dependentSchemas": true,
	}
	for k := range directed {
		all[k] = true
	}
	for k := range schemaKeywords {
		all[k] = true
	}
	return all
}()
