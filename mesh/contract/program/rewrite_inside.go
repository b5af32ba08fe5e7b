package program

import "github.com/go-json-experiment/json/jsontext"

// checkpoint is where the last member or item that is kept ends: in the new
// document, and in the old one.
type checkpoint struct{ out, from, pos int }

func (r *run) checkpoint() checkpoint {
	return checkpoint{len(r.rewriting.out), r.rewriting.from, r.pos}
}

// drop reads over the value that begins at pos, and leaves it and all that
// stands between it and before out of the new document.
func (r *run) drop(before checkpoint, l *link, must bool, fail set) set {
	w := &r.rewriting
	w.out, w.from = w.out[:before.out], before.from
	r.flush(before.pos)
	fail = r.inside(l, must, fail)
	w.from = r.pos
	w.counts.Dropped++
	w.again = true // because of counts, required properties, positions
	return fail
}

// rewriteMembers is members, and writes them as s says.
func (r *run) rewriteMembers(g *group, m *members, s *Step, must bool, fail set, seen []uint64) set {
	r.pos++
	n, kept, first, follows := 0, false, len(r.clauses), len(m.order)-1
	if r.gap() == '}' {
		r.pos++
		return m.check(fail, seen, n)
	}
	before := r.checkpoint()
	o := r.names.open()
	remembered := s.remembered(m)
	for {
		r.gap()
		name := memberName{start: r.pos, plain: true}
		if name.known = r.foretold(m, follows); name.known >= 0 {
			name.end = name.start + 2 + int(m.names.entries[name.known].size)
		} else {
			if name.known = r.shortName(m.names); name.known >= 0 {
				name.end = name.start + 2 + int(m.names.entries[name.known].size)
			} else if !r.memberName(m, &name) {
				return dead
			}
			if name.known >= 0 {
				m.learn(follows, name.known)
			}
		}
		var to *link
		if name.known >= 0 {
			follows = name.known
			word, bit := name.known>>6, uint64(1)<<(name.known&63)
			if seen[word]&bit != 0 {
				return dead
			}
			seen[word] |= bit
			to = &m.names.entries[name.known]
		} else {
			if !r.names.add(&o, name.text) {
				return dead
			}
			to = m.match(name.text)
			if m.text != nil {
				fail |= raise(r.checkName(m.text, name.text), m.textOf)
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
		var step *Step
		if name.known >= 0 && name.plain && r.pos > name.end && r.pos < len(r.data) {
			if step = remembered.steps[name.known].Load(); step != nil && step.Kind != kindOf[r.data[r.pos]] {
				step = nil
			}
		}
		if step != nil {
			if kept = true; r.pos > name.end+1 {
				r.flush(name.end + 1)
				r.rewriting.from = r.pos
			}
			if step.Action == Keep {
				r.rewriting.counts.Passed++
				fail = r.inside(to, must, fail)
			} else {
				fail = r.within(to, nil, step, step.Kind, must, fail)
			}
		} else {
			var member *Member
			if name.known >= 0 {
				member = remembered.members[name.known].Load()
			}
			if member == nil {
				if member = s.member(remembered, &name, r.data); member == nil {
					return dead
				}
			}
			if !(name.plain && member.Name == nil && r.pos == name.end+1) && !r.writeName(&name, member) || r.pos >= len(r.data) {
				return dead
			}
			k := kindOf[r.data[r.pos]]
			if k == kindsOfPlans {
				return dead
			}
			if step = member.Plan.step(k); step.Action == Drop {
				if member.Required {
					return dead
				}
				if member.Name != nil {
					r.rewriting.counts.Masked--
				}
				fail = r.drop(before, to, must, fail)
			} else {
				kept = true
				if name.known >= 0 {
					remembered.note(name.known, member, step, k)
				}
				fail = r.within(to, member.Plan, step, k, must, fail)
			}
		}
		if fail&dead != 0 || must && fail&g.roots != 0 {
			return dead
		}
		before = r.checkpoint()
		switch r.gap() {
		case ',':
			if r.pos++; !kept { // what would stand before it is gone
				r.rewriting.from = r.pos
				before = r.checkpoint()
			}
		case '}':
			r.pos++
			r.names.close(o)
			return m.check(fail, seen, n)
		default:
			return dead
		}
	}
}

// memberName is a member's name.
type memberName struct {
	text       []byte // what it stands for, unless known; stays until the object's names are closed
	known      int    // its index in the group, or -1
	start, end int    // where it is written, with its quotes
	plain      bool   // without anything but ASCII, and without escapes
}

// memberName reads a member's name that is not a short, known one, and goes on to
// its value, unless there is white space before the colon.
func (r *run) memberName(m *members, n *memberName) bool {
	if r.pos >= len(r.data) || r.data[r.pos] != '"' {
		return false
	}
	end, content := scanString(r.data, n.start+1)
	if end < 0 {
		return false
	}
	n.text, n.end, n.plain = r.data[n.start+1:end], end+1, content == plain
	if content == escaped {
		at := len(r.names.bytes)
		r.names.bytes = unescape(r.names.bytes, n.text)
		n.text = r.names.bytes[at:]
	}
	if m.names != nil {
		n.known = m.names.find(n.text)
	}
	if r.pos = n.end; r.pos < len(r.data) && r.data[r.pos] == ':' {
		if r.pos++; r.pos < len(r.data) && r.data[r.pos] <= ' ' {
			r.next()
		}
	}
	return true
}

// writeName writes a member's name, if it doesn't stay as it stands, and goes
// on to the value.
func (r *run) writeName(n *memberName, member *Member) (ok bool) {
	w := &r.rewriting
	if member.Name != nil || !n.plain {
		if n.text == nil {
			n.text = r.data[n.start+1 : n.end-1]
		}
		r.flush(n.start)
		if member.Name == nil {
			var err error
			if w.out, err = jsontext.AppendQuote(w.out, n.text); err != nil {
				return false
			}
		} else {
			if w.out, ok = member.Name(w.out, n.text); !ok {
				return false
			}
			w.counts.Masked++
			w.again = true // it may equal another one, and be admitted by another keyword
		}
		w.from = n.end
	}
	if r.pos > n.end { // the colon has been read
		if r.pos > n.end+1 {
			r.flush(n.end + 1)
			w.from = r.pos
		}
		return true
	}
	if r.gap() != ':' {
		return false
	}
	r.pos++
	r.gap()
	return true
}

// rewriteElements is elements, and writes them as s says.
func (r *run) rewriteElements(g *group, a *items, s *Step, must bool, fail set, start int) set {
	r.pos++
	n, kept := 0, false
	var few [4]int
	counts := few[:]
	if len(a.contains) > len(few) {
		counts = make([]int, len(a.contains))
	}
	first := len(r.items)
	if r.gap() == ']' {
		r.pos++
		return a.check(fail, counts, n)
	}
	before := r.checkpoint()
	for {
		to := &a.rest
		if n < len(a.tuple) {
			to = &a.tuple[n]
		}
		if to.more != nil {
			fail |= to.more.fail
		}
		r.gap()
		if r.pos >= len(r.data) {
			return dead
		}
		p, at := s.Items.Item(n), r.pos
		n++
		k := kindOf[r.data[r.pos]]
		if k == kindsOfPlans {
			return dead
		}
		step := p.step(k)
		switch {
		case step.Action == Drop:
			if s.Items.Positional() || to.found != nil {
				return dead
			}
			fail = r.drop(before, &to.link, must, fail)
		case to.found != nil:
			kept = true
			fail = r.counted(to, p, a, counts, fail)
		default:
			kept = true
			fail = r.within(&to.link, p, step, k, must, fail)
		}
		if fail&dead != 0 || must && fail&g.roots != 0 {
			return dead
		}
		if a.unique&^fail != 0 {
			r.items = append(r.items, span{at, r.pos})
		}
		before = r.checkpoint()
		switch r.gap() {
		case ',':
			if r.pos++; !kept {
				r.rewriting.from = r.pos
				before = r.checkpoint()
			}
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
