package compat

import (
	"errors"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// oracle asks the reference validator, which goes through every alternative and
// so may take time that is exponential in the depth of schema and document:
// what would take too long is not asked.
type oracle struct {
	// spread is how many schemas one of them applies to the same value at most.
	spread int
	// left is what may still be spent on looking closer and on what came of it.
	left *int
}

// The bounds of one validation, in schemas applied to values.
const (
	maxUnasked = 20_000  // where it is at most so much there is no need to look closer
	maxEffort  = 100_000 // what is asked
	maxEfforts = 3_000_000
)

func newOracle(parts ...map[*v5.Schema]bool) oracle {
	left := maxEfforts
	o := oracle{spread: 1, left: &left}
	known := map[*v5.Schema]int{}
	var unfold func(s *v5.Schema) int
	unfold = func(s *v5.Schema) int {
		if n, ok := known[s]; ok {
			return n
		}
		known[s] = maxEffort // for one that applies itself
		n := 1 + len(s.PatternProperties)
		for _, sub := range appliedInPlace(s) {
			n = min(maxEffort, n+unfold(sub))
		}
		known[s] = n
		return n
	}
	for _, all := range parts {
		for s := range all {
			o.spread = max(o.spread, unfold(s))
		}
	}
	return o
}

// appliedInPlace are the schemas that s may apply to the same value.
func appliedInPlace(s *v5.Schema) []*v5.Schema {
	var out []*v5.Schema
	for _, sub := range [...]*v5.Schema{s.Ref, s.RecursiveRef, s.DynamicRef, s.Not, s.If, s.Then, s.Else} {
		if sub != nil {
			out = append(out, sub)
		}
	}
	for _, list := range [...][]*v5.Schema{s.AllOf, s.AnyOf, s.OneOf} {
		out = append(out, list...)
	}
	for _, dep := range dependentSchemas(s) {
		out = append(out, dep.schema)
	}
	return out
}

// validates reports whether a value is valid under a schema; ok is false if that
// cannot be told: it would take too long, or the validator does not answer (it
// panics on some numbers that no big.Rat holds, and fails on schemas that apply
// themselves without end).
func (o oracle) validates(s *v5.Schema, v any) (valid, ok bool) {
	defer func() {
		if recover() != nil {
			valid, ok = false, false
		}
	}()
	if !o.affords(s, v) {
		return false, false
	}
	err := s.Validate(v)
	if err == nil {
		return true, true
	}
	var invalid *v5.ValidationError
	return false, errors.As(err, &invalid)
}

// affords reports whether a validation takes a bearable time.
func (o oracle) affords(s *v5.Schema, v any) bool {
	cost := sizeOf(v)
	for range 1 + depthOf(v) {
		if cost *= o.spread; cost > maxUnasked {
			most := min(maxEffort, *o.left)
			left := most
			effort(s, v, &left)
			*o.left -= most - left
			return left > 0
		}
	}
	return true
}

// depthOf is how many containers are inside of each other.
func depthOf(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			deepest = max(deepest, 1+depthOf(member))
		}
	case []any:
		for _, item := range v {
			deepest = max(deepest, 1+depthOf(item))
		}
	}
	return deepest
}

// effort takes from left what a validation takes, going its way.
func effort(s *v5.Schema, v any, left *int) {
	if *left--; *left <= 0 {
		return
	}
	for _, sub := range appliedInPlace(s) {
		effort(sub, v, left)
		if *left <= 0 {
			return
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if sub, ok := s.Properties[name]; ok {
				effort(sub, member, left)
			}
			for pattern, sub := range s.PatternProperties {
				if *left--; pattern.MatchString(name) {
					effort(sub, member, left)
				}
			}
			for _, sub := range restSchemas(s) {
				effort(sub, member, left)
			}
			if s.PropertyNames != nil {
				effort(s.PropertyNames, name, left)
			}
		}
	case []any:
		for i, item := range v {
			subs, _ := itemOf(s, i)
			for _, sub := range [...]*v5.Schema{s.Contains, s.UnevaluatedItems} {
				if sub != nil {
					subs = append(subs, sub)
				}
			}
			for _, sub := range subs {
				effort(sub, item, left)
			}
		}
	}
}
