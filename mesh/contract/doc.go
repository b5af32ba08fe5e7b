// Package contract compiles one version of a schema into what the mesh does
// with events of that version: it validates their bytes, and it masks them for
// another environment.
//
// It belongs here when a document and its schema are gone through together.
// What a single value becomes is package mask's; what a schema is as a document
// is package jsonschema's.
//
// # Validity
//
// A document is valid if it is strict JSON (see strictjson), if
// santhosh-tekuri/jsonschema v5 finds it valid (but for its "uri-template"
// check, which is left out), and if, unless Options.Open is set, it has no
// undeclared property.
//
// # The closed write side
//
// JSON Schema lets everything through that a schema doesn't speak of. Here a
// schema that names properties at a place (by "properties" or
// "patternProperties") closes the place to all others. The subschemas that count
// are those that apply to the object there: the one that leads to it, what that
// includes by $ref and allOf, those alternatives of anyOf and oneOf that the
// object is valid under, "if" where it holds with "then", or else "else", and
// the dependent schemas of properties that are there. If one of them names
// properties, each name in the object must, by one of them, be
//
//   - declared by "properties", or by "patternProperties" with a pattern that
//     matches; or
//   - admitted by "additionalProperties" or "unevaluatedProperties" that is
//     true or a schema.
//
// "required" declares nothing. Where no subschema that applies names a property,
// as with true, {} and {"type": "object"}, the place is free: the schema doesn't
// describe the object, and everything is admitted there and below.
//
// # Masking
//
// Mask goes through document and schema together. The class of a value is
// decided by the subschemas that apply to it and by the overlay, in the order
// that package mask documents; what has no class falls under the policy's
// defaults. A class on an object or array holds for all values inside without
// one; under a class whose technique is drop, the object or array goes as a
// whole. The names in a map (properties that a schema admits without naming
// them) are data: they need a class of their own ("x-lockstep-key-class" on the
// object, "x-lockstep-class" in its "propertyNames", or "keys" in an overlay),
// or the policy's default for names decides.
//
// A string that is marked as holding JSON or base64 is gone into like an object (see
// package mask), up to some depth. Nobody validates what it holds before: a name that
// its schema doesn't declare, or a text that isn't what it is said to be, withholds
// the document.
//
// A class may depend on another value of the event. In a schema, put it under
// "then" or "else", or into one of several alternatives: those that apply to the
// value count. In an overlay, give the mark a condition ("when"). What a
// condition names beside the marked value is a property of the nearest object
// around it.
//
// Whatever can't be decided, can't be masked or isn't valid afterwards withholds
// the whole document.
//
// # Two engines
//
// The walker decodes a document, has jsonschema v5 judge it, and goes through it
// with the schema. It is slow, has the last word, and gives all reasons. Package
// program reads the bytes once. What is valid needs nothing else; for masking it
// is told what becomes of the values at each place (see Masking), which is found
// out when the first document reaches the place, and does that while it
// validates. A value that was replaced is judged as the old one was, at its
// place; the new document is gone through again only where that doesn't suffice
// (something was dropped or renamed, or a keyword looks at several values at
// once). Where classes depend on which alternatives or conditions hold, a value is
// read twice: the program's verdict on them chooses what becomes of it. A
// technique that looks at the whole event has it collected by a pass of its own.
// What that doesn't settle ("contains", dependent schemas, choices that nest
// deeply) the walker masks, that part of the document or all of it (conditions of
// the overlay, and whatever is going to be withheld).
//
// # Hostile documents
//
// jsonschema v5 takes time exponential in a document's depth where alternatives
// nest, and some kilobytes for each violation. It is asked only what takes a
// bounded number of steps, which are counted before (program.Effort). All that
// is wrong is listed by it in documents of ordinary size; in others, a slower
// but bounded search lists the first MaxViolations. What can't be judged within
// the bounds is refused (KeywordEffort) or withheld (CodeCostly).
package contract
