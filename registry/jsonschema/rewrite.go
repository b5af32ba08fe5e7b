package jsonschema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// rewrite returns a document's text with every reference replaced by the URL
// of what it leads to, and every id by its absolute form.
func (l *Linked) rewrite(i int) ([]byte, error) {
	p := l.parts[i]
	if p.scope == nil {
		return p.plain(), nil
	}
	names := p.scope.names(p.bundle.References)
	value := clone(p.bundle.Document.value)
	draft := p.bundle.Document.draft
	var unresolved error
	p.scope.walk(value, sortedKeys, func(pointer string, schema map[string]any, base string) {
		if pointer == "" {
			schema["$schema"] = draft.URL()
		}
		l.rewriteID(p, pointer, schema, base)
		for _, keyword := range refKeywords {
			ref, ok := schema[keyword].(string)
			if !ok {
				continue
			}
			if ref == "" || ref[0] == '#' {
				schema[keyword] = p.within(ref)
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
	if p.inner != "" {
		value = map[string]any{"$schema": draft.URL(), unseen: value}
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, invalidSchema("", err)
	}
	return text, nil
}

// plain is what a plain document is compiled as: only where its references lead has
// to be written anew.
func (p part) plain() []byte {
	d := p.bundle.Document
	b := make([]byte, 0, len(d.text)+len(d.text)/8+128)
	b = append(b, `{"$schema":"`...)
	b = append(b, d.draft.URL()...)
	b = append(b, `","`...)
	b = append(b, unseen...)
	b = append(b, `":`...)
	return append(p.appendValue(b, d.value), '}')
}

func (p part) appendValue(b []byte, value any) []byte {
	switch value := value.(type) {
	case map[string]any:
		b = append(b, '{')
		for name, member := range value {
			if b[len(b)-1] != '{' {
				b = append(b, ',')
			}
			b = append(appendString(b, name), ':')
			if ref, ok := member.(string); ok && slices.Contains(refKeywords, name) {
				member = p.within(ref)
			}
			b = p.appendValue(b, member)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, item := range value {
			if i > 0 {
				b = append(b, ',')
			}
			b = p.appendValue(b, item)
		}
		return append(b, ']')
	case string:
		return appendString(b, value)
	case json.Number:
		return append(b, value...)
	case bool:
		return strconv.AppendBool(b, value)
	}
	return append(b, "null"...)
}

func appendString(b []byte, s string) []byte {
	quoted, err := jsontext.AppendQuote(b, s)
	if err != nil {
		return append(b, `""`...) // strict JSON holds UTF-8 only
	}
	return quoted
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
		other := l.parts[l.numbers[p.bundle.References[found.name]]]
		return other.url + other.within(fragment), true
	case found.metadata:
		return ref, true
	case found.url == p.scope.base:
		return p.url + p.within(fragment), true
	}
	return found.url + fragment, true
}

// within is a fragment of the document, with its '#', as one of what is compiled.
func (p part) within(fragment string) string {
	switch {
	case p.inner == "":
		return fragment
	case fragment == "" || fragment == "#" || fragment == "#/":
		return "#" + p.inner
	case strings.HasPrefix(fragment, "#/"):
		return "#" + p.inner + fragment[1:]
	}
	return fragment // an anchor
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
