package compat

import (
	"cmp"
	"maps"
	"regexp"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// inPlaceOf are s and all schemas that it may apply to the same value.
func (c *check) inPlaceOf(s *v5.Schema) []*v5.Schema {
	if out, ok := c.inPlace[s]; ok {
		return out
	}
	var out []*v5.Schema
	seen := map[*v5.Schema]bool{}
	var visit func(*v5.Schema)
	visit = func(s *v5.Schema) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		out = append(out, s)
		visit(s.Ref)
		visit(s.RecursiveRef)
		visit(s.DynamicRef)
		visit(s.Not)
		visit(s.If)
		visit(s.Then)
		visit(s.Else)
		for _, list := range [...][]*v5.Schema{s.AllOf, s.AnyOf, s.OneOf} {
			for _, sub := range list {
				visit(sub)
			}
		}
		for _, dep := range dependentSchemas(s) {
			visit(dep.schema)
		}
	}
	visit(s)
	c.inPlace[s] = out
	return out
}

// mentions reports whether properties or patternProperties of s, by itself, speak of
// the name.
func (c *check) mentions(s *v5.Schema, name string) bool {
	if _, ok := s.Properties[name]; ok {
		return true
	}
	for pattern := range s.PatternProperties {
		c.toil(toilLook + len(name))
		if pattern.MatchString(name) {
			return true
		}
	}
	return false
}

// declares reports whether s, by itself, says that a property of that name may
// be there.
func (c *check) declares(s *v5.Schema, name string) bool {
	return c.mentions(s, name) || c.declaresAnything(s)
}

// declaresAnything reports whether s, by itself, explicitly admits properties
// that it does not name.
func (c *check) declaresAnything(s *v5.Schema) bool {
	explicit := func(sub *v5.Schema) bool {
		if sub == nil || sub.Always != nil && !*sub.Always {
			return false
		}
		return c.policy != Lenient || !vacuous(sub)
	}
	switch additional := s.AdditionalProperties.(type) {
	case bool:
		if additional && c.policy != Lenient {
			return true
		}
	case *v5.Schema:
		if explicit(additional) {
			return true
		}
	}
	return explicit(s.UnevaluatedProperties)
}

// namesProperties reports whether s, by itself, declares any property.
func namesProperties(s *v5.Schema) bool {
	return len(s.Properties) > 0 || len(s.PatternProperties) > 0
}

// gated reports whether the gate refuses undeclared properties in w: a schema of
// the writer's that applies for certain names some, and none that may apply is open.
func (c *check) gated(w *world) bool {
	return w.closed &&
		slices.ContainsFunc(w.all, func(s *v5.Schema) bool { return c.writers[s] && namesProperties(s) && !slices.Contains(w.inert, s) }) &&
		!slices.ContainsFunc(w.scope, c.declaresAnything)
}

// sealed reports whether s refuses whatever nothing in it declares.
func sealed(s *v5.Schema) bool {
	return s.UnevaluatedProperties != nil && s.UnevaluatedProperties.Always != nil && !*s.UnevaluatedProperties.Always
}

// property is what the writer may have put under a name, or nil if it cannot
// have put anything there.
func (c *check) property(w *world, name string) *world {
	c.toil(toilLook * (1 + len(w.all) + len(w.scope)))
	var all []*v5.Schema
	for _, s := range w.all {
		subs, admitted := c.propertyOf(s, name)
		if !admitted {
			return nil
		}
		all = append(all, subs...)
	}
	var scope []*v5.Schema
	if w.closed {
		declared := !c.gated(w)
		for _, s := range w.scope {
			declared = declared || c.declares(s, name)
			scope = append(scope, c.declaredUnder(s, name)...)
		}
		if !declared {
			return nil
		}
	}
	return c.inherit(c.world(all, scope, w.closed), w, func(s *v5.Schema) []*v5.Schema {
		subs, _ := c.propertyOf(s, name)
		return subs
	})
}

// propertyOf are the schemas that s, by itself, applies to a property, and
// whether it admits one of that name.
func (c *check) propertyOf(s *v5.Schema, name string) (subs []*v5.Schema, admitted bool) {
	named := false
	if sub, ok := s.Properties[name]; ok {
		subs, named = append(subs, sub), true
	}
	for _, pattern := range c.patternsOf(s) {
		c.toil(toilLook + len(name))
		if pattern.MatchString(name) {
			subs, named = append(subs, s.PatternProperties[pattern]), true
		}
	}
	if !named {
		switch additional := s.AdditionalProperties.(type) {
		case bool:
			if !additional {
				return nil, false
			}
		case *v5.Schema:
			subs = append(subs, additional)
		}
	}
	if s.PropertyNames != nil && !c.readerDynamic && !c.writerDynamic {
		if valid, ok := c.validates(s.PropertyNames, name); ok && !valid {
			return nil, false
		}
	}
	if sealed(s) && !slices.ContainsFunc(c.inPlaceOf(s), func(in *v5.Schema) bool {
		return dynamicTarget(in) || in != s && in.UnevaluatedProperties != nil || in.AdditionalProperties != nil || c.declares(in, name)
	}) {
		return nil, false
	}
	return subs, true
}

// declaredUnder are all schemas that s may apply to a property of that name.
func (c *check) declaredUnder(s *v5.Schema, name string) []*v5.Schema {
	var out []*v5.Schema
	if sub, ok := s.Properties[name]; ok {
		out = append(out, sub)
	}
	for _, pattern := range c.patternsOf(s) {
		c.toil(toilLook + len(name))
		if pattern.MatchString(name) {
			out = append(out, s.PatternProperties[pattern])
		}
	}
	return append(out, restSchemas(s)...)
}

// restSchemas are the schemas that s may apply to properties it does not name.
func restSchemas(s *v5.Schema) []*v5.Schema {
	var out []*v5.Schema
	if sub, ok := s.AdditionalProperties.(*v5.Schema); ok {
		out = append(out, sub)
	}
	if s.UnevaluatedProperties != nil {
		out = append(out, s.UnevaluatedProperties)
	}
	return out
}

// patternsOf are the patterns of patternProperties in a stable order.
func (c *check) patternsOf(s *v5.Schema) []*regexp.Regexp {
	if len(s.PatternProperties) == 0 {
		return nil
	}
	sorted, ok := c.patterns[s]
	if !ok {
		c.toil(toilLook * len(s.PatternProperties))
		sorted = slices.SortedFunc(maps.Keys(s.PatternProperties), func(a, b *regexp.Regexp) int {
			return cmp.Compare(a.String(), b.String())
		})
		c.patterns[s] = sorted
	}
	return sorted
}

// unnamed is what the writer may have put under a name that neither side names.
type unnamed struct {
	// pattern is the writer's pattern that the name matches; empty for a name that
	// matches none of them.
	pattern string
	matches bool
	world   *world
}

// others lists what may stand under names that neither side names: for names
// that match none of the writer's patterns, and for each pattern. Nil worlds,
// which hold nothing, are left out.
func (c *check) others(w *world) []unnamed {
	var out []unnamed
	if child := c.rest(w, nil, nil, !c.gated(w)); child != nil && child.kinds != 0 {
		out = append(out, unnamed{world: child})
	}
	schemas := w.all
	if w.closed {
		schemas = append(slices.Clone(w.scope), w.all...)
	}
	seen := map[*v5.Schema]bool{}
	for _, s := range schemas {
		if seen[s] {
			continue
		}
		seen[s] = true
		for _, pattern := range c.patternsOf(s) {
			sub := s.PatternProperties[pattern]
			if !slices.Contains(w.all, s) {
				// It may apply and need not: what is under it is known to the gate alone.
				sub = nil
			}
			if child := c.rest(w, s, sub, true); child != nil && child.kinds != 0 {
				out = append(out, unnamed{pattern: pattern.String(), matches: true, world: child})
			}
		}
	}
	return out
}

// rest is what may stand under a name that neither side names. If by is not nil
// the name matches one of its patterns, and sub holds then (nil if that is not
// known); otherwise it matches no pattern. Nil is returned for a name that cannot be.
func (c *check) rest(w *world, by, sub *v5.Schema, admitted bool) *world {
	if !admitted {
		return nil
	}
	var all []*v5.Schema
	if sub != nil {
		all = append(all, sub)
	}
	c.toil(toilStep + len(w.all))
	for _, s := range w.all {
		// A schema with patterns of its own leaves open which of them apply, unless
		// the name matches none.
		if by != nil && len(s.PatternProperties) > 0 {
			continue
		}
		switch additional := s.AdditionalProperties.(type) {
		case bool:
			if !additional {
				return nil
			}
		case *v5.Schema:
			all = append(all, additional)
		}
		if by == nil && sealed(s) && !slices.ContainsFunc(c.inPlaceOf(s), func(in *v5.Schema) bool {
			return dynamicTarget(in) || in != s && in.UnevaluatedProperties != nil || in.AdditionalProperties != nil || c.declaresAnything(in)
		}) {
			return nil
		}
	}
	return c.inherit(c.world(all, c.restScope(w), w.closed), w, nothingOf)
}

// nothingOf says that what a schema applies is not known.
func nothingOf(*v5.Schema) []*v5.Schema { return nil }

// restScope are the roots of all that may apply under a name that neither side
// names.
func (c *check) restScope(w *world) []*v5.Schema {
	if !w.closed {
		return nil
	}
	var scope []*v5.Schema
	for _, s := range w.scope {
		for _, pattern := range c.patternsOf(s) {
			c.toil(1)
			scope = append(scope, s.PatternProperties[pattern])
		}
		scope = append(scope, restSchemas(s)...)
	}
	return scope
}
