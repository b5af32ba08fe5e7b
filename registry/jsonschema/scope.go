package jsonschema

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// scope resolves the references of one document. Inside a document its own
// ids count; between documents only reference names do.
type scope struct {
	doc  *Document
	root string          // the URL the document is compiled under
	base string          // its own id, resolved against root; root if it has none
	ids  map[string]bool // the resolved ids of the document and of schemas inside it
	// schemas are how many there are, named how many ids inside the document and
	// references by anchor.
	schemas, named int
	references     int // inward and outward
	// anchors are where each name is given to a schema, by its URL.
	anchors map[string][]string
	// outward says that some references are written with more than a fragment.
	outward bool
	// rooted says that the document holds what means something else if the document
	// is not the root of what is compiled.
	rooted bool
}

// refKeywords hold references that may lead out of the document.
var refKeywords = []string{"$dynamicRef", "$ref"}

// localRoot stands in for a document's URL where none is given.
const localRoot = scheme + "document/"

func newScope(d *Document, root string) *scope {
	if root == "" {
		root = localRoot
	}
	s := &scope{doc: d, root: root, base: root, ids: map[string]bool{}}
	if schema, ok := d.value.(map[string]any); ok {
		s.base = s.idOf(schema, root)
	}
	s.ids[s.base] = true
	references := 0
	s.anchors = map[string][]string{}
	s.walk(d.value, anyKeys, func(pointer string, schema map[string]any, base string) {
		s.ids[base] = true
		references += referencesOf(schema)
		s.schemas++
		for _, keyword := range refKeywords {
			if ref, ok := schema[keyword].(string); ok {
				s.outward = s.outward || ref != "" && ref[0] != '#'
				if _, fragment := splitFragment(ref); fragment != "" && fragment[0] != '/' {
					s.named++
				}
			}
		}
		for _, keyword := range [...]string{"$anchor", "$dynamicAnchor"} {
			if anchor, ok := schema[keyword].(string); ok {
				s.anchor(base+"#"+anchor, pointer)
			}
		}
		text, id := schema[d.draft.idKeyword()].(string)
		if _, fragment := splitFragment(text); fragment != "" && d.draft <= Draft7 && schema["$ref"] == nil {
			s.anchor(base+"#"+fragment, pointer)
		}
		if id {
			s.named++
		}
		_, vocabulary := schema["$vocabulary"]
		s.rooted = s.rooted || id && pointer != "" || vocabulary
	})
	s.references = referencesIn(d.value)
	// References in what is no schema, as far as one can see: a reference may lead to
	// it all the same, and make it one. And those that are not rewritten.
	s.rooted = s.rooted || references != s.references
	return s
}

func (s *scope) anchor(url, pointer string) {
	if at := s.anchors[url]; len(at) == 0 || at[len(at)-1] != pointer {
		s.anchors[url] = append(at, pointer)
	}
}

// twice is where a name is given that another schema has, if there is such a place: the
// library would choose one of them by chance.
func (s *scope) twice() (url, pointer string, found bool) {
	for _, url := range slices.Sorted(maps.Keys(s.anchors)) {
		if at := slices.Sorted(slices.Values(s.anchors[url])); len(at) > 1 {
			return url, at[1], true
		}
	}
	return "", "", false
}

// referencesOf counts the references that an object holds itself.
func referencesOf(object map[string]any) (n int) {
	for _, keyword := range refKeywords {
		if _, ok := object[keyword].(string); ok {
			n++
		}
	}
	return n
}

// referencesIn counts the references in a value, whatever they stand in.
func referencesIn(value any) (n int) {
	switch value := value.(type) {
	case map[string]any:
		n = referencesOf(value)
		if _, ok := value["$recursiveRef"]; ok {
			n++
		}
		for _, member := range value {
			n += referencesIn(member)
		}
	case []any:
		for _, item := range value {
			n += referencesIn(item)
		}
	}
	return n
}

// anonymous reports whether the document says no id at all.
func (s *scope) anonymous() bool {
	object, _ := s.doc.value.(map[string]any)
	_, id := object[s.doc.draft.idKeyword()]
	return !id && len(s.ids) == 1
}

// movable reports whether the document means the same inside of another one, where
// the library does not validate it.
func (s *scope) movable() bool {
	_, object := s.doc.value.(map[string]any)
	return object && s.doc.draft == Draft2020 && !s.rooted
}

// walk visits the schema objects in value with the base URL inside of them.
func (s *scope) walk(value any, keys func(map[string]any) []string, visit func(pointer string, schema map[string]any, base string)) {
	type level struct{ pointer, base string }
	stack := []level{{"", s.root}}
	walkSchema("", value, keys, func(pointer string, schema map[string]any) bool {
		top := len(stack) - 1
		for top > 0 && !strings.HasPrefix(pointer, stack[top].pointer+"/") {
			top--
		}
		base := s.idOf(schema, stack[top].base)
		stack = append(stack[:top+1], level{pointer, base})
		visit(pointer, schema, base)
		return true
	})
}

// idOf is the base URL inside schema, given the one around it.
func (s *scope) idOf(schema map[string]any, around string) string {
	if _, ok := schema["$ref"]; ok && s.doc.draft <= Draft7 {
		return around // siblings of $ref don't count there
	}
	id, ok := schema[s.doc.draft.idKeyword()].(string)
	if !ok {
		return around
	}
	id, _ = splitFragment(id)
	if id == "" {
		return around
	}
	resolved, _ := splitFragment(resolve(around, id))
	return resolved
}

// resolution is where a reference leads.
type resolution struct {
	name     string // the reference name of another document, if it is one
	url      string // the URL inside this document, if it is that
	metadata bool   // a draft's metaschema
}

// find says where ref, written inside base, leads, given the names of the
// references that are at hand. A reference name counts as it is written, as
// resolved against the base, and as resolved against the document's own URL,
// in this order, before any id.
func (s *scope) find(ref, base string, names map[string]string) (r resolution, ok bool) {
	target, _ := splitFragment(ref)
	if target == "" {
		return resolution{url: base}, true
	}
	if name, ok := names[target]; ok {
		return resolution{name: name}, true
	}
	absolute, _ := splitFragment(resolve(base, target))
	if name, ok := names[absolute]; ok {
		return resolution{name: name}, true
	}
	if s.ids[absolute] {
		return resolution{url: absolute}, true
	}
	if _, ok := DraftOf(absolute); ok || builtin(absolute) {
		return resolution{metadata: true}, true
	}
	return resolution{}, false
}

// names maps every form in which a reference may be written to its name.
func (s *scope) names(references map[string]*Bundle) map[string]string {
	names := make(map[string]string, 3*len(references))
	sorted := slices.Sorted(maps.Keys(references))
	for _, base := range []string{s.root, s.base} {
		for _, name := range sorted {
			absolute, _ := splitFragment(resolve(base, name))
			names[absolute] = name
		}
	}
	for _, name := range sorted {
		names[name] = name
	}
	return names
}

// external lists the references that lead out of the document.
func (s *scope) external() []string {
	if s.references == 0 {
		return nil
	}
	found := map[string]bool{}
	s.walk(s.doc.value, anyKeys, func(_ string, schema map[string]any, base string) {
		for _, keyword := range refKeywords {
			ref, ok := schema[keyword].(string)
			if !ok {
				continue
			}
			if _, ok := s.find(ref, base, nil); !ok {
				target, _ := splitFragment(ref)
				found[target] = true
			}
		}
	})
	return slices.Sorted(maps.Keys(found))
}

// builtin tells whether url is a vocabulary's metaschema, which the library
// has at hand.
func builtin(url string) bool {
	for _, draft := range []string{"2019-09", "2020-12"} {
		if rest, ok := strings.CutPrefix(url, "https://json-schema.org/draft/"+draft+"/meta/"); ok {
			return slices.Contains(vocabularies[draft], rest)
		}
	}
	return false
}

var vocabularies = map[string][]string{
	"2019-09": {"core", "applicator", "validation", "meta-data", "format", "content"},
	"2020-12": {"core", "applicator", "unevaluated", "validation", "meta-data", "format-annotation", "format-assertion", "content"},
}

func splitFragment(uri string) (target, fragment string) {
	target, fragment, _ = strings.Cut(uri, "#")
	return target, fragment
}

// resolve resolves ref against base; what is no URL resolves to itself, and so
// is found only where it is written alike.
func resolve(base, ref string) string {
	if strings.HasPrefix(ref, "urn:") {
		return ref
	}
	r, err := url.Parse(ref)
	if err != nil || r.IsAbs() {
		return ref
	}
	b, err := url.Parse(base)
	if err != nil || b.Opaque != "" {
		return ref
	}
	return b.ResolveReference(r).String()
}
