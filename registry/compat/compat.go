// Package compat says whether data written under one JSON Schema can be read
// under another: whether every document that the writer's schema admits is
// admitted by the reader's.
//
// It belongs here when it is about two schemas and nothing else. Which versions
// are compared, and what follows from the answer, is package registry's. There
// is no I/O, no clock and no randomness: the same schemas give the same verdict.
//
// # What a verdict rests on
//
// Both schemas are compiled by santhosh-tekuri/jsonschema v5, and the compiled
// graphs are compared. "Compatible" is always derived, keyword by keyword, by
// rules each of which is sound by itself; what no rule shows is refused, with
// the place and the reason. Where the writer can only write finitely many values
// (const, enum, booleans), each of them is put to the reader's schema.
//
// Dropping a constraint of the writer's is sound (more documents have to be
// admitted), dropping one of the reader's never is. That is the whole discipline
// of this package, and why keywords it knows nothing about stop it only on the
// reader's side.
//
// Where no rule derives compatibility, a document is looked for that the writer's
// schema admits and the reader's refuses: by cases, over all the ways in which the
// one can hold and the other fail, down to numbers, strings (patterns as automata),
// properties and items. What is found is made small, and put to jsonschema v5 and to
// the gate: it is the witness without which nothing is called "Incompatible". If
// every case ends in a contradiction there is no such document, and that is a
// derivation of "Compatible". If cases were given up, for their size or for a
// keyword that the search does not understand, the pair is "Undecided", and the
// findings say which keyword stopped it.
package compat

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Policy says which documents a writer's schema stands for.
type Policy int

const (
	// Gated takes the writer to be behind a gate that refuses fields which its
	// schema neither declares nor explicitly allows. An object whose schema
	// declares properties and says nothing of additional ones holds declared ones
	// only; one that says additionalProperties (or unevaluatedProperties) true, or
	// gives a schema for them, is as open as it says; and so is a place about which
	// the schema says nothing at all. Adding an optional property is compatible.
	Gated Policy = iota
	// Strict takes schemas as JSON Schema does: what is not forbidden may be there.
	// Adding an optional property to an open object is incompatible, because a
	// document may hold anything under that name already.
	Strict
	// Lenient is Gated and disregards additionalProperties true as well: writers
	// are trusted to write declared properties only, though nothing enforces it.
	Lenient
)

// String is the policy's name in configuration files.
func (p Policy) String() string {
	switch p {
	case Gated:
		return "gated"
	case Strict:
		return "strict"
	case Lenient:
		return "lenient"
	}
	return fmt.Sprintf("policy(%d)", int(p))
}

// Result is the outcome of a check.
type Result int

const (
	// Undecided means that nothing shows that the schemas are compatible, and no document was
	// found that shows that they are not. It has to be treated as incompatible.
	Undecided Result = iota
	// Compatible is derived. Every document that the writer's schema admits under the
	// policy is admitted by the reader's.
	Compatible
	// Incompatible means that there is a document that the writer's schema admits under the
	// policy and the reader's refuses.
	Incompatible
)

// String is the result in lower case.
func (r Result) String() string {
	switch r {
	case Compatible:
		return "compatible"
	case Incompatible:
		return "incompatible"
	default:
		return "undecided"
	}
}

// Finding is one reason why a pair of schemas is not shown to be compatible.
type Finding struct {
	// Result is Incompatible or Undecided.
	Result Result
	// Rule is the stable name of the rule that failed, as in "required-added".
	Rule string
	// ReaderPointer and WriterPointer are where the keywords stand, as name#pointer;
	// the name is that of the reference for a referenced schema and empty else.
	// WriterPointer is the schema's place where the keyword is absent.
	ReaderPointer string
	WriterPointer string
	// Instance is the place in a document, "/lines/*/price"; empty for its root.
	Instance string
	// Why says what a document may hold that the reader refuses, or what stopped
	// the derivation.
	Why string
	// Cure says how to change the reader's schema, or what else to do.
	Cure string
	// Witness is a document that is refused for this very reason: it is there for
	// every finding that is Incompatible.
	Witness []byte

	kinds kind // of a type-removed finding, so that several become one
}

// String is the finding in one line.
func (f Finding) String() string {
	at := f.Instance
	if at == "" {
		at = "/"
	}
	return fmt.Sprintf("%s at %s: %s (%s: new schema %s, old schema %s). %s",
		f.Rule, at, f.Why, f.Result, f.ReaderPointer, f.WriterPointer, f.Cure)
}

// Verdict is the outcome of a check with its reasons.
type Verdict struct {
	Result Result
	// Findings are the reasons, none for Compatible and at least one otherwise,
	// ordered by their place in a document. There may be more than these: a place
	// that fails hides what lies below it, and there are MaxFindings at most.
	Findings []Finding
	// Witness is a JSON document that the writer's schema admits under the policy and
	// the reader's refuses, checked with the reference validator. It is there if and
	// only if the result is Incompatible, as small and as readable as could be found,
	// and the same each time.
	Witness []byte
}

// String lists the findings under the result.
func (v Verdict) String() string {
	var b strings.Builder
	b.WriteString(v.Result.String())
	for _, f := range v.Findings {
		b.WriteString("\n  ")
		b.WriteString(f.String())
	}
	if len(v.Witness) > 0 {
		b.WriteString("\n  witness: ")
		b.Write(v.Witness)
	}
	return b.String()
}

// Check decides whether every document that the writer's schema admits, under
// the policy, is admitted by the reader's. BACKWARD compatibility of a new
// version is Check(new, old, policy).
//
// It never answers Compatible wrongly. It answers Undecided where its rules do
// not reach, and when a pair of schemas would take too long.
func Check(reader, writer *jsonschema.Bundle, policy Policy) Verdict {
	if identical(reader, writer, map[[2]*jsonschema.Bundle]bool{}) {
		return Verdict{Result: Compatible}
	}
	r, err := reader.Link()
	if err != nil {
		return unusable("the new schema", err)
	}
	w, err := writer.Link()
	if err != nil {
		return unusable("the old schema", err)
	}
	return CheckLinked(r, w, policy)
}

// CheckLinked is Check for schemas that are compiled already.
func CheckLinked(reader, writer *jsonschema.Linked, policy Policy) Verdict {
	if identical(reader.Bundle(), writer.Bundle(), map[[2]*jsonschema.Bundle]bool{}) {
		return Verdict{Result: Compatible}
	}
	c := newCheck(reader.Schema, writer.Schema, policy)
	c.locateReader, c.locateWriter = reader.Locate, writer.Locate
	return c.run()
}

// identical reports whether two bundles are the same texts tied together in the
// same way. It saves the work for a schema that is registered again.
func identical(a, b *jsonschema.Bundle, assumed map[[2]*jsonschema.Bundle]bool) bool {
	pair := [2]*jsonschema.Bundle{a, b}
	if a == b || assumed[pair] {
		return true
	}
	assumed[pair] = true
	if a == nil || b == nil || a.Document == nil || b.Document == nil || !bytes.Equal(a.Document.Text(), b.Document.Text()) {
		return false
	}
	return maps.EqualFunc(a.References, b.References, func(a, b *jsonschema.Bundle) bool {
		return identical(a, b, assumed)
	})
}

func unusable(which string, err error) Verdict {
	return Verdict{Result: Undecided, Findings: []Finding{{
		Result: Undecided, Rule: "unusable-schema", ReaderPointer: "#", WriterPointer: "#",
		Why: which + " cannot be compiled: " + err.Error(), Cure: "correct it first",
	}}}
}

// verdict sums findings up.
func verdict(findings []Finding) Verdict {
	if len(findings) == 0 {
		return Verdict{Result: Compatible}
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Instance, b.Instance),
			cmp.Compare(a.ReaderPointer, b.ReaderPointer),
			cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.WriterPointer, b.WriterPointer),
		)
	})
	findings = slices.CompactFunc(findings, func(a, b Finding) bool {
		return a.Rule == b.Rule && a.Instance == b.Instance && a.ReaderPointer == b.ReaderPointer && a.WriterPointer == b.WriterPointer && a.Why == b.Why
	})
	v := Verdict{Result: Undecided, Findings: findings}
	for _, f := range findings {
		if f.Result == Incompatible {
			v.Result = Incompatible
		}
	}
	return v
}
