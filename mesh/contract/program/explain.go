package program

import (
	"cmp"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Part is a subschema and how documents are validated by it.
type Part struct {
	Pointer string // where it is written: reference name (empty for the schema itself), '#', JSON pointer
	Fast    bool   // in one pass
	Why     string // why it isn't fast; then jsonschema v5 validates the values that it applies to
}

// Explain tells for each subschema that a document can meet whether it is fast,
// ordered by where they are written; nothing, unless the program was compiled to
// explain. The caller must not change the result.
func (p *Program) Explain() []Part { return p.parts }

// Fast reports whether all of the schema is, given that the program explains.
func (p *Program) Fast() bool {
	return !slices.ContainsFunc(p.parts, func(part Part) bool { return !part.Fast })
}

// met tells, by id, which nodes values meet without going through one that is
// left to v5.
func (s *surveyed) met() []bool {
	met := make([]bool, len(s.order))
	todo := []*node{s.order[0]}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if met[n.id] {
			continue
		}
		met[n.id] = true
		if n.why != "" {
			continue
		}
		for _, list := range [...][]*v5.Schema{n.always, n.branches, n.children} {
			for _, next := range list {
				todo = append(todo, s.nodes[next])
			}
		}
	}
	return met
}

func (s *surveyed) explain(linked *jsonschema.Linked) []Part {
	parts := make([]Part, 0, len(s.order))
	met := s.met()
	for _, n := range s.order {
		why := n.why
		switch {
		case s.whole != "":
			why = s.whole
		case why == "" && !met[n.id]:
			why = "it is applied only inside of what isn't fast"
		case why == "":
			why = n.partly
		}
		place := n.schema.Location // of a metaschema
		if origin, ok := linked.Locate(place); ok {
			place = origin.String()
		}
		parts = append(parts, Part{Pointer: place, Fast: why == "", Why: why})
	}
	slices.SortFunc(parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Why, b.Why))
	})
	return slices.Compact(parts)
}
