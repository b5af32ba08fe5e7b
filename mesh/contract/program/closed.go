package program

// clause says: if one of the units in closers applies, one of those in admit
// must, or there is an undeclared property. It is about the group that is being
// worked on, and is carried outwards until it is decided.
type clause struct{ closers, admit set }

// undeclared handles a name that not everybody who closes the place admits. The
// clauses from first on are about g: those before it are about groups around,
// and say something else even where they are the same bits. It reports false if
// the name is undeclared for certain.
func (r *run) undeclared(g *group, m *members, to *more, first int, fail set, must bool) bool {
	c := clause{m.closers &^ fail, to.admit &^ fail}
	switch {
	case c.closers&^c.admit == 0:
		return true
	case must && c.admit == 0 && c.closers&g.roots != 0:
		return r.doubt
	}
	if n := len(r.clauses); n == first || r.clauses[n-1] != c {
		r.clauses = append(r.clauses, c)
	}
	return true
}

// raiseClauses makes the clauses from first on, about the roots of a group,
// clauses about the units around.
func (r *run) raiseClauses(first int, l *link) {
	kept := r.clauses[:first]
	for _, c := range r.clauses[first:] {
		raised := clause{l.raise(c.closers), l.raise(c.admit)}
		if raised.closers&^raised.admit != 0 {
			kept = append(kept, raised)
		}
	}
	r.clauses = kept
}

// lift makes the clauses from first on, about all units of a group whose value
// is at its end, clauses about its roots. It reports false if one is violated
// for certain.
func (r *run) lift(g *group, k kind, first int, fail set, seen []uint64, must bool) bool {
	var by [maxUnits]set // the roots by which each unit applies
	for i := range by {
		if g.roots&^fail&unit(i) != 0 {
			by[i] = unit(i)
		}
	}
	var ops []op
	if g.uncommon != nil {
		ops = g.ops[k]
	}
	for i := len(ops) - 1; i >= 0; i-- { // a unit's own ops come behind those that need it
		o := &ops[i]
		if roots := raise(o.unit, by[:]); roots != 0 {
			applied := o.applied(fail, seen)
			for j := range by {
				if applied&unit(j) != 0 {
					by[j] |= roots
				}
			}
		}
	}
	kept := r.clauses[:first]
	for _, c := range r.clauses[first:] {
		lifted := clause{raise(c.closers, by[:]), raise(c.admit, by[:])}
		switch {
		case lifted.closers&^lifted.admit == 0:
		case !must:
			kept = append(kept, lifted)
		case lifted.admit == 0 && !r.doubt:
			return false
		}
	}
	r.clauses = kept
	return true
}
