package program

// array validates the array that begins at pos: see value. If there is a step,
// it is rewritten, too.
func (r *run) array(g *group, s *Step, must bool) set {
	start := r.pos
	if r.depth++; r.depth > r.maxDepth {
		return dead
	}
	r.doubt = r.doubt || g.doubt
	fail := g.failing(kindArray)
	clauses := len(r.clauses)
	a := g.array
	if a == nil && s != nil {
		a = anything.array
	}
	switch {
	case a == nil:
		if !r.skipArray() {
			return dead
		}
	case s == nil:
		fail = r.elements(g, a, must, fail, start)
	default:
		fail = r.rewriteElements(g, a, s, must, fail, start)
	}
	if fail&dead != 0 {
		return dead
	}
	if g.busy>>kindArray&1 != 0 {
		fail = r.settle(g, kindArray, start, fail)
	}
	if len(r.clauses) > clauses && !r.lift(g, kindArray, clauses, fail, nil, must) {
		return dead
	}
	r.depth--
	if fail &= g.roots; fail != 0 && must {
		return dead
	}
	return fail
}

// elements goes through an array's items and returns the units that fail.
func (r *run) elements(g *group, a *items, must bool, fail set, start int) set {
	r.pos++
	n := 0
	var few [4]int
	counts := few[:]
	if len(a.contains) > len(few) {
		counts = make([]int, len(a.contains))
	}
	first := len(r.items)
	if r.next() == ']' {
		r.pos++
		return a.check(fail, counts, n)
	}
	for {
		to := &a.rest
		if n < len(a.tuple) {
			to = &a.tuple[n]
		}
		n++
		if to.more != nil {
			fail |= to.more.fail
		}
		r.next()
		at := r.pos
		if to.found != nil {
			fail = r.counted(to, nil, a, counts, fail)
		} else {
			fail = r.inside(&to.link, must, fail)
		}
		if fail&dead != 0 || must && fail&g.roots != 0 {
			return dead
		}
		if a.unique&^fail != 0 {
			r.items = append(r.items, span{at, r.pos})
		}
		switch r.next() {
		case ',':
			r.pos++
		case ']':
			r.pos++
			if a.unique&^fail != 0 && !r.unique(first, start) {
				fail |= a.unique
			}
			r.items = r.items[:first]
			return a.check(fail, counts, n)
		default:
			return dead
		}
	}
}

// counted validates an item in an array of which some must contain something.
func (r *run) counted(to *item, p *Plan, a *items, counts []int, fail set) set {
	clauses := len(r.clauses)
	var failed set
	if p == nil {
		failed = r.value(to.to, false)
	} else {
		failed = r.rewrite(to.to, p, false)
	}
	if failed&dead != 0 {
		return dead
	}
	for i := range a.contains {
		if failed&to.found[i] == 0 {
			counts[i]++
		}
	}
	if failed != 0 {
		fail |= to.raise(failed)
	}
	if len(r.clauses) > clauses {
		// An item that counts has what is looked for applied to it.
		r.raiseCounted(clauses, to, a)
	}
	return fail
}

// raiseCounted is raiseClauses for such an item. Roots that failed are in no
// clause any more.
func (r *run) raiseCounted(first int, to *item, a *items) {
	kept := r.clauses[:first]
	for _, c := range r.clauses[first:] {
		raised := clause{to.raise(c.closers), to.raise(c.admit)}
		for i := range a.contains {
			if c.closers&to.found[i] != 0 {
				raised.closers |= a.contains[i].unit
			}
			if c.admit&to.found[i] != 0 {
				raised.admit |= a.contains[i].unit
			}
		}
		if raised.closers&^raised.admit != 0 {
			kept = append(kept, raised)
		}
	}
	r.clauses = kept
}

// check makes the checks that need to know all items.
func (a *items) check(fail set, counts []int, n int) set {
	for i := range a.counts {
		fail |= a.counts[i].check(n)
	}
	for i := range a.contains {
		c := &a.contains[i]
		if c.min >= 0 && counts[i] < c.min || c.max >= 0 && counts[i] > c.max {
			fail |= c.unit
		}
	}
	return fail
}
