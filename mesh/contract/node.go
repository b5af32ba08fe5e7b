package contract

import (
	"maps"
	"regexp"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// The keywords that classify.
const (
	classAnnotation    = "x-lockstep-class"
	keyClassAnnotation = "x-lockstep-key-class"
	contentAnnotation  = "x-lockstep-content"
	confluentTags      = "confluent:tags"
)

// node is one subschema, with an id that is the same whenever the schema is
// compiled: what it says about a value's classes, names and items,
// and which other subschemas it applies to the same value.
type node struct {
	id     int
	schema *v5.Schema
	origin string // where it is written

	class    mask.Class // of its own; empty if it gives none
	keyClass mask.Class

	content mask.Content // what a string holds, written as text; empty if it says nothing of that
	held    *node        // the schema of the JSON that it holds; nil if there is none

	always   []edge    // applied to the same value in any case
	choices  []choice  // alternatives for the same value
	branches []branch  // applied to the same value under a condition
	telling  []telling // properties whose values tell alternatives apart

	closes     bool // names properties, and so closes its place to others
	properties map[string]*node
	patterns   []patternNode
	// additional and unevaluated are nil, a node, or free; closed counts as nil.
	additional, unevaluated *node
	names                   *node // propertyNames

	items            *node   // all items, or those after tuple
	tuple            []*node // the first items
	contains         *node
	unevaluatedItems *node

	enumerated bool
}

// free stands for "true" where a schema is expected: it admits what it is for.
var free = &node{id: -1}

type edge struct {
	to  *node
	ref string // the reference as it is written; empty for other keywords
}

// choice has the alternatives of anyOf or oneOf.
type choice struct {
	alternatives []*node
	one          bool // exactly one holds
}

// telling is a property that an alternative ties to certain values.
type telling struct {
	name  string
	value *node
}

// branch applies one node if when holds, and another if it doesn't.
type branch struct {
	when            *node  // the value is valid under it; nil if name decides
	name            string // the object has a property of this name
	then, otherwise *node
}

type patternNode struct {
	pattern *regexp.Regexp
	node    *node
}

// graph is a compiled schema as nodes.
type graph struct {
	linked *jsonschema.Linked
	root   *node
	nodes  map[*v5.Schema]*node
	byID   []*node
	// dynamic are the schemas that a $dynamicRef or $recursiveRef may lead to.
	dynamic []*v5.Schema
	unread  func(*v5.Schema, string) (*v5.Schema, error)
	// names are all property names that the schema knows.
	names map[string]bool
	todo  []*node
}

func newGraph(linked *jsonschema.Linked) *graph {
	g := &graph{linked: linked, unread: linked.Unread(), nodes: map[*v5.Schema]*node{}, names: map[string]bool{}}
	g.root = g.node(linked.Schema)
	g.complete()
	// References that depend on how one got there are resolved when validating;
	// here every schema that they may mean counts, where the value is valid
	// under it. More of them come to light by following them.
	for known := -1; known != len(g.dynamic); {
		known = len(g.dynamic)
		for _, n := range g.byID {
			g.addDynamic(n)
		}
		g.complete()
	}
	for _, n := range g.byID {
		for _, name := range sortedNames(n.properties) {
			if sub := n.properties[name]; sub.tied() {
				n.telling = append(n.telling, telling{name, sub})
			}
		}
	}
	return g
}

// tied reports whether a value must be one of a few.
func (n *node) tied() bool {
	for s := n.schema; s != nil; s = s.Ref {
		if len(s.Enum) > 0 || len(s.Constant) > 0 {
			return true
		}
	}
	return false
}

// node is the node of a schema, which complete fills in.
func (g *graph) node(s *v5.Schema) *node {
	if s == nil {
		return nil
	}
	if n, ok := g.nodes[s]; ok {
		return n
	}
	n := &node{id: len(g.byID), schema: s}
	g.nodes[s], g.byID = n, append(g.byID, n)
	g.todo = append(g.todo, n)
	return n
}

// complete fills in nodes until none is left. Schemas nest deeply and in
// circles, so this is no recursion.
func (g *graph) complete() {
	for len(g.todo) > 0 {
		n := g.todo[len(g.todo)-1]
		g.todo = g.todo[:len(g.todo)-1]
		g.fill(n)
	}
}

func (g *graph) fill(n *node) {
	s := n.schema
	n.origin = s.Location
	if origin, ok := g.linked.Locate(s.Location); ok {
		n.origin = origin.String()
	}
	keywords := g.linked.Keywords(s)
	n.class, n.keyClass = annotations(keywords)
	g.fillContent(n, keywords)
	if s.Ref != nil {
		ref, _ := keywords["$ref"].(string)
		n.always = append(n.always, edge{g.node(s.Ref), ref})
	}
	for _, sub := range s.AllOf {
		n.always = append(n.always, edge{to: g.node(sub)})
	}
	for _, list := range [...][]*v5.Schema{s.AnyOf, s.OneOf} {
		if len(list) == 0 {
			continue
		}
		c := choice{one: len(n.choices) > 0 || len(s.AnyOf) == 0}
		for _, sub := range list {
			c.alternatives = append(c.alternatives, g.node(sub))
		}
		n.choices = append(n.choices, c)
	}
	if s.If != nil {
		n.branches = append(n.branches, branch{when: g.node(s.If), then: g.node(s.If)},
			branch{when: g.node(s.If), then: g.node(s.Then), otherwise: g.node(s.Else)})
	}
	g.fillDependencies(n)
	g.fillObject(n)
	g.fillArray(n)
	n.enumerated = len(s.Enum) > 0 || len(s.Constant) > 0
	if s.RecursiveAnchor || s.DynamicAnchor != "" {
		g.dynamic = append(g.dynamic, s)
	}
}

// fillContent finds what strings hold. What can't be read is a content that nobody
// knows.
func (g *graph) fillContent(n *node, keywords map[string]any) {
	value, ok := keywords[contentAnnotation]
	if !ok {
		return
	}
	n.content = unreadableContent
	if name, ok := value.(string); ok && mask.Content(name).Known() {
		n.content = mask.Content(name)
	}
	if _, ok := keywords[contentSchema]; ok && n.content.JSON() {
		s, err := g.unread(n.schema, contentSchema)
		if err != nil {
			n.content = unreadableContent
			return
		}
		n.held = g.node(s)
	}
}

func (g *graph) fillDependencies(n *node) {
	for _, name := range sortedNames(n.schema.Dependencies) {
		if sub, ok := n.schema.Dependencies[name].(*v5.Schema); ok {
			n.branches = append(n.branches, branch{name: name, then: g.node(sub)})
		}
	}
	for _, name := range sortedNames(n.schema.DependentSchemas) {
		n.branches = append(n.branches, branch{name: name, then: g.node(n.schema.DependentSchemas[name])})
	}
}

func (g *graph) fillObject(n *node) {
	s := n.schema
	if len(s.Properties) > 0 {
		n.properties = make(map[string]*node, len(s.Properties))
	}
	for _, name := range sortedNames(s.Properties) {
		n.properties[name] = g.node(s.Properties[name])
		g.names[name] = true
	}
	patterns := slices.SortedFunc(maps.Keys(s.PatternProperties), func(a, b *regexp.Regexp) int { return compareStrings(a.String(), b.String()) })
	for _, pattern := range patterns {
		n.patterns = append(n.patterns, patternNode{pattern, g.node(s.PatternProperties[pattern])})
	}
	switch additional := s.AdditionalProperties.(type) {
	case bool:
		if additional {
			n.additional = free
		}
	case *v5.Schema:
		n.additional = g.node(additional)
	}
	n.unevaluated = g.unlessFalse(s.UnevaluatedProperties)
	n.names = g.node(s.PropertyNames)
	n.closes = len(n.properties)+len(n.patterns) > 0
}

func (g *graph) fillArray(n *node) {
	s := n.schema
	switch items := s.Items.(type) {
	case *v5.Schema:
		n.items = g.node(items)
	case []*v5.Schema:
		for _, item := range items {
			n.tuple = append(n.tuple, g.node(item))
		}
		if additional, ok := s.AdditionalItems.(*v5.Schema); ok {
			n.items = g.node(additional)
		}
	}
	for _, item := range s.PrefixItems {
		n.tuple = append(n.tuple, g.node(item))
	}
	if s.Items2020 != nil {
		n.items = g.node(s.Items2020)
	}
	n.contains = g.node(s.Contains)
	n.unevaluatedItems = g.unlessFalse(s.UnevaluatedItems)
}

// unlessFalse is the node of a schema that admits something; nil for false.
func (g *graph) unlessFalse(s *v5.Schema) *node {
	if s == nil || s.Always != nil && !*s.Always {
		return nil
	}
	return g.node(s)
}

// addDynamic adds to n, as alternatives, the schemas that its $dynamicRef or
// $recursiveRef may lead to.
func (g *graph) addDynamic(n *node) {
	add := func(target *v5.Schema) {
		to := g.node(target)
		if !slices.ContainsFunc(n.branches, func(b branch) bool { return b.when == to && b.then == to }) {
			n.branches = append(n.branches, branch{when: to, then: to})
		}
	}
	if target := n.schema.DynamicRef; target != nil {
		add(target)
		for _, s := range g.dynamic {
			if target.DynamicAnchor != "" && s.DynamicAnchor == target.DynamicAnchor {
				add(s)
			}
		}
	}
	if target := n.schema.RecursiveRef; target != nil {
		add(target)
		for _, s := range g.dynamic {
			if target.RecursiveAnchor && s.RecursiveAnchor {
				add(s)
			}
		}
	}
}

// annotations are the classes that a schema gives to a value and to the names
// in it. A class that is no text is one that nobody knows.
func annotations(keywords map[string]any) (class, keyClass mask.Class) {
	read := func(keyword string) mask.Class {
		value, ok := keywords[keyword]
		if !ok {
			return ""
		}
		if name, ok := value.(string); ok && name != "" {
			return mask.Class(name)
		}
		return unreadableClass
	}
	class, keyClass = read(classAnnotation), read(keyClassAnnotation)
	if class != "" {
		return class, keyClass
	}
	if tags, ok := keywords[confluentTags].([]any); ok {
		for _, tag := range tags {
			if name, ok := tag.(string); ok {
				class = mask.MoreProtective(class, mask.TagClass(name))
			} else {
				class = unreadableClass
			}
		}
	} else if tag, ok := keywords[confluentTags].(string); ok {
		class = mask.TagClass(tag)
	}
	return class, keyClass
}

// contentSchema is JSON Schema's keyword for the schema of what a string holds,
// which no validator looks at unless it is told to.
const contentSchema = "contentSchema"

// unreadableContent is none that anybody knows.
const unreadableContent mask.Content = "(unreadable)"

// unreadableClass is unknown to every policy, and so withheld.
const unreadableClass mask.Class = "(unreadable)"

// compilePatterns compiles expressions that are known to compile.
func compilePatterns(expressions []string) []patternNode {
	var patterns []patternNode
	for _, expression := range expressions {
		if re, err := regexp.Compile(expression); err == nil {
			patterns = append(patterns, patternNode{re, free})
		}
	}
	return patterns
}
