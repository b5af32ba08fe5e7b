package program

import (
	"slices"
	"sync/atomic"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// Where alternatives or conditions apply to a value, what becomes of it depends
// on which of them hold: the value is read once for the verdicts on its units,
// and, once those have chosen the step, again to be rewritten. What was chosen
// is remembered, by the verdicts.

// branch is a subschema that applies under a condition, with its unit.
type branch struct {
	location string // of the schema
	unit     set
}

// choices are what was chosen for the values of one step.
type choices struct{ known atomic.Pointer[[]choice] }

type choice struct {
	group *group
	fail  set   // of the group's branches
	step  *Step // nil: the source can't tell
}

const (
	// maxChoices bounds what is remembered of one step: n branches can hold in 2^n ways.
	maxChoices = 64
	// maxReread bounds how often, on average, a document's bytes are read again
	// where choices nest.
	maxReread = 8
)

// choose is what the verdicts on the branches of g make of the value that has
// just been read; nil if they don't say. fail are the verdicts on all units.
func (s *Step) choose(g *group, p *Plan, k Kind, fail set) *Step {
	fail &= g.branching
	var list []choice
	if known := s.choices.known.Load(); known != nil {
		list = *known
	}
	for i := range list {
		if c := &list[i]; c.group == g && c.fail == fail {
			return c.step
		}
	}
	step := p.chosen(g, k, fail)
	if len(list) < maxChoices && step != Unknown {
		old := s.choices.known.Load()
		grown := []choice{{g, fail, step}}
		if old != nil {
			grown = append(slices.Clone(*old), grown...)
		}
		s.choices.known.CompareAndSwap(old, &grown) // who loses asks again
	}
	return step
}

// chosen asks the source.
func (p *Plan) chosen(g *group, k Kind, fail set) *Step {
	return p.source.Choose(k, func(schema *v5.Schema) (holds, known bool) {
		// The source may have the schemas from another compilation.
		i := slices.IndexFunc(g.branches, func(b branch) bool { return b.location == schema.Location })
		return i >= 0 && g.branches[i].unit&fail == 0, i >= 0
	})
}

// foreign rewrites the value that begins at pos as the verdicts on its units
// choose, or leaves it to the plan's source.
func (r *run) foreign(g *group, p *Plan, s *Step, k Kind, must bool) set {
	start, w := r.pos, &r.rewriting
	clauses := len(r.clauses)
	r.settled = nil
	fail := r.value(g, must)
	if fail&dead != 0 {
		return dead
	}
	if w.reread += r.pos - start; g != nil && r.settled == g && g.busy>>kindAt(r.data[start])&1 != 0 && g.branching != 0 &&
		w.reread <= maxReread*len(r.data) {
		if step := s.choose(g, p, k, r.units); step != nil {
			r.pos, r.clauses = start, r.clauses[:clauses]
			return r.take(g, p, step, k, must)
		}
	}
	r.flush(start)
	mark := len(w.out)
	var ok bool
	if w.out, ok = p.source.Rewrite(w.out, r.data[start:r.pos], &w.counts); !ok {
		return dead
	}
	w.from, w.changed = r.pos, true
	r.judge(g, must, mark, fail, clauses)
	return fail
}

// kindAt is the kind of a value that begins with c.
func kindAt(c byte) kind {
	switch c {
	case '"':
		return kindString
	case '{':
		return kindObject
	case '[':
		return kindArray
	case 't':
		return kindTrue
	case 'f':
		return kindFalse
	case 'n':
		return kindNull
	}
	return kindNumber
}
