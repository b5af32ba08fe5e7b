// Package strictyaml reads a YAML file into Go structs and accounts for every
// byte of it: each problem has a line and a column, all of them are reported
// at once, and what the structs do not describe is refused.
//
// The structs are the one description. Their tags give the parser its keys,
// the editor its schema and the reader the documentation:
//
//	yaml:"key"      the key; ",inline" takes an embedded struct's keys
//	doc:"text"      what the key means, for the editor
//	require:"true"  the key may not be left out
//	single:"why"    why a list cannot stand here, for those who write one
//	example:"text"  a value to show in the editor
//	key:"kind"      on a string field of a section's element: the field takes
//	                the mapping's key, and the slice of such structs is
//	                written as a mapping, in order; kind names it in messages
//	twice:"why"     beside key: why one may not be declared twice
//
// A scalar type may have Choices() []string (an enumeration),
// UnmarshalText/MarshalText (its own syntax) and EditorSchema() map[string]any
// (how an editor checks it).
//
// What belongs here is YAML in general; what a mesh is does not.
package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
)

// Codes of problems. They are stable; the sentences are not.
const (
	CodeSyntax     = "syntax"
	CodeUnknownKey = "unknown_key"
	CodeDuplicate  = "duplicate"
	CodeWrongType  = "wrong_type"
	CodeBadValue   = "bad_value"
	CodeMissing    = "missing"
	CodeEmpty      = "empty"
	CodeTooLarge   = "too_large"
)

// Position is a place in a file. Both numbers begin at 1, and a column counts
// characters; the zero Position is an unknown place.
type Position struct{ Line, Column int }

// Problem is one thing wrong with a file.
type Problem struct {
	Code string
	Position
	What string // what is wrong
	Why  string // why that is refused; may be empty
	Cure string // how to mend it; may be empty
}

// Refusal is the error with which a scalar type refuses a text, when it can
// say more than a sentence.
type Refusal interface {
	error
	Explain() (what, why, cure string)
}

// Sort orders problems by their place in the file, and keeps the order of
// those at one place.
func Sort(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// Positions maps the path of each value to its place in the file. A path is
// the keys from the root on, a list's elements by number.
type Positions struct {
	values, keys map[string]Position
	broken       map[string]bool
}

// Value is the place of the value at path, or of the nearest one around it
// that stands in the file.
func (p *Positions) Value(path ...any) Position {
	for n := len(path); n > 0; n-- {
		if at, ok := p.values[join(path[:n])]; ok {
			return at
		}
	}
	return p.values[""]
}

// Key is the place of the key of the value at path, or where that stands
// nowhere, what Value says.
func (p *Positions) Key(path ...any) Position {
	if at, ok := p.keys[join(path)]; ok {
		return at
	}
	return p.Value(path...)
}

// Broken reports whether a problem was found at path while decoding, so that
// whoever checks further need not report it again.
func (p *Positions) Broken(path ...any) bool { return p.broken[join(path)] }

// Stands reports whether the file holds something at path, sound or not.
func (p *Positions) Stands(path ...any) bool {
	_, ok := p.values[join(path)]
	return ok
}

func join(path []any) string {
	var joined string
	for _, step := range path {
		joined = extend(joined, fmt.Sprint(step))
	}
	return joined
}

// extend separates steps by a character that no key of a sound file holds.
func extend(path, step string) string { return path + "\x1f" + step }
