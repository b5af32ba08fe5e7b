// Package program compiles a JSON Schema into a program that validates a
// document in one pass over its bytes, without decoding it and, for a document
// that is valid, without allocating.
//
// It belongs here when it makes that pass right or fast. What is reported about
// an invalid document is package contract's: once a program has refused, a slow
// engine goes through the document again to say why. What a schema is as a
// document is package jsonschema's, what strict JSON is, package strictjson's.
// The verdicts of those two, and of santhosh-tekuri/jsonschema v5, are the
// reference: a program that differs from them is wrong.
//
// # How it works
//
// At each place of a document some subschemas apply. Those that always stand
// or fall together (a schema with all that it includes by $ref and allOf) make
// a unit; an alternative of anyOf or oneOf, a condition, a negation, a
// dependent schema is a unit of its own. All units of a place together are a
// group, and a group is what a value is read with: each unit has one bit in a
// word, set when the unit fails. The groups of an object's members and of an
// array's items are known when the program is compiled, so alternatives are
// tried side by side and no byte is read twice. At the end of a value its
// combining keywords (ops) are worked out on the word, and the bits of the
// group's roots are the answer to the value around it.
//
//	unit 0: {"type": "object", "oneOf": [u1, u2]}     value read, fail = 0b010
//	unit 1: {"properties": {"kind": {"const": "a"}}}  op oneOf(u1, u2): exactly
//	unit 2: {"properties": {"kind": {"const": "b"}}}  one holds, unit 0 holds
//
// What has no such form is opaque: the unit's subtree of the document is decoded
// after it was read over, and jsonschema v5 gives its verdict (see Explain).
//
// # The closed write side
//
// Whether a name is undeclared depends on which units apply, which may be known
// only at the end of the value, or of one around it. A name that somebody who
// closes the place doesn't admit leaves a clause, "if one of these units
// applies, one of those must", which is carried outwards, from group to group,
// until the units that it is about are settled.
//
// # Rewriting
//
// A document can be changed in the pass that validates it (see Rewrite). What
// becomes of the values is in plans, one for each place, beside the groups:
// many places share a group, and few share a plan. Plans are made by package
// contract. A new value is judged by its group, as the old one was, unless all
// that its field can make is known to be admitted (see surety).
package program
