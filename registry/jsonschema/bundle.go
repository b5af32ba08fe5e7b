package jsonschema

import (
	"bytes"
	"encoding/json"
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

// MaxBundles bounds how many documents may hang together.
const MaxBundles = 2000

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
	Schema *v5.Schema
	parts  []part
	urls   map[*Bundle]string // the URL each is compiled under
}

// part is one document of a compiled bundle.
type part struct {
	bundle *Bundle
	name   string // the name it is first reached by; empty for the bundle itself
	url    string
	scope  *scope
}

// Origin is where a part of a compiled schema was written.
type Origin struct {
	Bundle  *Bundle
	Name    string // the reference name of the document; empty for the bundle's own
	Pointer string // JSON pointer in the document
}

// String is the place as people write it: name#pointer.
func (o Origin) String() string { return o.Name + "#" + o.Pointer }

// Link compiles the bundle as Compile does and keeps the origins.
func (b *Bundle) Link() (*Linked, error) {
	l := &Linked{}
	if err := l.collect(b); err != nil {
		return nil, err
	}
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
	if err := l.compile(compiler); err != nil {
		return nil, err
	}
	return l, nil
}

// collect numbers the documents, nearest first.
func (l *Linked) collect(root *Bundle) error {
	seen := map[*Bundle]bool{root: true}
	l.urls = map[*Bundle]string{}
	l.parts = []part{{bundle: root}}
	for i := 0; i < len(l.parts); i++ {
		b := l.parts[i].bundle
		if b == nil || b.Document == nil {
			return &Error{
				Code: CodeUnresolvedReference, Name: l.parts[i].name,
				Problem: "there is no document for this reference", Cure: "give the reference a document",
			}
		}
		l.parts[i].url = scheme + strconv.Itoa(i) + "/"
		l.urls[b] = l.parts[i].url
		l.parts[i].scope = newScope(b.Document, l.parts[i].url)
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

// rewrite returns a document's text with every reference replaced by the URL
// of what it leads to, and every id by its absolute form.
func (l *Linked) rewrite(i int) ([]byte, error) {
	p := l.parts[i]
	names := p.scope.names(p.bundle.References)
	value := clone(p.bundle.Document.value)
	draft := p.bundle.Document.draft
	var unresolved error
	p.scope.walk(value, func(pointer string, schema map[string]any, base string) {
		if pointer == "" {
			schema["$schema"] = draft.URL()
		}
		l.rewriteID(p, pointer, schema, base)
		for _, keyword := range refKeywords {
			ref, ok := schema[keyword].(string)
			if !ok || ref == "" || strings.HasPrefix(ref, "#") {
				continue
			}
			if keyword == "$dynamicRef" && draft < Draft2020 {
				continue
			}
			target, ok := l.target(p, ref, base, names)
			if !ok && unresolved == nil {
				unresolved = &Error{
					Code: CodeUnresolvedReference, Name: p.name, Pointer: pointer + "/" + keyword,
					Problem: fmt.Sprintf("%s leads to no document at hand (of this document: %s)", quote(ref), list(p.bundle.References)),
					Cure:    "register the schema that it means, and give it as a reference under exactly this name",
				}
			}
			schema[keyword] = target
		}
	})
	if unresolved != nil {
		return nil, unresolved
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, invalidSchema("", err)
	}
	return text, nil
}

func (l *Linked) rewriteID(p part, pointer string, schema map[string]any, base string) {
	keyword := p.bundle.Document.draft.idKeyword()
	id, ok := schema[keyword].(string)
	if !ok {
		return
	}
	target, fragment := splitFragment(id)
	if target == "" {
		return
	}
	switch {
	case pointer != "":
		schema[keyword] = base
		if fragment != "" {
			schema[keyword] = base + "#" + fragment
		}
	case fragment != "":
		schema[keyword] = "#" + fragment
	default:
		delete(schema, keyword)
	}
}

// target is the URL, fragment included, that ref leads to.
func (l *Linked) target(p part, ref, base string, names map[string]string) (string, bool) {
	found, ok := p.scope.find(ref, base, names)
	if !ok {
		return ref, false
	}
	fragment := ""
	if i := strings.IndexByte(ref, '#'); i >= 0 {
		fragment = ref[i:]
	}
	switch {
	case found.name != "":
		return l.urls[p.bundle.References[found.name]] + fragment, true
	case found.metadata:
		return ref, true
	case found.url == p.scope.base:
		return p.url + fragment, true
	}
	return found.url + fragment, true
}

func (l *Linked) compile(compiler *v5.Compiler) (err error) {
	// The library panics on what it doesn't expect; a schema is somebody's
	// input, so that is an answer here and not a crash.
	defer func() {
		if r := recover(); r != nil {
			err = invalidSchema("", fmt.Errorf("%v", r))
		}
	}()
	l.Schema, err = compiler.Compile(l.parts[0].url)
	if err != nil {
		return l.compileError(err)
	}
	return nil
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
	return Origin{Bundle: l.parts[i].bundle, Name: l.parts[i].name, Pointer: pointer}, true
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

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v)+1)
		for k, e := range v {
			m[k] = clone(e)
		}
		return m
	case []any:
		a := make([]any, len(v))
		for i, e := range v {
			a[i] = clone(e)
		}
		return a
	}
	return v
}

func list(references map[string]*Bundle) string {
	if len(references) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(references)), ", ")
}
