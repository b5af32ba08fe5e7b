package registry

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// SchemaType is a language that schemas are written in. Everything that is special
// to one is behind this interface: a schema of any type becomes a JSON Schema with
// what it refers to, which is what contracts, compatibility and differences are
// made of. An implementation is immutable and safe for concurrent use.
type SchemaType interface {
	// Name is the type's name in requests, in capitals.
	Name() string
	// Normalize is the text in a form that does not depend on how it was written.
	Normalize(text string) (string, error)
	// Gather parses a text and ties it to what it refers to, by name.
	Gather(text string, references map[string]*jsonschema.Bundle) (*jsonschema.Bundle, error)
	// Redact is the text without what must not leave its environment.
	Redact(text string) (string, error)
}

// types are those that are enabled.
var types = map[string]SchemaType{JSON: jsonType{}}

// disabledTypes are the types of Confluent's API that are not enabled.
var disabledTypes = map[string]bool{"AVRO": true, "PROTOBUF": true}

// TypeOf is the schema type of that name. Confluent's API takes a schema that names
// no type for Avro.
func TypeOf(name string) (SchemaType, error) {
	if t, ok := types[name]; ok {
		return t, nil
	}
	e := &Error{Code: CodeInvalidSchema, Cure: `send "schemaType":"JSON"`}
	switch {
	case name == "":
		e.Message = "without a schemaType a schema counts as AVRO, which is not enabled here"
	case disabledTypes[name]:
		e.Message = "schemas of type " + name + " are not enabled here"
	default:
		e.Message = fmt.Sprintf("schema type %q is not supported", name)
	}
	return nil, e
}

// jsonType is JSON Schema.
type jsonType struct{}

func (jsonType) Name() string { return JSON }

func (jsonType) Normalize(text string) (string, error) {
	document, err := jsonschema.Parse([]byte(text))
	if err != nil {
		return "", err
	}
	return normalize(string(document.Text())), nil
}

func (jsonType) Redact(text string) (string, error) { return redactText(text) }

func (jsonType) Gather(text string, references map[string]*jsonschema.Bundle) (*jsonschema.Bundle, error) {
	document, err := jsonschema.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	return &jsonschema.Bundle{Document: document, References: references}, nil
}

// Types are the names of the types that are enabled, sorted.
func Types() []string { return slices.Sorted(maps.Keys(types)) }
