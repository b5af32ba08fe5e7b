package compat

import (
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// gate is the closed write side as the mesh's contracts have it: it says whether
// a document that is valid under the writer's schema passes a gate that holds
// writers to it.
//
// The subschemas that count for an object are those that apply to it: the one
// that leads to it, what that includes by $ref and allOf, the alternatives of
// anyOf and oneOf that the object is valid under, "if" where it holds with "then",
// or else "else", and the dependent schemas of properties that are there. If one
// of them names properties, every name in the object must be declared or admitted
// by one of them.
type gate struct {
	oracle
	policy Policy
	// dynamic are the schemas that a reference may lead to whose target depends on
	// the way to it: each counts where the value is valid under it.
	dynamic []*v5.Schema
	// unsure says that some schema could not be asked whether it applies.
	unsure bool
}

func newGate(policy Policy, parts map[*v5.Schema]bool) *gate {
	g := &gate{oracle: newOracle(parts), policy: policy}
	for s := range parts {
		if s.DynamicAnchor != "" || s.RecursiveAnchor {
			g.dynamic = append(g.dynamic, s)
		}
	}
	slices.SortFunc(g.dynamic, byLocation)
	return g
}

// passes reports whether a document passes.
func (g *gate) passes(root *v5.Schema, document any) bool {
	if g.policy == Strict {
		return true
	}
	g.unsure = false
	return g.at([]*v5.Schema{root}, document) && !g.unsure
}

// at reports whether a value passes to which the schemas apply.
func (g *gate) at(roots []*v5.Schema, value any) bool {
	if len(roots) == 0 {
		return true // nothing is said of this place, nor of any below
	}
	switch value := value.(type) {
	case []any:
		applying := g.applying(roots, value)
		for i, item := range value {
			var below []*v5.Schema
			for _, s := range applying {
				subs, _ := itemOf(s, i)
				if s.UnevaluatedItems != nil && len(subs) == 0 {
					subs = append(subs, s.UnevaluatedItems)
				}
				if s.Contains != nil && g.holds(s.Contains, item) {
					subs = append(subs, s.Contains)
				}
				below = append(below, subs...)
			}
			if !g.at(below, item) {
				return false
			}
		}
	case map[string]any:
		applying := g.applying(roots, value)
		closed := slices.ContainsFunc(applying, namesProperties)
		for name, member := range value {
			admitted := !closed
			var below []*v5.Schema
			for _, s := range applying {
				subs, by := g.under(s, name)
				if s.UnevaluatedProperties != nil && !by && !g.evaluates(applying, s, name) {
					by = g.explicit(s.UnevaluatedProperties)
					subs = append(subs, s.UnevaluatedProperties)
				}
				admitted = admitted || by
				below = append(below, subs...)
			}
			if !admitted || !g.at(below, member) {
				return false
			}
		}
	}
	return true
}

// under are the schemas that s by itself applies to a property, and whether it
// declares or admits one of that name.
func (g *gate) under(s *v5.Schema, name string) (subs []*v5.Schema, by bool) {
	if sub, ok := s.Properties[name]; ok {
		subs, by = append(subs, sub), true
	}
	for pattern, sub := range s.PatternProperties {
		if pattern.MatchString(name) {
			subs, by = append(subs, sub), true
		}
	}
	if by {
		return subs, true
	}
	switch additional := s.AdditionalProperties.(type) {
	case bool:
		by = additional && g.policy != Lenient
	case *v5.Schema:
		subs, by = append(subs, additional), g.explicit(additional)
	}
	return subs, by
}

// explicit reports whether a schema for properties that are not named admits any
// on purpose.
func (g *gate) explicit(s *v5.Schema) bool {
	return (s.Always == nil || *s.Always) && (g.policy != Lenient || !vacuous(s))
}

// evaluates reports whether another schema that applies evaluates the property, so
// that s's unevaluatedProperties is not about it.
func (g *gate) evaluates(applying []*v5.Schema, s *v5.Schema, name string) bool {
	return slices.ContainsFunc(applying, func(in *v5.Schema) bool {
		if in == s {
			return false
		}
		_, by := g.under(in, name)
		return by
	})
}

// applying are the schemas that apply to a value that is valid under the roots.
func (g *gate) applying(roots []*v5.Schema, v any) []*v5.Schema {
	var out []*v5.Schema
	for queue := slices.Clone(roots); len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if s == nil || slices.Contains(out, s) {
			continue
		}
		out = append(out, s)
		queue = append(queue, refs(s)...)
		queue = append(queue, s.AllOf...)
		for _, branches := range [...][]*v5.Schema{s.AnyOf, s.OneOf} {
			for _, branch := range branches {
				if g.holds(branch, v) {
					queue = append(queue, branch)
				}
			}
		}
		if dynamicTarget(s) {
			for _, target := range append([]*v5.Schema{s.DynamicRef, s.RecursiveRef}, g.dynamic...) {
				if target != nil && g.holds(target, v) {
					queue = append(queue, target)
				}
			}
		}
		if s.If != nil {
			if g.holds(s.If, v) {
				queue = append(queue, s.If, s.Then)
			} else {
				queue = append(queue, s.Else)
			}
		}
		if members, ok := v.(map[string]any); ok {
			for _, dep := range dependentSchemas(s) {
				if _, present := members[dep.name]; present {
					queue = append(queue, dep.schema)
				}
			}
		}
	}
	return out
}

// holds reports whether a value is valid under a schema.
func (g *gate) holds(s *v5.Schema, v any) bool {
	valid, ok := g.validates(s, v)
	g.unsure = g.unsure || !ok
	return valid && ok
}
