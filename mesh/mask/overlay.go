package mask

import (
	"slices"
	"strings"
)

// Overlay classifies the fields of schemas from outside; the package's
// documentation describes its file. It is immutable and safe for concurrent
// use. A nil *Overlay classifies nothing.
type Overlay struct {
	file        string
	properties  map[string]Mark
	definitions []definition
	subjects    []subjectMarks
	lines       map[string]int // where the marks of properties stand
	added       int            // the highest id of a path that With has made
}

// Mark is what an overlay says about one place.
type Mark struct {
	Class Class // of the value, and of what is in it; empty if only Keys is given
	Keys  Class // of the names in a map; empty if not given
	// Content says what the string there holds, written as text; empty if it is
	// the value itself. Pointers go on into JSON.
	Content Content
	// Pattern is what tokens of strings there match, besides what the schema demands: an
	// expression as in JSON Schema's "pattern". With that of another place, equal
	// values have equal tokens at both.
	Pattern string
	// When restricts Class to events in which another value says so; nil means
	// always. Else is the class where it says otherwise; empty means that the
	// mark says nothing of the value there.
	When *When
	Else Class
}

// When is the condition of a mark: what another value of the same event is.
type When struct {
	// At is where that value stands: a JSON pointer into the document if it
	// begins with /, else the name of a property of the object that holds the
	// marked value.
	At string
	// In are the values for which the mark's class holds: a string's content, a
	// number's literal, true, false or null.
	In []string
}

// Holds reports whether the mark's class holds, given the text of the value at
// At. A value that is absent, or no scalar, doesn't say that something is
// harmless: with present false the condition holds.
func (w *When) Holds(text string, present bool) bool {
	return w == nil || !present || slices.Contains(w.In, text)
}

// Of is the class that the mark gives, given the text of the value at When.At.
// Where that is absent, it is the more protective one of both.
func (m Mark) Of(text string, present bool) Class {
	switch {
	case m.When == nil:
		return m.Class
	case !present:
		return MoreProtective(m.Class, m.Else)
	case m.When.Holds(text, true):
		return m.Class
	}
	return m.Else
}

// definition has the marks of one referenced definition.
type definition struct {
	name, fragment string // of the reference; name is empty for one in the schema itself
	marks          *Path
}

// subjectMarks has the marks of one registry subject or wildcard.
type subjectMarks struct {
	subject string
	marks   *Path
}

// Path is a place in an overlay's pointers: where one is after some tokens.
// Following the tokens of a value's pointer from a root Path finds the marks
// for it.
type Path struct {
	// Mark is for the value here; nil if the overlay says nothing of it.
	Mark *Mark
	// Literal counts the tokens on the way here that were no wildcard: of two
	// marks for one value, the one with more counts.
	Literal int

	id    int
	named map[string]*Path
	any   *Path

	written written
}

// File is the overlay's file name as it was given to ParseOverlay.
func (o *Overlay) File() string {
	if o == nil {
		return ""
	}
	return o.file
}

// Property is the mark for properties called name, wherever they stand.
func (o *Overlay) Property(name string) (Mark, bool) {
	if o == nil {
		return Mark{}, false
	}
	mark, ok := o.properties[name]
	return mark, ok
}

// Definition are the roots of the marks for what a reference ("$ref", as it is
// written) leads to.
func (o *Overlay) Definition(ref string) []*Path {
	if o == nil {
		return nil
	}
	name, fragment, _ := strings.Cut(ref, "#")
	var found []*Path
	for _, d := range o.definitions {
		if d.fragment == fragment && (d.name == name || d.name != "" && strings.HasSuffix(name, "/"+d.name)) {
			found = append(found, d.marks)
		}
	}
	return found
}

// Subject are the roots of the marks for events of a registry subject: those
// for exactly this subject, and those for wildcards that match it.
func (o *Overlay) Subject(subject string) (exact, wildcard []*Path) {
	if o == nil {
		return nil, nil
	}
	for _, s := range o.subjects {
		switch {
		case s.subject == subject:
			exact = append(exact, s.marks)
		case matchSubject(s.subject, subject):
			wildcard = append(wildcard, s.marks)
		}
	}
	return exact, wildcard
}

// Step follows one token of a pointer, a property's name or an array's index,
// from each path.
func Step(paths []*Path, token string) []*Path {
	var next []*Path
	for _, p := range paths {
		if named := p.named[token]; named != nil {
			next = append(next, named)
		}
		if p.any != nil {
			next = append(next, p.any)
		}
	}
	return next
}

// ID tells paths of one overlay apart.
func (p *Path) ID() int { return p.id }

// Best is the class that counts of those that of takes from the marks at
// paths: that of the mark with the most literal tokens, and of several such the
// most protective. Marks for which of gives none don't count.
func Best(paths []*Path, of func(Mark) Class) Class {
	var best Class
	literal := -1
	for _, p := range paths {
		if p.Mark == nil {
			continue
		}
		switch class := of(*p.Mark); {
		case class == "" || p.Literal < literal:
		case p.Literal > literal:
			best, literal = class, p.Literal
		default:
			best = MoreProtective(best, class)
		}
	}
	return best
}

// Names reports whether the overlay has a pointer that goes on from here with
// token itself, and not only with a wildcard.
func (p *Path) Names(token string) bool { return p.named[token] != nil }

// matchSubject reports whether subject matches pattern, with * for one token
// and a final > for one or more. A pattern "d.e.>" matches "d.e" as well: an
// event about the whole entity is one of the entity's.
func matchSubject(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	if n := len(p) - 1; p[n] == ">" {
		if len(s) < n {
			return false
		}
		p, s = p[:n], s[:n]
	}
	return len(p) == len(s) && equalTokens(p, s)
}

func equalTokens(pattern, subject []string) bool {
	for i := range pattern {
		if pattern[i] != "*" && pattern[i] != subject[i] {
			return false
		}
	}
	return true
}
