package program

import (
	"cmp"
	"iter"
	"maps"
	"math/big"
	"reflect"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// surveyed is what is known about a schema's subschemas before it is compiled.
type surveyed struct {
	nodes map[*v5.Schema]*node
	order []*node
	whole string // why nothing but the whole can be left to v5
}

// node is a subschema.
type node struct {
	id     int
	schema *v5.Schema
	// always are the schemas that it applies to the same value in any case.
	always []*v5.Schema
	// branches are those that it applies to the same value under a condition,
	// or whose outcome is turned about.
	branches []*v5.Schema
	trivial  bool   // admits everything and says nothing
	twin     *node  // says the same; itself, if no other is known
	referred bool   // a reference leads to it
	shape    string // all that it says, if that is all in its shape
	why      string // why it is left to v5; empty if it isn't
	sealed   bool   // unevaluatedProperties is false
	partly   string // why some values are shown to v5 though the rest is fast
	format   *format
	content  bool // v5 looks into strings' contents
	children []*v5.Schema
}

// survey goes through all subschemas that can be reached.
func survey(linked *jsonschema.Linked) *surveyed {
	s := &surveyed{nodes: map[*v5.Schema]*node{}}
	s.reach(linked.Schema)
	for n := range s.reached() {
		n.look()
		for _, list := range [...][]*v5.Schema{n.always, n.branches, n.children} {
			for _, next := range list {
				s.reach(next)
			}
		}
		if n.schema.Ref != nil {
			s.nodes[n.schema.Ref].referred = true
		}
	}
	s.unseal()
	s.resolveDynamic(linked)
	if s.whole == "" && s.loops() {
		s.whole = "a schema applies itself to the same value without end"
	}
	if s.whole == "" {
		s.findTwins()
	}
	return s
}

// reached are the nodes in order, those included that are added on the way.
func (s *surveyed) reached() iter.Seq[*node] {
	return func(yield func(*node) bool) {
		next := 0
		for next < len(s.order) && yield(s.order[next]) {
			next++
		}
	}
}

func (s *surveyed) reach(schema *v5.Schema) {
	if schema == nil || s.nodes[schema] != nil {
		return
	}
	n := &node{id: len(s.order), schema: schema, trivial: trivial(schema)}
	s.nodes[schema] = n
	s.order = append(s.order, n)
}

// look finds out what the subschema refers to, and whether it has a fast form.
func (n *node) look() {
	s := n.schema
	n.always = append(n.always, list(s.Ref, s.RecursiveRef, s.DynamicRef)...)
	n.always = append(n.always, s.AllOf...)
	for _, alternatives := range [...][]*v5.Schema{s.AnyOf, s.OneOf} {
		if len(alternatives) == 1 {
			n.always = append(n.always, alternatives[0])
		} else {
			n.branches = append(n.branches, alternatives...)
		}
	}
	n.branches = append(n.branches, list(s.Not, s.If, s.Then, s.Else)...)
	for _, name := range sorted(s.Dependencies) {
		if sub, ok := s.Dependencies[name].(*v5.Schema); ok {
			n.branches = append(n.branches, sub)
		}
	}
	for _, name := range sorted(s.DependentSchemas) {
		n.branches = append(n.branches, s.DependentSchemas[name])
	}
	for _, name := range sorted(s.Properties) {
		n.children = append(n.children, s.Properties[name])
	}
	n.children = append(n.children, slices.SortedFunc(maps.Values(s.PatternProperties), func(a, b *v5.Schema) int {
		return cmp.Compare(a.Location, b.Location)
	})...)
	for _, some := range [...]any{s.AdditionalProperties, s.Items, s.AdditionalItems} {
		switch some := some.(type) {
		case *v5.Schema:
			n.children = append(n.children, some)
		case []*v5.Schema:
			n.children = append(n.children, some...)
		}
	}
	n.children = append(n.children, s.PrefixItems...)
	n.children = append(n.children, list(s.PropertyNames, s.UnevaluatedProperties, s.Items2020, s.Contains,
		s.UnevaluatedItems, s.ContentSchema)...)
	n.lookForOpaque()
}

func (n *node) lookForOpaque() {
	s := n.schema
	n.sealed = s.UnevaluatedProperties != nil && isNever(s.UnevaluatedProperties)
	switch {
	case s.UnevaluatedProperties != nil && !n.sealed && !trivial(s.UnevaluatedProperties):
		n.why = "unevaluatedProperties has no fast form but true and false"
	case s.UnevaluatedItems != nil && !trivial(s.UnevaluatedItems):
		n.why = "unevaluatedItems has no fast form"
	case s.RegexProperties:
		n.why = "regexProperties has no fast form"
	case len(s.Extensions) > 0:
		n.why = "extensions have no fast form"
	}
	for _, r := range numbersOf(s) {
		if _, ok := decimalOf(r); !ok {
			n.why = "a number is beyond what is computed with"
		}
	}
	if isSet(s, "format") {
		if n.format = formats[s.Format]; n.format == nil {
			check := v5.Formats[s.Format]
			if s.Format == "uri-template" || check == nil {
				check = func(any) bool { return true }
			}
			n.format = &format{s.Format, func(text []byte) bool { return check(string(text)) }}
			n.partly = "format " + s.Format + " has no fast form"
		}
	}
	if n.content = isSet(s, "decoder") || isSet(s, "mediaType"); n.content {
		n.partly = "contentEncoding and contentMediaType have no fast form"
	}
	for _, value := range slices.Concat(s.Constant, s.Enum) {
		switch value.(type) {
		case []any, map[string]any:
			n.partly = "comparing objects and arrays with const and enum has no fast form"
		}
	}
}

// unseal leaves to v5 the sealed nodes that apply, to the same value, something
// that is left to it: what v5 has evaluated there isn't known.
func (s *surveyed) unseal() {
	for changed := true; changed; {
		changed = false
		for _, n := range s.order {
			if !n.sealed || n.why != "" {
				continue
			}
			for below := range s.inPlace(n, true) {
				if below.why != "" {
					n.why, changed = "unevaluatedProperties depends on what isn't fast", true
					break
				}
			}
		}
	}
}

// inPlace are n and the nodes that it applies to the same value, those under a
// condition included if asked for.
func (s *surveyed) inPlace(n *node, branches bool) map[*node]bool {
	found := map[*node]bool{}
	todo := []*node{n}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if found[n] {
			continue
		}
		found[n] = true
		next := n.always
		if branches {
			next = slices.Concat(n.always, n.branches)
		}
		for _, sub := range next {
			todo = append(todo, s.nodes[sub])
		}
	}
	return found
}

func isNever(s *v5.Schema) bool { return s.Always != nil && !*s.Always }

// isSet tells whether v5 has set the named field of s, which it doesn't export:
// whether it asserts formats and contents depends on more than the draft.
func isSet(s *v5.Schema, field string) bool {
	return !reflect.ValueOf(s).Elem().FieldByName(field).IsNil()
}

// resolveDynamic settles $dynamicRef and $recursiveRef. What they lead to may
// depend on how one got there; only where it can't do they have a fast form.
func (s *surveyed) resolveDynamic(linked *jsonschema.Linked) {
	var anchors map[string]int
	for _, n := range s.order {
		if target := n.schema.RecursiveRef; target != nil && target.RecursiveAnchor && s.recursiveAnchors() > 1 {
			s.whole = "where a $recursiveRef leads depends on how one got there"
		}
		target := n.schema.DynamicRef
		if target == nil || target.DynamicAnchor == "" {
			continue
		}
		if anchors == nil {
			anchors = dynamicAnchors(linked)
		}
		if _, ok := linked.Locate(target.Location); !ok || anchors[target.DynamicAnchor] > 1 {
			s.whole = "where a $dynamicRef leads depends on how one got there"
		}
	}
}

func (s *surveyed) recursiveAnchors() (n int) {
	for _, node := range s.order {
		if node.schema.RecursiveAnchor {
			n++
		}
	}
	return n
}

// dynamicAnchors counts the anchors of each name in all documents.
func dynamicAnchors(linked *jsonschema.Linked) map[string]int {
	counts := map[string]int{}
	root, ok := linked.Locate(linked.Schema.Location)
	if !ok {
		return counts
	}
	seen := map[*jsonschema.Bundle]bool{}
	todo := []*jsonschema.Bundle{root.Bundle}
	for len(todo) > 0 {
		b := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[b] {
			continue
		}
		seen[b] = true
		for _, keywords := range b.Document.Schemas() {
			if anchor, ok := keywords["$dynamicAnchor"].(string); ok {
				counts[anchor]++
			}
		}
		for _, next := range b.References {
			todo = append(todo, next)
		}
	}
	return counts
}

// loops reports whether a schema applies itself to the same value, which the
// reference engine finds out only while it validates.
func (s *surveyed) loops() bool {
	state := make([]uint8, len(s.order)) // 1: being visited, 2: done
	type frame struct {
		node *node
		next int
	}
	for _, start := range s.order {
		if state[start.id] != 0 {
			continue
		}
		stack := []frame{{node: start}}
		state[start.id] = 1
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == len(top.node.always)+len(top.node.branches) {
				state[top.node.id] = 2
				stack = stack[:len(stack)-1]
				continue
			}
			var next *v5.Schema
			if top.next < len(top.node.always) {
				next = top.node.always[top.next]
			} else {
				next = top.node.branches[top.next-len(top.node.always)]
			}
			top.next++
			switch n := s.nodes[next]; state[n.id] {
			case 0:
				state[n.id] = 1
				stack = append(stack, frame{node: n})
			case 1:
				return true
			}
		}
	}
	return false
}

func list(schemas ...*v5.Schema) []*v5.Schema {
	return slices.DeleteFunc(schemas, func(s *v5.Schema) bool { return s == nil })
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// numbersOf are the bounds that a schema sets to numbers.
func numbersOf(s *v5.Schema) []*big.Rat {
	return slices.DeleteFunc([]*big.Rat{s.Minimum, s.ExclusiveMinimum, s.Maximum, s.ExclusiveMaximum, s.MultipleOf},
		func(r *big.Rat) bool { return r == nil })
}
