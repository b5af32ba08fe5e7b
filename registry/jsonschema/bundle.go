package jsonschema

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// The bounds on documents that hang together. What is beyond them takes minutes or
// gigabytes to compile.
const (
	MaxBundles     = 2000    // documents
	MaxBundleBytes = 8 << 20 // of their texts
	// MaxPatterns bounds the instructions of their regular expressions, compiled; a
	// repetition counts as often as it may happen.
	MaxPatterns = 500_000
	// maxWork bounds how often a part of them is looked at while they are compiled,
	// in the worst case. It admits about 10,000 schemas in one document of 2020-12,
	// and any number of them in earlier drafts where they have no ids.
	maxWork = 100_000_000
)

// scheme begins the URLs under which documents are compiled. Nobody resolves it.
const scheme = "lockstep://"

// Bundle is a document with the documents that it refers to. Bundles may be
// shared, and may refer to each other in a circle. A bundle must not be
// changed once it is in use; then it is safe for concurrent use.
type Bundle struct {
	Document *Document
	// References are the documents behind the document's References: the key is
	// the reference's name, exactly as "$ref" has it. A "$ref" that equals a
	// name, as it is written or as resolved against the document's own $id,
	// leads to that document, whatever $id that one has.
	References map[string]*Bundle
}

// Compile compiles the bundle. Formats are asserted as the library does for
// each document's draft, except "uri-template", whose check in the library
// refuses every template and is left out. Nothing is ever fetched: a reference
// that leads nowhere is an *Error that names it, as is everything else that is
// wrong with a schema.
func (b *Bundle) Compile() (*v5.Schema, error) {
	linked, err := b.Link()
	if err != nil {
		return nil, err
	}
	return linked.Schema, nil
}

// Linked is a compiled bundle that still knows where each part of it was
// written. It is immutable and safe for concurrent use.
type Linked struct {
	Schema  *v5.Schema
	parts   []part
	numbers map[*Bundle]int // the part that each is

	bytes, patterns, schemas, work int // of all documents
}

// part is one document of a compiled bundle.
type part struct {
	bundle *Bundle
	name   string // the name it is first reached by; empty for the bundle itself
	url    string
	scope  *scope // nil for a plain document that is compiled inside another one
	// inner is where in what is compiled the document stands; empty for the root.
	inner string
}

// Origin is where a part of a compiled schema was written.
type Origin struct {
	Bundle  *Bundle
	Name    string // the reference name of the document; empty for the bundle's own
	Pointer string // JSON pointer in the document
}

// String is the place as people write it: name#pointer.
func (o Origin) String() string { return o.Name + "#" + o.Pointer }

// unseen is a keyword under which the library looks for schemas that a "$ref" may
// lead to, and of which the metaschema of 2020-12 says nothing.
const unseen = "additionalItems"

// Link compiles the bundle as Compile does and keeps the origins.
//
// The library validates what it compiles against its metaschema, which takes more
// than half of its time, and has been done by Parse. So a document goes where it
// does not look: under a keyword of another document. If anything is wrong then,
// the documents are compiled as they are, and that is the answer.
func (b *Bundle) Link() (*Linked, error) {
	if l, err := b.link(true); err == nil {
		return l, nil
	}
	return b.link(false)
}

func (b *Bundle) link(inside bool) (*Linked, error) {
	l := &Linked{}
	if err := l.collect(b); err != nil {
		return nil, err
	}
	for i := range l.parts {
		p := &l.parts[i]
		if inside && p.bundle.Document.plain {
			p.inner = "/" + unseen
			continue
		}
		p.scope = newScope(p.bundle.Document, p.url)
		if inside && p.scope.movable() {
			p.inner = "/" + unseen
		}
	}
	compiler, err := l.compiler()
	if err != nil {
		return nil, err
	}
	l.Schema, err = l.compile(compiler, l.parts[0].url+l.parts[0].within(""))
	if err != nil {
		return nil, err
	}
	return l, nil
}

// compiler is one that knows all documents.
func (l *Linked) compiler() (*v5.Compiler, error) {
	compiler := v5.NewCompiler()
	// Set on this compiler alone: the library's own table is left as it is.
	compiler.Formats["uri-template"] = func(any) bool { return true }
	compiler.LoadURL = func(url string) (io.ReadCloser, error) {
		return nil, fmt.Errorf("%s is not among the references, and nothing is ever fetched", url)
	}
	for i := range l.parts {
		text, err := l.rewrite(i)
		if err != nil {
			return nil, err
		}
		if err := compiler.AddResource(l.parts[i].url, bytes.NewReader(text)); err != nil {
			return nil, l.compileError(err)
		}
	}
	return compiler, nil
}

// Unread gives a way to compile the schemas that stand under keywords of which the
// library makes nothing, such as "contentSchema": it takes a part of the compiled
// schema, and the keyword. It is not safe for concurrent use.
func (l *Linked) Unread() func(of *v5.Schema, keyword string) (*v5.Schema, error) {
	var compiler *v5.Compiler
	return func(of *v5.Schema, keyword string) (_ *v5.Schema, err error) {
		if compiler == nil {
			if compiler, err = l.compiler(); err != nil {
				return nil, err
			}
		}
		url, pointer, _ := strings.Cut(of.Location, "#")
		return l.compile(compiler, url+"#"+pointer+"/"+keyword)
	}
}

// collect numbers the documents, nearest first.
func (l *Linked) collect(root *Bundle) error {
	seen := map[*Bundle]bool{root: true}
	l.numbers = map[*Bundle]int{}
	l.parts = []part{{bundle: root}}
	for i := 0; i < len(l.parts); i++ {
		b := l.parts[i].bundle
		if b == nil || b.Document == nil {
			return &Error{
				Code: CodeUnresolvedReference, Name: l.parts[i].name,
				Problem: "there is no document for this reference", Cure: "give the reference a document",
			}
		}
		if err := l.add(b.Document); err != nil {
			return err
		}
		l.parts[i].url = scheme + strconv.Itoa(i) + "/"
		l.numbers[b] = i
		for _, name := range slices.Sorted(maps.Keys(b.References)) {
			target := b.References[name]
			if seen[target] {
				continue
			}
			if len(l.parts) == MaxBundles {
				return &Error{
					Code: CodeTooManyReferences, Problem: fmt.Sprintf("more than %d schemas hang together by references", MaxBundles),
					Cure: "refer to fewer schemas, or merge some",
				}
			}
			seen[target] = true
			l.parts = append(l.parts, part{bundle: target, name: name})
		}
	}
	return nil
}

// add counts a document in, or refuses it.
func (l *Linked) add(d *Document) error {
	l.bytes += len(d.text)
	l.patterns += d.patterns
	l.schemas += d.schemas
	l.work += d.work()
	e := &Error{Code: CodeTooLarge}
	switch {
	case l.bytes > MaxBundleBytes:
		e.Problem = fmt.Sprintf("the schema and those that it refers to have more than %d bytes together", MaxBundleBytes)
		e.Cure = "refer to smaller schemas"
	case l.patterns > MaxPatterns:
		return tooManyPatterns("")
	case l.work > maxWork:
		e.Problem = fmt.Sprintf("%d schemas in one document take too long to compile", d.schemas)
		e.Cure = "split the document into several that refer to each other, and give few of the schemas inside of it an id"
	default:
		return nil
	}
	return e
}

// Bytes is the length of the documents' texts together.
func (l *Linked) Bytes() int { return l.bytes }

// Size is about the memory that the compiled bundle takes, in bytes, its documents
// included.
func (l *Linked) Size() int {
	return sizeOfByte*l.bytes + sizeOfSchema*l.schemas + sizeOfPattern*l.patterns
}

func (l *Linked) compile(compiler *v5.Compiler, url string) (s *v5.Schema, err error) {
	// The library panics on what it doesn't expect; a schema is somebody's
	// input, so that is an answer here and not a crash.
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, invalidSchema("", fmt.Errorf("%v", r))
		}
	}()
	if s, err = compiler.Compile(url); err != nil {
		return nil, l.compileError(err)
	}
	return s, nil
}

func (l *Linked) compileError(err error) *Error {
	e := &Error{Code: CodeInvalidSchema, Cure: "correct the schema there", cause: err}
	var invalid *v5.ValidationError
	var loop v5.InfiniteLoopError
	var failed *v5.SchemaError
	switch {
	case errors.As(err, &invalid):
		pointer, why := deepest(err)
		e.Pointer, e.Problem = pointer, why.Error()
	case errors.As(err, &loop):
		e.Code, e.Problem = CodeLoop, "a schema applies itself to the same value without end: "+l.readable(string(loop))
		e.Cure = "put a keyword that goes into the value (properties, items) between the schema and its reference to itself"
	default:
		if errors.As(err, &failed) && failed.Err != nil {
			err = failed.Err
		}
		e.Code = CodeUnresolvedReference
		e.Problem = l.readable(err.Error())
		e.Cure = "correct the reference's target or its fragment"
	}
	return e
}

// readable replaces the URLs that documents are compiled under by their names.
func (l *Linked) readable(text string) string {
	for i := len(l.parts) - 1; i >= 0; i-- {
		text = strings.ReplaceAll(text, l.parts[i].url, l.parts[i].name)
	}
	return strings.TrimPrefix(text, "jsonschema: ")
}

// Bundle is what was compiled.
func (l *Linked) Bundle() *Bundle { return l.parts[0].bundle }

// Locate turns a location of the compiled schema (Schema.Location, or a
// validation error's AbsoluteKeywordLocation) into where it was written. A
// location outside the bundle (a metaschema's) is reported as not found.
func (l *Linked) Locate(location string) (Origin, bool) {
	rest, ok := strings.CutPrefix(location, scheme)
	if !ok {
		return Origin{}, false
	}
	number, rest, _ := strings.Cut(rest, "/")
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(l.parts) {
		return Origin{}, false
	}
	_, fragment, _ := strings.Cut(rest, "#")
	pointer, err := url.PathUnescape(fragment)
	if err != nil {
		return Origin{}, false
	}
	return Origin{Bundle: l.parts[i].bundle, Name: l.parts[i].name, Pointer: strings.TrimPrefix(pointer, l.parts[i].inner)}, true
}

// Keywords are the keywords of a part of the compiled schema as they were
// written, those that the library doesn't know included. It is nil for a
// boolean schema. The caller must not change it.
func (l *Linked) Keywords(s *v5.Schema) map[string]any {
	origin, ok := l.Locate(s.Location)
	if !ok {
		return nil
	}
	value, _ := Find(origin.Bundle.Document.value, origin.Pointer)
	keywords, _ := value.(map[string]any)
	return keywords
}

func list(references map[string]*Bundle) string {
	if len(references) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(references)), ", ")
}
