// Package jsonschema holds JSON Schema documents of drafts 4 to 2020-12: it
// parses them, finds their references, ties documents together and compiles
// them with santhosh-tekuri/jsonschema v5, whose verdicts are the mesh's.
//
// It belongs here when it is about schemas as text and as a graph of
// documents. Which subject has which version is package registry's, what a
// schema means for an event is package contract's.
//
// Nothing here ever reads a file or the network: a reference leads to a
// document that the caller supplied, or it is an error.
package jsonschema

import (
	"bytes"
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// The bounds on one document.
const (
	MaxBytes = 1 << 20 // of text
	MaxDepth = 200     // objects and arrays inside each other
)

// Document is one schema, parsed. It is immutable and safe for concurrent use.
type Document struct {
	text       []byte
	value      any
	draft      Draft
	references []string
	schemas    int  // objects that count as schemas
	names      int  // ids inside of the document, and references by anchor
	plain      bool // it has no id, and its references are fragments
	patterns   int  // instructions of the regular expressions, compiled
}

// Parse reads a schema: strict JSON, an object or a boolean, of a known draft
// (that of "$schema", or 2020-12 where it is absent), valid under the draft's
// metaschema, with regular expressions that compile (Go's syntax, which has no
// look-around and no back-references). It doesn't need what the schema
// refers to. The error is an *Error.
func Parse(text []byte) (*Document, error) {
	value, err := strictjson.Decode(text, strictjson.Limits{MaxBytes: MaxBytes, MaxDepth: MaxDepth})
	if err != nil {
		e := &Error{
			Code: CodeNotJSON, Problem: err.Error(), Cure: "register the schema as one JSON document", cause: err,
		}
		if strict := (*strictjson.Error)(nil); errors.As(err, &strict) {
			e.Pointer = strict.Pointer
		}
		return nil, e
	}
	d := &Document{text: bytes.Clone(text), value: value, draft: DefaultDraft}
	switch value := value.(type) {
	case bool:
		return d, nil
	case map[string]any:
		if d.draft, err = draftOf(value); err != nil {
			return nil, err
		}
	default:
		return nil, &Error{
			Code: CodeNotASchema, Problem: "a schema is a JSON object or a boolean",
			Cure: "write the schema as an object, {…}",
		}
	}
	if err := d.checkPatterns(); err != nil {
		return nil, err
	}
	if !surelyValid(value, d.draft) {
		if err := d.checkMetaschema(); err != nil {
			return nil, err
		}
	}
	scope := newScope(d, "")
	if url, pointer, found := scope.twice(); found {
		_, anchor := splitFragment(url)
		return nil, &Error{
			Code: CodeInvalidSchema, Pointer: pointer,
			Problem: fmt.Sprintf("the anchor %s is given to two schemas", quote(anchor)),
			Cure:    "give each schema a name of its own",
		}
	}
	d.references, d.schemas, d.names = scope.external(), scope.schemas, scope.named
	d.plain = scope.movable() && !scope.outward && scope.anonymous()
	return d, nil
}

// Text is the schema as it was given. The caller must not change it.
func (d *Document) Text() []byte { return d.text }

// Value is the schema as strictjson.Decode returns it. The caller must not
// change it.
func (d *Document) Value() any { return d.value }

// Draft is the draft by which the schema is read.
func (d *Document) Draft() Draft { return d.draft }

// References are the targets of the document's references ("$ref",
// "$dynamicRef") that lie outside of it, as they are written there but without
// their fragment, sorted, each once. The drafts' own metaschemas are not among
// them: they are always at hand.
func (d *Document) References() []string { return slices.Clone(d.references) }

// The memory that a document takes, about, in bytes: for each byte of its text, for
// each of its schemas when it is compiled, and for each instruction of a pattern.
const (
	sizeOfByte    = 12
	sizeOfSchema  = 1200
	sizeOfPattern = 100
)

// Size is about the memory that the document takes, in bytes.
func (d *Document) Size() int { return sizeOfByte * len(d.text) }

// work is how often the library looks at a part of the document, in the worst case,
// while it compiles it: for each name, and in 2020-12 for each schema, at each of
// the schemas.
func (d *Document) work() int {
	n := d.names
	if d.draft == Draft2020 {
		n += d.schemas
	}
	return n * d.schemas
}

func draftOf(value map[string]any) (Draft, error) {
	schema, ok := value["$schema"]
	if !ok {
		return DefaultDraft, nil
	}
	if url, ok := schema.(string); ok {
		if draft, ok := DraftOf(url); ok {
			return draft, nil
		}
	}
	return 0, &Error{
		Code: CodeUnknownDraft, Pointer: "/$schema",
		Problem: fmt.Sprintf("%s names no draft of JSON Schema that is understood", quote(schema)),
		Cure:    "use " + Draft2020.URL() + ", or the URL of draft-04, draft-06, draft-07 or 2019-09, or leave $schema out",
	}
}

// checkPatterns compiles every regular expression, so that a bad one is named
// with its place.
func (d *Document) checkPatterns() error {
	if !holdsPatterns(d.value) {
		return nil
	}
	for pointer, schema := range d.Schemas() {
		var patterns []string
		if p, ok := schema["pattern"].(string); ok {
			patterns = append(patterns, p)
		}
		if properties, ok := schema["patternProperties"].(map[string]any); ok {
			patterns = append(patterns, sortedKeys(properties)...)
		}
		for _, p := range patterns {
			size, err := patternSize(p)
			if d.patterns += size; d.patterns > MaxPatterns {
				return tooManyPatterns(pointer)
			}
			if err != nil {
				return &Error{
					Code: CodeInvalidPattern, Pointer: pointer,
					Problem: fmt.Sprintf("the regular expression %s doesn't compile: %v", quote(p), err),
					Cure:    "write it without look-around and back-references (RE2 syntax, as Go has it)", cause: err,
				}
			}
		}
	}
	return nil
}

// holdsPatterns reports whether there is anything in value that may be a pattern.
func holdsPatterns(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if name == "pattern" || name == "patternProperties" || holdsPatterns(member) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(value, holdsPatterns)
	}
	return false
}

func tooManyPatterns(pointer string) *Error {
	return &Error{
		Code: CodeTooLarge, Pointer: pointer,
		Problem: fmt.Sprintf("the regular expressions take more than %d steps together; a repetition counts as often as it may happen", MaxPatterns),
		Cure:    "write shorter ones, or bound the length with maxLength instead of a repetition",
	}
}

// patternSize is the number of instructions of a regular expression that compiles.
func patternSize(pattern string) (int, error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0, err
	}
	return len(program.Inst), nil
}

func (d *Document) checkMetaschema() (err error) {
	// The library panics on what it doesn't expect; a schema is somebody's
	// input, so that is an answer here and not a crash.
	defer func() {
		if r := recover(); r != nil {
			err = invalidSchema("", fmt.Errorf("%v", r))
		}
	}()
	meta, err := d.draft.metaschema()
	if err != nil {
		return invalidSchema("", err)
	}
	if err := meta.Validate(d.value); err != nil {
		pointer, why := deepest(err)
		return invalidSchema(pointer, why)
	}
	return nil
}

func invalidSchema(pointer string, why error) *Error {
	return &Error{
		Code: CodeInvalidSchema, Pointer: pointer, Problem: why.Error(),
		Cure: "correct the keyword there as the draft defines it", cause: why,
	}
}

// deepest finds the most telling of a validation error's causes, and the
// place in the document that it is about.
func deepest(err error) (pointer string, why error) {
	var invalid *v5.ValidationError
	if !errors.As(err, &invalid) {
		return "", err
	}
	best := invalid
	var descend func(*v5.ValidationError)
	descend = func(e *v5.ValidationError) {
		if len(e.Causes) == 0 {
			here, there := len(e.InstanceLocation), len(best.InstanceLocation)
			if len(best.Causes) > 0 || here > there || here == there && e.InstanceLocation < best.InstanceLocation {
				best = e
			}
		}
		for _, cause := range e.Causes {
			descend(cause)
		}
	}
	descend(invalid)
	return unescapePointer(best.InstanceLocation), errors.New(best.Message)
}

func quote(v any) string {
	s, ok := v.(string)
	if !ok {
		return "its value"
	}
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strconv.Quote(s)
}
