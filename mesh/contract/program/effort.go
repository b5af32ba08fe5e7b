package program

import (
	"reflect"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// Effort bounds the work that jsonschema v5 is given: with alternatives that
// nest, it takes time exponential in a document's depth. It is counted in steps,
// before the work is done; a step is one schema applied to one value, and more
// for values with many members.
type Effort struct {
	left int
	over bool
}

// MaxEffort is how many steps may be spent on a document of so many bytes. They
// take about a tenth of a second, and a second for a document of a megabyte.
func MaxEffort(size int) int { return 100_000 + 4*size }

// NewEffort has steps to spend.
func NewEffort(steps int) Effort { return Effort{left: steps} }

// Over reports whether something could not be afforded.
func (e *Effort) Over() bool { return e.over }

// Affords spends what validating value under schema takes at most. If that is
// more than there is left, it reports false, and so does Over from then on.
func (e *Effort) Affords(schema *v5.Schema, value any) bool {
	c := counting{left: e.left}
	if e.over || !c.count(schema, value, 0) {
		e.over = true
		return false
	}
	e.left = c.left
	return true
}

// Valid reports whether value is valid under schema; false, too, if that can't be
// afforded.
func (e *Effort) Valid(schema *v5.Schema, value any) bool {
	return e.Affords(schema, value) && schema.Validate(value) == nil
}

// counting goes the ways that v5 goes, without looking at anything but types.
type counting struct {
	left  int
	scope []*v5.Schema
	loops bool // a schema applies itself to the same value: here v5 gives up
}

// count counts one schema applied to a value, which those of the scope from
// first on are applied to as well.
func (c *counting) count(s *v5.Schema, value any, first int) bool {
	if c.loops = c.loops || slices.Contains(c.scope[first:], s); c.loops {
		return true
	}
	if c.left--; c.left < 0 {
		return false
	}
	if s.Always != nil || !admitsType(s, value) {
		return true
	}
	c.left -= (len(s.Enum) + len(s.Required)) / 8
	c.scope = append(c.scope, s)
	defer func() { c.scope = c.scope[:len(c.scope)-1] }()
	within := true
	switch v := value.(type) {
	case map[string]any:
		c.left -= len(v) / 4
		within = c.members(s, v, first)
	case []any:
		c.left -= len(v) / 4
		within = c.items(s, v)
	}
	return within && c.inPlace(s, value, first)
}

func admitsType(s *v5.Schema, value any) bool {
	if len(s.Types) == 0 {
		return true
	}
	var name string
	switch value.(type) {
	case map[string]any:
		name = "object"
	case []any:
		name = "array"
	case string:
		name = "string"
	case bool:
		name = "boolean"
	case nil:
		name = "null"
	default:
		name = "number"
	}
	for _, t := range s.Types {
		if t == name || t == "integer" && name == "number" {
			return true
		}
	}
	return false
}

func (c *counting) members(s *v5.Schema, object map[string]any, first int) bool {
	additional, _ := s.AdditionalProperties.(*v5.Schema)
	for name, member := range object {
		sub, declared := s.Properties[name]
		if declared && !c.count(sub, member, len(c.scope)) || s.PropertyNames != nil && !c.count(s.PropertyNames, name, len(c.scope)) {
			return false
		}
		for pattern, sub := range s.PatternProperties {
			c.left--
			if pattern.MatchString(name) {
				declared = true
				if !c.count(sub, member, len(c.scope)) {
					return false
				}
			}
		}
		if additional != nil && !declared && !c.count(additional, member, len(c.scope)) ||
			s.UnevaluatedProperties != nil && !c.count(s.UnevaluatedProperties, member, len(c.scope)) {
			return false
		}
	}
	for name, sub := range s.Dependencies {
		if sub, ok := sub.(*v5.Schema); ok && has(object, name) && !c.count(sub, object, first) {
			return false
		}
	}
	for name, sub := range s.DependentSchemas {
		if has(object, name) && !c.count(sub, object, first) {
			return false
		}
	}
	return true
}

func has(object map[string]any, name string) bool {
	_, ok := object[name]
	return ok
}

func (c *counting) items(s *v5.Schema, array []any) bool {
	tuple := s.PrefixItems
	rest := s.Items2020
	switch items := s.Items.(type) {
	case *v5.Schema:
		rest = items
	case []*v5.Schema:
		tuple = items
		rest, _ = s.AdditionalItems.(*v5.Schema)
	}
	for i, item := range array {
		sub := rest
		if i < len(tuple) {
			sub = tuple[i]
		}
		if sub != nil && !c.count(sub, item, len(c.scope)) || s.Contains != nil && !c.count(s.Contains, item, len(c.scope)) ||
			s.UnevaluatedItems != nil && !c.count(s.UnevaluatedItems, item, len(c.scope)) {
			return false
		}
	}
	return true
}

func (c *counting) inPlace(s *v5.Schema, value any, first int) bool {
	for _, list := range [...][]*v5.Schema{s.AllOf, s.AnyOf, s.OneOf} {
		for _, sub := range list {
			if !c.count(sub, value, first) {
				return false
			}
		}
	}
	for _, sub := range [...]*v5.Schema{s.Ref, c.recursive(s.RecursiveRef), c.dynamic(s.DynamicRef), s.Not, s.If, s.Then, s.Else} {
		if sub != nil && !c.count(sub, value, first) {
			return false
		}
	}
	return true
}

// recursive is where a $recursiveRef leads.
func (c *counting) recursive(target *v5.Schema) *v5.Schema {
	if target != nil && target.RecursiveAnchor {
		for _, s := range c.scope {
			if s.RecursiveAnchor {
				return s
			}
		}
	}
	return target
}

// dynamic is where a $dynamicRef leads, the outermost of what may be meant.
func (c *counting) dynamic(target *v5.Schema) *v5.Schema {
	if target == nil || target.DynamicAnchor == "" {
		return target
	}
	for _, s := range c.scope {
		anchors := reflect.ValueOf(s).Elem().FieldByName("dynamicAnchors") // which v5 doesn't export
		for i := range anchors.Len() {
			if anchor := (*v5.Schema)(anchors.Index(i).UnsafePointer()); anchor.DynamicAnchor == target.DynamicAnchor {
				return anchor
			}
		}
	}
	return target
}
