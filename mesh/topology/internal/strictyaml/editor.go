package strictyaml

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
)

// Hints tell the editor's schema what the structs cannot: types of other
// packages have no tags of ours.
type Hints struct {
	Title string
	Names map[string]string               // the pattern of a section's keys, by their kind
	Types map[reflect.Type]map[string]any // the schema of a type, instead of what is generated
	Keys  map[reflect.Type][]string       // the keys of a map whose values have that type
	Docs  map[string]string               // the documentation of a field without a tag, as TYPE.key
}

// EditorSchema generates the JSON Schema (draft-07, which editors know best)
// of the files that Decode accepts into a struct of type t.
func EditorSchema(t reflect.Type, hints Hints) ([]byte, error) {
	g := &generator{hints: hints, definitions: map[string]any{}}
	root, err := g.object(t)
	if err != nil {
		return nil, err
	}
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = hints.Title
	if len(g.definitions) > 0 {
		root["definitions"] = g.definitions
	}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("generate the editor's schema: %w", err)
	}
	return append(text, '\n'), nil
}

type generator struct {
	hints       Hints
	definitions map[string]any
}

// schema is the schema of a value of type t; structs become definitions.
func (g *generator) schema(t reflect.Type) (map[string]any, error) {
	if hinted, ok := g.hints.Types[t]; ok {
		return maps.Clone(hinted), nil
	}
	if own, ok := reflect.Zero(t).Interface().(interface{ EditorSchema() map[string]any }); ok {
		return own.EditorSchema(), nil
	}
	if values := choices(t); values != nil {
		return map[string]any{"type": "string", "enum": values}, nil
	}
	if isText(t) {
		return map[string]any{"type": []string{"string", "number", "boolean"}}, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.schema(t.Elem())
	case reflect.String:
		return map[string]any{"type": "string", "minLength": 1}, nil
	case reflect.Bool:
		return map[string]any{"type": "boolean"}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}, nil
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}, nil
	case reflect.Struct:
		return g.definition(t)
	case reflect.Slice:
		return g.list(t)
	case reflect.Map:
		return g.mapping(t)
	}
	return nil, fmt.Errorf("generate the editor's schema: no value of such a file is a %s", t)
}

func (g *generator) definition(t reflect.Type) (map[string]any, error) {
	reference := map[string]any{"$ref": "#/definitions/" + t.Name()}
	if _, done := g.definitions[t.Name()]; done {
		return reference, nil
	}
	g.definitions[t.Name()] = nil // its place, should it contain itself
	object, err := g.object(t)
	if err != nil {
		return nil, err
	}
	g.definitions[t.Name()] = object
	return reference, nil
}

func (g *generator) object(t reflect.Type) (map[string]any, error) {
	properties := map[string]any{}
	for _, f := range fields(t) {
		if f.doc == "" {
			f.doc = g.hints.Docs[f.owner.Name()+"."+f.name]
		}
		property, err := g.schema(f.typ)
		if err != nil {
			return nil, err
		}
		// Draft-07 ignores what stands beside $ref, so that goes inside allOf.
		if _, isReference := property["$ref"]; isReference && f.doc != "" {
			property = map[string]any{"allOf": []any{property}}
		}
		if f.doc != "" {
			property["description"] = f.doc
		}
		properties[f.name] = property
	}
	object := map[string]any{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties}
	if required := requiredNames(t); len(required) > 0 {
		object["required"] = required
	}
	return object, nil
}

func (g *generator) list(t reflect.Type) (map[string]any, error) {
	element, err := g.schema(t.Elem())
	if err != nil {
		return nil, err
	}
	k, isSection := section(t)
	if !isSection {
		return map[string]any{"type": "array", "items": element, "minItems": 1}, nil
	}
	object := map[string]any{"type": "object", "additionalProperties": element, "minProperties": 1}
	if pattern, ok := g.hints.Names[k.kind]; ok {
		object["propertyNames"] = map[string]any{"pattern": pattern, "description": k.doc}
	}
	return object, nil
}

func (g *generator) mapping(t reflect.Type) (map[string]any, error) {
	element, err := g.schema(t.Elem())
	if err != nil {
		return nil, err
	}
	object := map[string]any{"type": "object", "additionalProperties": element, "minProperties": 1}
	if keys := g.hints.Keys[t.Elem()]; keys != nil {
		object["propertyNames"] = map[string]any{"enum": keys}
	} else if values := choices(t.Key()); values != nil {
		object["propertyNames"] = map[string]any{"enum": values}
	}
	return object, nil
}
