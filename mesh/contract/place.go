package contract

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// place is a place in documents: the subschemas that lead to a value there,
// and what the overlay and the values around it say of it. Places are shared
// by all documents, so that what is found out about one is found out once.
type place struct {
	roots []*node // apply in any case; by id
	maybe []*node // apply if the value is valid under them ("contains"); by id
	standing
	id string // what makes it up, once it is interned; see key

	static atomic.Pointer[spot] // the only spot, where nothing depends on the value
	spots  sync.Map             // string (which branches apply) -> *spot
	kept   atomic.Int32         // how many spots
}

// standing is what the overlay and the values around a place say of it.
type standing struct {
	marks marks

	around     mask.Class // class of the nearest container that has one of its own
	aroundKeys mask.Class // the same for names in maps
	named      mask.Mark  // what the overlay says of the value's own property name
	namedOut   mask.Class // the same of the nearest name around it, inside of what gave around
	undeclared bool       // nothing declares or admits a value here
	opened     bool       // what a string holds begins here
	text       bool       // and is a text
}

// plain reports whether nothing is said.
func (s *standing) plain() bool {
	return s.marks.empty() && s.around == "" && s.aroundKeys == "" && s.named == (mask.Mark{}) && s.namedOut == "" && !s.undeclared && !s.opened && !s.text
}

// maxSpots bounds the spots that are remembered of one place: documents choose
// which branches apply, and n of them can apply in 2^n ways.
const maxSpots = 512

// marks is where one is in the overlay's pointers.
type marks struct{ exact, wildcard, definitions []*mask.Path }

func (m marks) step(token string) marks {
	if m.empty() {
		return marks{}
	}
	return marks{mask.Step(m.exact, token), mask.Step(m.wildcard, token), mask.Step(m.definitions, token)}
}

func (m marks) empty() bool { return len(m.exact)+len(m.wildcard)+len(m.definitions) == 0 }

// class is the class that the overlay's pointers give, where those marks that
// have a condition give the classes in when.
func (m marks) class(when map[*mask.When]mask.Class) mask.Class {
	return m.best(func(mark mask.Mark) mask.Class { return classOf(mark, when) })
}

func classOf(mark mask.Mark, when map[*mask.When]mask.Class) mask.Class {
	if mark.When != nil {
		return when[mark.When]
	}
	return mark.Class
}

// keys is the class that the overlay's pointers give to names in a map.
func (m marks) keys() mask.Class { return m.best(func(mark mask.Mark) mask.Class { return mark.Keys }) }

func (m marks) best(of func(mask.Mark) mask.Class) mask.Class {
	for _, paths := range [...][]*mask.Path{m.exact, m.wildcard, m.definitions} {
		if class := mask.Best(paths, of); class != "" {
			return class
		}
	}
	return ""
}

// knows reports whether some pointer of the overlay names token here.
func (m marks) knows(token string) bool {
	for _, paths := range [...][]*mask.Path{m.exact, m.wildcard, m.definitions} {
		if slices.ContainsFunc(paths, func(p *mask.Path) bool { return p.Names(token) }) {
			return true
		}
	}
	return false
}

// maxPlaces bounds how many places are remembered. Their number is bounded by
// the schema, but only exponentially; beyond the bound they are made anew.
const maxPlaces = 1 << 14

// places remembers places by what makes them up.
type places struct {
	mu    sync.RWMutex
	known map[string]*place
}

// intern returns the remembered place that equals p, or remembers p.
func (s *places) intern(p *place) *place {
	key := p.key()
	s.mu.RLock()
	known := s.known[string(key)]
	s.mu.RUnlock()
	if known != nil {
		return known
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.known[string(key)]; known != nil {
		return known
	}
	p.id = string(key)
	if len(s.known) < maxPlaces {
		s.known[p.id] = p
	}
	return p
}

func (p *place) key() []byte {
	key := make([]byte, 0, 64)
	for _, nodes := range [...][]*node{p.roots, p.maybe} {
		key = binary.AppendUvarint(key, uint64(len(nodes)))
		for _, n := range nodes {
			key = binary.AppendUvarint(key, uint64(n.id))
		}
	}
	if p.plain() {
		return key
	}
	for _, paths := range [...][]*mask.Path{p.marks.exact, p.marks.wildcard, p.marks.definitions} {
		key = binary.AppendUvarint(key, uint64(len(paths)))
		for _, path := range paths {
			key = binary.AppendUvarint(key, uint64(path.ID()))
		}
	}
	for _, class := range [...]mask.Class{p.around, p.aroundKeys, p.named.Class, p.named.Keys, p.named.Else, p.namedOut, mask.Class(p.named.Content), mask.Class(p.named.Pattern)} {
		key = append(append(key, class...), 0)
	}
	if p.named.When != nil { // of one overlay, conditions are told apart by what they are
		key = fmt.Appendf(key, "%p", p.named.When)
	}
	for _, is := range [...]bool{p.undeclared, p.opened, p.text} {
		key = strconv.AppendBool(key, is)
	}
	return key
}

// spot is a place for one kind of value there: all the subschemas that apply,
// and what follows from them.
type spot struct {
	walker    *walker
	place     *place
	decisions string // which of the place's spots it is
	nodes     []*node
	reach     map[*node][]*node // nodes that one with unevaluated… applies in place
	marks     marks

	class    mask.Class // the value's class; empty if it has none
	content  *content   // what strings hold; nil if they are what they are
	keys     mask.Class // the class of names in it, where it or a map inside of it is one
	around   mask.Class // what values inside inherit
	namedOut mask.Class // the same from "properties" of the overlay

	closed     bool // properties are named here: only names declared or admitted are let in
	enumerated bool
	undeclared bool
	tuple      int // items with places of their own

	shape    func() *mask.Shape
	required func() map[string]bool

	children sync.Map // declared name -> child
	rest     atomic.Pointer[place]
}

// child is what a property's name leads to.
type child struct {
	place    *place
	declared bool // the name is known, and so no data
}

// child finds the place of the property called name. It reports false if the
// object is closed to it.
func (s *spot) child(name string) (child, bool) {
	if c, ok := s.children.Load(name); ok {
		return c.(child), true
	}
	var roots []*node
	c := child{}
	admitted := !s.closed
	for _, n := range s.nodes {
		if sub, ok := n.properties[name]; ok {
			c.declared = true
			roots = append(roots, sub)
		}
		found, by := n.admits(name)
		admitted = admitted || found
		roots = append(roots, by...)
		if n.unevaluated != nil && !found && !s.evaluated(n, name) {
			admitted = true
			roots = append(roots, n.unevaluated)
		}
		if n.names != nil && n.names.enumerated {
			c.declared = c.declared || n.names.schema.Validate(name) == nil
		}
	}
	if !admitted && !s.walker.open {
		return child{}, false
	}
	named, isNamed := s.walker.overlay.Property(name)
	inOverlay := isNamed || s.marks.knows(name)
	declaredBySchema := c.declared
	c.declared = c.declared || inOverlay
	if !declaredBySchema {
		named = s.inMap(named)
	}
	c.place = s.walker.places.intern(&place{
		roots: normal(roots), standing: standing{
			marks: s.marks.step(name), around: s.around, aroundKeys: s.keys, named: named, namedOut: s.namedOut,
			undeclared: s.undeclared || !admitted,
		},
	})
	// Only names that schema or overlay know are remembered: there is no bound on others.
	if declaredBySchema || inOverlay {
		s.children.Store(name, c)
	}
	return c, true
}

// inMap is a mark for a name as it holds in a map. There, documents choose the
// names: one that is called as something harmless is called elsewhere mustn't take
// from its value what the nearest name around it says.
func (s *spot) inMap(named mask.Mark) mask.Mark {
	if named.Class != "" {
		named.Class = mask.MoreProtective(named.Class, s.namedOut)
	}
	if named.Else != "" {
		named.Else = mask.MoreProtective(named.Else, s.namedOut)
	}
	return named
}

// admits reports whether the schema n by itself declares or admits name, and
// the nodes by which it does (but not those of "properties").
func (n *node) admits(name string) (bool, []*node) {
	_, found := n.properties[name]
	var by []*node
	for _, p := range n.patterns {
		if p.pattern.MatchString(name) {
			found = true
			by = append(by, p.node)
		}
	}
	if !found && n.additional != nil {
		found = true
		by = append(by, n.additional)
	}
	return found, by
}

// evaluated reports whether a schema that n applies in place evaluates name,
// so that n's "unevaluatedProperties" doesn't apply to it.
func (s *spot) evaluated(n *node, name string) bool {
	return slices.ContainsFunc(s.reach[n], func(m *node) bool {
		found, _ := m.admits(name)
		return found || m.unevaluated != nil
	})
}

// item finds the place of the item at index i.
func (s *spot) item(i int) *place {
	alone := i < s.tuple || s.marks.knows(strconv.Itoa(i))
	if !alone {
		if p := s.rest.Load(); p != nil {
			return p
		}
	}
	var roots, maybe []*node
	for _, n := range s.nodes {
		switch {
		case i < len(n.tuple):
			roots = append(roots, n.tuple[i])
		case n.items != nil:
			roots = append(roots, n.items)
		case n.unevaluatedItems != nil && !s.evaluatedItem(n, i):
			roots = append(roots, n.unevaluatedItems)
		}
		if n.contains != nil {
			maybe = append(maybe, n.contains)
		}
	}
	p := s.walker.places.intern(&place{
		roots: normal(roots), maybe: normal(maybe), standing: standing{
			marks: s.marks.step(strconv.Itoa(i)), around: s.around, aroundKeys: s.keys, namedOut: s.namedOut, undeclared: s.undeclared,
		},
	})
	if !alone {
		s.rest.Store(p)
	}
	return p
}

func (s *spot) evaluatedItem(n *node, i int) bool {
	return slices.ContainsFunc(s.reach[n], func(m *node) bool {
		return i < len(m.tuple) || m.items != nil || m.unevaluatedItems != nil
	})
}

// normal sorts nodes by id, each once, without those that say nothing.
func normal(nodes []*node) []*node {
	nodes = slices.DeleteFunc(nodes, func(n *node) bool { return n == nil || n == free })
	slices.SortFunc(nodes, func(a, b *node) int { return a.id - b.id })
	return slices.Compact(nodes)
}
