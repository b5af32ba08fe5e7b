// Package diff says what is different between two JSON Schemas: which
// properties, constraints, alternatives and annotations came, went or changed,
// wherever in the files they are written.
//
// It belongs here when it describes. Whether a change is compatible is package
// compat's to decide: a diff is complete and has no opinion. There is no I/O, and
// the same schemas give the same changes.
package diff

import (
	"cmp"
	"encoding/json"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Kind says what sort of change it is. The names are stable.
type Kind string

// The kinds.
const (
	PropertyAdded   Kind = "property-added"
	PropertyRemoved Kind = "property-removed"
	// PropertyRequired and PropertyOptional are about whether it must be there.
	PropertyRequired Kind = "property-required"
	PropertyOptional Kind = "property-optional"
	TypeAdded        Kind = "type-added" // a type of value is admitted that was not
	TypeRemoved      Kind = "type-removed"
	ValueAdded       Kind = "value-added" // of enum or const
	ValueRemoved     Kind = "value-removed"
	// ConstraintAdded and ConstraintTightened admit less, ConstraintRemoved and
	// ConstraintLoosened admit more, ConstraintChanged may do either.
	ConstraintAdded     Kind = "constraint-added"
	ConstraintRemoved   Kind = "constraint-removed"
	ConstraintTightened Kind = "constraint-tightened"
	ConstraintLoosened  Kind = "constraint-loosened"
	ConstraintChanged   Kind = "constraint-changed"
	// AlternativeAdded and AlternativeRemoved are about allOf, anyOf and oneOf.
	AlternativeAdded   Kind = "alternative-added"
	AlternativeRemoved Kind = "alternative-removed"
	// ClassificationChanged is about what masking goes by: x-lockstep-class and tags.
	ClassificationChanged Kind = "classification-changed"
	// AnnotationChanged is about words: title, description, examples, unknown keywords.
	AnnotationChanged Kind = "annotation-changed"
	DraftChanged      Kind = "draft-changed"
	// Unusable is a schema that cannot be compiled: nothing else is said then.
	Unusable Kind = "unusable"
)

// Annotation reports whether changes of the kind leave alone which documents are
// valid and how they are masked.
func (k Kind) Annotation() bool { return k == AnnotationChanged }

// Change is one difference.
type Change struct {
	Kind    Kind   `json:"kind"`
	Keyword string `json:"keyword,omitempty"` // the keyword that says it, as in "minLength"
	// Pointer is the place in a document, "/lines/*/price", where * is any item or
	// any other property; empty for its root. A shared definition is compared once,
	// at the first place that it is reached by.
	Pointer string `json:"pointer"`
	// OldPointer and NewPointer are where it is written, as name#pointer; the name is
	// that of the reference for a referenced schema and empty else. Where one side
	// says nothing of it, it is the place that could.
	OldPointer string `json:"old_pointer"`
	NewPointer string `json:"new_pointer"`
	// Old and New are what is written; absent on the side that says nothing.
	Old json.RawMessage `json:"old,omitempty"`
	New json.RawMessage `json:"new,omitempty"`
	// Text is the change in a sentence.
	Text string `json:"text"`
}

// Between lists what is different, ordered by the place in a document. No changes
// means that the schemas say the same, however they are written and cut into files.
// It is safe for concurrent use.
func Between(old, new *jsonschema.Bundle) []Change { //nolint:predeclared // the pair reads best so
	before, err := old.Link()
	if err != nil {
		return []Change{{Kind: Unusable, OldPointer: "#", NewPointer: "#", Text: "the old schema cannot be compiled: " + err.Error()}}
	}
	after, err := new.Link()
	if err != nil {
		return []Change{{Kind: Unusable, OldPointer: "#", NewPointer: "#", Text: "the new schema cannot be compiled: " + err.Error()}}
	}
	d := &differ{old: before, new: after, seen: map[[2]*v5.Schema]bool{}}
	d.draft(old.Document.Draft(), new.Document.Draft())
	d.later(before.Schema, after.Schema, "")
	for len(d.queue) > 0 {
		next := d.queue[0]
		d.queue = d.queue[1:]
		d.compare(next)
	}
	slices.SortStableFunc(d.changes, func(a, b Change) int {
		return cmp.Or(
			cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Keyword, b.Keyword), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.OldPointer, b.OldPointer), cmp.Compare(a.NewPointer, b.NewPointer),
		)
	})
	return d.changes
}

// couple is two schemas that speak of the same place.
type couple struct {
	old, new *v5.Schema
	pointer  string
}

// differ is one comparison. It is used by one goroutine.
type differ struct {
	old, new *jsonschema.Linked
	// queue holds what is to be compared, those near the root first, so that a shared
	// definition is told of at its shortest place.
	queue   []couple
	seen    map[[2]*v5.Schema]bool
	changes []Change
}

func (d *differ) later(old, new *v5.Schema, pointer string) { //nolint:predeclared // as above
	old, new = bare(d.old, old), bare(d.new, new)
	pair := [2]*v5.Schema{old, new}
	if old == nil || new == nil || d.seen[pair] {
		return
	}
	d.seen[pair] = true
	d.queue = append(d.queue, couple{old, new, pointer})
}

// bare is what a schema that is nothing but a reference leads to.
func bare(linked *jsonschema.Linked, s *v5.Schema) *v5.Schema {
	const far = 100 // a chain of references that does not end by then is left alone
	for range far {
		if s == nil || s.Ref == nil || len((&side{linked: linked}).keywords(s)) > 0 {
			break
		}
		s = s.Ref
	}
	return s
}

func (d *differ) draft(was, is jsonschema.Draft) {
	if was == is {
		return
	}
	d.changes = append(d.changes, Change{
		Kind: DraftChanged, Keyword: "$schema", OldPointer: "#/$schema", NewPointer: "#/$schema",
		Old: raw(was.URL()), New: raw(is.URL()), Text: "it is read as " + is.String() + " and no longer as " + was.String(),
	})
}
