package contract

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// surroundings are what stands around a value: conditions of the overlay look
// at it.
type surroundings struct {
	document any
	object   map[string]any  // the nearest object around the value
	effort   *program.Effort // what finding out which schemas hold may cost
}

// spot finds out which subschemas apply to value at p.
func (w *walker) spot(p *place, value any, in surroundings) *spot {
	if s := p.static.Load(); s != nil {
		return s
	}
	x := expansion{value: value, effort: in.effort}
	for _, n := range p.roots {
		x.apply(n)
	}
	for _, n := range p.maybe {
		if x.decide(x.holds(n)) {
			x.apply(n)
		}
	}
	w.conditions(p, &x, in)
	return w.settled(p, &x)
}

// settled is the place's spot for what an expansion has found out.
func (w *walker) settled(p *place, x *expansion) *spot {
	if len(x.decisions) == 0 {
		s := w.newSpot(p, x)
		if !p.static.CompareAndSwap(nil, s) {
			return p.static.Load()
		}
		return s
	}
	if s, ok := p.spots.Load(string(x.decisions)); ok {
		return s.(*spot)
	}
	s := w.newSpot(p, x)
	if p.kept.Load() >= maxSpots {
		return s
	}
	known, loaded := p.spots.LoadOrStore(string(x.decisions), s)
	if !loaded {
		p.kept.Add(1)
	}
	return known.(*spot)
}

// expansion follows the subschemas that apply to one value in place. The
// decisions on the way, in their order, determine the outcome.
type expansion struct {
	value     any
	effort    *program.Effort
	decisions []byte
	nodes     []*node
	refs      []string
	reach     map[*node][]*node
	when      map[*mask.When]mask.Class // the classes that marks with conditions give

	// recorded, if it isn't empty, are the decisions of another expansion, which are
	// made again.
	recorded string

	// Instead of one value, all of a kind can be looked at, as a type's name.
	kind       string
	unforeseen bool // they differ
	// verdict, if it isn't nil, narrows that down to those for which the schemas
	// hold of which it says so.
	verdict func(*v5.Schema) (holds, known bool)
}

func (x *expansion) apply(n *node) {
	if slices.Contains(x.nodes, n) {
		return
	}
	x.nodes = append(x.nodes, n)
	first := len(x.nodes)
	for _, e := range n.always {
		if e.ref != "" && !slices.Contains(x.refs, e.ref) {
			x.refs = append(x.refs, e.ref)
		}
		x.apply(e.to)
	}
	for _, c := range n.choices {
		x.alternatives(c)
	}
	for _, b := range n.branches {
		if next := x.choose(b); next != nil {
			x.apply(next)
		}
	}
	if n.unevaluated != nil || n.unevaluatedItems != nil {
		if x.reach == nil {
			x.reach = map[*node][]*node{}
		}
		// What n applies in place is what came after it; a schema that came
		// before n for another reason and is applied by n too is missed here,
		// and then at worst the class of "unevaluated…" counts in addition.
		x.reach[n] = slices.Clone(x.nodes[first:])
	}
}

// alternatives applies those of a choice that hold. The value is valid, so if
// all but one are refuted, that one holds, and there is no need to ask the
// library: this keeps what is nested deeply from being validated again and again.
func (x *expansion) alternatives(c choice) {
	if x.kind != "" {
		x.foreseeAlternatives(c)
		return
	}
	var open []*node
	for _, n := range c.alternatives {
		if !refuted(n, x.value, maxRefuted) {
			open = append(open, n)
		}
	}
	found := false
	for _, n := range c.alternatives {
		applies := slices.Contains(open, n)
		if applies && len(open) > 1 {
			applies = !(c.one && found) && x.effort.Valid(n.schema, x.value)
		}
		if x.decide(applies) {
			found = true
			x.apply(n)
		}
	}
}

// choose is the node that a branch applies to the value, if any.
func (x *expansion) choose(b branch) *node {
	if x.kind != "" {
		if b.when != nil {
			if x.foresee(b.when) {
				return b.then
			}
		} else {
			x.unforeseen = x.unforeseen || x.kind == "object"
			if x.decide(false) {
				return b.then
			}
		}
		return b.otherwise
	}
	var applies bool
	if b.when == nil {
		object, _ := x.value.(map[string]any)
		_, applies = object[b.name]
	} else {
		applies = x.holds(b.when)
	}
	if x.decide(applies) {
		return b.then
	}
	return b.otherwise
}

func (x *expansion) decide(applies bool) bool {
	if n := len(x.decisions); n < len(x.recorded) {
		applies = x.recorded[n] == 1
	}
	if applies {
		x.decisions = append(x.decisions, 1)
	} else {
		x.decisions = append(x.decisions, 0)
	}
	return applies
}

// holds reports whether the value is valid under n.
func (x *expansion) holds(n *node) bool {
	return !refuted(n, x.value, maxRefuted) && x.effort.Valid(n.schema, x.value)
}

// maxRefuted bounds how far refuted follows references.
const maxRefuted = 8

// refuted reports whether it is plain, at little cost, that value is not valid
// under n: by its type, by a constant, by a property that is missing or has
// another value than it must. It says false where that isn't plain.
func refuted(n *node, value any, depth int) bool {
	s := n.schema
	switch {
	case s.Always != nil:
		return !*s.Always
	case len(s.Types) > 0 && !typeAdmitted(s.Types, value),
		len(s.Constant) > 0 && differs(s.Constant[0], value),
		len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(item any) bool { return !differs(item, value) }):
		return true
	}
	if object, ok := value.(map[string]any); ok {
		for _, name := range s.Required {
			if _, has := object[name]; !has {
				return true
			}
		}
		for _, t := range n.telling {
			if member, has := object[t.name]; has && depth > 0 && refuted(t.value, member, depth-1) {
				return true
			}
		}
	}
	return depth > 0 && slices.ContainsFunc(n.always, func(e edge) bool { return refuted(e.to, value, depth-1) })
}

// differs reports whether it is plain that a constant is not the value. Numbers
// and containers may be equal though they look different.
func differs(constant, value any) bool {
	if kind := typeOf(constant); kind != typeOf(value) {
		return true
	}
	switch constant := constant.(type) {
	case string:
		return constant != value
	case bool:
		return constant != value
	}
	return false
}

func typeAdmitted(types []string, value any) bool { return kindAdmitted(types, typeOf(value)) }

func kindAdmitted(types []string, kind string) bool {
	return slices.ContainsFunc(types, func(t string) bool { return t == kind || t == "integer" && kind == "number" })
}

// typeOf is a decoded value's type as JSON Schema calls it.
func typeOf(value any) string {
	switch value.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case json.Number:
		return "number"
	case bool:
		return "boolean"
	}
	return "null"
}

// newSpot draws the conclusions from the subschemas that apply.
func (w *walker) newSpot(p *place, x *expansion) *spot {
	s := &spot{walker: w, place: p, decisions: string(x.decisions), nodes: x.nodes, reach: x.reach, marks: p.marks, undeclared: p.undeclared}
	for _, ref := range x.refs {
		s.marks.definitions = append(slices.Clip(s.marks.definitions), w.overlay.Definition(ref)...)
	}
	var class, keys mask.Class
	for _, n := range s.nodes {
		class = mask.MoreProtective(class, n.class)
		keys = mask.MoreProtective(keys, n.keyClass)
		if n.names != nil {
			keys = mask.MoreProtective(keys, n.names.class)
		}
		s.closed = s.closed || n.closes
		s.enumerated = s.enumerated || n.enumerated
		s.tuple = max(s.tuple, len(n.tuple))
	}
	if marked := s.marks.class(x.when); marked != "" {
		class = marked
	}
	if marked := s.marks.keys(); marked != "" {
		keys = marked
	}
	if s.keys = keys; keys == "" {
		s.keys = mask.MoreProtective(p.aroundKeys, p.named.Keys)
	}
	name := classOf(p.named, x.when)
	if name == "" {
		name = p.namedOut
	}
	if class != "" {
		s.class, s.around = class, class
	} else {
		s.class, s.around, s.namedOut = mask.MoreProtective(p.around, name), p.around, name
	}
	s.content = w.contents(p, s)
	s.shape = sync.OnceValue(func() *mask.Shape {
		shape := newShape(s.nodes)
		shape.Like = cmp.Or(s.marks.pattern(), p.named.Pattern)
		return sharedShape(shape)
	})
	s.required = sync.OnceValue(func() map[string]bool { return requiredNames(s.nodes) })
	return s
}

func requiredNames(nodes []*node) map[string]bool {
	required := map[string]bool{}
	for _, n := range nodes {
		for _, name := range n.schema.Required {
			required[name] = true
		}
	}
	return required
}
