package program

import (
	"cmp"
	"maps"
	"regexp"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/mask/automaton"
)

// gathering collects the schemas that apply inside of a value with the units
// that each of them belongs to.
type gathering struct {
	*assembly
	owners map[*node]set
}

func (a *assembly) gather() *gathering { return &gathering{a, map[*node]set{}} }

func (g *gathering) add(s *v5.Schema, owner set) {
	if n := g.nodes[s].twin; !n.trivial {
		g.owners[n] |= owner
	}
}

// link leads to the group of what was gathered: those that belong to the same
// units make one root. Roots for schemas that are looked for come last.
// The owners of all roots are returned, too.
func (g *gathering) link(fail set, wanted []*node) (l link, owners []set) {
	byOwners := map[set][]*node{}
	for n, owners := range g.owners {
		byOwners[owners] = append(byOwners[owners], n)
	}
	l = link{fatal: true, next: -1}
	if fail != 0 {
		l.extra().fail = fail
	}
	var roots []conjunction
	for _, units := range slices.SortedFunc(maps.Keys(byOwners), cmp.Compare[set]) {
		roots = append(roots, g.significant(byOwners[units]))
		owners = append(owners, units)
		l.all |= units
		l.fatal = l.fatal && units&g.group.roots != 0
	}
	for _, n := range wanted {
		roots = append(roots, conjunction{n})
		owners = append(owners, 0)
		l.fatal = false
	}
	if len(roots) > maxUnits {
		// More than one unit owns each; v5 judges the units themselves.
		g.hand(l.all)
		return l, nil
	}
	if len(roots) > 1 {
		l.extra().owners = owners
	}
	l.to = g.groupOf(roots, len(wanted) == 0)
	return l, owners
}

// extra is more, made where there is none yet.
func (l *link) extra() *more {
	if l.more == nil {
		l.more = &more{}
	}
	return l.more
}

// hand leaves units to v5 because their values have too many roots.
func (g *gathering) hand(units set) {
	for i, u := range g.units {
		if units&^g.handed&unit(i) == 0 {
			continue
		}
		for _, n := range u.nodes {
			n.why = "too many subschemas apply to one place"
			g.group.opaque = append(g.group.opaque, opaque{unit: unit(i), kinds: 1<<kinds - 1, schema: n.schema})
		}
	}
	g.handed |= units
	g.group.doubt = g.group.doubt || !g.open
}

func (a *assembly) finishObject() {
	g := a.group
	m := &members{}
	known, patterns := a.names()
	if len(known) > maxNames || len(patterns) > maxPatterns {
		a.gather().hand(1<<len(a.units) - 1)
		known, patterns = nil, nil
		a.units, a.seals, g.ops[kindObject] = nil, nil, nil
	}
	index := map[string]int{}
	for i, name := range known {
		index[name] = i
	}
	m.words = (len(known) + 63) / 64
	for i, u := range a.units {
		if g.fail[kindObject]&unit(i) == 0 {
			a.finishMembers(m, i, u, index)
		}
	}
	if len(known) > 0 {
		m.names = newTable(known)
		m.order = newOrder(m.names)
	}
	for i, name := range known {
		a.memberNamed(m, name).into(&m.names.entries[i])
	}
	m.patterns = patterns
	for matching := range 1 << len(patterns) {
		m.rest = append(m.rest, a.memberMatching(m, patterns, matching))
	}
	a.finishPropertyNames(m)
	free := len(known)+len(patterns)+len(m.counts) == 0 && m.rest[0].to == nil && m.rest[0].more == nil && m.text == nil
	if !free {
		g.object = m
	}
}

// names are the names and patterns that the group must know, those with an
// index of their own first.
func (a *assembly) names() (known []string, patterns []*automaton.Pattern) {
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			known = append(known, name)
		}
	}
	for _, name := range a.needed {
		add(name)
	}
	for i, u := range a.units {
		if a.group.fail[kindObject]&unit(i) != 0 {
			continue
		}
		for _, n := range u.nodes {
			s := n.schema
			for _, name := range slices.Concat(sorted(s.Properties), s.Required, sorted(s.Dependencies), sorted(s.DependentRequired)) {
				add(name)
			}
			for _, name := range sorted(s.Dependencies) {
				if others, ok := s.Dependencies[name].([]string); ok {
					for _, other := range others {
						add(other)
					}
				}
			}
			for _, others := range s.DependentRequired {
				for _, other := range slices.Sorted(slices.Values(others)) {
					add(other)
				}
			}
			for expr := range s.PatternProperties {
				if !slices.ContainsFunc(patterns, func(p *automaton.Pattern) bool { return p.Expr().String() == expr.String() }) {
					patterns = append(patterns, automaton.Shared(expr))
				}
			}
		}
	}
	slices.SortFunc(patterns, func(a, b *automaton.Pattern) int { return cmp.Compare(a.Expr().String(), b.Expr().String()) })
	return known, patterns
}

// finishMembers makes one unit's checks of objects.
func (a *assembly) finishMembers(m *members, i int, u *unitParts, index map[string]int) {
	for _, n := range u.nodes {
		s := n.schema
		if s.MinProperties != -1 || s.MaxProperties != -1 {
			m.counts = append(m.counts, count{unit(i), s.MinProperties, s.MaxProperties})
		}
		masks := make([]uint64, m.words)
		for _, name := range s.Required {
			masks[index[name]/64] |= 1 << (index[name] % 64)
		}
		for word, mask := range masks {
			if mask != 0 {
				m.required = append(m.required, presence{unit(i), word, mask})
			}
		}
		depend := func(name string, others []string) {
			for _, other := range others {
				m.dependent = append(m.dependent, dependence{unit(i), index[name], index[other]})
			}
		}
		for _, name := range sorted(s.Dependencies) {
			if others, ok := s.Dependencies[name].([]string); ok {
				depend(name, others)
			}
		}
		for _, name := range sorted(s.DependentRequired) {
			depend(name, s.DependentRequired[name])
		}
		if !a.open && a.applicable()&unit(i) != 0 && len(s.Properties)+len(s.PatternProperties) > 0 {
			m.closers |= unit(i)
		}
	}
}

// into puts what l leads to into a table's entry.
func (l link) into(e *link) {
	e.to, e.all, e.fatal = l.to, l.all, l.fatal
	if e.more != nil { // a long name
		name := e.more.name
		l.extra().name = name
	}
	e.more = l.more
}

// memberNamed is what leads to the member with a name.
func (a *assembly) memberNamed(m *members, name string) link {
	match := func(p *regexp.Regexp) bool { return p.MatchString(name) }
	return a.member(m, name, true, match)
}

// memberMatching is what leads to the member with a name that isn't known and
// that the given patterns match.
func (a *assembly) memberMatching(m *members, patterns []*automaton.Pattern, matching int) link {
	match := func(p *regexp.Regexp) bool {
		i := slices.IndexFunc(patterns, func(known *automaton.Pattern) bool { return known.Expr().String() == p.String() })
		return i >= 0 && matching>>i&1 != 0
	}
	return a.member(m, "", false, match)
}

func (a *assembly) member(m *members, name string, isKnown bool, match func(*regexp.Regexp) bool) link {
	gathered := a.gather()
	var admit set
	var pending []unevaluated
	var fail set
	for i, u := range a.units {
		if a.group.fail[kindObject]&unit(i) != 0 {
			continue
		}
		if len(u.opaque) > 0 {
			admit |= unit(i) // nobody knows
		}
		for _, n := range u.nodes {
			s := n.schema
			declared := false
			if sub, ok := s.Properties[name]; ok && isKnown {
				declared = true
				gathered.add(sub, unit(i))
			}
			for expr, sub := range s.PatternProperties {
				if match(expr) {
					declared = true
					gathered.add(sub, unit(i))
				}
			}
			if !declared {
				switch additional := s.AdditionalProperties.(type) {
				case *v5.Schema:
					declared = true
					gathered.add(additional, unit(i))
				case bool:
					declared = additional
					if !additional {
						fail |= unit(i)
					}
				}
			}
			if declared || s.UnevaluatedProperties != nil && !n.sealed {
				admit |= unit(i)
			}
			if isKnown && s.PropertyNames != nil && s.PropertyNames.Validate(name) != nil {
				fail |= unit(i)
			}
		}
	}
	for i, s := range a.seals {
		evaluated, by := a.evaluates(s, name, isKnown, match)
		switch {
		case evaluated || a.group.fail[kindObject]&unit(s.unit) != 0:
		case by == 0:
			fail |= unit(s.unit)
		default:
			pending = append(pending, unevaluated{i, by})
		}
	}
	l, _ := gathered.link(fail, nil)
	if pending != nil {
		l.extra().pending = pending
	}
	if admit = a.covers(admit); m.closers&^admit != 0 {
		l.extra().admit, l.extra().conditional = admit, true
	}
	return l
}

// evaluates tells whether a seal's schema evaluates a name in any case, and
// which units evaluate it if they apply.
func (a *assembly) evaluates(s seal, name string, isKnown bool, match func(*regexp.Regexp) bool) (always bool, by set) {
	evaluated := func(n *node) bool {
		if n.schema.AdditionalProperties != nil || n.schema.UnevaluatedProperties != nil && n != s.node {
			return true
		}
		if _, ok := n.schema.Properties[name]; ok && isKnown {
			return true
		}
		for expr := range n.schema.PatternProperties {
			if match(expr) {
				return true
			}
		}
		return false
	}
	for n := range s.always {
		if evaluated(n) {
			return true, 0
		}
	}
	for i, u := range a.units {
		if i != s.unit && slices.ContainsFunc(u.nodes, evaluated) {
			by |= unit(i)
		}
	}
	return false, by
}

// finishPropertyNames makes the group that names which aren't known must satisfy.
func (a *assembly) finishPropertyNames(m *members) {
	gathered := a.gather()
	for i, u := range a.units {
		if a.group.fail[kindObject]&unit(i) != 0 {
			continue
		}
		for _, n := range u.nodes {
			if n.schema.PropertyNames != nil {
				gathered.add(n.schema.PropertyNames, unit(i))
			}
		}
	}
	l, owners := gathered.link(0, nil)
	m.text, m.textOf = l.to, owners
}
