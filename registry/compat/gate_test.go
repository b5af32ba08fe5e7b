package compat

import (
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// passesGate is the closed-write filter, written apart from the package's own
// rules. It lets more pass than any gate need, so what is compatible under it is
// so under all: an object is closed if a schema that certainly applies to it names
// properties and no schema that may apply is open; it may hold what any schema that
// may apply declares.
func passesGate(policy Policy, root *v5.Schema, document any) bool {
	return policy == Strict || passes(policy, []*v5.Schema{root}, []*v5.Schema{root}, document)
}

func passes(policy Policy, certain, possible []*v5.Schema, v any) bool {
	possible, known := reachInPlace(possible)
	if !known {
		return true
	}
	certain = applied(certain, v)
	below := func(of func(*v5.Schema) []*v5.Schema, value any) bool {
		var c, p []*v5.Schema
		for _, s := range certain {
			c = append(c, of(s)...)
		}
		for _, s := range possible {
			p = append(p, of(s)...)
			p = append(p, anySchemas(s.Contains, s.UnevaluatedItems, s.UnevaluatedProperties)...)
			if rest, ok := s.AdditionalProperties.(*v5.Schema); ok {
				p = append(p, rest)
			}
		}
		return passes(policy, c, p, value)
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			if !below(func(s *v5.Schema) []*v5.Schema { return itemsAt(s, i) }, item) {
				return false
			}
		}
	case map[string]any:
		open := !slices.ContainsFunc(certain, func(s *v5.Schema) bool { return len(s.Properties)+len(s.PatternProperties) > 0 })
		for _, s := range possible {
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
			declared := open
			for _, s := range possible {
				declared = declared || len(named(s, name)) > 0
			}
			of := func(s *v5.Schema) []*v5.Schema {
				subs := named(s, name)
				if rest, ok := s.AdditionalProperties.(*v5.Schema); ok && len(subs) == 0 {
					subs = append(subs, rest)
				}
				return subs
			}
			if !declared || !below(of, value) {
				return false
			}
		}
	}
	return true
}

func named(s *v5.Schema, name string) []*v5.Schema {
	subs := anySchemas(s.Properties[name])
	for pattern, sub := range s.PatternProperties {
		if pattern.MatchString(name) {
			subs = append(subs, sub)
		}
	}
	return subs
}

func itemsAt(s *v5.Schema, i int) []*v5.Schema {
	var subs []*v5.Schema
	switch items := s.Items.(type) {
	case *v5.Schema:
		subs = append(subs, items)
	case []*v5.Schema:
		if i < len(items) {
			subs = append(subs, items[i])
		} else if rest, ok := s.AdditionalItems.(*v5.Schema); ok {
			subs = append(subs, rest)
		}
	}
	if i < len(s.PrefixItems) {
		return append(subs, s.PrefixItems[i])
	}
	return append(subs, anySchemas(s.Items2020)...)
}

// applied are the schemas that apply to v: references, allOf, and the branches
// that v matches.
func applied(roots []*v5.Schema, v any) []*v5.Schema {
	var out []*v5.Schema
	matching := func(schemas ...*v5.Schema) []*v5.Schema {
		return slices.DeleteFunc(slices.Clone(anySchemas(schemas...)), func(s *v5.Schema) bool { return s.Validate(v) != nil })
	}
	for queue := slices.Clone(roots); len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if s == nil || slices.Contains(out, s) {
			continue
		}
		out = append(out, s)
		queue = append(queue, s.Ref)
		if s.RecursiveRef != nil && !s.RecursiveRef.RecursiveAnchor {
			queue = append(queue, s.RecursiveRef)
		}
		queue = slices.Concat(queue, s.AllOf, matching(s.AnyOf...), matching(s.OneOf...))
		if s.If != nil {
			if len(matching(s.If)) > 0 {
				queue = append(queue, s.If, s.Then)
			} else {
				queue = append(queue, s.Else)
			}
		}
		if object, ok := v.(map[string]any); ok {
			for _, dep := range dependentSchemas(s) {
				if _, present := object[dep.name]; present {
					queue = append(queue, dep.schema)
				}
			}
		}
	}
	return out
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
