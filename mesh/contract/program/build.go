package program

import (
	"encoding/binary"
	"math/bits"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// The bounds on a program. Beyond them groups are left to v5.
const (
	maxGroups   = 4096
	maxNames    = 4096 // known to one group
	maxSeals    = 64   // of one group
	maxPatterns = 5    // of one group: each subset of them may match a name
)

// builder makes groups.
type builder struct {
	*surveyed
	linked *jsonschema.Linked
	open   bool
	groups map[string]*group
	todo   []*assembly

	made    map[definition]*group // for definitions, here
	foreign map[*group]bool       // made for other programs
	counted map[*group]bool       // made here, for others too
	uses    []*shared             // those that the program must keep alive
}

// conjunction are schemas that stand or fall together.
type conjunction []*node

// assembly is a group that is being made.
type assembly struct {
	*builder
	group   *group
	units   []*unitParts
	byNode  map[*node]int // branches that have a unit
	ops     []op
	origins []*node // of the ops, the subschemas they are for
	parents []set   // of each unit, the units that may apply it
	seals   []seal
	handed  set // units that are left to v5
	tooMany bool
	needed  []string // names that must have an index
}

// seal is a schema with "unevaluatedProperties": false.
type seal struct {
	unit   int
	node   *node
	always map[*node]bool // itself and what it applies in any case
}

// unitParts is a unit with the subschemas it is made of.
type unitParts struct {
	nodes  []*node
	opaque []*node
	never  bool
}

func newBuilder(s *surveyed, linked *jsonschema.Linked, open bool) *builder {
	return &builder{
		surveyed: s, linked: linked, open: open, groups: map[string]*group{},
		made: map[definition]*group{}, foreign: map[*group]bool{}, counted: map[*group]bool{},
	}
}

func (b *builder) compile(schema *v5.Schema) *group {
	root := b.groupOf([]conjunction{b.significant([]*node{b.nodes[schema].twin})}, true)
	for len(b.todo) > 0 {
		a := b.todo[len(b.todo)-1]
		b.todo = b.todo[:len(b.todo)-1]
		a.finish()
	}
	b.share()
	return root
}

// significant leaves out what admits everything, sorts by id, each once.
func (b *builder) significant(nodes []*node) conjunction {
	c := slices.Clone(nodes)
	c = slices.DeleteFunc(c, func(n *node) bool { return n.trivial })
	slices.SortFunc(c, func(a, b *node) int { return a.id - b.id })
	return slices.Compact(c)
}

// groupOf is the group with these roots, at most maxUnits; nil if they admit
// everything, and it may be.
func (b *builder) groupOf(roots []conjunction, mayBeNil bool) *group {
	if mayBeNil && !slices.ContainsFunc(roots, func(c conjunction) bool { return len(c) > 0 }) {
		return nil
	}
	var key []byte
	for _, c := range roots {
		key = binary.AppendUvarint(key, uint64(len(c)))
		for _, n := range c {
			key = binary.AppendUvarint(key, uint64(n.id))
		}
	}
	if g := b.groups[string(key)]; g != nil {
		return g
	}
	if g := b.plainGroup(roots); g != nil {
		b.foreign[g] = true
		return g
	}
	d, isDefinition := b.definition(roots)
	if isDefinition {
		if known := definitions.Find(d); known != nil {
			b.groups[string(key)], b.foreign[known.group] = known.group, true
			b.uses = append(b.uses, known)
			return known.group
		}
	}
	g := &group{uncommon: &uncommon{}}
	b.groups[string(key)] = g
	a := &assembly{builder: b, group: g, byNode: map[*node]int{}}
	if len(b.groups) > maxGroups || !a.assemble(roots) {
		a.giveUp(roots)
		return g
	}
	b.todo = append(b.todo, a)
	if isDefinition {
		b.made[d] = g
	}
	return g
}

// giveUp leaves a group to v5.
func (a *assembly) giveUp(roots []conjunction) {
	g := a.group
	*g = group{whole: true, doubt: !a.open, uncommon: &uncommon{}}
	for i, c := range roots {
		g.roots |= unit(i)
		var schemas []*v5.Schema
		for _, n := range c {
			schemas = append(schemas, n.schema)
			n.why = "too many subschemas apply to one place"
		}
		g.schemas = append(g.schemas, schemas)
	}
}

// assemble makes the group's units. It reports false if they are too many.
func (a *assembly) assemble(roots []conjunction) bool {
	for i := range roots {
		a.group.roots |= unit(i)
		a.units = append(a.units, nil)
		a.parents = append(a.parents, 0)
	}
	for i, c := range roots {
		a.fill(i, c)
	}
	return !a.tooMany
}

// fill makes a unit of a conjunction, after the units that its ops need.
func (a *assembly) fill(at int, c conjunction) {
	u := &unitParts{}
	a.units[at] = u
	seen := map[*node]bool{}
	var expand func(n *node)
	expand = func(n *node) {
		if seen[n] {
			return
		}
		seen[n] = true
		if n.why != "" {
			u.opaque = append(u.opaque, n)
			return
		}
		if n.schema.Always != nil {
			u.never = u.never || !*n.schema.Always
			return
		}
		u.nodes = append(u.nodes, n)
		for _, next := range n.always {
			expand(a.nodes[next])
		}
	}
	for _, n := range c {
		expand(n)
	}
	for _, n := range u.nodes {
		a.branch(at, n)
	}
	for _, n := range u.nodes {
		if n.sealed {
			a.seal(at, n)
		}
	}
}

// seal makes the op for "unevaluatedProperties": false in n.
func (a *assembly) seal(at int, n *node) {
	s := seal{unit: at, node: n, always: a.inPlace(n, false)}
	if len(a.seals) == maxSeals {
		a.tooMany = true
		return
	}
	for i := range a.ops {
		if a.ops[i].unit == unit(at) && s.always[a.origins[i]] {
			a.ops[i].seals |= 1 << len(a.seals)
		}
	}
	a.op(n, op{code: opSealed, unit: unit(at), present: len(a.seals)})
	a.seals = append(a.seals, s)
}

// branch makes the ops of one node of a unit.
func (a *assembly) branch(at int, n *node) {
	s := n.schema
	if len(s.AnyOf) > 1 {
		a.op(n, op{code: opAny, unit: unit(at), a: a.unitsOf(at, s.AnyOf)})
	}
	if len(s.OneOf) > 1 {
		a.op(n, op{code: opOne, unit: unit(at), a: a.unitsOf(at, s.OneOf)})
	}
	if s.Not != nil {
		a.op(n, op{code: opNot, unit: unit(at), a: a.unitOf(0, s.Not)})
	}
	if s.If != nil {
		o := op{code: opIf, unit: unit(at), a: a.unitOf(unit(at), s.If)}
		if s.Then != nil {
			o.b = a.unitOf(unit(at), s.Then)
		}
		if s.Else != nil {
			o.c = a.unitOf(unit(at), s.Else)
		}
		a.op(n, o)
	}
	for _, name := range sorted(s.Dependencies) {
		if sub, ok := s.Dependencies[name].(*v5.Schema); ok {
			a.dependent(at, n, name, sub)
		}
	}
	for _, name := range sorted(s.DependentSchemas) {
		a.dependent(at, n, name, s.DependentSchemas[name])
	}
}

// op adds an op that n is the origin of.
func (a *assembly) op(n *node, o op) {
	a.ops, a.origins = append(a.ops, o), append(a.origins, n)
}

func (a *assembly) unitsOf(parent int, schemas []*v5.Schema) (units set) {
	for _, s := range schemas {
		units |= a.unitOf(unit(parent), s)
	}
	return units
}

// unitOf is the unit of a branch.
func (a *assembly) unitOf(parents set, schema *v5.Schema) set {
	n := a.nodes[schema]
	at, ok := a.byNode[n]
	if !ok {
		if at = len(a.units); at >= maxUnits {
			a.tooMany = true
			return 0
		}
		a.byNode[n] = at
		a.units = append(a.units, nil)
		a.parents = append(a.parents, 0)
		a.fill(at, conjunction{n})
	}
	a.parents[at] |= parents
	return unit(at)
}

// dependent makes an op for a schema that applies if a property is there. Which
// index the property has is settled when names are.
func (a *assembly) dependent(at int, n *node, name string, schema *v5.Schema) {
	a.op(n, op{code: opDependent, unit: unit(at), a: a.unitOf(unit(at), schema), present: a.need(name)})
}

// need is the index of a name that the group must know.
func (a *assembly) need(name string) int {
	for i, known := range a.needed {
		if known == name {
			return i
		}
	}
	a.needed = append(a.needed, name)
	return len(a.needed) - 1
}

// covers adds to units those that apply only if one of units does.
func (a *assembly) covers(units set) set {
	for grown := set(0); grown != units; {
		grown = units
		for i, parents := range a.parents {
			if i >= bits.OnesCount64(uint64(a.group.roots)) && parents != 0 && parents&^units == 0 {
				units |= unit(i)
			}
		}
	}
	return units
}

// applicable are the units that may apply, as one behind a "not" never does.
func (a *assembly) applicable() set {
	units := a.group.roots
	for grown := set(0); grown != units; {
		grown = units
		for i, parents := range a.parents {
			if parents&units != 0 {
				units |= unit(i)
			}
		}
	}
	return units
}
