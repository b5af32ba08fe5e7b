package program

import (
	"sync/atomic"
	"unsafe"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// Size is about the memory that the program takes, in bytes. What programs share, their
// patterns among others, is not in it (see SharedSize, automaton.SharedSize).
func (p *Program) Size() int { return p.size }

// SharedSize is about the memory that the groups take which programs share, in bytes.
func SharedSize() int { return plainGroups.Size() + definitions.Size() }

// size is about the memory that the groups take which are not shared. Any part of the
// linked schema may lead to all others, so the whole of it is kept if something is left
// to jsonschema v5.
func (b *builder) size() (n int) {
	whole := false
	for _, g := range b.groups {
		if b.foreign[g] || b.counted[g] {
			continue
		}
		n += g.footprint()
		whole = whole || g.uncommon != nil && len(g.opaque)+len(g.schemas) > 0
	}
	if whole {
		n += b.linked.Size()
	}
	return n
}

func (g *group) footprint() int {
	n := bytesOf[group](1) + bytesOf[textual](cap(g.text)) + bytesOf[numeric](cap(g.number))
	for i := range g.text {
		if t := g.text[i].enum; t != nil {
			n += t.footprint()
		}
	}
	for i := range g.number {
		n += sizeOfNumber * (len(g.number[i].enum) + 2)
	}
	if g.object != nil {
		n += g.object.footprint()
	}
	if g.array != nil {
		n += g.array.footprint()
	}
	if g.uncommon != nil {
		n += g.uncommon.footprint()
	}
	return n
}

// sizeOfNumber is about what a bound takes.
const sizeOfNumber = 64

func (u *uncommon) footprint() int {
	n := bytesOf[uncommon](1) + bytesOf[opaque](cap(u.opaque))
	for _, ops := range u.ops {
		n += bytesOf[op](cap(ops))
	}
	for _, schemas := range u.schemas {
		n += bytesOf[*v5.Schema](cap(schemas))
	}
	for _, b := range u.branches {
		n += bytesOf[branch](1) + len(b.location)
	}
	return n
}

func (m *members) footprint() int {
	n := bytesOf[members](1) + bytesOf[presence](cap(m.required)) + bytesOf[count](cap(m.counts)) + bytesOf[dependence](cap(m.dependent)) + bytesOf[set](cap(m.textOf))
	if m.names != nil {
		n += m.names.footprint() + bytesOf[atomic.Uint32](cap(m.order))
	}
	for i := range m.rest {
		n += m.rest[i].footprint()
	}
	return n
}

func (i *items) footprint() int {
	n := bytesOf[items](1) + bytesOf[count](cap(i.counts)) + bytesOf[contains](cap(i.contains)) + i.rest.link.more.footprint()
	for at := range i.tuple {
		n += bytesOf[item](1) + i.tuple[at].link.more.footprint() + bytesOf[set](cap(i.tuple[at].found))
	}
	return n
}

func (t *table) footprint() int {
	n := bytesOf[table](1) + bytesOf[int16](cap(t.slots))
	for i := range t.entries {
		n += t.entries[i].footprint()
	}
	return n
}

func (l *link) footprint() int { return bytesOf[link](1) + l.more.footprint() }

func (m *more) footprint() int {
	if m == nil {
		return 0
	}
	return bytesOf[more](1) + bytesOf[set](cap(m.owners)) + bytesOf[unevaluated](cap(m.pending)) + len(m.name)
}

// bytesOf is what n values of a type take, each rounded up as the allocator does.
func bytesOf[T any](n int) int {
	var one T
	return (n*int(unsafe.Sizeof(one)) + 15) / 16 * 16
}
