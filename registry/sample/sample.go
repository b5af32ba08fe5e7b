// Package sample makes a document of a JSON Schema that people can read: one with
// everything in it that the schema declares, its own examples and defaults where
// it gives them, and values that look like what their names and formats say.
//
// It belongs here when it is about choosing what is pleasant to read. Finding a
// value at all, where that is hard, is the search of package compat. There is no
// randomness: the same schema gives the same sample.
package sample

import (
	"bytes"
	"encoding/json"
	"errors"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/compat"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// The codes of an Error. They are stable.
const (
	CodeUnusable = "unusable_schema" // the schema cannot be compiled
	CodeEmpty    = "no_document"     // it is proven that no document is valid
	CodeNotFound = "not_found"       // there may be one; none was found
)

// Error says why there is no sample.
type Error struct {
	Code    string
	Keyword string // the keyword that the search stopped at; empty where it is not one
	Problem string
	Cure    string

	cause error
}

// Error is the problem and its cure in one line.
func (e *Error) Error() string { return "no sample can be made: " + e.Problem + "; " + e.Cure }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.cause }

// Of makes a document that is valid under the schema, as package jsonschema
// compiles it, and holds no property that the schema neither declares nor
// explicitly allows: what a gate lets in. Optional properties are in it, where
// the schema does not lead back to itself. It is indented JSON.
//
// The error is an *Error. It is safe for concurrent use.
func Of(b *jsonschema.Bundle) ([]byte, error) { return of(b, true) }

// Minimal is Of without the optional properties.
func Minimal(b *jsonschema.Bundle) ([]byte, error) { return of(b, false) }

func of(b *jsonschema.Bundle, optional bool) ([]byte, error) {
	linked, err := b.Link()
	if err != nil {
		e := &Error{Code: CodeUnusable, Problem: err.Error(), Cure: "correct the schema first", cause: err}
		if schema := (*jsonschema.Error)(nil); errors.As(err, &schema) {
			e.Problem, e.Cure = schema.Problem, schema.Cure
		}
		return nil, e
	}
	m := &maker{linked: linked, finder: compat.NewFinder(linked), optional: optional, path: map[*v5.Schema]bool{}}
	// Everything at first; if some of it does not go together, only what is needed.
	for _, attempt := range []func() (any, bool){
		func() (any, bool) { return m.value([]*v5.Schema{linked.Schema}, "", 0) },
		func() (any, bool) {
			m.optional, m.left = false, maxValues
			return m.value([]*v5.Schema{linked.Schema}, "", 0)
		},
	} {
		m.left = maxValues
		if v, ok := attempt(); ok {
			if text, ok := m.accept(v); ok {
				return text, nil
			}
		}
	}
	v, ok, empty, stopped := m.finder.Find(linked.Schema)
	if ok {
		if text, ok := m.accept(v); ok {
			return text, nil
		}
		stopped = "the gate"
	}
	if empty {
		return nil, &Error{Code: CodeEmpty, Problem: "no document is valid under the schema", Cure: "remove what contradicts itself in it"}
	}
	return nil, &Error{
		Code: CodeNotFound, Keyword: stopped, Problem: "the search for a valid document stopped at " + stopped,
		Cure: `give the schema a valid document under "examples"`,
	}
}

// accept writes a document, reads it again as a gate would, and has the reference
// validator judge it.
func (m *maker) accept(v any) ([]byte, bool) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if e.Encode(v) != nil {
		return nil, false
	}
	read, err := strictjson.Decode(text.Bytes(), strictjson.Limits{})
	if err != nil || !m.finder.Valid(m.linked.Schema, read) || !m.finder.Passes(read) {
		return nil, false
	}
	return bytes.TrimSpace(text.Bytes()), true
}
