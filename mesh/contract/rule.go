package contract

import (
	"slices"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// RuleKind says what decided a class.
type RuleKind string

// The kinds of rules, in the order in which they count (see package mask).
const (
	RuleSubject    RuleKind = "subject"    // the overlay, by event type and place
	RuleDefinition RuleKind = "definition" // the overlay, by what a reference leads to
	RuleSchema     RuleKind = "schema"     // the schema itself
	RuleProperty   RuleKind = "property"   // the overlay, by the property's name
	RuleNone       RuleKind = "none"       // nobody classified it
)

// Rule is what decided a class: which words, and where they are written.
type Rule struct {
	Kind RuleKind `json:"kind"`
	// Where is FILE:LINE of the overlay, or the schema as NAME#POINTER, where the
	// name is that of a reference, and empty for the schema itself.
	Where string `json:"where,omitempty"`
	// Entry is the overlay's entry, or the schema's keyword.
	Entry string `json:"entry,omitempty"`
	// From is the place of the object or array around the value for which the
	// rule was written, if it was not for the value itself. * stands for a name or index.
	From *string `json:"from,omitempty"`
}

// inherited is what the rules around a place say of what is in it.
type inherited struct {
	class, name, keys Rule // of place.around, place.namedOut and place.aroundKeys
}

// reason finds out which rules decided the class of the values at s, which
// stand at p under the pointer, and that of the names in them; name is the
// property's, empty for an item. inside is what holds for what is in them.
func (w *walker) reason(p *place, s *spot, when map[*mask.When]mask.Class, name, pointer string, in inherited) (rule, keys Rule, inside inherited) {
	of := func(mark mask.Mark) mask.Class { return classOf(mark, when) }
	none := Rule{Kind: RuleNone}
	rule, keys = none, none
	if found, ok := w.marked(s, of); ok {
		rule = found
	} else if found, ok := w.annotated(s, func(n *node) mask.Class { return n.class }, classAnnotation, confluentTags); ok {
		rule = found
	}
	inside = in
	if rule.Kind != RuleNone {
		inside.class, inside.name = rule.at(pointer), none
	} else {
		if class := classOf(p.named, when); class != "" && !w.outdone(p.named, class, name) {
			inside.name = w.byName(name).at(pointer)
			rule = w.byName(name)
		} else {
			rule = in.name
		}
		if s.class == "" {
			rule = none
		} else if p.around == s.class {
			rule = in.class
		}
	}

	switch found, ok := w.marked(s, func(mark mask.Mark) mask.Class { return mark.Keys }); {
	case s.keys == "":
	case ok:
		keys = found
	default:
		keys = in.keys
		if found, ok := w.annotated(s, keyClassOf, keyClassAnnotation, ""); ok {
			keys = found
		} else if p.named.Keys == s.keys && p.aroundKeys != s.keys {
			keys = w.byName(name)
		}
	}
	if inside.keys = none; s.keys != "" {
		inside.keys = keys.at(pointer)
	}
	return rule, keys, inside
}

// at is the rule as it holds for what is in the value that it was written for.
func (r Rule) at(pointer string) Rule {
	if r.From == nil && r.Kind != RuleNone {
		r.From = &pointer
	}
	return r
}

// marked is the overlay's pointer that gives the class at s.
func (w *walker) marked(s *spot, of func(mask.Mark) mask.Class) (Rule, bool) {
	for i, paths := range [...][]*mask.Path{s.marks.exact, s.marks.wildcard, s.marks.definitions} {
		class := mask.Best(paths, of)
		if class == "" {
			continue
		}
		var best *mask.Path
		for _, path := range paths {
			if path.Mark != nil && of(*path.Mark) == class && (best == nil || path.Literal > best.Literal) {
				best = path
			}
		}
		kind := RuleSubject
		if i == 2 {
			kind = RuleDefinition
		}
		return Rule{Kind: kind, Where: w.overlay.Where(best), Entry: best.String()}, true
	}
	return Rule{}, false
}

// annotated is the subschema that gives the class at s, and by which keyword.
func (w *walker) annotated(s *spot, of func(*node) mask.Class, keyword, other string) (Rule, bool) {
	var class mask.Class
	var from *node
	for _, n := range s.nodes {
		if more := mask.MoreProtective(class, of(n)); more != class {
			class, from = more, n
		}
	}
	if from == nil {
		return Rule{}, false
	}
	written := from
	if of(from) != from.class && from.keyClass == "" && from.names != nil {
		written, keyword, other = from.names, classAnnotation, confluentTags
	}
	if _, ok := w.linked.Keywords(written.schema)[keyword]; !ok && other != "" {
		keyword = other
	}
	return Rule{Kind: RuleSchema, Where: written.origin, Entry: keyword}, true
}

// keyClassOf is the class that a subschema gives to names.
func keyClassOf(n *node) mask.Class {
	class := n.keyClass
	if n.names != nil {
		class = mask.MoreProtective(class, n.names.class)
	}
	return class
}

// outdone reports whether the class that a value's own name has here is none that
// the overlay gives to it, but that of the nearest name around it (see spot.inMap).
func (w *walker) outdone(here mask.Mark, class mask.Class, name string) bool {
	own, _ := w.overlay.Property(name)
	return here != own && class != own.Class && class != own.Else
}

func (w *walker) byName(name string) Rule {
	return Rule{Kind: RuleProperty, Where: w.overlay.WhereProperty(name), Entry: name}
}

// whens are the conditions of the overlay's marks at p, for values to which
// what the references lead to applies, each once.
func (w *walker) whens(p *place, refs []string) []*mask.Mark {
	var marks []*mask.Mark
	add := func(mark *mask.Mark) {
		if mark != nil && mark.When != nil && !slices.ContainsFunc(marks, func(m *mask.Mark) bool { return m.When == mark.When }) {
			marks = append(marks, mark)
		}
	}
	add(&p.named)
	lists := [][]*mask.Path{p.marks.exact, p.marks.wildcard, p.marks.definitions}
	for _, ref := range refs {
		lists = append(lists, w.overlay.Definition(ref))
	}
	for _, paths := range lists {
		for _, path := range paths {
			add(path.Mark)
		}
	}
	return marks
}
