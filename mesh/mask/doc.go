// Package mask holds what makes an event safe for another environment: the
// classes of data, the techniques that replace them, the policies that give
// each class its technique in a destination, and the keys behind the tokens.
//
// It belongs here when it is about a single value, or about what people write
// down to say what becomes of values. Going through a document by its schema
// is package contract's.
//
// # Classification
//
// A schema classifies its fields with the keyword "x-lockstep-class", on a
// property, a definition or a whole schema; Confluent's "confluent:tags" counts
// too (see TagClass). A class on an object or array holds for everything inside
// that has no class of its own. "x-lockstep-key-class" on an object classifies
// the names of its properties, where the schema admits names without listing
// them (patternProperties, additionalProperties): such names are data.
//
// A string may hold something else, written as text: "x-lockstep-content" says
// what, "json", "base64" (of a text) or "base64-json". It is decoded, masked, and
// written again in the same way. What it holds is classified as what is in an
// object: by a schema of its own ("contentSchema", of JSON), by the overlay, whose
// pointers go on into it, and else by the string's own class, which holds for all
// inside that has none. Where that is to be dropped, the string goes as a whole. What
// isn't what it is said to be is withheld. Without the keyword a class replaces the
// whole string as it stands.
//
// # Overlay files
//
// A schema that one doesn't own is classified from outside, by a YAML file:
//
//	properties:                        # by the property's name, wherever it stands
//	  login: login
//	  email: email
//	definitions:                       # by what a "$ref" refers to
//	  user.schema.json:                #   the reference's name, or its last path segments
//	    /name: person-name             #   pointer from where the definition applies
//	    /plan: {class: internal}
//	  license.schema.json: public      #   the definition as a whole
//	  "#/definitions/address": address #   a definition in the schema itself
//	subjects:                          # by registry subject and pointer into the event
//	  github.push:
//	    /ref: internal
//	    /commits/*/message: text       #   * stands for one property name or array index
//	  github.workflow_dispatch.>:      #   subjects may have NATS wildcards
//	    /inputs: {class: text, keys: internal}
//
// A mark is a class, or {class: …, keys: …, content: …, pattern: …}, where keys is the
// class of the names in a map at that place, content what a string there holds, and
// pattern what tokens of strings there match besides what the schema demands. On an object
// or array a class holds for everything inside that has none of its own. A name that
// the overlay itself mentions, in "properties" or in a pointer to the place, is known,
// and so is no data even in a map.
//
// A mark may depend on another value of the same event: under
//
//	/owner/name: {class: person-name, when: {at: type, in: [User]}, else: name}
//
// the class holds where the value at "at" is one of "in". "at" is a JSON pointer
// into the event, or the name of a property beside the marked value. Where that
// value is something else the mark gives the class "else" or, without one, says
// nothing; where it is missing, the more protective of both classes holds.
//
// Which one counts, for one value:
//
//  1. its place in "subjects" (an exact subject before one with wildcards, then
//     the pointer with more literal tokens);
//  2. else its place in a "definitions" entry (the pointer with more literal
//     tokens first);
//  3. else the class that the schema itself gives to the value;
//  4. else the more protective one of what the nearest object or array around
//     it got by 1-3, and of the class that "properties" gives to the value's
//     own name or, if none, to the nearest name around it; in a map, where documents
//     choose the names, the more protective of these two;
//  5. else the value is unclassified, and the policy's defaults decide.
//
// Where several classes stand on one level, the most protective counts (see
// MoreProtective). A property whose name is "*" can't be told from the wildcard.
//
// # Techniques
//
// A policy gives each class a rule: a Technique, and its options. Every
// technique says what it Keeps and Reveals, and whether it is Reversible:
//
//	classes:
//	  email:       {technique: token}
//	  person-name: {technique: synthetic}
//	  id:          {technique: fpe, alphabet: alphanumeric}
//	  date:        {technique: date-shift, days: 30, by: id}
//	  amount:      {technique: noise, percent: 5}         # or {technique: bucket, size: 10}
//	  ip:          {technique: truncate, to: network}     # or to: year, month, day, hour; or length: 2
//	  account:     {technique: encrypt}                   # read again by Ring.Reveal, at the origin
//	  location:    {technique: constant, value: somewhere}
//	  internal:    {technique: cel, expression: "event.type == 'User' ? token(value) : value"}
//	  text:        {technique: scrub}
//
// What a technique makes is valid under the Shape, or refused: then the event
// is withheld. Null and the empty string stay as they are. Names in maps are given by
// techniques that make another text of each (see Technique.Renames), or passed.
//
// A Field is a place compiled for a Masker; its Append makes one value, and Make
// one of a document's many, in a Scratch that remembers the last ones. Where it
// NeedsEvent, the caller collects the event's classified values in an Event
// first.
//
// # Tokens
//
// A token is HMAC-SHA256 under a key that HKDF derives from the root key for
// the pair of destination and class, over the value in its canonical form (an
// e-mail address in lower case, an integer without its fraction or exponent, …).
// It carries at least 20 bits, mostly 64 to 128 (see Form): the odds that any two
// of n values collide are about n²/2^(bits+1). Addresses from the documentation
// ranges (ip) and dates are fewer than that, and collide. Where two values must
// never become one, use fpe or encrypt, which are bijections.
//
// Equal values have one token wherever schemas demand the same of them, or as little
// as the token's form meets. Where one schema demands a pattern or a length that the
// form doesn't, and another none, they have two: give both the same pattern, in
// the schema or the overlay, if they are to join. A number and the same number written as a string have one as an id.
//
// The keys of hashes, noise, shifted dates, fpe and encryption are derived
// apart, so that none of these tells anything of a token.
//
// # Keys
//
// A Ring has an origin's root keys: the active one, and retiring ones that are
// kept to reveal and to map tokens. It comes from a file (mode 0600), an
// environment variable or a command (KeySource). Rotating it breaks joins across
// the rotation.
package mask
