package contract

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/mask/automaton"
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
	// Gather gathers the schema that is compiled once more, for a contract that has
	// given it up (see Rest). Without it the contract keeps the schema.
	Gather func() (*jsonschema.Bundle, error)
}

// Contract is one schema version, compiled. It is safe for concurrent use.
type Contract struct {
	options Options
	key     []string
	// keyPaths are the same as names, unescaped.
	keyPaths [][]string
	program  *program.Program // says quickly that a document is valid

	bundle *jsonschema.Bundle // nil where it can be gathered again

	// walker has the last word, and the reasons. It takes more memory than all the rest,
	// and many contracts never need it: it is made when it is needed, of what Compile has
	// linked if that is still there, and given up by Rest.
	walker atomic.Pointer[walker]
	mu     sync.Mutex // makes it
	linked atomic.Pointer[jsonschema.Linked]
	needed atomic.Bool // since Rest was called last

	maskings maskingCache
}

// engine does a contract's work. A document that is valid costs no more than
// it must; violations are collected only once there is one.
type engine interface {
	// validate returns what is wrong with a document, in order, of which the
	// program says verdict; nothing if it is valid. The error is a
	// *strictjson.Error, or says why there is no verdict.
	validate(data []byte, verdict program.Verdict) (findings, error)
	// mask appends the masked document to dst, and counts in stats. It doesn't
	// validate what it wrote. With apart, constants differ from item to item where the
	// schema demands that items do. The error is a *Withheld.
	mask(dst, data []byte, g *Masking, stats *Stats, apart bool) ([]byte, error)
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
	c := &Contract{
		options: o, key: key,
		program: program.Compile(linked, program.Options{Open: o.Open, Limits: o.Limits}),
	}
	for _, pointer := range key {
		path := strings.Split(pointer[1:], "/")
		for i := range path {
			path[i] = jsonschema.UnescapeToken(path[i])
		}
		c.keyPaths = append(c.keyPaths, path)
	}
	if o.Gather == nil {
		c.bundle = b
	}
	c.linked.Store(linked)
	return c, nil
}

// slow is the slow engine.
func (c *Contract) slow() engine {
	if !c.needed.Load() {
		c.needed.Store(true)
	}
	if w := c.walker.Load(); w != nil {
		return w
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.walker.Load(); w != nil {
		return w
	}
	linked := c.linked.Swap(nil)
	if linked == nil {
		var err error
		if linked, err = c.link(); err != nil {
			return failed{err}
		}
	}
	w := newWalker(linked, c.options)
	c.walker.Store(w)
	return w
}

// link links the schema, as Compile has done before.
func (c *Contract) link() (*jsonschema.Linked, error) {
	b := c.bundle
	if b == nil {
		var err error
		if b, err = c.options.Gather(); err != nil {
			return nil, err
		}
	}
	return b.Link()
}

// Rest gives up what the contract has not needed since Rest was called last, and can
// make again: all that is for documents which are not plainly valid, and for finding
// out what masking makes of a place. Who is using it goes on with it.
func (c *Contract) Rest() {
	c.linked.Store(nil)
	if !c.needed.Swap(false) {
		c.walker.Store(nil)
	}
}

// failed stands for an engine that can't be made now.
type failed struct{ why error }

func (f failed) validate([]byte, program.Verdict) (findings, error) { return findings{}, f.why }

func (f failed) mask(dst, _ []byte, _ *Masking, _ *Stats, _ bool) ([]byte, error) {
	return dst, &Withheld{
		Code: CodeFault, Why: "the schema could not be compiled again", Cure: "see that the schema and what it refers to are registered, and release the event", cause: f.why,
	}
}

func (f failed) known(string) bool { return false }

// How much memory is taken, about, by a contract without its parts, and by each
// subschema that the slow engine knows, beside the linked schema.
const (
	contractBytes = 640
	nodeBytes     = 1024
)

// Size is about how many bytes of memory the contract takes, with all that it has
// remembered so far; but without what contracts share (see SharedSize).
func (c *Contract) Size() int {
	n := contractBytes + c.program.Size() + c.maskings.size()
	if c.bundle != nil {
		n += c.bundle.Document.Size()
	}
	if linked := c.linked.Load(); linked != nil {
		n += linked.Size()
	}
	if w := c.walker.Load(); w != nil {
		n += w.linked.Size() + nodeBytes*len(w.graph.byID)
	}
	return n
}

// SharedSize is about how many bytes of memory all contracts together take for what
// they share: patterns, and what makes masked values.
func SharedSize() int {
	return automaton.SharedSize() + program.SharedSize() + shapes.Size() + fields.Size()
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
	verdict := c.program.Check(data)
	if verdict == program.Valid {
		return nil
	}
	found, err := c.slow().validate(data, verdict)
	var syntax *SyntaxError
	switch {
	case errors.As(err, &syntax):
		return c.notJSON(syntax)
	case err != nil:
		return &Fault{Subject: c.options.Subject, Version: c.options.Version, What: err.Error()}
	case found.costly:
		return c.costly(data)
	case len(found.violations) > 0:
		return c.invalid(found)
	}
	return nil
}

// invalidMasked describes what is wrong with a masked document without showing
// any of it.
func (c *Contract) invalidMasked(masked []byte, found findings, err error) *Withheld {
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
	if found.costly {
		return &Withheld{
			Code: CodeCostly, Why: "validating the masked document takes more work than one document may",
			Cure: "tell the schema's alternatives apart by their types or by a constant property",
		}
	}
	first := found.violations[0]
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
	return sanitize(value, pointer, c.slow().known)
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

func (c *Contract) costly(data []byte) *Invalid {
	return &Invalid{
		Subject: c.options.Subject, Version: c.options.Version,
		Violations: []Violation{{
			Keyword: KeywordEffort, SchemaPointer: "#",
			Expected: fmt.Sprintf("a document that is judged within %d steps", program.MaxEffort(len(data))),
			Found:    "one that takes more, because alternatives nest in it",
		}},
		Cure: "nest less deeply; or, in a new version of the schema, tell its alternatives apart by their types or by a constant property",
	}
}

func (c *Contract) invalid(found findings) *Invalid {
	e := &Invalid{
		Subject: c.options.Subject, Version: c.options.Version, Violations: found.violations, AtLeast: found.more,
		Cure: "correct the event, or register a version of the schema that admits it",
	}
	if found.violations[0].Keyword == KeywordUndeclared {
		e.Cure = "declare the property in a new version of the schema (as an optional one, this is compatible), or leave it out"
	}
	if over := len(found.violations) - MaxViolations; over > 0 {
		e.Violations, e.Omitted = found.violations[:MaxViolations:MaxViolations], over
	}
	return e
}
