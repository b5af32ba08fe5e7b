package compat

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// kind is a set of JSON types.
type kind uint8

const (
	null kind = 1 << iota
	boolean
	number
	text
	array
	object

	anything = null | boolean | number | text | array | object
)

var kinds = [...]kind{null, boolean, number, text, array, object}

func (k kind) String() string {
	var names []string
	for i, name := range [...]string{"null", "boolean", "number", "string", "array", "object"} {
		if k&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

func kindOf(types []string) kind {
	var k kind
	for _, t := range types {
		switch t {
		case "null":
			k |= null
		case "boolean":
			k |= boolean
		case "number", "integer":
			k |= number
		case "string":
			k |= text
		case "array":
			k |= array
		case "object":
			k |= object
		}
	}
	return k
}

// world is what the writer may have put at one place of a document: every value
// that satisfies all of these. What is not known of it makes it larger, and a
// larger world is harder to read, so leaving things out is sound.
//
// Worlds are immutable once made.
type world struct {
	// all are schemas that hold, with what they refer to and their allOf.
	all []*v5.Schema
	// none are schemas that do not hold.
	none []*v5.Schema
	// kinds are the types of value that are left.
	kinds kind
	// closed says that undeclared properties are refused here by the gate.
	closed bool
	// scope are all schemas of the writer's that apply or may apply at this place: a
	// property that none of them declares is undeclared. It holds more than the gate
	// would count (branches that were not taken too), so that the world is not made
	// too small.
	scope []*v5.Schema
	// inert are those of all that hold without being applied, as what has to match a
	// schema that is excluded: the gate does not count them.
	inert []*v5.Schema
	// present are properties that are known to be there beyond what all require.
	present []string
	// done are the alternatives that were looked into.
	done []choiceKey
}

// world makes a world in which the schemas hold and that is as closed as scope,
// the roots of all that may apply, and the policy make it.
func (c *check) world(all, scope []*v5.Schema, closed bool) *world {
	w := &world{kinds: anything, closed: closed}
	if closed {
		for _, s := range scope {
			for _, in := range c.inPlaceOf(s) {
				c.toil(toilLook + len(w.scope)/8)
				if !slices.Contains(w.scope, in) {
					w.scope = append(w.scope, in)
				}
				if dynamicTarget(in) {
					w.closed = false // what is reached from there is not known here
				}
			}
		}
		if len(scope) == 0 {
			w.closed = false
		}
	}
	c.add(w, all...)
	return w
}

// openWorld holds whatever the schemas admit, gate or no gate.
func (c *check) openWorld(all ...*v5.Schema) *world { return c.world(all, nil, false) }

// add makes schemas hold in a world that nobody else sees yet.
func (c *check) add(w *world, schemas ...*v5.Schema) {
	for _, s := range schemas {
		c.follow(w, s)
	}
	// A dependent schema holds when its property is known to be there, which it can
	// only be in an object.
	for grown := w.kinds == object; grown; {
		grown = false
		required := c.required(w)
		for i := 0; i < len(w.all); i++ { //nolint:intrange // w.all grows meanwhile
			for _, dep := range dependentSchemas(w.all[i]) {
				c.toil(toilLook + len(w.all)/8)
				if required[dep.name] && !slices.Contains(w.all, dep.schema) {
					known := len(w.all)
					c.follow(w, dep.schema)
					w.disregard(known)
					grown = true
				}
			}
		}
	}
	c.toil(toilLook * len(w.all))
	slices.SortStableFunc(w.all[min(1, len(w.all)):], byLocation)
}

func (c *check) follow(w *world, s *v5.Schema) {
	c.toil(toilLook + (len(w.all)+len(w.none))/8)
	if slices.Contains(w.all, s) {
		return
	}
	w.all = append(w.all, s)
	if s.Always != nil && !*s.Always {
		w.kinds = 0
	}
	if len(s.Types) > 0 {
		w.kinds &= kindOf(s.Types)
	}
	if s.Not != nil && !slices.Contains(w.none, s.Not) {
		w.none = append(w.none, s.Not)
	}
	for _, ref := range refs(s) {
		c.follow(w, ref)
	}
	for _, sub := range s.AllOf {
		c.follow(w, sub)
	}
}

// disregard makes schemas inert that were added since there were known ones,
// where some are: which of them brought it about is not known.
func (w *world) disregard(known int) {
	if len(w.inert) > 0 {
		w.inert = append(slices.Clip(w.inert), w.all[known:]...)
	}
}

// inherit makes those of w's schemas inert that no schema applies which is not
// inert in the world above; subs are what a schema applies.
func (c *check) inherit(w, above *world, subs func(*v5.Schema) []*v5.Schema) *world {
	if len(above.inert) == 0 {
		return w
	}
	applied := &world{kinds: anything}
	for _, s := range above.all {
		if slices.Contains(above.inert, s) {
			continue
		}
		for _, sub := range subs(s) {
			c.follow(applied, sub)
		}
	}
	for _, s := range w.all {
		c.toil(toilLook + len(applied.all)/8)
		if !slices.Contains(applied.all, s) {
			w.inert = append(w.inert, s)
		}
	}
	return w
}

func (c *check) clone(w *world) *world {
	c.toil(toilStep + (len(w.all)+len(w.none)+2*len(w.present)+2*len(w.done))/2)
	n := *w
	n.all = slices.Clone(w.all)
	n.none = slices.Clone(w.none)
	n.present = slices.Clone(w.present)
	n.done = slices.Clone(w.done)
	return &n
}

// only is the part of w that is of one kind.
func (c *check) only(w *world, k kind) *world {
	n := c.clone(w)
	n.kinds &= k
	c.add(n)
	return n
}

// with is the part of w in which s holds too.
func (c *check) with(w *world, s *v5.Schema) *world {
	n := c.clone(w)
	c.add(n, s)
	return n
}

// without is the part of w in which s does not hold.
func (c *check) without(w *world, s *v5.Schema) *world {
	n := c.clone(w)
	n.none = append(n.none, s)
	return n
}

// having is the part of w in which an object has the property.
func (c *check) having(w *world, name string) *world {
	n := c.clone(w)
	n.kinds &= object
	if !slices.Contains(n.present, name) {
		n.present = append(n.present, name)
		slices.Sort(n.present)
	}
	c.add(n)
	return n
}

// refs are the schemas that s applies by reference, whatever way it is reached.
func refs(s *v5.Schema) []*v5.Schema {
	var out []*v5.Schema
	if s.Ref != nil {
		out = append(out, s.Ref)
	}
	if s.RecursiveRef != nil && !s.RecursiveRef.RecursiveAnchor {
		out = append(out, s.RecursiveRef)
	}
	if s.DynamicRef != nil && s.DynamicRef.DynamicAnchor == "" {
		out = append(out, s.DynamicRef)
	}
	return out
}

// dynamicTarget says that s has a reference whose target depends on the way to it.
func dynamicTarget(s *v5.Schema) bool {
	return s.RecursiveRef != nil && s.RecursiveRef.RecursiveAnchor ||
		s.DynamicRef != nil && s.DynamicRef.DynamicAnchor != ""
}

// dependent is a schema that holds where a property is present.
type dependent struct {
	name   string
	schema *v5.Schema
}

// dependentSchemas are those of dependentSchemas and of dependencies, by name.
func dependentSchemas(s *v5.Schema) []dependent {
	if len(s.Dependencies) == 0 && len(s.DependentSchemas) == 0 {
		return nil
	}
	var out []dependent
	for name, dependency := range s.Dependencies {
		if sub, ok := dependency.(*v5.Schema); ok {
			out = append(out, dependent{name, sub})
		}
	}
	for name, sub := range s.DependentSchemas {
		out = append(out, dependent{name, sub})
	}
	slices.SortFunc(out, func(a, b dependent) int {
		return cmp.Or(cmp.Compare(a.name, b.name), byLocation(a.schema, b.schema))
	})
	return out
}

// dependentRequired are the names of dependentRequired and of dependencies.
func dependentRequired(s *v5.Schema) map[string][]string {
	if len(s.Dependencies) == 0 {
		return s.DependentRequired
	}
	out := map[string][]string{}
	maps.Copy(out, s.DependentRequired)
	for name, dependency := range s.Dependencies {
		if names, ok := dependency.([]string); ok {
			out[name] = slices.Concat(out[name], names)
		}
	}
	return out
}

// required are the properties that every object of w has.
func (c *check) required(w *world) map[string]bool {
	out := map[string]bool{}
	c.toil(len(w.all) + 4*len(w.present))
	for _, name := range w.present {
		out[name] = true
	}
	for _, s := range w.all {
		c.toil(4 * len(s.Required))
		for _, name := range s.Required {
			out[name] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, s := range w.all {
			requires := dependentRequired(s)
			c.toil(toilStep * (1 + len(requires)))
			for name, names := range requires {
				if !out[name] {
					continue
				}
				for _, n := range names {
					if !out[n] {
						out[n], grown = true, true
					}
				}
			}
		}
	}
	return out
}

// impossible reports whether w, a world of one kind, is seen to hold nothing.
func (c *check) impossible(w *world) bool {
	if w.kinds == 0 {
		return true
	}
	for _, no := range w.none {
		if no.Always != nil && *no.Always {
			return true
		}
		for _, s := range w.all {
			if c.same(s, no) {
				return true
			}
		}
	}
	switch w.kinds { //nolint:exhaustive // other kinds have no bounds
	case number:
		return interval(w).empty()
	case text:
		low, high := lengths(w.all, func(s *v5.Schema) (int, int) { return s.MinLength, s.MaxLength })
		return high >= 0 && low > high
	case array:
		low, high := c.itemCount(w)
		return high >= 0 && low > high
	case object:
		low, high := lengths(w.all, func(s *v5.Schema) (int, int) { return s.MinProperties, s.MaxProperties })
		if high >= 0 && max(low, len(c.required(w))) > high {
			return true
		}
		for name := range c.required(w) {
			if child := c.property(w, name); child == nil || child.kinds == 0 {
				return true
			}
		}
	}
	return false
}

// lengths is the range of a count; high is -1 when it is unbounded.
func lengths(all []*v5.Schema, of func(*v5.Schema) (int, int)) (low, high int) {
	high = -1
	for _, s := range all {
		l, h := of(s)
		low = max(low, l)
		if h >= 0 && (high < 0 || h < high) {
			high = h
		}
	}
	return low, high
}
