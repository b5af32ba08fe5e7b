package contract

import (
	"errors"
	"fmt"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// Options say which version of what a schema is, and how it is to be applied.
type Options struct {
	Subject string            // registry subject, for messages and for the overlay
	Version int               // version under the subject, for messages
	ID      int               // the registry's global id
	Overlay *mask.Overlay     // classifies from outside; may be nil
	Open    bool              // admit undeclared properties when validating ("write: open")
	Limits  strictjson.Limits // on documents
}

// Contract is one schema version, compiled. It is safe for concurrent use.
type Contract struct {
	options Options
	key     []string
	program *program.Program // says quickly that a document is valid
	engine  engine           // has the last word, and the reasons
}

// engine does a contract's work. A document that is valid costs no more than
// it must; violations are collected only once there is one.
type engine interface {
	// validate returns the document's violations, in order; nil if it is valid.
	// The error is a *strictjson.Error, or says why there is no verdict.
	validate(data []byte) ([]Violation, error)
	// mask appends the masked document to dst, and counts in stats. It doesn't
	// validate what it wrote. The error is a *Withheld.
	mask(dst, data []byte, m *mask.Masker, stats *Stats) ([]byte, error)
	// known reports whether the schema names a property so.
	known(name string) bool
}

// Stats counts what masking did to a document's values.
type Stats struct {
	Masked   int // replaced by a token, names in maps included
	Redacted int // replaced by a constant
	Dropped  int // removed; an object or array that goes as a whole counts once
	Passed   int // left as they were
}

// Changed is the number of values that masking changed or removed.
func (s Stats) Changed() int { return s.Masked + s.Redacted + s.Dropped }

// Add adds o's counts to s.
func (s *Stats) Add(o Stats) {
	s.Masked += o.Masked
	s.Redacted += o.Redacted
	s.Dropped += o.Dropped
	s.Passed += o.Passed
}

// Compile compiles a schema with its references. The error is a
// *jsonschema.Error.
func Compile(b *jsonschema.Bundle, o Options) (*Contract, error) {
	linked, err := b.Link()
	if err != nil {
		return nil, err
	}
	key, err := keyPointers(b.Document)
	if err != nil {
		return nil, err
	}
	return &Contract{
		options: o, key: key, engine: newWalker(linked, o),
		program: program.Compile(linked, program.Options{Open: o.Open, Limits: o.Limits}),
	}, nil
}

// Subject is the registry subject that the contract is of.
func (c *Contract) Subject() string { return c.options.Subject }

// Version is the schema's version under its subject.
func (c *Contract) Version() int { return c.options.Version }

// ID is the schema's global id.
func (c *Contract) ID() int { return c.options.ID }

// Validate reports whether data is valid: nil, or an *Invalid with all that is
// wrong. Should something break down (a defect), it is a *Fault; then, too, the
// document must be refused. Validate keeps nothing of data.
func (c *Contract) Validate(data []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Fault{Subject: c.options.Subject, Version: c.options.Version, What: fmt.Sprint(r)}
		}
	}()
	if c.program.Valid(data) {
		return nil
	}
	violations, err := c.engine.validate(data)
	var syntax *SyntaxError
	switch {
	case errors.As(err, &syntax):
		return c.notJSON(syntax)
	case err != nil:
		return &Fault{Subject: c.options.Subject, Version: c.options.Version, What: err.Error()}
	case len(violations) > 0:
		return c.invalid(violations)
	}
	return nil
}

// Mask appends to dst the document in data, masked by m, and returns it with
// the counts of what was done. Properties keep their order, numbers that pass
// their exact text; white space between values goes. The result is valid under
// the contract. The error is a *Withheld; then nothing of the result may be
// used, and the room behind dst is cleared. dst must not overlap data.
//
// Mask doesn't ask whether data itself is valid: what was stored is.
func (c *Contract) Mask(dst, data []byte, m *mask.Masker) (masked []byte, stats Stats, err error) {
	start := len(dst)
	masked = dst
	defer func() {
		if r := recover(); r != nil {
			// What was panicked with may hold a value, so it is not shown.
			err = &Withheld{
				Code: CodeFault, Why: fmt.Sprintf("masking broke down (%T)", r),
				Cure: "report this as a defect, with the schema and the policy; release the event once it is mended",
			}
		}
		if err != nil {
			clear(dst[start:cap(dst)])
			masked, stats = dst, Stats{}
		}
	}()
	if masked, err = c.engine.mask(dst, data, m, &stats); err != nil {
		return masked, stats, err
	}
	if c.program.Valid(masked[start:]) {
		return masked, stats, nil
	}
	violations, err := c.engine.validate(masked[start:])
	if err != nil || len(violations) > 0 {
		return masked, stats, c.invalidMasked(masked[start:], violations, err)
	}
	return masked, stats, nil
}

// invalidMasked describes what is wrong with a masked document without showing
// any of it.
func (c *Contract) invalidMasked(masked []byte, violations []Violation, err error) *Withheld {
	var syntax *SyntaxError
	switch {
	case errors.As(err, &syntax):
		return &Withheld{
			Code: CodeInvalidMasked, Why: "the masked document is not strict JSON (" + syntax.Code + ")",
			Cure: "two names in one map may have one token: give the map's names another class or technique",
		}
	case err != nil:
		return &Withheld{
			Code: CodeFault, Why: fmt.Sprintf("validating the masked document broke down (%T)", err),
			Cure: "report this as a defect, with the schema and the policy; release the event once it is mended",
		}
	}
	first := violations[0]
	return &Withheld{
		Code: CodeInvalidMasked, Pointer: c.knownPointer(masked, first.Pointer),
		Why:  fmt.Sprintf("the masked document violates %q of the schema (%s)", first.Keyword, first.SchemaPointer),
		Cure: "give the class there a technique that the schema leaves room for, or widen the schema",
	}
}

// knownPointer replaces those names in a pointer that are data.
func (c *Contract) knownPointer(data []byte, pointer string) string {
	value, err := strictjson.Decode(data, c.options.Limits)
	if err != nil {
		return ""
	}
	return sanitize(value, pointer, c.engine.known)
}

func (c *Contract) notJSON(syntax *SyntaxError) *Invalid {
	return &Invalid{
		Subject: c.options.Subject, Version: c.options.Version, Cure: syntax.Cure, cause: syntax,
		Violations: []Violation{{
			Pointer: syntax.Pointer, Keyword: KeywordJSON, SchemaPointer: "#",
			Expected: "strict JSON", Found: fmt.Sprintf("at byte %d: %s", syntax.Offset, syntax.Problem),
		}},
	}
}

func (c *Contract) invalid(violations []Violation) *Invalid {
	e := &Invalid{
		Subject: c.options.Subject, Version: c.options.Version, Violations: violations,
		Cure: "correct the event, or register a version of the schema that admits it",
	}
	if violations[0].Keyword == KeywordUndeclared {
		e.Cure = "declare the property in a new version of the schema (as an optional one, this is compatible), or leave it out"
	}
	if over := len(violations) - MaxViolations; over > 0 {
		e.Violations, e.Omitted = violations[:MaxViolations], over
	}
	return e
}
