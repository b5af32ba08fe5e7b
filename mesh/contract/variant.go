package contract

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// variant is one way in which subschemas may apply to values of a kind at a
// place, without regard to what the values are.
type variant struct {
	kind      program.Kind
	spot      *spot
	when      map[*mask.When]mask.Class
	condition string
}

// of are the variants at p; what was left out is noted under the pointer.
func (s *survey) of(p *place, pointer string) []variant {
	if known, ok := s.variants[p]; ok {
		return known
	}
	var all []variant
	kinds := []program.Kind{program.Object, program.Array, program.String, program.Number, program.Bool}
	if p.text {
		kinds = []program.Kind{program.String}
	}
	for _, kind := range kinds {
		for o := (odometer{}); ; {
			o.at = 0
			if v, ok := s.vary(p, kind, &o); ok {
				all = append(all, v)
			}
			if !o.next() {
				break
			}
			if o.turns >= maxVariants {
				s.partial[pointer] = true
				break
			}
		}
	}
	s.variants[p] = all
	return all
}

// odometer goes through all combinations of choices, whose number depends on
// those before them.
type odometer struct {
	picks, sizes []int
	at, turns    int
}

// pick is the choice among n.
func (o *odometer) pick(n int) int {
	if o.at == len(o.picks) {
		o.picks, o.sizes = append(o.picks, 0), append(o.sizes, n)
	}
	o.at++
	return o.picks[o.at-1]
}

// next goes on to the next combination; false if that was the last one.
func (o *odometer) next() bool {
	o.turns++
	for i := o.at - 1; i >= 0; i-- {
		if o.picks[i]++; o.picks[i] < o.sizes[i] {
			o.picks, o.sizes = o.picks[:i+1], o.sizes[:i+1]
			return true
		}
	}
	return false
}

// variation follows the subschemas that apply in one variant.
type variation struct {
	expansion
	odometer   *odometer
	decided    map[any]bool // by what a branch depends on
	impossible bool
}

// vary is the variant that the odometer picks; false if no value is such.
func (s *survey) vary(p *place, kind program.Kind, o *odometer) (variant, bool) {
	x := variation{expansion: expansion{kind: kindNames[kind]}, odometer: o, decided: map[any]bool{}}
	for _, n := range p.roots {
		x.apply(n)
	}
	for _, n := range p.maybe {
		if x.decide(n, n) {
			x.apply(n)
		}
	}
	if x.impossible {
		return variant{}, false
	}
	v := variant{kind: kind}
	var conditions []string
	for _, mark := range s.walker.whens(p, x.refs) {
		if v.when == nil {
			v.when = map[*mask.When]mask.Class{}
		}
		among := strings.Join(mark.When.In, ", ")
		if o.pick(2) == 0 {
			v.when[mark.When] = mark.Class
			conditions = append(conditions, fmt.Sprintf("%s is %s", mark.When.At, among))
		} else {
			v.when[mark.When] = mark.Else
			conditions = append(conditions, fmt.Sprintf("%s is not %s", mark.When.At, among))
		}
	}
	v.condition = strings.Join(conditions, ", and ")
	x.when = v.when
	v.spot = s.walker.newSpot(p, &x.expansion)
	return v, true
}

func (x *variation) apply(n *node) {
	if x.impossible || slices.Contains(x.nodes, n) {
		return
	}
	if refutedFor(n, x.kind, 0) {
		x.impossible = true
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
		x.choose(c)
	}
	for _, b := range n.branches {
		next := b.otherwise
		if x.takes(b) {
			next = b.then
		}
		if next != nil {
			x.apply(next)
		}
	}
	if n.unevaluated != nil || n.unevaluatedItems != nil {
		if x.reach == nil {
			x.reach = map[*node][]*node{}
		}
		x.reach[n] = slices.Clone(x.nodes[min(first, len(x.nodes)):])
	}
}

// choose applies one of the alternatives that are for the kind, or all of them
// where more than one may hold.
func (x *variation) choose(c choice) {
	var open []*node
	for _, n := range c.alternatives {
		if !refutedFor(n, x.kind, maxRefuted) {
			open = append(open, n)
		}
	}
	if len(open) == 0 {
		x.impossible = true
		return
	}
	ways := len(open)
	if !c.one && ways > 1 {
		ways++
	}
	pick := 0
	if ways > 1 {
		pick = x.odometer.pick(ways)
	}
	if pick < len(open) {
		x.apply(open[pick])
		return
	}
	for _, n := range open {
		x.apply(n)
	}
}

// takes decides a branch, the same way for all that depend on one condition.
func (x *variation) takes(b branch) bool {
	if b.when != nil {
		return x.decide(b.when, b.when)
	}
	return x.kind == kindNames[program.Object] && x.decide(b.name, nil)
}

// decide picks whether a condition holds; n is what it says of the value, if it
// is a schema.
func (x *variation) decide(condition any, n *node) bool {
	if n != nil && refutedFor(n, x.kind, maxRefuted) {
		return false
	}
	holds, known := x.decided[condition]
	if !known {
		holds = x.odometer.pick(2) == 0
		x.decided[condition] = holds
	}
	return holds
}
