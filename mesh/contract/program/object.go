package program

// object validates the object that begins at pos: see value. If there is a step,
// it is rewritten, too.
func (r *run) object(g *group, s *Step, must bool) set {
	start := r.pos
	if r.depth++; r.depth > r.maxDepth {
		return dead
	}
	r.doubt = r.doubt || g.doubt
	m := g.object
	fail := g.failing(kindObject)
	busy := g.busy>>kindObject&1 != 0
	if m == nil && s != nil {
		m = anything.object
	}
	if m == nil {
		if !r.skipObject() {
			return dead
		}
		if busy {
			fail = r.settle(g, kindObject, start, fail)
		}
	} else {
		clauses, pending := len(r.clauses), len(r.pending)
		var few [4]uint64
		seen := few[:]
		if m.words > len(few) {
			seen = make([]uint64, m.words)
		}
		if s == nil {
			fail = r.members(g, m, must, fail, seen)
		} else {
			fail = r.rewriteMembers(g, m, s, must, fail, seen)
		}
		if fail == dead {
			return dead
		}
		if busy {
			if len(g.opaque) > 0 {
				fail = r.ask(g, kindObject, start, fail)
			}
			fail = resolve(g.ops[kindObject], fail, seen, r.pending[pending:])
			r.settled, r.units = g, fail
		}
		r.pending = r.pending[:pending]
		if len(r.clauses) > clauses && !r.lift(g, kindObject, clauses, fail, seen, must) {
			return dead
		}
	}
	r.depth--
	if fail &= g.roots; fail != 0 && must {
		return dead
	}
	return fail
}

// members goes through an object's members and returns the units that fail.
func (r *run) members(g *group, m *members, must bool, fail set, seen []uint64) set {
	r.pos++
	n, first, before := 0, len(r.clauses), len(m.order)-1
	if r.next() == '}' {
		r.pos++
		return m.check(fail, seen, n)
	}
	o := r.names.open()
	for {
		var to *link
		var text []byte
		if r.pos < len(r.data) && r.data[r.pos] <= ' ' {
			r.next()
		}
		known := r.foretold(m, before)
		if known < 0 {
			if known = r.shortName(m.names); known < 0 {
				var ok bool
				if text, ok = r.name(); !ok {
					return dead
				}
				if m.names != nil {
					known = m.names.find(text)
				}
			}
			if known >= 0 {
				m.learn(before, known)
			}
		}
		if known >= 0 {
			before = known
			word, bit := known>>6, uint64(1)<<(known&63)
			if seen[word]&bit != 0 {
				return dead
			}
			seen[word] |= bit
			to = &m.names.entries[known]
		} else {
			if !r.names.add(&o, text) {
				return dead
			}
			to = m.match(text)
			if m.text != nil {
				fail |= raise(r.checkName(m.text, text), m.textOf)
			}
		}
		n++
		if to.more != nil {
			fail |= to.more.fail
			r.pending = append(r.pending, to.more.pending...)
			if to.more.conditional && !r.undeclared(g, m, to.more, first, fail, must) {
				return dead
			}
		}
		if fail = r.inside(to, must, fail); fail&dead != 0 {
			return dead
		}
		if must && fail&g.roots != 0 {
			return dead
		}
		switch r.next() {
		case ',':
			r.pos++
		case '}':
			r.pos++
			r.names.close(o)
			return m.check(fail, seen, n)
		default:
			return dead
		}
	}
}

// inside validates the value at pos, inside of another one, and returns the
// units of that one that fail.
func (r *run) inside(l *link, must bool, fail set) set {
	if l.all&^fail == 0 { // nobody is interested any more
		if !r.skip() {
			return dead
		}
		return fail
	}
	clauses := len(r.clauses)
	return r.raised(l, r.value(l.to, must && l.fatal), clauses, fail)
}

// within is inside, and does a step with the value, which is of kind k.
func (r *run) within(l *link, p *Plan, s *Step, k Kind, must bool, fail set) set {
	if l.all&^fail == 0 {
		if r.take(nil, p, s, k, false) != 0 {
			return dead
		}
		return fail
	}
	clauses := len(r.clauses)
	return r.raised(l, r.take(l.to, p, s, k, must && l.fatal), clauses, fail)
}

// raised are the units that fail around a value of which some roots failed, and
// that added clauses.
func (r *run) raised(l *link, failed set, clauses int, fail set) set {
	if failed&dead != 0 {
		return dead
	}
	if failed != 0 {
		fail |= l.raise(failed)
	}
	if len(r.clauses) > clauses {
		r.raiseClauses(clauses, l)
	}
	return fail
}

// raise turns the roots of a group into the units around that they belong to.
func raise(roots set, owners []set) (units set) {
	for i, o := range owners {
		if roots>>i&1 != 0 {
			units |= o
		}
	}
	return units
}

// match is what leads to the member with a name that isn't known.
func (m *members) match(text []byte) *link {
	matching := 0
	for i, p := range m.patterns {
		if p.Match(text) {
			matching |= 1 << i
		}
	}
	return &m.rest[matching]
}

// check makes the checks that need to know all names.
func (m *members) check(fail set, seen []uint64, n int) set {
	for i := range m.required {
		if p := &m.required[i]; seen[p.word]&p.mask != p.mask {
			fail |= p.unit
		}
	}
	for i := range m.counts {
		fail |= m.counts[i].check(n)
	}
	for _, d := range m.dependent {
		if seen[d.when>>6]>>(d.when&63)&1 != 0 && seen[d.then>>6]>>(d.then&63)&1 == 0 {
			fail |= d.unit
		}
	}
	return fail
}

// check is the count's unit if n is out of bounds.
func (c *count) check(n int) set {
	if n < c.min || c.max >= 0 && n > c.max {
		return c.unit
	}
	return 0
}
