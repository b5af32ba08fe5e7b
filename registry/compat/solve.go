package compat

import (
	"slices"
	"strconv"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// The bounds of a search. Ordinary pairs of schemas need a hundredth of them.
const (
	maxSteps = 20_000
	maxDepth = 90                // of a document; strict JSON ends at 100
	maxWork  = budget + budget/4 // in the units of budget, for derivations and validations on the way
)

// solver looks for values by cases: a goal is split by kind of value, and then
// by the alternatives that the schemas offer, those for which a schema fails
// included, until what is left can be built or contradicts itself.
//
// Splitting covers all cases, so a goal of which every case ends in a
// contradiction has no value, and that is a derivation too. Where a case is given
// up for another reason, the goal is unknown.
type solver struct {
	*check
	// left are the steps that may still be gone.
	left int
	// why is the first reason why a case was given up.
	why   string
	known map[string]answer
	goals map[string]int
	// low is the outermost goal that the case at hand was ended for, because it
	// came up again inside of itself.
	low int
	// partial says that some cases were left out, so that nothing can be concluded
	// from the end of all others.
	partial bool
	// blind says not to ask the rules, so that what they derived can be doubted.
	blind bool
}

type answer struct {
	value  any
	status status
	depth  int
}

func newSolver(c *check, steps int) *solver {
	return &solver{check: c, left: steps, known: map[string]answer{}, goals: map[string]int{}, low: noAssumption}
}

// giveUp notes why a case is given up.
func (s *solver) giveUp(why string) status {
	if s.why == "" {
		s.why = why
	}
	return unknown
}

func (s *solver) affordable() bool {
	s.left--
	s.spent += costQuestion
	s.toil(toilQuestion)
	return s.left >= 0 && s.spent <= maxWork
}

// search is solve for a whole document or a part of one, with so much toil.
func (s *solver) search(g goal, toil int) (value any, status status) {
	if !s.bounded(toil, func() { value, status = s.solve(g, 0) }) {
		return nil, s.giveUp("size")
	}
	return value, status
}

// solve finds a value for a goal.
//
// A goal that comes up inside of itself, deeper in the document, is ended: the
// shallowest value of a goal does not hold another value of the same goal.
func (s *solver) solve(g goal, depth int) (any, status) {
	if !s.affordable() || depth > maxDepth {
		return nil, s.giveUp("size")
	}
	key := s.goalKey(g)
	if a, ok := s.known[key]; ok && (a.status != unknown || a.depth <= depth) {
		return a.value, a.status
	}
	if i, ok := s.goals[key]; ok {
		s.low = min(s.low, i)
		return nil, none
	}
	index, low := len(s.goals), s.low
	s.goals[key], s.low = index, noAssumption
	value, status := s.byKind(g, depth)
	delete(s.goals, key)
	if s.low >= index {
		s.low = noAssumption
	}
	if status != none || s.low == noAssumption {
		s.known[key] = answer{value, status, depth}
	}
	s.low = min(s.low, low)
	return value, status
}

func (s *solver) byKind(g goal, depth int) (any, status) {
	if s.contained(g) {
		return nil, none
	}
	status := none
	for _, k := range [...]kind{text, number, boolean, object, array, null} {
		if g.kinds&k == 0 {
			continue
		}
		b := &branch{goal: &g, kind: k}
		applied := slices.DeleteFunc(slices.Clone(g.holds), func(schema *v5.Schema) bool { return slices.Contains(g.inert, schema) })
		if !s.take(b, step{holds: applied}) || !s.take(b, step{holds: g.inert, fails: g.fails, facts: g.facts, inert: true}) {
			continue
		}
		value, st := s.expand(b, depth)
		if st == found {
			return value, found
		}
		if st == unknown {
			status = unknown
		}
	}
	return nil, status
}

// contained reports whether the rules derive that one of the schemas that have to
// fail holds.
func (s *solver) contained(g goal) bool {
	if s.blind || len(g.fails) == 0 || s.readerDynamic || s.writerDynamic {
		return false
	}
	w := s.check.world(g.holds, g.scope, g.closed)
	w.kinds &= g.kinds
	w.inert = s.inertIn(w, g)
	if w.kinds == 0 {
		return true
	}
	s.check.add(w)
	return slices.ContainsFunc(g.fails, func(r *v5.Schema) bool { return s.derives(w, r) })
}

// inertIn are the schemas of a goal's world that hold without being applied.
func (s *solver) inertIn(w *world, g goal) []*v5.Schema {
	if len(g.inert) == 0 {
		return nil
	}
	applied := &world{kinds: anything}
	for _, schema := range g.holds {
		if !slices.Contains(g.inert, schema) {
			s.follow(applied, schema)
		}
	}
	return slices.DeleteFunc(slices.Clone(w.all), func(schema *v5.Schema) bool { return slices.Contains(applied.all, schema) })
}

// derives asks the rules. They ask only about what has no assumption behind it.
func (s *solver) derives(w *world, r *v5.Schema) bool {
	if s.blind {
		return false
	}
	ok, low := s.admits(w, r, place{})
	return ok && low == noAssumption
}

// expand goes on with a branch until it is built.
func (s *solver) expand(b *branch, depth int) (any, status) {
	for {
		if !s.affordable() {
			return nil, s.giveUp("size")
		}
		if b.kind == null || b.kind == boolean || b.finite {
			return s.fromList(b)
		}
		if b.kind == object && !s.dependents(b) {
			return nil, none
		}
		steps, more := s.split(b)
		if !more {
			return s.build(b, depth)
		}
		if len(steps) == 1 {
			if !s.take(b, steps[0]) {
				return nil, none
			}
			continue
		}
		status := none
		for _, next := range steps {
			s.toil(toilStep + (len(b.all)+len(b.denied)+len(b.denials)+2*len(b.choices)+12*len(b.facts))/2)
			n := b.clone()
			if !s.take(n, next) {
				continue
			}
			value, st := s.expand(n, depth)
			if st == found {
				return value, found
			}
			if st == unknown {
				status = unknown
			}
		}
		return nil, status
	}
}

// fromList tries the values of a schema that lists them.
func (s *solver) fromList(b *branch) (any, status) {
	values := b.listed
	switch {
	case b.finite:
	case b.kind == null:
		values = []any{nil}
	default:
		values = []any{true, false}
	}
	status := none
	for _, v := range values {
		if valueKind(v) != b.kind {
			continue
		}
		if !s.charge(v, b.goal.holds...) && s.spent > maxWork {
			return nil, s.giveUp("size")
		}
		switch s.judge(b.goal, v) { //nolint:exhaustive // none goes on
		case found:
			return v, found
		case unknown:
			status = s.giveUp("const")
		}
	}
	return nil, status
}

// judge puts a value to a goal's schemas.
func (s *solver) judge(g *goal, v any) status {
	size := sizeOf(v) * (1 + len(g.holds) + len(g.fails))
	s.spent += costValue * size
	s.toil(toilDocument + toilStep*size)
	if avoided(g.avoid, v) {
		return none
	}
	if g.root {
		if s.refutes(v) {
			return found
		}
		return unknown
	}
	if s.readerDynamic || s.writerDynamic {
		return found // what it is for can only be said of the whole document
	}
	for _, schema := range g.holds {
		valid, ok := s.validates(schema, v)
		if !ok {
			return unknown
		}
		if !valid {
			return none
		}
	}
	for _, schema := range g.fails {
		valid, ok := s.validates(schema, v)
		if !ok {
			return unknown
		}
		if valid {
			return none
		}
	}
	if !slices.ContainsFunc(g.facts, func(f fact) bool { return !factHolds(f, v) }) {
		return found
	}
	return none
}

// factHolds reports whether a value has what the facts that goals begin with say.
func factHolds(f fact, v any) bool {
	text, isText := v.(string)
	switch f.op { //nolint:exhaustive // goals begin with no others
	case opMatch:
		return !isText || f.pattern.MatchString(text)
	case opNoMatch:
		return !isText || !f.pattern.MatchString(text)
	case opAtLeast:
		return !isText || len([]rune(text)) >= f.count
	}
	return true
}

func avoided(avoid []any, v any) bool {
	return slices.ContainsFunc(avoid, func(a any) bool { return equalValues(a, v) })
}

// split finds what there is to choose in a branch: the choice with the fewest
// ways to go on. No way at all is a contradiction.
func (s *solver) split(b *branch) (steps []step, more bool) {
	type candidate struct {
		steps []step
		drop  func()
	}
	var best *candidate
	// Looking for a better choice among many costs more than it gains.
	enough := 1
	if len(b.denials)+len(b.choices) > 8 {
		enough = 2
	}
	offer := func(steps []step, drop func()) bool {
		if best == nil || len(steps) < len(best.steps) {
			best = &candidate{steps, drop}
		}
		s.spent += costSchema * (1 + len(steps))
		s.toil(toilLook + len(steps))
		return len(best.steps) <= enough
	}
	done := false
	for i, key := range b.choices {
		steps := s.choiceSteps(b, key)
		if done = offer(steps, func() { b.choices = slices.Delete(slices.Clone(b.choices), i, i+1) }); done {
			break
		}
	}
	for i := 0; i < len(b.denials) && !done; i++ {
		steps := s.reasons(b, b.denials[i])
		done = offer(steps, func() { b.denials = slices.Delete(slices.Clone(b.denials), i, i+1) })
	}
	for i := 0; i < len(b.facts) && !done; i++ {
		if steps, open := s.resolve(b, b.facts[i]); open {
			done = offer(steps, func() { b.facts = slices.Delete(slices.Clone(b.facts), i, i+1) })
		}
	}
	if best == nil {
		return nil, false
	}
	best.drop()
	return best.steps, true
}

// choiceSteps are the alternatives of anyOf, oneOf and if that are not excluded at
// sight.
func (s *solver) choiceSteps(b *branch, key choiceKey) []step {
	var steps []step
	for _, a := range s.alternatives(key.schema, key.keyword) {
		if slices.ContainsFunc(a.holds, func(h *v5.Schema) bool { return s.plainlyNot(b, h) }) {
			continue
		}
		if key.keyword == anyOf && slices.Contains(b.all, a.holds[0]) {
			return []step{{}}
		}
		steps = append(steps, step{holds: a.holds, fails: a.fails, inert: slices.Contains(b.inert, key.schema)})
	}
	return steps
}

// plainlyNot reports whether a schema cannot hold in a branch, at sight.
func (s *solver) plainlyNot(b *branch, schema *v5.Schema) bool {
	if schema.Always != nil {
		return !*schema.Always
	}
	s.spent += len(b.denied)
	s.toil(toilLook)
	return len(schema.Types) > 0 && kindOf(schema.Types)&b.kind == 0 ||
		b.kind == object && s.apart(b.all, schema) ||
		slices.ContainsFunc(b.denied, func(no *v5.Schema) bool { return no == schema || s.same(no, schema) })
}

// dependents makes the dependent schemas hold whose property is there.
func (s *solver) dependents(b *branch) bool {
	for grown := true; grown; {
		grown = false
		present := s.present(b)
		for _, schema := range b.all {
			for _, dep := range dependentSchemas(schema) {
				if !present[dep.name] || slices.Contains(b.all, dep.schema) {
					continue
				}
				if dep.schema.Always != nil && *dep.schema.Always {
					continue
				}
				if !s.assume(b, dep.schema, slices.Contains(b.inert, schema)) {
					return false
				}
				grown = true
				break
			}
			if grown {
				break
			}
		}
	}
	return true
}

// present are the properties that a branch's objects have in any case.
func (s *solver) present(b *branch) map[string]bool {
	w := &world{all: b.all}
	for _, f := range b.facts {
		if f.op == opPresent {
			w.present = append(w.present, f.name)
		}
	}
	return s.required(w)
}

// build makes a value of a branch in which there is nothing left to choose.
func (s *solver) build(b *branch, depth int) (any, status) {
	var value any
	var st status
	switch b.kind { //nolint:exhaustive // others are listed
	case number:
		value, st = s.number(b)
	case text:
		value, st = s.text(b)
	case array:
		value, st = s.array(b, depth)
	case object:
		value, st = s.object(b, depth)
	}
	if st != found {
		return nil, st
	}
	if s.judge(b.goal, value) != found {
		return nil, s.giveUp(s.stopper(b))
	}
	return value, found
}

// stopper names the keyword for which a value that was built is none.
func (s *solver) stopper(b *branch) string {
	for _, schema := range b.all {
		switch {
		case len(schema.Extensions) > 0:
			return "an unknown keyword"
		case dynamicTarget(schema):
			return "$dynamicRef"
		case schema.UnevaluatedProperties != nil && b.kind == object:
			return "unevaluatedProperties"
		case schema.UnevaluatedItems != nil && b.kind == array:
			return "unevaluatedItems"
		case schema.Contains != nil && b.kind == array:
			return "contains"
		case schema.UniqueItems && b.kind == array:
			return "uniqueItems"
		case assertedContent(schema) && b.kind == text:
			return "contentMediaType"
		}
	}
	return b.kind.String()
}

// aimAt is the aim of a part of a value for a schema that fails there; ok is
// false if the aim leads elsewhere.
func (s *solver) aimAt(g *goal, schema *v5.Schema, token string) (aim []string, aimed, ok bool) {
	if !g.aimed || s.writers[schema] {
		return nil, false, true
	}
	if len(g.aim) == 0 {
		return nil, false, true
	}
	if g.aim[0] != token && g.aim[0] != "*" {
		return nil, false, false
	}
	return g.aim[1:], true, true
}

// elsewhere reports whether a reason for which the reader's schema fails at this
// very place is beside the aim.
func (s *solver) elsewhere(g *goal, schema *v5.Schema) bool {
	return g.aimed && len(g.aim) > 0 && !s.writers[schema]
}

func itemToken(i int) string { return strconv.Itoa(i) }
