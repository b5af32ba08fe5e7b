package mask

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// written is where a mark of an overlay stands in its file.
type written struct {
	entry   string // the definition or subject whose mark it is
	pointer string // of the mark within it
	line    int    // from 1; 0 if there is no mark
}

// Where is the place in the overlay's file, FILE:LINE, of the mark at a path
// that belongs to this overlay; empty if it comes from elsewhere.
func (o *Overlay) Where(p *Path) string {
	if p.written.line == 0 {
		return ""
	}
	return o.at(p.written.line)
}

// WhereProperty is the place in the overlay's file, FILE:LINE, of the mark for
// properties called name; empty if there is none.
func (o *Overlay) WhereProperty(name string) string {
	if o == nil || o.lines[name] == 0 {
		return ""
	}
	return o.at(o.lines[name])
}

func (o *Overlay) at(line int) string { return fmt.Sprintf("%s:%d", o.file, line) }

// String is the path as the overlay's file has it: the definition or subject,
// and the pointer.
func (p *Path) String() string {
	if p.written.pointer == "" {
		return p.written.entry
	}
	return p.written.entry + " " + p.written.pointer
}

// Tokens are the names by which the overlay's pointers go on from here, sorted,
// without the wildcard.
func (p *Path) Tokens() []string { return slices.Sorted(maps.Keys(p.named)) }

// step is the place of a pointer that goes on by one token.
func (w written) step(token string) written {
	return written{entry: w.entry, pointer: w.pointer + "/" + token}
}

// Placed is a mark for one place of a subject's events that comes from elsewhere
// than an overlay's file.
type Placed struct {
	Pointer string // into the event; * stands for one property name or array index
	Class   Class
	Entry   string // what gives the class, and for which places, for messages
}

// firstAddedID is above the id of every path in an overlay's file, which has fewer
// bytes.
const firstAddedID = 2 * maxOverlayBytes

// With is an overlay that gives classes to further places of a subject's events;
// the marks of o, which may be nil, stay as they are. Marks for one place count
// together, the more protective one first.
func (o *Overlay) With(subject string, marks []Placed) *Overlay {
	added := &Overlay{properties: map[string]Mark{}, lines: map[string]int{}}
	if o != nil {
		*added = *o
	}
	added.added = max(added.added, firstAddedID)
	path := func(literal int, at written) *Path {
		added.added++
		return &Path{id: added.added, Literal: literal, written: at}
	}
	root := path(0, written{})
	for _, placed := range marks {
		at := root
		if placed.Pointer != "" {
			for token := range strings.SplitSeq(placed.Pointer[1:], "/") {
				at = at.step(token, path)
			}
		}
		class := placed.Class
		if at.Mark != nil {
			class = MoreProtective(at.Mark.Class, class)
		}
		if at.Mark == nil || class != at.Mark.Class {
			at.Mark, at.written = &Mark{Class: class}, written{entry: placed.Entry}
		}
	}
	added.subjects = append(slices.Clip(added.subjects), subjectMarks{subject: subject, marks: root})
	return added
}

// step is the path that goes on by one token; path makes those that there are none of.
func (p *Path) step(token string, path func(literal int, at written) *Path) *Path {
	if token == "*" {
		if p.any == nil {
			p.any = path(p.Literal, p.written.step(token))
		}
		return p.any
	}
	name := unescape.Replace(token)
	if p.named == nil {
		p.named = map[string]*Path{}
	}
	if p.named[name] == nil {
		p.named[name] = path(p.Literal+1, p.written.step(token))
	}
	return p.named[name]
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")
