package compat

import (
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Finder finds values of one schema, by the search that finds witnesses. It is
// used by one goroutine.
type Finder struct {
	check *check
	root  *v5.Schema
}

// NewFinder makes a finder for a schema and all of its parts.
func NewFinder(linked *jsonschema.Linked) *Finder {
	c := newCheck(linked.Schema, linked.Schema, Gated)
	c.gate = newGate(c.policy, c.writers)
	return &Finder{check: c, root: linked.Schema}
}

// Find looks for a value that is valid under all of parts, which are parts of the
// finder's schema, without properties that none of them declares or explicitly
// allows. Where there is none, empty is true if that is proven; otherwise stopped
// names the keyword that the search stopped at.
//
// A value is as the decoder of package strictjson makes them. It is small and
// plain. Where parts hold references that depend on how they are reached
// ($dynamicRef, $recursiveRef), it has to be tried on the whole document.
func (f *Finder) Find(parts ...*v5.Schema) (value any, ok, empty bool, stopped string) {
	f.check.spent = 0
	s := newSolver(f.check, maxSteps)
	var outcome status
	if !f.check.bounded(maxToil, func() {
		value, outcome = s.solve(goal{holds: parts, scope: slices.Clone(parts), closed: true, kinds: anything}, 0)
	}) {
		return nil, false, false, "size"
	}
	switch {
	case outcome == found:
		return value, true, false, ""
	case outcome == none && !s.partial && !f.check.readerDynamic:
		return nil, false, true, ""
	case s.why == "":
		return nil, false, false, "$dynamicRef"
	}
	return nil, false, false, s.why
}

// Valid reports whether a value is valid under a part of the finder's schema; it is
// false where that would take too long to tell.
func (f *Finder) Valid(part *v5.Schema, value any) bool {
	valid, ok := f.check.validates(part, value)
	return valid && ok
}

// Passes reports whether a document that is valid under the finder's schema holds
// only properties that the schema declares or explicitly allows.
func (f *Finder) Passes(document any) bool { return f.check.gate.passes(f.root, document) }
