package program_test

import (
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// undeclared is the closed write side as its definition reads, on a decoded
// document that is valid under schema: does it have an undeclared property?
// It is slow and simple. It takes a $dynamicRef or $recursiveRef for a $ref.
func undeclared(schemas []*v5.Schema, value any) bool {
	var all []*v5.Schema
	for _, s := range schemas {
		all = applying(all, s, value)
	}
	switch value := value.(type) {
	case map[string]any:
		closed := slices.ContainsFunc(all, func(s *v5.Schema) bool { return len(s.Properties)+len(s.PatternProperties) > 0 })
		for name, member := range value {
			admitted, inside := admission(all, name, value)
			if closed && !admitted || undeclared(inside, member) {
				return true
			}
		}
	case []any:
		for i, item := range value {
			if undeclared(inItem(all, i, item), item) {
				return true
			}
		}
	}
	return false
}

// applying adds to all the schemas that s applies to value in place.
func applying(all []*v5.Schema, s *v5.Schema, value any) []*v5.Schema {
	if s == nil || slices.Contains(all, s) {
		return all
	}
	all = append(all, s)
	for _, ref := range []*v5.Schema{s.Ref, s.DynamicRef, s.RecursiveRef} {
		all = applying(all, ref, value)
	}
	for _, sub := range s.AllOf {
		all = applying(all, sub, value)
	}
	for _, sub := range slices.Concat(s.AnyOf, s.OneOf) {
		if sub.Validate(value) == nil {
			all = applying(all, sub, value)
		}
	}
	if s.If != nil {
		if s.If.Validate(value) == nil {
			all = applying(applying(all, s.If, value), s.Then, value)
		} else {
			all = applying(all, s.Else, value)
		}
	}
	if object, ok := value.(map[string]any); ok {
		for name := range object {
			if sub, ok := s.Dependencies[name].(*v5.Schema); ok {
				all = applying(all, sub, value)
			}
			all = applying(all, s.DependentSchemas[name], value)
		}
	}
	return all
}

func isFalse(s *v5.Schema) bool { return s.Always != nil && !*s.Always }

// admission tells whether one of the schemas admits name, and which schemas
// apply to the value of that name.
func admission(all []*v5.Schema, name string, value any) (admitted bool, inside []*v5.Schema) {
	for _, s := range all {
		found := false
		if sub, ok := s.Properties[name]; ok {
			found, inside = true, append(inside, sub)
		}
		for pattern, sub := range s.PatternProperties {
			if pattern.MatchString(name) {
				found, inside = true, append(inside, sub)
			}
		}
		if additional, ok := s.AdditionalProperties.(*v5.Schema); ok && !found {
			found, inside = true, append(inside, additional)
		} else if s.AdditionalProperties == true {
			found = true
		}
		if u := s.UnevaluatedProperties; u != nil && !isFalse(u) {
			found = true
		}
		admitted = admitted || found
	}
	return admitted, inside
}

func inItem(all []*v5.Schema, i int, item any) (inside []*v5.Schema) {
	for _, s := range all {
		switch items := s.Items.(type) {
		case *v5.Schema:
			inside = append(inside, items)
		case []*v5.Schema:
			if additional, ok := s.AdditionalItems.(*v5.Schema); ok && i >= len(items) {
				inside = append(inside, additional)
			} else if i < len(items) {
				inside = append(inside, items[i])
			}
		}
		if i < len(s.PrefixItems) {
			inside = append(inside, s.PrefixItems[i])
		} else if s.Items2020 != nil {
			inside = append(inside, s.Items2020)
		}
		if s.Contains != nil && s.Contains.Validate(item) == nil {
			inside = append(inside, s.Contains)
		}
	}
	return inside
}
