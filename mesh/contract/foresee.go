package contract

import (
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// spotOf is the spot for all values of a kind at p, in documents that are
// valid. It is nil if values of the kind may have different ones; refuse says
// that this can't be told by such a value alone.
func (w *walker) spotOf(p *place, kind program.Kind) (s *spot, refuse bool) {
	if s := p.static.Load(); s != nil {
		return s, false
	}
	x := expansion{kind: kindNames[kind]}
	for _, n := range p.roots {
		x.apply(n)
	}
	for _, n := range p.maybe {
		if x.foresee(n) {
			x.apply(n)
		}
	}
	if w.conditionalRefs(x.refs) {
		return nil, true
	}
	if x.unforeseen {
		return nil, false
	}
	return w.settled(p, &x), false
}

// spotBy is the spot for those values of a kind at p for which just so many of
// the schemas hold that apply under a condition, as the document's program has
// found out. It is nil if that doesn't settle it, and refuse is spotOf's.
func (w *walker) spotBy(p *place, kind program.Kind, holds func(*v5.Schema) (holds, known bool)) (s *spot, refuse bool) {
	x := expansion{kind: kindNames[kind], verdict: holds}
	for _, n := range p.roots {
		x.apply(n)
	}
	for _, n := range p.maybe {
		if x.foresee(n) {
			x.apply(n)
		}
	}
	switch {
	case w.conditionalRefs(x.refs):
		return nil, true
	case x.unforeseen:
		return nil, false
	}
	return w.settled(p, &x), false
}

// kindNames are the kinds' types.
var kindNames = [...]string{
	program.Null: "null", program.Bool: "boolean", program.Number: "number", program.String: "string",
	program.Array: "array", program.Object: "object",
}

// foresee decides whether a schema holds for all values of the kind, and notes
// it if that depends on the value and there is no verdict.
func (x *expansion) foresee(n *node) bool {
	if refutedFor(n, x.kind, maxRefuted) {
		return x.decide(false)
	}
	holds, known := false, false
	if x.verdict != nil {
		holds, known = x.verdict(n.schema)
	}
	x.unforeseen = x.unforeseen || !known
	return x.decide(holds)
}

// foreseeAlternatives is alternatives for all values of a kind: all but one of
// them are for other kinds.
func (x *expansion) foreseeAlternatives(c choice) {
	var open []*node
	for _, n := range c.alternatives {
		if !refutedFor(n, x.kind, maxRefuted) {
			open = append(open, n)
		}
	}
	if len(open) > 1 && x.verdict == nil {
		x.unforeseen = true
	}
	found := false
	for _, n := range c.alternatives {
		applies := slices.Contains(open, n)
		if applies && len(open) > 1 && x.verdict != nil {
			holds, known := x.verdict(n.schema)
			x.unforeseen = x.unforeseen || !known
			applies = holds && !(c.one && found)
		}
		if x.decide(applies) {
			found = true
			x.apply(n)
		}
	}
}

// refutedFor is refuted for all values of a kind.
func refutedFor(n *node, kind string, depth int) bool {
	s := n.schema
	other := func(item any) bool { return typeOf(item) != kind }
	switch {
	case s.Always != nil:
		return !*s.Always
	case len(s.Types) > 0 && !kindAdmitted(s.Types, kind),
		len(s.Constant) > 0 && other(s.Constant[0]),
		len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(item any) bool { return !other(item) }):
		return true
	}
	return depth > 0 && slices.ContainsFunc(n.always, func(e edge) bool { return refutedFor(e.to, kind, depth-1) })
}

// conditional reports whether the class of values at p depends on other values.
func (p *place) conditional() bool { return p.named.When != nil || p.marks.conditional() }

func (m marks) conditional() bool {
	return slices.ContainsFunc([][]*mask.Path{m.exact, m.wildcard, m.definitions}, conditional)
}

func (w *walker) conditionalRefs(refs []string) bool {
	return slices.ContainsFunc(refs, func(ref string) bool { return conditional(w.overlay.Definition(ref)) })
}

func conditional(paths []*mask.Path) bool {
	return slices.ContainsFunc(paths, func(p *mask.Path) bool { return p.Mark != nil && p.Mark.When != nil })
}
