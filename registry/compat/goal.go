package compat

import (
	"encoding/binary"
	"math/big"
	"regexp"
	"slices"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// goal is a value to be found: one that is valid under all of holds and under
// none of fails, of one of the kinds, and none of those to avoid.
type goal struct {
	holds, fails []*v5.Schema
	// scope and closed are a world's.
	scope  []*v5.Schema
	inert  []*v5.Schema
	closed bool
	kinds  kind
	facts  []fact
	avoid  []any
	// aim leads, as tokens, to the place below at which the reader's schema has to
	// fail; aimed says that there is such a place.
	aim   []string
	aimed bool
	// root says that it is the whole document.
	root bool
}

// status is how a search for a value ended.
type status uint8

const (
	// unknown: nothing was found, and that proves nothing.
	unknown status = iota
	// found: there is a value.
	found
	// none: it is proven that there is no value.
	none
)

// op is what a fact is about.
type op uint8

const (
	opBelow       op = iota // a number less than number, or equal to it if inclusive
	opAbove                 // a number greater than number, or equal to it if inclusive
	opNotMultiple           // no multiple of number
	opNotIn                 // none of values
	opAtMost                // count characters, items or properties at most
	opAtLeast               // count at least
	opMatch                 // matches pattern
	opNoMatch               // does not match pattern
	opNoFormat              // is not of schema's format
	opAbsent                // has no property name
	opPresent               // has a property name, which fails schema if there is one
	opSome                  // has a property for which owner's pattern, or additionalProperties, holds, failing schema
	opBadName               // has a property whose name fails schema
	opItem                  // has an item at count, which fails schema if there is one
	opSomeItem              // has an item at count or later that fails schema
	opFew                   // has count items at most that are valid under schema
	opMany                  // has count items at least that are valid under schema
	opRepeated              // has two equal items
)

// fact is a part of what a value has to be that no schema says.
type fact struct {
	op        op
	schema    *v5.Schema
	owner     *v5.Schema
	name      string
	count     int
	number    *big.Rat
	inclusive bool
	values    []any
	pattern   *regexp.Regexp
}

func (c *check) writeFact(b []byte, f fact) []byte {
	b = append(b, byte(f.op), boolByte(f.inclusive))
	for _, s := range [...]*v5.Schema{f.schema, f.owner} {
		if s == nil {
			b = binary.BigEndian.AppendUint32(b, 0)
			continue
		}
		b = binary.BigEndian.AppendUint32(b, c.id(s))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(f.count))
	b = append(append(b, f.name...), 0)
	if f.number != nil {
		b = append(b, f.number.RatString()...)
	}
	if f.pattern != nil {
		b = append(b, f.pattern.String()...)
	}
	return c.writeValues(append(b, 0), f.values)
}

func (c *check) writeValues(b []byte, values []any) []byte {
	var text strings.Builder
	writeValue(&text, values)
	return append(append(b, text.String()...), 0)
}

// goalKey names a goal: goals with equal names have the same values.
func (c *check) goalKey(g goal) string {
	b := make([]byte, 0, 64)
	for _, list := range [...][]*v5.Schema{g.holds, g.fails, g.scope, g.inert} {
		b = c.appendIDs(b, list)
	}
	b = append(b, byte(g.kinds), boolByte(g.closed), boolByte(g.aimed), boolByte(g.root))
	for _, f := range g.facts {
		b = c.writeFact(b, f)
	}
	b = append(b, 0xff)
	if len(g.avoid) > 0 {
		b = c.writeValues(b, g.avoid)
	}
	for _, token := range g.aim {
		b = append(append(b, token...), 0)
	}
	return string(b)
}

// branch is one case of a goal: a kind of value, and the alternatives that were
// chosen on the way.
type branch struct {
	goal *goal
	kind kind
	// all are the schemas that hold, with what they refer to and their allOf.
	all []*v5.Schema
	// inert are those of all that hold without being applied.
	inert []*v5.Schema
	// denied are the schemas that fail, denials those of them for which no reason
	// has been chosen.
	denied, denials []*v5.Schema
	// choices are alternatives in all that have not been looked into.
	choices []choiceKey
	facts   []fact
	// listed says that one of all lists its values.
	listed []any
	finite bool
}

func (b *branch) clone() *branch {
	n := *b
	n.all = slices.Clone(b.all)
	n.inert = slices.Clone(b.inert)
	n.denied = slices.Clone(b.denied)
	n.denials = slices.Clone(b.denials)
	n.choices = slices.Clone(b.choices)
	n.facts = slices.Clone(b.facts)
	return &n
}

// step is a way to go on with a branch.
type step struct {
	holds, fails []*v5.Schema
	facts        []fact
	// inert says that what holds is not applied, and so does not count for the gate.
	inert bool
}

// take goes a step; it reports false if the branch ends in a contradiction.
func (s *solver) take(b *branch, next step) bool {
	s.toil(toilLook + len(next.holds) + len(next.fails))
	b.facts = append(b.facts, next.facts...)
	for _, schema := range next.holds {
		if !s.assume(b, schema, next.inert) {
			return false
		}
	}
	for _, schema := range next.fails {
		if !s.deny(b, schema) {
			return false
		}
	}
	return true
}

// assume makes a schema hold.
func (s *solver) assume(b *branch, schema *v5.Schema, inert bool) bool {
	s.toil(toilLook + len(b.all)/8)
	if slices.Contains(b.all, schema) {
		return true
	}
	if schema.Always != nil {
		return *schema.Always
	}
	if len(schema.Types) > 0 && kindOf(schema.Types)&b.kind == 0 {
		return false
	}
	s.spent += len(b.denied)
	for _, no := range b.denied {
		if s.same(schema, no) {
			return false
		}
	}
	b.all = append(b.all, schema)
	if inert {
		b.inert = append(b.inert, schema)
	}
	if values, listed := listedValues(schema); listed && (!b.finite || len(values) < len(b.listed)) {
		b.listed, b.finite = values, true
	}
	for _, keyword := range [...]choiceKeyword{oneOf, anyOf, ifElse} {
		if offers(schema, keyword) {
			b.choices = append(b.choices, choiceKey{schema, keyword})
		}
	}
	if schema.Not != nil && !s.deny(b, schema.Not) {
		return false
	}
	for _, ref := range refs(schema) {
		if !s.assume(b, ref, inert) {
			return false
		}
	}
	for _, sub := range schema.AllOf {
		if !s.assume(b, sub, inert) {
			return false
		}
	}
	return true
}

// deny makes a schema fail.
func (s *solver) deny(b *branch, schema *v5.Schema) bool {
	s.toil(toilLook + len(b.denied)/8)
	if slices.Contains(b.denied, schema) {
		return true
	}
	if schema.Always != nil {
		return !*schema.Always
	}
	b.denied = append(b.denied, schema)
	if len(schema.Types) > 0 && kindOf(schema.Types)&b.kind == 0 {
		return true
	}
	for _, yes := range b.all {
		if s.same(schema, yes) {
			return false
		}
	}
	b.denials = append(b.denials, schema)
	return true
}

// world is what is known of a branch's values, for the rules that derive.
func (s *solver) world(b *branch, without *v5.Schema) *world {
	s.spent += costSchema * (len(b.all) + len(b.denied) + len(b.goal.scope))
	w := s.check.world(b.all, b.goal.scope, b.goal.closed)
	w.kinds &= b.kind
	w.inert = b.inert
	for _, no := range b.denied {
		s.toil(1 + len(w.none)/8)
		if no != without && !slices.Contains(w.none, no) {
			w.none = append(w.none, no)
		}
	}
	for _, f := range b.facts {
		if f.op == opPresent && !slices.Contains(w.present, f.name) {
			w.present = append(w.present, f.name)
		}
	}
	slices.Sort(w.present)
	s.check.add(w)
	return w
}
