package program

import (
	"github.com/lockstep-mesh/lockstep/mesh/internal/intern"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Event types of one domain refer to the same documents: an address, a sum of money.
// What such a document says is the same wherever it is referred to, so the groups
// for it are made once, and serve all programs: they take less memory, and, more
// important, what thousands of types have in common stays in the processor's caches.

// definitions are the groups in use that are for what a reference leads to in another
// document.
var definitions = intern.New[definition]((*shared).size)

// definition is a place that a reference leads to. The bundle holds all that matters:
// references in it lead to its own documents.
type definition struct {
	bundle  *jsonschema.Bundle
	pointer string
	open    bool
}

// shared is a group for a definition.
type shared struct {
	group *group
	bytes int
}

func (s *shared) size() int { return s.bytes }

// definition is what a group with these roots is for, if that is something in another
// document that is referred to.
func (b *builder) definition(roots []conjunction) (d definition, ok bool) {
	if len(roots) != 1 || len(roots[0]) != 1 || !roots[0][0].referred {
		return d, false
	}
	origin, ok := b.linked.Locate(roots[0][0].schema.Location)
	if !ok || origin.Bundle == b.linked.Bundle() {
		return d, false
	}
	return definition{bundle: origin.Bundle, pointer: origin.Pointer, open: b.open}, true
}

// share lets other programs have the groups for definitions that this one has made,
// and keeps those that others have made alive. It is called when all groups are
// finished.
func (b *builder) share() {
	for d, g := range b.made {
		counted := map[*group]bool{}
		if !b.shareable(g, counted) {
			continue
		}
		n := d.bundle.Document.Size()
		for part := range counted {
			if !b.counted[part] {
				b.counted[part] = true
				n += part.footprint()
			}
		}
		b.uses = append(b.uses, definitions.Get(d, func() *shared { return &shared{group: g, bytes: n} }))
	}
}

// shareable reports whether g and all that it leads to, which are added to seen, are
// the same for all programs. Verdicts on alternatives are not: they are told to
// maskings by places that are numbered anew for each program; nor is what keeps a
// whole schema.
func (b *builder) shareable(g *group, seen map[*group]bool) bool {
	todo := []*group{g}
	for len(todo) > 0 {
		g := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if g == nil || seen[g] || b.foreign[g] {
			continue
		}
		seen[g] = true
		if g.whole || g.doubt || g.uncommon != nil && len(g.opaque)+len(g.schemas)+len(g.branches) > 0 {
			return false
		}
		if m := g.object; m != nil {
			todo = append(todo, m.text)
			if m.names != nil {
				for i := range m.names.entries {
					todo = append(todo, m.names.entries[i].to)
				}
			}
			for i := range m.rest {
				todo = append(todo, m.rest[i].to)
			}
		}
		if a := g.array; a != nil {
			todo = append(todo, a.rest.to)
			for i := range a.tuple {
				todo = append(todo, a.tuple[i].to)
			}
		}
	}
	return true
}
