package compat

import (
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// passesGate is the closed-write filter, written apart from the package's own
// rules: a document passes if every property of every object is declared by some
// schema that applies or may apply to that object, or the object is open. It lets
// more pass than any gate need, so what is compatible under it is so under all.
func passesGate(policy Policy, schemas []*v5.Schema, v any) bool {
	if policy == Strict {
		return true
	}
	scope, known := reachInPlace(schemas)
	if !known || len(scope) == 0 {
		return true
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			var below []*v5.Schema
			for _, s := range scope {
				below = append(below, anySchemas(s.Contains, s.UnevaluatedItems)...)
				switch items := s.Items.(type) {
				case *v5.Schema:
					below = append(below, items)
				case []*v5.Schema:
					if i < len(items) {
						below = append(below, items[i])
					} else if rest, ok := s.AdditionalItems.(*v5.Schema); ok {
						below = append(below, rest)
					}
				}
				if i < len(s.PrefixItems) {
					below = append(below, s.PrefixItems[i])
				} else {
					below = append(below, anySchemas(s.Items2020)...)
				}
			}
			if !passesGate(policy, below, item) {
				return false
			}
		}
	case map[string]any:
		open, declares := false, false
		for _, s := range scope {
			declares = declares || len(s.Properties)+len(s.PatternProperties) > 0
			for _, rest := range []any{s.AdditionalProperties, s.UnevaluatedProperties} {
				switch rest := rest.(type) {
				case bool:
					open = open || rest && policy == Gated
				case *v5.Schema:
					if rest != nil && (rest.Always == nil || *rest.Always) {
						open = open || policy == Gated || !vacuous(rest)
					}
				}
			}
		}
		for name, value := range v {
			declared := open || !declares
			var below []*v5.Schema
			for _, s := range scope {
				if sub, ok := s.Properties[name]; ok {
					declared = true
					below = append(below, sub)
				}
				for pattern, sub := range s.PatternProperties {
					if pattern.MatchString(name) {
						declared = true
						below = append(below, sub)
					}
				}
				if rest, ok := s.AdditionalProperties.(*v5.Schema); ok {
					below = append(below, rest)
				}
				below = append(below, anySchemas(s.UnevaluatedProperties)...)
			}
			if !declared || !passesGate(policy, below, value) {
				return false
			}
		}
	}
	return true
}

func anySchemas(schemas ...*v5.Schema) []*v5.Schema {
	return slices.DeleteFunc(schemas, func(s *v5.Schema) bool { return s == nil })
}

func reachInPlace(roots []*v5.Schema) (scope []*v5.Schema, known bool) {
	known = true
	for queue := slices.Clone(roots); len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if s == nil || slices.Contains(scope, s) {
			continue
		}
		scope = append(scope, s)
		if s.RecursiveRef != nil && s.RecursiveRef.RecursiveAnchor || s.DynamicRef != nil && s.DynamicRef.DynamicAnchor != "" {
			known = false
		}
		queue = append(queue, s.Ref, s.RecursiveRef, s.DynamicRef, s.Not, s.If, s.Then, s.Else)
		queue = slices.Concat(queue, s.AllOf, s.AnyOf, s.OneOf)
		for _, sub := range s.DependentSchemas {
			queue = append(queue, sub)
		}
		for _, dependency := range s.Dependencies {
			if sub, ok := dependency.(*v5.Schema); ok {
				queue = append(queue, sub)
			}
		}
	}
	return scope, known
}
