package compat

import (
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// traits are what tells the objects of a schema from others at sight: properties
// whose values are listed, in the schema itself or in what it includes.
type traits struct {
	required map[string]bool
	listed   map[string][][]any
}

// traitsOf are the traits of a schema.
func (c *check) traitsOf(s *v5.Schema) *traits {
	if t, ok := c.traits[s]; ok {
		return t
	}
	t := &traits{required: map[string]bool{}, listed: map[string][][]any{}}
	for _, part := range c.included(s) {
		for _, name := range part.Required {
			t.required[name] = true
		}
		for name, property := range part.Properties {
			for _, p := range c.included(property) {
				if values, ok := listedValues(p); ok {
					t.listed[name] = append(t.listed[name], values)
				}
			}
		}
	}
	c.traits[s] = t
	return t
}

// included are s and all that applies wherever it does, by reference or allOf.
func (c *check) included(s *v5.Schema) []*v5.Schema {
	w := &world{kinds: anything}
	c.follow(w, s)
	return w.all
}

// apart reports whether no object is valid under all of the schemas and under s,
// because a property that it has to have is listed with other values there: the
// constant by which the branches of a oneOf are told apart.
func (c *check) apart(all []*v5.Schema, s *v5.Schema) bool {
	t := c.traitsOf(s)
	if len(t.listed) == 0 {
		return false
	}
	for name, lists := range t.listed {
		c.spent += len(all)
		if !t.required[name] && !slices.ContainsFunc(all, func(a *v5.Schema) bool { return slices.Contains(a.Required, name) }) {
			continue
		}
		for _, a := range all {
			if _, ok := a.Properties[name]; !ok {
				continue
			}
			for _, others := range c.traitsOf(a).listed[name] {
				if slices.ContainsFunc(lists, func(values []any) bool { return !intersect(values, others) }) {
					return true
				}
			}
		}
	}
	return false
}

func intersect(a, b []any) bool {
	return slices.ContainsFunc(a, func(v any) bool { return avoided(b, v) })
}
