package program

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"sync/atomic"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/internal/intern"
)

// Schemas say the same things in many places: a string, a URL, a $ref to the
// same definition. Such twins share a group, which keeps programs small and
// what they need at hand in the processor's caches. And so do those of all
// programs: thousands of event types have the same few kinds of fields.

// plainGroups are the groups in use of schemas that say nothing but what is in their
// shape.
var plainGroups = intern.New[string]((*group).footprint)

// plainGroup is the group with these roots if they are one schema, and it says nothing
// but what is in its shape; nil otherwise.
func (b *builder) plainGroup(roots []conjunction) *group {
	if len(roots) != 1 || len(roots[0]) != 1 || roots[0][0].shape == "" {
		return nil
	}
	return plainGroups.Get(roots[0][0].shape, func() *group {
		a := &assembly{builder: b, group: &group{uncommon: &uncommon{}}, byNode: map[*node]int{}}
		a.assemble(roots)
		a.finish()
		return a.group
	})
}

// findTwins finds for each node one that says the same.
func (s *surveyed) findTwins() {
	known := map[string]*node{}
	for _, n := range s.order {
		n.twin = n
		if n.why != "" || n.content || !bare(n.schema) || n.schema.Always != nil || n.schema.Ref != nil {
			continue
		}
		shape := shapeOf(n.schema)
		n.shape = shape
		if known[shape] == nil {
			known[shape] = n
		}
		n.twin = known[shape]
	}
	for _, n := range s.order {
		for n.twin.onlyRefers() { // in no circle: that would be a loop
			n.twin = s.nodes[n.twin.schema.Ref].twin
		}
	}
}

// onlyRefers reports whether a node is a $ref and nothing else.
func (n *node) onlyRefers() bool {
	return n.why == "" && !n.content && n.schema.Ref != nil && bare(n.schema) && shapeOf(n.schema) == ""
}

// odd numbers the schemas that are like no other.
var odd atomic.Uint64

// trivial reports whether a schema admits everything and says nothing.
func trivial(s *v5.Schema) bool {
	if s.Always != nil {
		return *s.Always
	}
	return s.Ref == nil && bare(s) && shapeOf(s) == "" && !isSet(s, "decoder") && !isSet(s, "mediaType")
}

// bare reports whether a schema has no keywords but $ref and those that are in
// its shape.
func bare(s *v5.Schema) bool {
	return s.MinProperties&s.MaxProperties&s.MinItems&s.MaxItems == -1 && // all of them
		s.RecursiveRef == nil && s.DynamicRef == nil && len(s.AllOf)+len(s.AnyOf)+
		len(s.OneOf)+len(s.Required)+len(s.Properties)+len(s.PatternProperties)+len(s.Dependencies)+
		len(s.DependentRequired)+len(s.DependentSchemas)+len(s.PrefixItems)+len(s.Extensions) == 0 &&
		s.Not == nil && s.If == nil && s.PropertyNames == nil && !s.RegexProperties && s.AdditionalProperties == nil &&
		s.UnevaluatedProperties == nil && !s.UniqueItems && s.Items == nil && s.AdditionalItems == nil && s.Items2020 == nil &&
		s.Contains == nil && s.UnevaluatedItems == nil
}

// shapeOf is what a schema says by those keywords that refer to no other
// schema, and that most values have: empty if it uses none of them.
func shapeOf(s *v5.Schema) string {
	var b strings.Builder
	for _, t := range s.Types {
		b.WriteString(t + " ")
	}
	if isSet(s, "format") {
		fmt.Fprintf(&b, "format %q ", s.Format)
	}
	if s.MinLength != -1 || s.MaxLength != -1 {
		fmt.Fprintf(&b, "length %d %d ", s.MinLength, s.MaxLength)
	}
	if s.Pattern != nil {
		fmt.Fprintf(&b, "pattern %q ", s.Pattern)
	}
	for i, r := range [...]*big.Rat{s.Minimum, s.ExclusiveMinimum, s.Maximum, s.ExclusiveMaximum, s.MultipleOf} {
		if r != nil {
			fmt.Fprintf(&b, "number %d %s ", i, r)
		}
	}
	for _, values := range [...][]any{s.Constant, s.Enum} {
		if len(values) > 0 {
			text, err := json.Marshal(values)
			if err != nil {
				fmt.Fprintf(&b, "odd %d ", odd.Add(1)) // can't be; then it has no twin
			}
			fmt.Fprintf(&b, "one of %s ", text)
		}
	}
	return b.String()
}
