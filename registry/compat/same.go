package compat

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// same reports whether two schemas are written alike, annotations aside, and so
// admit the same values. Schemas that refer to themselves are compared as the
// endless trees that they unfold to.
func (c *check) same(a, b *v5.Schema) bool {
	if c.readerDynamic || c.writerDynamic {
		return false // alike in writing need not be alike in meaning then
	}
	if a == b {
		return true
	}
	c.toil(toilLook)
	pair := [2]*v5.Schema{a, b}
	if known, ok := c.sameness[pair]; ok {
		return known
	}
	c.toil(toilStep + (len(a.Enum)+len(b.Enum))*toilStep + len(a.Required) + len(b.Required) + len(a.Properties) + len(b.Properties))
	t := &twins{assumed: map[[2]*v5.Schema]bool{}, known: c.sameness}
	alike := t.same(a, b)
	c.spent += costValue * len(t.assumed)
	c.toil(toilStep * len(t.assumed))
	if !alike {
		c.sameness[pair] = false
		return false
	}
	// All assumptions on the way held.
	for p := range t.assumed {
		c.sameness[p] = true
	}
	return true
}

// sameSet reports whether two lists hold the same schemas in any order.
func (c *check) sameSet(a, b []*v5.Schema) bool {
	if len(a) != len(b) {
		return false
	}
	left := slices.Clone(b)
	for _, s := range a {
		i := slices.IndexFunc(left, func(o *v5.Schema) bool { return c.same(s, o) })
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return true
}

func (c *check) sameContent(a, b *v5.Schema) bool {
	if a.ContentEncoding != b.ContentEncoding || a.ContentMediaType != b.ContentMediaType {
		return false
	}
	if a.ContentSchema == nil || b.ContentSchema == nil {
		return a.ContentSchema == b.ContentSchema
	}
	return c.same(a.ContentSchema, b.ContentSchema)
}

// twins walks two graphs side by side.
type twins struct {
	assumed map[[2]*v5.Schema]bool
	known   map[[2]*v5.Schema]bool
}

func (t *twins) same(a, b *v5.Schema) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	pair := [2]*v5.Schema{a, b}
	if known, ok := t.known[pair]; ok {
		return known
	}
	if t.assumed[pair] {
		return true
	}
	t.assumed[pair] = true
	return t.sameScalars(a, b) && t.sameParts(a, b)
}

// sameScalars compares what is no schema.
func (t *twins) sameScalars(a, b *v5.Schema) bool {
	return equal(a.Always, b.Always) &&
		sameNames(a.Types, b.Types) &&
		sameValues(a.Constant, b.Constant) && sameValues(a.Enum, b.Enum) &&
		assertedFormat(a) == assertedFormat(b) && (!assertedFormat(a) || a.Format == b.Format) &&
		assertedContent(a) == assertedContent(b) &&
		(!assertedContent(a) || a.ContentEncoding == b.ContentEncoding && a.ContentMediaType == b.ContentMediaType && t.same(a.ContentSchema, b.ContentSchema)) &&
		a.MinProperties == b.MinProperties && a.MaxProperties == b.MaxProperties && sameNames(a.Required, b.Required) &&
		a.RegexProperties == b.RegexProperties &&
		a.MinItems == b.MinItems && a.MaxItems == b.MaxItems && a.UniqueItems == b.UniqueItems &&
		a.ContainsEval == b.ContainsEval && a.MinContains == b.MinContains && a.MaxContains == b.MaxContains &&
		a.MinLength == b.MinLength && a.MaxLength == b.MaxLength && samePattern(a.Pattern, b.Pattern) &&
		sameNumber(a.Minimum, b.Minimum) && sameNumber(a.ExclusiveMinimum, b.ExclusiveMinimum) &&
		sameNumber(a.Maximum, b.Maximum) && sameNumber(a.ExclusiveMaximum, b.ExclusiveMaximum) &&
		sameNumber(a.MultipleOf, b.MultipleOf) &&
		maps.EqualFunc(dependentRequired(a), dependentRequired(b), sameNames) &&
		len(a.Extensions) == 0 && len(b.Extensions) == 0
}

// sameParts compares the schemas within.
func (t *twins) sameParts(a, b *v5.Schema) bool {
	return t.same(a.Ref, b.Ref) && t.same(a.RecursiveRef, b.RecursiveRef) && t.same(a.DynamicRef, b.DynamicRef) &&
		t.same(a.Not, b.Not) && t.same(a.If, b.If) && t.same(a.Then, b.Then) && t.same(a.Else, b.Else) &&
		slices.EqualFunc(a.AllOf, b.AllOf, t.same) && slices.EqualFunc(a.AnyOf, b.AnyOf, t.same) &&
		slices.EqualFunc(a.OneOf, b.OneOf, t.same) &&
		maps.EqualFunc(a.Properties, b.Properties, t.same) && t.same(a.PropertyNames, b.PropertyNames) &&
		maps.EqualFunc(byPattern(a), byPattern(b), t.same) &&
		t.sameAny(a.AdditionalProperties, b.AdditionalProperties) &&
		slices.EqualFunc(dependentSchemas(a), dependentSchemas(b), func(a, b dependent) bool {
			return a.name == b.name && t.same(a.schema, b.schema)
		}) &&
		t.same(a.UnevaluatedProperties, b.UnevaluatedProperties) &&
		t.sameAny(a.Items, b.Items) && t.sameAny(a.AdditionalItems, b.AdditionalItems) &&
		slices.EqualFunc(a.PrefixItems, b.PrefixItems, t.same) && t.same(a.Items2020, b.Items2020) &&
		t.same(a.Contains, b.Contains) && t.same(a.UnevaluatedItems, b.UnevaluatedItems)
}

// sameAny compares the fields that are nil, a boolean, a schema or a list.
func (t *twins) sameAny(a, b any) bool {
	switch a := a.(type) {
	case *v5.Schema:
		b, ok := b.(*v5.Schema)
		return ok && t.same(a, b)
	case []*v5.Schema:
		b, ok := b.([]*v5.Schema)
		return ok && slices.EqualFunc(a, b, t.same)
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case nil:
		return b == nil
	}
	return false
}

func byPattern(s *v5.Schema) map[string]*v5.Schema {
	out := make(map[string]*v5.Schema, len(s.PatternProperties))
	for pattern, sub := range s.PatternProperties {
		out[pattern.String()] = sub
	}
	return out
}

func equal(a, b *bool) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func sameNames(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func samePattern(a, b *regexp.Regexp) bool {
	return a == nil && b == nil || a != nil && b != nil && a.String() == b.String()
}

func sameNumber(a, b *big.Rat) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Cmp(b) == 0
}

// sameValues reports whether two lists hold the same JSON values.
func sameValues(a, b []any) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return maps.Equal(valueSet(a), valueSet(b))
}

func valueSet(list []any) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, v := range list {
		var b strings.Builder
		writeValue(&b, v)
		set[b.String()] = true
	}
	return set
}

// writeValue writes a value so that equal values are written alike, as 1.0 and 1.
func writeValue(b *strings.Builder, v any) {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			b.WriteString(r.RatString())
			return
		}
		b.WriteString("number " + v.String())
	case []any:
		b.WriteByte('[')
		for _, item := range v {
			writeValue(b, item)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b.WriteString(strconv.Quote(name))
			b.WriteByte(':')
			writeValue(b, v[name])
			b.WriteByte(',')
		}
		b.WriteByte('}')
	case string:
		b.WriteString(strconv.Quote(v))
	default:
		fmt.Fprint(b, v)
	}
}

// reach walks everything that a compiled schema leads to.
func reach(root *v5.Schema) (all map[*v5.Schema]bool, dynamic bool) {
	all = map[*v5.Schema]bool{}
	var visit func(...*v5.Schema)
	visitAny := func(v any) {
		switch v := v.(type) {
		case *v5.Schema:
			visit(v)
		case []*v5.Schema:
			visit(v...)
		}
	}
	visit = func(schemas ...*v5.Schema) {
		for _, s := range schemas {
			if s == nil || all[s] {
				continue
			}
			all[s] = true
			dynamic = dynamic || dynamicTarget(s)
			visit(s.Ref, s.RecursiveRef, s.DynamicRef, s.Not, s.If, s.Then, s.Else, s.PropertyNames,
				s.UnevaluatedProperties, s.Items2020, s.Contains, s.UnevaluatedItems, s.ContentSchema)
			visit(s.AllOf...)
			visit(s.AnyOf...)
			visit(s.OneOf...)
			visit(s.PrefixItems...)
			visitAny(s.AdditionalProperties)
			visitAny(s.Items)
			visitAny(s.AdditionalItems)
			for _, sub := range s.Properties {
				visit(sub)
			}
			for _, sub := range s.PatternProperties {
				visit(sub)
			}
			for _, dep := range dependentSchemas(s) {
				visit(dep.schema)
			}
		}
	}
	visit(root)
	return all, dynamic
}

func sortedNames(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
