package program

import (
	"slices"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// rewriting is what a run knows of the document that it writes while it reads.
// Of the text from "from" on nothing is written yet; it is copied as late as
// can be, so that what stays is copied in long pieces.
type rewriting struct {
	out    []byte
	from   int
	counts Counts
	// changed says that the new document has another value somewhere, which
	// matters once looked is set: something was judged by more than its own text.
	// again says that the new document must be validated in any case.
	changed, looked, again bool
	reread                 int // bytes that were read for nothing but to choose a step
	scratch                *mask.Scratch
	event                  *mask.Event
}

// Rewrite validates data and appends to dst, in the same pass, the document as
// the plan for its root changes it: without white space between values, and
// otherwise as it stands. The new document is valid for certain, too: a value
// that was replaced is judged as the old one was at the same place, and where
// this doesn't suffice the whole of it is validated once more. It reports false
// if the plan gave the document up, or if either document is not valid for
// certain; then nothing of the result may be used. dst must not overlap data.
//
// Values are made in scratch, which is of the masker of the plan's fields. Steps
// that note values add them to event; fields that need it are given it. Where
// there is none, both give the document up.
func (p *Program) Rewrite(dst, data []byte, plan *Plan, scratch *mask.Scratch, event *mask.Event) (out []byte, counts Counts, ok bool) {
	if len(data) > p.limits.MaxBytes || p.whole != "" {
		return dst, Counts{}, false
	}
	r := runs.Get().(*run)
	verdict := r.rewriteDocument(p, dst, data, plan, scratch, event)
	out, counts = r.rewriting.out, r.rewriting.counts
	switch {
	case scratch == nil:
	case verdict == Valid:
		out = scratch.Settle(out)
	default:
		scratch.Forget()
	}
	again := r.rewriting.again || r.rewriting.changed && r.rewriting.looked
	r.reset()
	runs.Put(r)
	switch {
	case verdict != Valid, len(out)-len(dst) > p.limits.MaxBytes, again && !p.Valid(out[len(dst):]):
		return out, Counts{}, false
	}
	return out, counts, true
}

func (r *run) rewriteDocument(p *Program, dst, data []byte, plan *Plan, scratch *mask.Scratch, event *mask.Event) Verdict {
	r.begin(p, data)
	r.rewriting = rewriting{out: dst, from: r.pos, scratch: scratch, event: event}
	fail := r.rewrite(p.root, plan, true)
	if fail == 0 {
		r.flush(r.pos)
	}
	return r.verdict(fail)
}

// flush writes what of the document before end isn't written yet.
func (r *run) flush(end int) {
	if w := &r.rewriting; end > w.from {
		w.out = append(w.out, r.data[w.from:end]...)
		w.from = end
	}
}

// gap is next, and leaves the white space out of the new document.
func (r *run) gap() byte {
	if r.pos < len(r.data) && r.data[r.pos] > ' ' {
		return r.data[r.pos]
	}
	r.flush(r.pos)
	c := r.next()
	r.rewriting.from = r.pos
	return c
}

// rewrite is value, and writes what p makes of the value.
func (r *run) rewrite(g *group, p *Plan, must bool) set {
	if r.pos >= len(r.data) {
		return dead
	}
	k := kindOf[r.data[r.pos]]
	if k == kindsOfPlans {
		return dead
	}
	return r.take(g, p, p.step(k), k, must)
}

// take does a step.
func (r *run) take(g *group, p *Plan, s *Step, k Kind, must bool) set {
	switch s.Action {
	case Keep:
		r.rewriting.counts.Passed++
		return r.value(g, must)
	case Replace:
		return r.replace(g, s, k, must)
	case Enter:
		return r.enter(g, s, k, must)
	case Note:
		return r.note(g, s, k, must)
	case Foreign:
		return r.foreign(g, p, s, k, must)
	case Refuse, Drop: // what can be dropped, members and items see to
	}
	return dead
}

// anything is the group of values of which nothing is demanded.
var anything = &group{single: true, object: &members{rest: []link{{next: -1}}}, array: &items{}}

// enter goes into a container.
func (r *run) enter(g *group, s *Step, k Kind, must bool) (fail set) {
	if g == nil || g.whole {
		start := r.pos
		if g != nil {
			if fail = r.other(g, must); fail&dead != 0 {
				return dead
			}
			r.pos = start
		}
		g, must = anything, false
	}
	var inside set
	if k == Object {
		inside = r.object(g, s, must)
	} else {
		inside = r.array(g, s, must)
	}
	return fail | inside
}

// note adds the text or number that begins at pos to the event.
func (r *run) note(g *group, s *Step, k Kind, must bool) set {
	start, kept := r.pos, len(r.text)
	fail := r.value(g, must)
	if fail&dead != 0 || r.rewriting.event == nil {
		return dead
	}
	text := r.data[start:r.pos]
	if k == String {
		text = r.unquoted(text)
	}
	r.rewriting.event.Add(s.Class, string(text))
	r.text = r.text[:kept]
	return fail
}

// unquoted is what the string stands for that was read last, given with its quotes.
// It may lie on the stack of texts.
func (r *run) unquoted(quoted []byte) []byte {
	text := quoted[1 : len(quoted)-1]
	if r.content != escaped {
		return text
	}
	kept := len(r.text)
	r.text = unescape(r.text, text)
	return r.text[kept:]
}

// replace writes what a field makes of the value that begins at pos.
func (r *run) replace(g *group, s *Step, k Kind, must bool) set {
	start, w := r.pos, &r.rewriting
	fail := r.value(g, must)
	if fail&dead != 0 {
		return dead
	}
	text := r.data[start:r.pos]
	kept := len(r.text)
	if k == String {
		text = r.unquoted(text)
	}
	if k == Null || k == String && len(text) == 0 { // there is nothing to hide
		w.counts.Passed++
		return fail
	}
	r.flush(start)
	if w.event == nil && s.Field.NeedsEvent() {
		return dead
	}
	judged := fail != 0 || !s.assured(g)
	mark := len(w.out)
	var err error
	if judged {
		closed := w.scratch.Closed()
		w.out, err = s.Field.Make(w.scratch, w.out, mask.Kind(k), text, w.event)
		mark -= w.scratch.Closed() - closed
	} else {
		w.out, err = s.Field.MakeLater(w.scratch, w.out, mask.Kind(k), text, w.event)
	}
	if err != nil {
		return dead
	}
	r.text = r.text[:kept]
	w.from, w.changed = r.pos, true
	if s.Redacts {
		w.counts.Redacted++
	} else {
		w.counts.Masked++
	}
	if judged {
		r.judge(g, must, mark, fail, len(r.clauses))
	}
	return fail
}

// judge validates the value that was written from mark on, in place of one for
// which g gave fail and added clauses. If the outcome isn't the same, the new
// document is validated as a whole.
func (r *run) judge(g *group, must bool, mark int, fail set, clauses int) {
	w := &r.rewriting
	if w.again {
		return
	}
	data, pos, depth, doubt, names := r.data, r.pos, r.depth, r.doubt, r.names.open()
	texts, all, spans, pending := len(r.text), len(r.clauses), len(r.items), len(r.pending)
	r.data, r.pos = w.out[mark:len(w.out):len(w.out)], 0
	same := r.value(g, must) == fail && r.pos == len(r.data) && r.doubt == doubt && slices.Equal(r.clauses[clauses:all], r.clauses[all:])
	r.names.close(names)
	r.data, r.pos, r.depth, r.doubt = data, pos, depth, doubt
	r.text, r.clauses, r.items, r.pending = r.text[:texts], r.clauses[:all], r.items[:spans], r.pending[:pending]
	w.again = !same
}
