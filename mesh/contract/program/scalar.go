package program

// checkString makes the checks of a string, whose text is as it stands in the
// document, and returns the units that fail.
func (r *run) checkString(g *group, text []byte, c content, fail set) set {
	if c != escaped {
		return checkText(g, text, c, fail)
	}
	at := len(r.text)
	r.text = unescape(r.text, text)
	fail = checkText(g, r.text[at:], wide, fail)
	r.text = r.text[:at]
	return fail
}

// checkText makes the checks of a string that stands for itself.
func checkText(g *group, text []byte, c content, fail set) set {
	length := -1
	for i := range g.text {
		t := &g.text[i]
		if fail&t.unit != 0 {
			continue
		}
		if t.min >= 0 || t.max >= 0 {
			if length < 0 {
				if length = len(text); c != plain {
					length = characters(text)
				}
			}
			if length < t.min || t.max >= 0 && length > t.max {
				fail |= t.unit
				continue
			}
		}
		if !t.needs {
			continue
		}
		if t.enum != nil && t.enum.find(text) < 0 || t.format != nil && !t.format.check(text) ||
			t.pattern != nil && !t.pattern.Match(text) {
			fail |= t.unit
		}
	}
	return fail
}

// characters counts the code points of text, which must be UTF-8: each has one
// byte that doesn't go on with another. (utf8.RuneCount, where it is inlined,
// makes a string of a longer text.)
func characters(text []byte) (n int) {
	for _, c := range text {
		if c&0xc0 != 0x80 {
			n++
		}
	}
	return n
}

// checkName validates a member's name, and returns which of g's roots fail.
func (r *run) checkName(g *group, text []byte) (fail set) {
	if g.whole {
		for i, schemas := range g.schemas {
			for _, s := range schemas {
				if !r.effort.Valid(s, string(text)) {
					fail |= unit(i)
				}
			}
		}
		return fail
	}
	fail = checkText(g, text, wide, g.failing(kindString))
	if g.busy>>kindString&1 == 0 {
		return fail & g.roots
	}
	for i := range g.opaque {
		o := &g.opaque[i]
		if o.kinds>>kindString&1 != 0 && fail&o.unit == 0 && !r.effort.Valid(o.schema, string(text)) {
			fail |= o.unit
		}
	}
	return resolve(g.ops[kindString], fail, nil, nil) & g.roots
}

// checkNumber makes the checks of a number and returns the units that fail.
func checkNumber(g *group, d *decimal, fail set) set {
	for i := range g.number {
		n := &g.number[i]
		if fail&n.unit != 0 {
			continue
		}
		if n.min != nil && d.compare(n.min) < 0 || n.above != nil && d.compare(n.above) <= 0 ||
			n.max != nil && d.compare(n.max) > 0 || n.below != nil && d.compare(n.below) >= 0 ||
			n.of != nil && !d.multipleOf(n.of) || n.enum != nil && !d.among(n.enum) {
			fail |= n.unit
		}
	}
	return fail
}

func (d *decimal) among(numbers []decimal) bool {
	for i := range numbers {
		if d.equal(&numbers[i]) {
			return true
		}
	}
	return false
}
