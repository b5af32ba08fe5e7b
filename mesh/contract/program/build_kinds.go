package program

import (
	"encoding/json"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/mask/automaton"
)

// typeNames are the kinds' types.
var typeNames = [kinds]string{"null", "boolean", "boolean", "number", "string", "array", "object"}

// finish gives the group its checks, once its units are known.
func (a *assembly) finish() {
	g := a.group
	for i, u := range a.units {
		a.finishUnit(i, u)
	}
	for k := range g.ops {
		for _, o := range a.ops {
			if (o.code == opDependent || o.code == opSealed) && kind(k) != kindObject || g.fail[k]&o.unit != 0 {
				continue
			}
			g.ops[k] = append(g.ops[k], o)
			g.busy |= 1 << k
		}
	}
	for n, at := range a.byNode {
		g.branches = append(g.branches, branch{n.schema.Location, unit(at)})
		g.branching |= unit(at)
	}
	a.finishArray()
	a.finishObject()
	for _, o := range g.opaque {
		g.busy |= o.kinds
	}
	if g.single = len(a.parents) == 1; g.single {
		for k, fail := range g.fail {
			g.refused |= uint8(fail) << k
		}
		if g.busy == 0 {
			g.uncommon = nil
		}
	}
}

func (a *assembly) finishUnit(i int, u *unitParts) {
	g := a.group
	if u.never {
		a.refuse(i, func(kind) bool { return true })
	}
	for _, n := range u.opaque {
		g.opaque = append(g.opaque, opaque{unit: unit(i), kinds: 1<<kinds - 1, schema: n.schema})
		g.doubt = g.doubt || !a.open
	}
	for _, n := range u.nodes {
		s := n.schema
		if len(s.Types) > 0 {
			a.refuse(i, func(k kind) bool {
				return !slices.Contains(s.Types, typeNames[k]) && (k != kindNumber || !slices.Contains(s.Types, "integer"))
			})
			if slices.Contains(s.Types, "integer") && !slices.Contains(s.Types, "number") {
				g.integer |= unit(i)
			}
		}
		a.enumerate(i, s.Constant, func(probe *v5.Schema) { probe.Constant = s.Constant })
		a.enumerate(i, s.Enum, func(probe *v5.Schema) { probe.Enum = s.Enum })
		a.finishNumber(i, s)
		a.finishString(i, n)
	}
}

// refuse lets a unit fail for kinds.
func (a *assembly) refuse(i int, refused func(kind) bool) {
	for k := range a.group.fail {
		if refused(kind(k)) {
			a.group.fail[k] |= unit(i)
		}
	}
}

// enumerate checks that a value is one of several.
func (a *assembly) enumerate(i int, values []any, fill func(probe *v5.Schema)) {
	if len(values) == 0 {
		return
	}
	var has [kinds]bool
	var texts []string
	numbers := []decimal{}
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			has[kindNull] = true
		case bool:
			if v {
				has[kindTrue] = true
			} else {
				has[kindFalse] = true
			}
		case json.Number:
			has[kindNumber] = true
			d, _ := parseDecimal(v.String())
			numbers = append(numbers, d)
		case string:
			has[kindString] = true
			if !slices.Contains(texts, v) {
				texts = append(texts, v)
			}
		case []any:
			has[kindArray] = true
		case map[string]any:
			has[kindObject] = true
		}
	}
	a.refuse(i, func(k kind) bool { return !has[k] })
	if has[kindNumber] {
		a.group.number = append(a.group.number, numeric{unit: unit(i), enum: numbers})
	}
	if has[kindString] {
		a.group.text = append(a.group.text, textual{unit: unit(i), min: -1, max: -1, enum: newTable(texts), needs: true})
	}
	if has[kindArray] || has[kindObject] {
		probe := blank()
		fill(probe)
		a.group.opaque = append(a.group.opaque, opaque{unit: unit(i), kinds: 1<<kindArray | 1<<kindObject, schema: probe})
	}
}

// blank is a schema that admits everything.
func blank() *v5.Schema {
	return &v5.Schema{
		MinProperties: -1, MaxProperties: -1, MinItems: -1, MaxItems: -1, MinContains: 1, MaxContains: -1,
		MinLength: -1, MaxLength: -1,
	}
}

func (a *assembly) finishNumber(i int, s *v5.Schema) {
	if len(numbersOf(s)) == 0 {
		return
	}
	check := numeric{unit: unit(i)}
	if s.Minimum != nil {
		check.min = bound(s.Minimum)
	}
	if s.ExclusiveMinimum != nil {
		check.above = bound(s.ExclusiveMinimum)
	}
	if s.Maximum != nil {
		check.max = bound(s.Maximum)
	}
	if s.ExclusiveMaximum != nil {
		check.below = bound(s.ExclusiveMaximum)
	}
	if s.MultipleOf != nil {
		check.of = bound(s.MultipleOf)
	}
	a.group.number = append(a.group.number, check)
}

func (a *assembly) finishString(i int, n *node) {
	s := n.schema
	if s.MinLength != -1 || s.MaxLength != -1 || s.Pattern != nil || n.format != nil {
		check := textual{unit: unit(i), min: s.MinLength, max: s.MaxLength, format: n.format}
		if s.Pattern != nil {
			check.pattern = automaton.Shared(s.Pattern)
		}
		check.needs = check.pattern != nil || check.format != nil
		a.group.text = append(a.group.text, check)
	}
	if n.content {
		probe := *s // with the fields that only v5 can set
		always := blank()
		probe.Types, probe.Constant, probe.Enum, probe.Format = nil, nil, nil, ""
		probe.Not, probe.AllOf, probe.AnyOf, probe.OneOf, probe.If, probe.Then, probe.Else = nil, nil, nil, nil, nil, nil, nil
		probe.Ref, probe.RecursiveRef, probe.DynamicRef = nil, nil, nil
		probe.MinLength, probe.MaxLength, probe.Pattern = always.MinLength, always.MaxLength, nil
		a.group.opaque = append(a.group.opaque, opaque{unit: unit(i), kinds: 1 << kindString, schema: &probe})
	}
}

func (a *assembly) finishArray() {
	g := a.group
	arr := &items{}
	tuple := 0
	for i, u := range a.units {
		if g.fail[kindArray]&unit(i) != 0 {
			continue
		}
		for _, n := range u.nodes {
			s := n.schema
			if s.MinItems != -1 || s.MaxItems != -1 {
				arr.counts = append(arr.counts, count{unit(i), s.MinItems, s.MaxItems})
			}
			if s.UniqueItems {
				arr.unique |= unit(i)
			}
			if s.Contains != nil && (s.MinContains != -1 || s.MaxContains != -1) {
				arr.contains = append(arr.contains, contains{unit(i), s.MinContains, s.MaxContains})
			}
			list, _ := s.Items.([]*v5.Schema)
			tuple = max(tuple, len(list), len(s.PrefixItems))
		}
	}
	for at := range tuple {
		arr.tuple = append(arr.tuple, a.itemAt(at))
	}
	arr.rest = a.itemAt(tuple)
	free := arr.rest.to == nil && arr.rest.more == nil && len(arr.counts)+len(arr.contains)+tuple == 0 && arr.unique == 0
	if !free {
		g.array = arr
	}
}

// itemAt is what leads to the item at an index.
func (a *assembly) itemAt(at int) item {
	var it item
	var fail set
	gathered := a.gather()
	var wanted []*node
	var seekers set
	for i, u := range a.units {
		if a.group.fail[kindArray]&unit(i) != 0 {
			continue
		}
		for _, n := range u.nodes {
			s := n.schema
			switch items := s.Items.(type) {
			case *v5.Schema:
				gathered.add(items, unit(i))
			case []*v5.Schema:
				if at < len(items) {
					gathered.add(items[at], unit(i))
				} else if more, ok := s.AdditionalItems.(*v5.Schema); ok {
					gathered.add(more, unit(i))
				} else if more, ok := s.AdditionalItems.(bool); ok && !more {
					fail |= unit(i)
				}
			}
			if at < len(s.PrefixItems) {
				gathered.add(s.PrefixItems[at], unit(i))
			} else if s.Items2020 != nil {
				gathered.add(s.Items2020, unit(i))
			}
			if s.Contains != nil && (s.MinContains != -1 || s.MaxContains != -1) {
				wanted = append(wanted, a.nodes[s.Contains])
				seekers |= unit(i)
			}
		}
	}
	l, owners := gathered.link(fail, wanted)
	it.link = l
	if it.all |= seekers; len(wanted) > 0 {
		it.extra().owners = owners
	}
	for i := range wanted {
		it.found = append(it.found, unit(len(owners)-len(wanted)+i))
	}
	return it
}
