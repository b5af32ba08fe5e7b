package compat

import (
	"maps"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// maxParts bounds the items of an array and the properties of an object.
const maxParts = 1000

// counts are the bounds on items or properties in a branch; high is -1 when
// there is none.
func counts(b *branch, of func(*v5.Schema) (int, int)) (low, high int) {
	low, high = lengths(b.all, of)
	for _, f := range b.facts {
		switch {
		case f.op == opAtLeast:
			low = max(low, f.count)
		case f.op == opAtMost && (high < 0 || f.count < high):
			high = f.count
		}
	}
	return low, high
}

// object builds an object: the properties that have to be there, and no others
// unless their number is too small.
func (s *solver) object(b *branch, depth int) (any, status) {
	low, high := counts(b, func(schema *v5.Schema) (int, int) { return schema.MinProperties, schema.MaxProperties })
	w := s.world(b, nil)
	present, absent := s.present(b), absentNames(b)
	if high >= 0 && (len(present) > high || low > high) {
		return nil, none
	}
	out := map[string]any{}
	whole := none
	for _, name := range sortedNames(present) {
		if absent[name] {
			return nil, none
		}
		child, possible := s.propertyGoal(b, w, name)
		if !possible {
			return nil, none
		}
		value, status := s.solve(child, depth+1)
		if status != found {
			return nil, status
		}
		out[name] = value
	}
	if avoided(b.goal.avoid, out) {
		low = len(out) + 1
		whole = unknown
	}
	if len(out) < low {
		if high >= 0 && low > high || low > maxParts {
			return nil, s.giveUp("minProperties")
		}
		if status := s.fill(b, w, out, low, depth); status != found {
			if status == none && whole == none {
				return nil, none
			}
			return nil, s.giveUp("minProperties")
		}
	}
	return out, found
}

// propertyGoal is what a property has to be; it reports false if there cannot be
// one.
func (s *solver) propertyGoal(b *branch, w *world, name string) (goal, bool) {
	child := s.property(w, name)
	if child == nil || child.kinds == 0 {
		return goal{}, false
	}
	g := goal{holds: child.all, scope: child.scope, inert: child.inert, closed: child.closed, kinds: child.kinds}
	for _, schema := range b.all {
		if rest := schema.UnevaluatedProperties; rest != nil && rest.Always == nil && !s.mayEvaluate(schema, name) {
			g.holds, g.inert = append(slices.Clone(g.holds), rest), append(slices.Clone(g.inert), rest)
		}
	}
	for _, f := range b.facts {
		if f.op != opPresent || f.name != name || f.schema == nil {
			continue
		}
		g.fails = append(g.fails, f.schema)
		if aim, aimed, _ := s.aimAt(b.goal, f.schema, pointerToken(name)); aimed {
			g.aim, g.aimed = aim, true
		}
	}
	return g, true
}

// mayEvaluate reports whether some keyword that s may apply in place is about a
// property of that name, unevaluatedProperties of s apart.
func (s *solver) mayEvaluate(schema *v5.Schema, name string) bool {
	return slices.ContainsFunc(s.inPlaceOf(schema), func(in *v5.Schema) bool {
		return dynamicTarget(in) || in != schema && in.UnevaluatedProperties != nil || in.AdditionalProperties != nil ||
			s.mentions(in, name)
	})
}

// fill adds properties that need not be there until there are enough.
func (s *solver) fill(b *branch, w *world, out map[string]any, enough, depth int) status {
	absent := absentNames(b)
	exact := true
	add := func(name string) {
		if _, has := out[name]; has || absent[name] || len(out) >= enough {
			return
		}
		g, possible := s.propertyGoal(b, w, name)
		if !possible {
			return
		}
		value, status := s.solve(g, depth+1)
		switch status { //nolint:exhaustive // none adds nothing
		case found:
			out[name] = value
		case unknown:
			exact = false
		}
	}
	known := s.names(b, nil)
	for _, name := range known {
		add(name)
	}
	fresh := 0
	for len(out) < enough && fresh < enough {
		before := len(out)
		for _, name := range s.freshNames(b, fact{op: opSome, owner: &v5.Schema{}}, known) {
			add(name)
			known = append(known, name)
			fresh++
		}
		if len(out) == before {
			break
		}
	}
	switch {
	case len(out) >= enough:
		return found
	case exact && len(b.denied) == 0 && len(dependentNames(b)) == 0:
		return none
	}
	return unknown
}

// dependentNames are properties that bring others with them.
func dependentNames(b *branch) []string {
	var out []string
	for _, schema := range b.all {
		out = slices.AppendSeq(out, maps.Keys(dependentRequired(schema)))
		for _, dep := range dependentSchemas(schema) {
			out = append(out, dep.name)
		}
	}
	return out
}

// tuple is the number of positions after which all items of a branch are alike.
func (s *solver) tuple(b *branch) int {
	n := 0
	for _, list := range [...][]*v5.Schema{b.all, b.denied} {
		for _, schema := range list {
			n = max(n, tupleLength(s.inPlaceOf(schema)))
		}
	}
	for _, f := range b.facts {
		if f.op == opItem {
			n = max(n, f.count+1)
		}
	}
	return n
}

// slots are the items of an array that is being built.
type slots struct {
	*solver
	b     *branch
	w     *world
	depth int
	extra map[int]goal // what certain items have to be besides
	every []*v5.Schema // what all items must fail
	free  int          // how many items need not fail every
}

// item is the goal of the item at a position.
func (a *slots) item(i int) (goal, bool) {
	child := a.solver.item(a.w, i)
	if child == nil || child.kinds == 0 {
		return goal{}, false
	}
	g := goal{holds: child.all, scope: child.scope, inert: child.inert, closed: child.closed, kinds: child.kinds}
	for _, schema := range a.b.all {
		subs, _ := itemOf(schema, i)
		if rest := schema.UnevaluatedItems; rest != nil && rest.Always == nil && len(subs) == 0 && len(a.inPlaceOf(schema)) == 1 && schema.Contains == nil {
			g.holds, g.inert = append(slices.Clone(g.holds), rest), append(slices.Clone(g.inert), rest)
		}
	}
	extra := a.extra[i]
	g.holds, g.inert = slices.Concat(g.holds, extra.holds), slices.Concat(g.inert, extra.holds)
	g.fails = slices.Clone(extra.fails)
	g.aim, g.aimed = extra.aim, extra.aimed
	return g, true
}

func (a *slots) add(i int, more goal) {
	old := a.extra[i]
	old.holds = slices.Concat(old.holds, more.holds)
	old.fails = slices.Concat(old.fails, more.fails)
	if more.aimed {
		old.aim, old.aimed = more.aim, true
	}
	a.extra[i] = old
}

// array builds an array: as short as it may be.
func (s *solver) array(b *branch, depth int) (any, status) {
	low, high := counts(b, func(schema *v5.Schema) (int, int) { return schema.MinItems, schema.MaxItems })
	a := &slots{solver: s, b: b, w: s.world(b, nil), depth: depth, extra: map[int]goal{}}
	tuple := s.tuple(b)
	n := low
	for _, f := range b.facts {
		switch f.op { //nolint:exhaustive // others are not about items
		case opItem:
			n = max(n, f.count+1)
			more := goal{fails: []*v5.Schema{f.schema}}
			more.aim, more.aimed, _ = s.aimAt(b.goal, f.schema, itemToken(f.count))
			a.add(f.count, more)
		case opFew:
			a.every = append(a.every, f.schema)
			a.free = max(a.free, f.count)
		}
	}
	if high >= 0 && n > high {
		return nil, none
	}
	if n > maxParts {
		return nil, s.giveUp("minItems")
	}
	repeated := slices.ContainsFunc(b.facts, func(f fact) bool { return f.op == opRepeated })
	exact := len(a.every) == 0 || a.free == 0
	for _, d := range s.demands(b) {
		reached, status := a.demand(d, tuple, n, high)
		if status == none {
			return nil, none
		}
		if status == unknown {
			return nil, s.giveUp("contains")
		}
		n, exact = max(n, reached), false
	}
	unique := slices.ContainsFunc(b.all, func(schema *v5.Schema) bool { return schema.UniqueItems })
	if repeated {
		return a.twice(n, high, tuple, exact)
	}
	out, status := a.fill(n, unique)
	if status == none && (!exact || unique && tuple > 0) {
		return nil, s.giveUp("contains")
	}
	if status != found {
		return nil, status
	}
	if avoided(b.goal.avoid, out) {
		if high >= 0 && n+1 > high {
			return nil, s.giveUp("uniqueItems")
		}
		if out, status = a.fill(n+1, unique); status != found {
			return nil, s.giveUp("uniqueItems")
		}
	}
	return out, found
}

// demand is a number of items that have to be valid under a schema.
type demand struct {
	schema *v5.Schema
	count  int
	others *v5.Schema // what the other items should fail, so that there are not too many
}

func (s *solver) demands(b *branch) []demand {
	var out []demand
	for _, schema := range b.all {
		if schema.Contains != nil && (schema.MinContains > 0 || schema.MaxContains >= 0) {
			d := demand{schema: schema.Contains, count: max(schema.MinContains, 0)}
			if schema.MaxContains >= 0 {
				d.others = schema.Contains
			}
			out = append(out, d)
		}
	}
	for _, f := range b.facts {
		if f.op == opMany {
			out = append(out, demand{schema: f.schema, count: f.count})
		}
	}
	return out
}

// demand gives as many items to a demand as it asks for, from the front, and
// returns how many items there are then.
func (a *slots) demand(d demand, tuple, n, high int) (int, status) {
	given, last := 0, 0
	exact := true
	limit := tuple + d.count + len(a.extra) + 1
	if limit > maxParts {
		return 0, a.giveUp("contains")
	}
	for i := 0; i < limit && given < d.count && (high < 0 || i < high); i++ {
		g, possible := a.item(i)
		if !possible {
			break
		}
		if len(g.fails) > 0 {
			exact = false
		}
		g.holds, g.inert = append(slices.Clip(g.holds), d.schema), append(slices.Clip(g.inert), d.schema)
		if given >= a.free {
			g.fails = append(g.fails, a.every...)
		}
		_, status := a.solve(g, a.depth+1)
		switch status { //nolint:exhaustive // none goes on
		case found:
			a.add(i, goal{holds: []*v5.Schema{d.schema}})
			given++
			last = i + 1
			continue
		case unknown:
			exact = false
		}
		if d.others != nil {
			a.add(i, goal{fails: []*v5.Schema{d.others}})
		}
	}
	if given < d.count {
		if exact && given == 0 && len(a.extra) == 0 {
			return 0, none
		}
		return 0, unknown
	}
	if d.others != nil {
		for i := range max(n, last) + 1 {
			if !slices.Contains(a.extra[i].holds, d.schema) {
				a.add(i, goal{fails: []*v5.Schema{d.others}})
			}
		}
	}
	return last, found
}

// fill solves n items, differing from each other if they must be unique.
func (a *slots) fill(n int, unique bool) ([]any, status) {
	out := make([]any, 0, n)
	exempt := a.free
	for i := range n {
		g, possible := a.item(i)
		if !possible {
			return nil, none
		}
		if unique {
			g.avoid = slices.Clone(out)
		}
		var value any
		var status status
		if exempt > 0 && len(a.every) > 0 {
			exempt--
		} else {
			g.fails = append(g.fails, a.every...)
		}
		if value, status = a.solve(g, a.depth+1); status != found {
			return nil, status
		}
		out = append(out, value)
	}
	return out, found
}

// twice builds an array with two equal items.
func (a *slots) twice(n, high, tuple int, exact bool) (any, status) {
	status := none
	for j := 1; j <= tuple+1 && (high < 0 || j < high); j++ {
		for i := range j {
			first, ok1 := a.item(i)
			second, ok2 := a.item(j)
			if !ok1 || !ok2 {
				continue
			}
			g := first
			g.holds, g.inert = slices.Concat(first.holds, second.holds), slices.Concat(first.inert, second.inert)
			g.fails = slices.Concat(first.fails, second.fails, a.every)
			g.kinds &= second.kinds
			value, st := a.solve(g, a.depth+1)
			if st == none {
				continue
			}
			if st == unknown {
				status = unknown
				continue
			}
			out, st := a.fill(max(n, j+1), false)
			if st != found {
				status = unknown
				continue
			}
			out[i], out[j] = value, value
			return out, found
		}
	}
	if status == none && exact {
		return nil, none
	}
	return nil, a.giveUp("uniqueItems")
}
