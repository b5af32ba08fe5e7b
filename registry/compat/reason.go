package compat

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// reasons are the ways in which a schema can fail for a branch's kind of value.
// They are all of them, but for those that are known to be impossible.
func (s *solver) reasons(b *branch, r *v5.Schema) []step {
	if b.kind == object && s.apart(b.all, r) {
		return []step{{}} // it fails whatever else the value is
	}
	var steps []step
	if !s.elsewhere(b.goal, r) {
		steps = append(steps, s.valueReasons(b, r)...)
		switch b.kind { //nolint:exhaustive // others have parts
		case number:
			steps = append(steps, numberReasons(r)...)
		case text:
			steps = append(steps, textReasons(r)...)
		}
	}
	switch b.kind { //nolint:exhaustive // others have no parts
	case array:
		steps = append(steps, s.arrayReasons(b, r)...)
	case object:
		steps = append(steps, s.objectReasons(b, r)...)
	}
	return append(steps, s.inPlaceReasons(b, r)...)
}

func (s *solver) valueReasons(b *branch, r *v5.Schema) []step {
	var steps []step
	if values, listed := listedValues(r); listed {
		refused := values
		if len(r.Constant) > 0 && len(r.Enum) > 0 {
			steps = append(steps, step{facts: []fact{{op: opNotIn, values: r.Enum}}})
		}
		refused = slices.DeleteFunc(slices.Clone(refused), func(v any) bool { return valueKind(v) != b.kind })
		if len(refused) == 0 {
			return []step{{}} // it fails whatever the value is
		}
		steps = append(steps, step{facts: []fact{{op: opNotIn, values: refused}}})
	}
	if r.RegexProperties || len(r.Extensions) > 0 {
		steps = append(steps, step{}) // whether it fails is seen when the value is there
	}
	return steps
}

func numberReasons(r *v5.Schema) []step {
	var facts []fact
	if len(r.Types) > 0 && !slices.Contains(r.Types, "number") {
		facts = append(facts, fact{op: opNotMultiple, number: one})
	}
	if r.Minimum != nil {
		facts = append(facts, fact{op: opBelow, number: r.Minimum})
	}
	if r.ExclusiveMinimum != nil {
		facts = append(facts, fact{op: opBelow, number: r.ExclusiveMinimum, inclusive: true})
	}
	if r.Maximum != nil {
		facts = append(facts, fact{op: opAbove, number: r.Maximum})
	}
	if r.ExclusiveMaximum != nil {
		facts = append(facts, fact{op: opAbove, number: r.ExclusiveMaximum, inclusive: true})
	}
	if r.MultipleOf != nil {
		facts = append(facts, fact{op: opNotMultiple, number: r.MultipleOf})
	}
	return each(facts)
}

func each(facts []fact) []step {
	var steps []step
	for _, f := range facts {
		steps = append(steps, step{facts: []fact{f}})
	}
	return steps
}

func textReasons(r *v5.Schema) []step {
	var facts []fact
	if r.MinLength > 0 {
		facts = append(facts, fact{op: opAtMost, count: r.MinLength - 1})
	}
	if r.MaxLength >= 0 {
		facts = append(facts, fact{op: opAtLeast, count: r.MaxLength + 1})
	}
	if r.Pattern != nil {
		facts = append(facts, fact{op: opNoMatch, pattern: r.Pattern})
	}
	if assertedFormat(r) || assertedContent(r) {
		facts = append(facts, fact{op: opNoFormat, schema: r})
	}
	return each(facts)
}

// inPlaceReasons are those of the schemas that r applies to the same value.
func (s *solver) inPlaceReasons(b *branch, r *v5.Schema) []step {
	var steps []step
	for _, ref := range [...]*v5.Schema{r.Ref, r.RecursiveRef, r.DynamicRef} {
		if ref != nil {
			steps = append(steps, step{fails: []*v5.Schema{ref}})
		}
	}
	s.toil(toilStep * len(r.AllOf))
	for _, sub := range r.AllOf {
		steps = append(steps, step{fails: []*v5.Schema{sub}})
	}
	if len(r.AnyOf) > 0 {
		steps = append(steps, step{fails: r.AnyOf})
	}
	if len(r.OneOf) > 0 {
		steps = append(steps, step{fails: r.OneOf})
		for i, first := range r.OneOf {
			s.toil(len(r.OneOf) - i)
			if s.plainlyNot(b, first) {
				continue
			}
			for _, second := range r.OneOf[i+1:] {
				if !s.plainlyNot(b, second) {
					s.toil(toilStep)
					steps = append(steps, step{holds: []*v5.Schema{first, second}, inert: true})
				}
			}
		}
	}
	if r.Not != nil && !s.plainlyNot(b, r.Not) {
		steps = append(steps, step{holds: []*v5.Schema{r.Not}, inert: true})
	}
	if r.If != nil && r.Then != nil && !s.plainlyNot(b, r.If) {
		steps = append(steps, step{holds: []*v5.Schema{r.If}, fails: []*v5.Schema{r.Then}, inert: true})
	}
	if r.If != nil && r.Else != nil {
		steps = append(steps, step{fails: []*v5.Schema{r.If, r.Else}})
	}
	return slices.DeleteFunc(steps, func(st step) bool {
		return slices.ContainsFunc(st.fails, func(f *v5.Schema) bool {
			return f.Always != nil && *f.Always || slices.Contains(b.all, f)
		})
	})
}

func (s *solver) objectReasons(b *branch, r *v5.Schema) []step {
	var steps []step
	here := !s.elsewhere(b.goal, r)
	s.toil(toilStep * (len(r.Required) + len(r.Properties) + len(r.PatternProperties)))
	w := s.world(b, r)
	has := s.present(b)
	absent := absentNames(b)
	if here {
		for _, name := range r.Required {
			if !has[name] {
				steps = append(steps, step{facts: []fact{{op: opAbsent, name: name}}})
			}
		}
		if r.MinProperties > len(has) {
			steps = append(steps, step{facts: []fact{{op: opAtMost, count: r.MinProperties - 1}}})
		}
		if r.MaxProperties >= 0 {
			steps = append(steps, step{facts: []fact{{op: opAtLeast, count: r.MaxProperties + 1}}})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Properties)) {
		sub := r.Properties[name]
		if absent[name] || sub.Always != nil && *sub.Always {
			continue
		}
		if _, _, ok := s.aimAt(b.goal, r, pointerToken(name)); !ok {
			continue
		}
		child := s.property(w, name)
		if child == nil || child.kinds == 0 || s.derives(child, sub) {
			continue
		}
		steps = append(steps, step{facts: []fact{{op: opPresent, name: name, schema: sub, owner: r}}})
	}
	for _, pattern := range s.patternsOf(r) {
		sub := r.PatternProperties[pattern]
		if sub.Always == nil || !*sub.Always {
			steps = append(steps, step{facts: []fact{{op: opSome, owner: r, pattern: pattern, schema: sub}}})
		}
	}
	switch additional := r.AdditionalProperties.(type) {
	case bool:
		if !additional {
			steps = append(steps, step{facts: []fact{{op: opSome, owner: r}}})
		}
	case *v5.Schema:
		if additional.Always == nil || !*additional.Always {
			steps = append(steps, step{facts: []fact{{op: opSome, owner: r, schema: additional}}})
		}
	}
	if rest := r.UnevaluatedProperties; rest != nil && (rest.Always == nil || !*rest.Always) {
		steps = append(steps, step{facts: []fact{{op: opSome, owner: r, schema: rest}}})
	}
	if r.PropertyNames != nil {
		steps = append(steps, step{facts: []fact{{op: opBadName, schema: r.PropertyNames, owner: r}}})
	}
	requires := dependentRequired(r)
	for _, name := range slices.Sorted(maps.Keys(requires)) {
		for _, needed := range requires[name] {
			s.toil(toilStep)
			if here && needed != name && !has[needed] && !absent[name] {
				steps = append(steps, step{facts: []fact{{op: opPresent, name: name}, {op: opAbsent, name: needed}}})
			}
		}
	}
	for _, dep := range dependentSchemas(r) {
		if !absent[dep.name] {
			steps = append(steps, step{facts: []fact{{op: opPresent, name: dep.name}}, fails: []*v5.Schema{dep.schema}})
		}
	}
	return steps
}

func absentNames(b *branch) map[string]bool {
	out := map[string]bool{}
	for _, f := range b.facts {
		if f.op == opAbsent {
			out[f.name] = true
		}
	}
	return out
}

func (s *solver) arrayReasons(b *branch, r *v5.Schema) []step {
	var steps []step
	here := !s.elsewhere(b.goal, r)
	if here {
		if r.MinItems > 0 {
			steps = append(steps, step{facts: []fact{{op: opAtMost, count: r.MinItems - 1}}})
		}
		if r.MaxItems >= 0 {
			steps = append(steps, step{facts: []fact{{op: opAtLeast, count: r.MaxItems + 1}}})
		}
		if r.UniqueItems {
			steps = append(steps, step{facts: []fact{{op: opRepeated}}})
		}
		if r.Contains != nil {
			if r.MinContains > 0 {
				steps = append(steps, step{facts: []fact{{op: opFew, schema: r.Contains, count: r.MinContains - 1}}})
			}
			if r.MaxContains >= 0 {
				steps = append(steps, step{facts: []fact{{op: opMany, schema: r.Contains, count: r.MaxContains + 1}}})
			}
		}
	}
	tuple := tupleLength([]*v5.Schema{r})
	s.toil(toilStep * tuple)
	for i := range tuple {
		subs, _ := itemOf(r, i)
		for _, sub := range subs {
			if _, _, ok := s.aimAt(b.goal, r, itemToken(i)); ok {
				steps = append(steps, step{facts: []fact{{op: opItem, count: i, schema: sub, owner: r}}})
			}
		}
	}
	rest, admitted := itemOf(r, tuple)
	if !admitted {
		steps = append(steps, step{facts: []fact{{op: opAtLeast, count: tuple + 1}}})
	}
	for _, sub := range rest {
		steps = append(steps, step{facts: []fact{{op: opSomeItem, count: tuple, schema: sub, owner: r}}})
	}
	if sub := r.UnevaluatedItems; sub != nil && len(rest) == 0 {
		steps = append(steps, step{facts: []fact{{op: opSomeItem, count: tuple, schema: sub, owner: r}}})
	}
	return steps
}

// resolve turns a fact that speaks of some property or item into the properties
// and items that it may be.
func (s *solver) resolve(b *branch, f fact) (steps []step, open bool) {
	switch f.op { //nolint:exhaustive // others are plain
	case opSome, opBadName:
		return s.someName(b, f), true
	case opSomeItem:
		for i := f.count; i <= max(f.count, s.tuple(b)); i++ {
			if _, _, ok := s.aimAt(b.goal, f.owner, itemToken(i)); ok {
				steps = append(steps, step{facts: []fact{{op: opItem, count: i, schema: f.schema, owner: f.owner}}})
			}
		}
		return steps, true
	}
	return nil, false
}

// someName are the names under which a property may stand that a fact asks for:
// those that either side names, and one for each way in which a name that neither
// names can match the patterns on either side.
func (s *solver) someName(b *branch, f fact) []step {
	w := s.world(b, f.owner)
	absent := absentNames(b)
	known := s.names(b, f.owner)
	var steps []step
	seen := map[string]bool{}
	offer := func(name string) {
		if seen[name] || absent[name] || !s.fits(f, name) {
			return
		}
		seen[name] = true
		sub := f.schema
		if f.op == opBadName {
			sub = nil
		} else if _, _, ok := s.aimAt(b.goal, f.owner, pointerToken(name)); !ok && len(b.goal.aim) > 1 {
			return
		}
		child := s.property(w, name)
		if child == nil || child.kinds == 0 || sub != nil && s.derives(child, sub) {
			return
		}
		steps = append(steps, step{facts: []fact{{op: opPresent, name: name, schema: sub, owner: f.owner}}})
	}
	for _, name := range known {
		offer(name)
	}
	for _, name := range s.freshNames(b, f, known) {
		offer(name)
	}
	return steps
}

// fits reports whether a property of that name is one that the fact speaks of.
func (s *solver) fits(f fact, name string) bool {
	switch {
	case f.op == opBadName:
		valid, ok := s.validates(f.schema, name)
		return !valid || !ok
	case f.pattern != nil:
		return f.pattern.MatchString(name)
	}
	if _, ok := f.owner.Properties[name]; ok {
		return false
	}
	for pattern := range f.owner.PatternProperties {
		if pattern.MatchString(name) {
			return false
		}
	}
	return true
}

// names are those that the schemas of a branch and r name.
func (s *solver) names(b *branch, r *v5.Schema) []string {
	names := map[string]bool{}
	add := func(schema *v5.Schema) {
		for name := range schema.Properties {
			names[name] = true
		}
		for _, name := range schema.Required {
			names[name] = true
		}
		for name := range dependentRequired(schema) {
			names[name] = true
		}
		for _, dep := range dependentSchemas(schema) {
			names[dep.name] = true
		}
	}
	for _, list := range [...][]*v5.Schema{b.all, b.goal.scope, b.denied} {
		for _, schema := range list {
			for _, in := range s.inPlaceOf(schema) {
				add(in)
			}
		}
	}
	if r != nil {
		add(r)
	}
	for _, f := range b.facts {
		if f.op == opPresent || f.op == opAbsent {
			names[f.name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// maxPatterns bounds the patterns whose combinations are looked into.
const maxPatterns = 4

// freshNames are names that neither side names.
func (s *solver) freshNames(b *branch, f fact, known []string) []string {
	var patterns []*regexp.Regexp
	var namesHold []*v5.Schema
	add := func(schemas []*v5.Schema) {
		for _, schema := range schemas {
			for _, in := range s.inPlaceOf(schema) {
				for _, p := range s.patternsOf(in) {
					if !slices.ContainsFunc(patterns, func(q *regexp.Regexp) bool { return p.String() == q.String() }) {
						patterns = append(patterns, p)
					}
				}
			}
		}
	}
	add(b.all)
	add(b.goal.scope)
	add(b.denied)
	if f.owner != nil {
		add([]*v5.Schema{f.owner})
	}
	for _, schema := range b.all {
		if schema.PropertyNames != nil {
			namesHold = append(namesHold, schema.PropertyNames)
		}
	}
	base := goal{holds: namesHold, kinds: text}
	if f.op == opBadName {
		base.fails = []*v5.Schema{f.schema}
	}
	for _, name := range known {
		base.avoid = append(base.avoid, name)
	}
	combinations := 1 << min(len(patterns), maxPatterns)
	if len(patterns) > maxPatterns {
		s.giveUp("patternProperties")
		s.partial = true
		// None of them, or one.
		combinations = len(patterns) + 1
	}
	var out []string
	for i := range combinations {
		g := base
		possible := true
		for j, p := range patterns {
			matches := i&(1<<j) != 0
			if len(patterns) > maxPatterns {
				matches = i == j+1
			}
			if matches {
				g.facts = append(g.facts, fact{op: opMatch, pattern: p})
			} else {
				g.facts = append(g.facts, fact{op: opNoMatch, pattern: p})
			}
			if f.pattern != nil && f.pattern.String() == p.String() {
				possible = possible && matches
			}
		}
		if !possible {
			continue
		}
		for _, atLeast := range [...]int{1, 0} {
			asked := g
			asked.facts = append(slices.Clone(g.facts), fact{op: opAtLeast, count: atLeast})
			name, status := s.solve(asked, 0)
			if status == unknown {
				s.partial = true
			}
			if status == found {
				out = append(out, fmt.Sprint(name))
				break
			}
		}
	}
	return out
}
