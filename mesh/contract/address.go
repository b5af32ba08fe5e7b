package contract

import (
	"encoding/binary"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
)

// address tells which place is meant without leading to it: a masking goes on with
// what it has found out when the engine that found it out has been given up, and
// asks another one, made of the same schema, about the rest.
type address struct {
	id       string
	standing *standing // nil where nothing is said
}

// spotAddress is the same for one of a place's spots.
type spotAddress struct {
	address
	kind      program.Kind
	decisions string
}

// footprint is about the memory that the address takes beside itself, in bytes; its id
// is also what its plan is found by.
func (a address) footprint() int {
	n := len(a.id)
	if a.standing != nil {
		n += 256
	}
	return n
}

func (a spotAddress) footprint() int { return len(a.decisions) + a.address.footprint() - len(a.id) }

func (p *place) address() address {
	a := address{id: p.id}
	if !p.plain() {
		said := p.standing
		a.standing = &said
	}
	return a
}

func (s *spot) address(kind program.Kind) spotAddress {
	return spotAddress{s.place.address(), kind, s.decisions}
}

// at is the place with an address.
func (w *walker) at(a address) *place {
	w.places.mu.RLock()
	known := w.places.known[a.id]
	w.places.mu.RUnlock()
	if known != nil {
		return known
	}
	p := &place{}
	if a.standing != nil {
		p.standing = *a.standing
	}
	key := []byte(a.id)
	p.roots, key = w.graph.numbered(key)
	p.maybe, _ = w.graph.numbered(key)
	return w.places.intern(p)
}

// numbered are the nodes that a place's key begins with, and the rest of it.
func (g *graph) numbered(key []byte) ([]*node, []byte) {
	next := func() int {
		n, size := binary.Uvarint(key)
		key = key[size:]
		return int(n)
	}
	nodes := make([]*node, next())
	for i := range nodes {
		nodes[i] = g.byID[next()]
	}
	return nodes, key
}

// spotAt is the spot with an address.
func (w *walker) spotAt(a spotAddress) *spot {
	p := w.at(a.address)
	if a.decisions == "" {
		if s := p.static.Load(); s != nil {
			return s
		}
	} else if s, ok := p.spots.Load(a.decisions); ok {
		return s.(*spot)
	}
	x := expansion{kind: kindNames[a.kind], recorded: a.decisions}
	for _, n := range p.roots {
		x.apply(n)
	}
	for _, n := range p.maybe {
		if x.foresee(n) {
			x.apply(n)
		}
	}
	return w.settled(p, &x)
}
