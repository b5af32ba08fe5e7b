package compat

import (
	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// values lists the values of w, a world of one kind, if they are finitely many
// and known. It may list too many, never too few.
func (c *check) values(w *world) ([]any, bool) {
	var candidates []any
	switch w.kinds {
	case null:
		candidates = []any{nil}
	case boolean:
		candidates = []any{false, true}
	default:
		listed := false
		for _, s := range w.all {
			if len(s.Constant) > 0 {
				candidates, listed = s.Constant[:1], true
				break
			}
			if len(s.Enum) > 0 && (!listed || len(s.Enum) < len(candidates)) {
				candidates, listed = s.Enum, true
			}
		}
		if !listed {
			return nil, false
		}
	}
	var out []any
	for _, v := range candidates {
		if valueKind(v)&w.kinds != 0 && c.mayHold(w, v) {
			out = append(out, v)
		}
	}
	return out, true
}

// charge takes note of what it costs to put a value to schemas, and reports
// whether that is affordable.
func (c *check) charge(v any, schemas ...*v5.Schema) bool {
	c.spent += costValue
	c.toil(toilStep)
	for _, s := range schemas {
		c.spent += costValue/4 + c.weight(s, valueKind(v)&(array|object) != 0)/2
	}
	return c.spent <= budget
}

// weight is the number of values that s may compare a value with, one by one.
func (c *check) weight(s *v5.Schema, deep bool) int {
	key := weighed{s, deep}
	if n, ok := c.weights[key]; ok {
		return n
	}
	n := 0
	if deep {
		all, _ := reach(s)
		for in := range all {
			n += len(in.Enum)
		}
	} else {
		for _, in := range c.inPlaceOf(s) {
			n += len(in.Enum)
		}
	}
	c.weights[key] = n
	return n
}

type weighed struct {
	schema *v5.Schema
	deep   bool
}

// mayHold reports whether v is not excluded from w.
func (c *check) mayHold(w *world, v any) bool {
	if c.writerDynamic || c.readerDynamic || !c.charge(v, w.all...) {
		return true
	}
	for _, s := range w.all {
		if valid, ok := c.validates(s, v); ok && !valid {
			return false
		}
	}
	for _, s := range w.none {
		if valid, ok := c.validates(s, v); ok && valid {
			return false
		}
	}
	return true
}

func valueKind(v any) kind {
	switch v.(type) {
	case nil:
		return null
	case bool:
		return boolean
	case string:
		return text
	case []any:
		return array
	case map[string]any:
		return object
	}
	return number
}
