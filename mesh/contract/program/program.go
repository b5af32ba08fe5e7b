package program

import (
	"sync"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// Options say how documents are validated.
type Options struct {
	Open   bool              // admit properties that the schema doesn't declare
	Limits strictjson.Limits // on documents
	// Explain keeps what Explain tells, which takes a third of a program's memory.
	Explain bool
}

// Program is a compiled schema. It is immutable and safe for concurrent use.
type Program struct {
	schema *v5.Schema // for documents that are validated whole
	open   bool
	limits strictjson.Limits
	root   *group // nil: everything is valid
	whole  string // why documents are validated whole by v5; empty if they aren't
	parts  []Part
	uses   []*shared // what it has in common with others
	size   int
}

// runs are shared by all programs, so that many of them need no more memory.
var runs = sync.Pool{New: func() any { return new(run) }}

// Verdict is what a program says of a document.
type Verdict uint8

const (
	// Invalid says that the document is not strict JSON, or not valid, or has an
	// undeclared property.
	Invalid Verdict = iota
	// Valid says that the document is valid.
	Valid
	// Undecided says that the document is strict JSON and valid under the schema, but
	// whether it has an undeclared property is for a slower engine to say. Only
	// closed programs of schemas that Explain calls not fast come to this.
	Undecided
	// Costly says that jsonschema v5 would have to be asked about some of the
	// document, and that this takes more than MaxEffort.
	Costly
)

// String is the verdict's name.
func (v Verdict) String() string {
	switch v {
	case Invalid:
		return "invalid"
	case Valid:
		return "valid"
	case Undecided:
		return "undecided"
	case Costly:
		return "costly"
	}
	return "unknown verdict"
}

// Compile compiles a linked schema. Every schema that links compiles; what has
// no fast form is left to jsonschema v5, and Explain tells it.
func Compile(linked *jsonschema.Linked, o Options) *Program {
	p := &Program{open: o.Open, limits: o.Limits.Resolve()}
	s := survey(linked)
	if p.whole = s.whole; p.whole != "" {
		p.schema = linked.Schema
		p.size = linked.Size()
	} else {
		b := newBuilder(s, linked, o.Open)
		p.root = b.compile(linked.Schema)
		p.size, p.uses = b.size(), b.uses
	}
	if o.Explain {
		p.parts = s.explain(linked)
	}
	return p
}

// Valid reports whether data is valid for certain: see Check.
func (p *Program) Valid(data []byte) bool { return p.Check(data) == Valid }

// Check validates data. It keeps nothing of it.
func (p *Program) Check(data []byte) Verdict {
	if len(data) > p.limits.MaxBytes {
		return Invalid
	}
	if p.whole != "" {
		return p.checkWhole(data)
	}
	r := runs.Get().(*run)
	verdict := r.document(p, data)
	r.reset()
	runs.Put(r)
	return verdict
}

// checkWhole leaves the document to v5.
func (p *Program) checkWhole(data []byte) Verdict {
	value, err := strictjson.Decode(data, p.limits)
	effort := NewEffort(MaxEffort(len(data)))
	switch {
	case err != nil:
		return Invalid
	case !effort.Valid(p.schema, value):
		if effort.Over() {
			return Costly
		}
		return Invalid
	case p.open:
		return Valid
	}
	return Undecided
}
