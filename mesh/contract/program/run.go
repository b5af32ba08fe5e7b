package program

import (
	"encoding/binary"
	"math/bits"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// run is one validation: a document, where one is in it, and the memory that
// this takes, which is kept for the next.
type run struct {
	data     []byte
	pos      int
	depth    int
	maxDepth int
	doubt    bool // somewhere undeclared properties can't be seen
	broken   bool // something happened that can't: nothing is valid any more
	effort   Effort
	names    names
	number   decimal
	content  content       // of the string that was read last
	text     []byte        // strings that had to be unescaped; a stack
	clauses  []clause      // a stack
	items    []span        // of arrays that must be unique; a stack
	pending  []unevaluated // a stack

	settled   *group // the busy group whose value was read last
	units     set    // its units that have failed
	rewriting rewriting
}

// The bounds on what is kept for the next document.
const (
	keptBytes   = 64 << 10
	keptEntries = 4 << 10
)

func (r *run) reset() {
	r.data, r.number.text, r.settled, r.rewriting = nil, nil, nil, rewriting{}
	clear(r.names.list) // of a document that was given up
	if cap(r.text) > keptBytes || cap(r.names.bytes) > keptBytes || cap(r.names.list) > keptEntries ||
		cap(r.names.table) > 4*keptEntries || cap(r.clauses) > keptEntries || cap(r.items) > keptEntries || cap(r.pending) > keptEntries {
		*r = run{}
		return
	}
	r.names.list, r.names.bytes, r.names.table = r.names.list[:0], r.names.bytes[:0], r.names.table[:0]
	r.text, r.clauses, r.items, r.pending = r.text[:0], r.clauses[:0], r.items[:0], r.pending[:0]
}

// document validates a document by p.
func (r *run) document(p *Program, data []byte) Verdict {
	r.begin(p, data)
	return r.verdict(r.value(p.root, true))
}

func (r *run) begin(p *Program, data []byte) {
	r.data = data[:len(data):len(data)] // nothing behind it is ever looked at
	r.pos, r.depth, r.maxDepth, r.doubt, r.broken = 0, 0, p.limits.MaxDepth, false, false
	r.effort = NewEffort(MaxEffort(len(data)))
	r.next()
}

// verdict ends the document, whose root has failed or not.
func (r *run) verdict(fail set) Verdict {
	switch {
	case r.effort.over:
		return Costly
	case fail != 0:
		return Invalid
	}
	if r.next(); r.pos != len(r.data) || r.broken {
		return Invalid
	}
	if r.doubt {
		return Undecided
	}
	return Valid
}

// next skips white space and returns the byte there; 0 at the end.
func (r *run) next() byte {
	for r.pos < len(r.data) {
		c := r.data[r.pos]
		if c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
		r.pos++
	}
	return 0
}

// value validates the value that begins at pos, and returns which of g's roots
// fail; dead if there is no value. If g's roots must hold for the document to
// be valid (must), then dead as soon as one doesn't.
func (r *run) value(g *group, must bool) set {
	if g == nil || g.whole {
		return r.other(g, must)
	}
	if r.pos >= len(r.data) {
		return dead
	}
	start := r.pos
	var k kind
	var fail set
	switch c := r.data[start]; c {
	case '"':
		end, content := scanString(r.data, start+1)
		if end < 0 {
			return dead
		}
		r.pos, r.content = end+1, content
		k, fail = kindString, g.failing(kindString)
		if g.text != nil {
			fail |= r.checkString(g, r.data[start+1:end], content, fail)
		}
	case '{':
		return r.object(g, nil, must)
	case '[':
		return r.array(g, nil, must)
	case 't':
		k, fail = kindTrue, g.failing(kindTrue)
		r.pos = literal(r.data, start, "true")
	case 'f':
		k, fail = kindFalse, g.failing(kindFalse)
		r.pos = literal(r.data, start, "false")
	case 'n':
		k, fail = kindNull, g.failing(kindNull)
		r.pos = literal(r.data, start, "null")
	default:
		d := &r.number
		if r.pos = scanNumber(r.data, start, d); r.pos < 0 {
			return dead
		}
		k, fail = kindNumber, g.failing(kindNumber)
		if g.integer&^fail != 0 && !d.isInteger() {
			fail |= g.integer
		}
		if g.number != nil {
			fail |= checkNumber(g, d, fail)
		}
	}
	if r.pos < 0 {
		return dead
	}
	if g.busy>>k&1 != 0 {
		fail = r.settle(g, k, start, fail)
	}
	if fail &= g.roots; fail != 0 && must {
		return dead
	}
	return fail
}

// settle makes the opaque checks of a value that is no object, and works out
// its ops.
func (r *run) settle(g *group, k kind, start int, fail set) set {
	if len(g.opaque) > 0 {
		fail |= r.ask(g, k, start, fail)
	}
	fail = resolve(g.ops[k], fail, nil, nil)
	r.settled, r.units = g, fail
	return fail
}

// ask lets v5 make a group's opaque checks of the value from start to pos.
func (r *run) ask(g *group, k kind, start int, fail set) set {
	r.rewriting.looked = r.rewriting.looked || k == kindArray || k == kindObject
	var value any
	decoded := false
	for i := range g.opaque {
		o := &g.opaque[i]
		if o.kinds>>k&1 == 0 || fail&o.unit != 0 {
			continue
		}
		if !decoded {
			decoded = true
			value = r.decode(start)
		}
		if !r.effort.Valid(o.schema, value) {
			fail |= o.unit
		}
	}
	return fail
}

// decode is the value from start to pos, which has been read over already.
func (r *run) decode(start int) any {
	text := r.data[start:r.pos]
	value, err := strictjson.Decode(text, strictjson.Limits{MaxBytes: len(text), MaxDepth: r.maxDepth})
	r.broken = r.broken || err != nil // the two readers differ: a defect
	return value
}

// other validates by what is no ordinary group.
func (r *run) other(g *group, must bool) (fail set) {
	start := r.pos
	if !r.skip() {
		return dead
	}
	if g == nil {
		return 0
	}
	if r.data[start] == '{' || r.data[start] == '[' {
		r.doubt, r.rewriting.looked = r.doubt || g.doubt, true
	}
	value := r.decode(start)
	for i, schemas := range g.schemas {
		for _, s := range schemas {
			if !r.effort.Valid(s, value) {
				fail |= unit(i)
				break
			}
		}
	}
	if fail != 0 && must {
		return dead
	}
	return fail
}

// skip reads over a value that nothing is demanded of but to be strict JSON.
func (r *run) skip() bool {
	if r.pos >= len(r.data) {
		return false
	}
	switch c := r.data[r.pos]; c {
	case '"':
		end, content := scanString(r.data, r.pos+1)
		r.pos, r.content = end+1, content
		return end >= 0
	case '{', '[':
		if r.depth++; r.depth > r.maxDepth {
			return false
		}
		defer func() { r.depth-- }()
		if c == '{' {
			return r.skipObject()
		}
		return r.skipArray()
	case 't':
		r.pos = literal(r.data, r.pos, "true")
	case 'f':
		r.pos = literal(r.data, r.pos, "false")
	case 'n':
		r.pos = literal(r.data, r.pos, "null")
	default:
		r.pos = scanNumber(r.data, r.pos, &r.number)
	}
	return r.pos >= 0
}

func (r *run) skipObject() bool {
	r.pos++
	if r.next() == '}' {
		r.pos++
		return true
	}
	o := r.names.open()
	defer r.names.close(o)
	for {
		text, ok := r.name()
		if !ok || !r.names.add(&o, text) || !r.skip() {
			return false
		}
		switch r.next() {
		case ',':
			r.pos++
		case '}':
			r.pos++
			return true
		default:
			return false
		}
	}
}

func (r *run) skipArray() bool {
	r.pos++
	if r.next() == ']' {
		r.pos++
		return true
	}
	for {
		if r.next(); !r.skip() {
			return false
		}
		switch r.next() {
		case ',':
			r.pos++
		case ']':
			r.pos++
			return true
		default:
			return false
		}
	}
}

// shortName reads a member's name of up to eight bytes that t knows, all in one
// go, and goes on to the member's value. If there is no such name, or it isn't
// written in the plainest way, it returns -1 and stays where it is.
func (r *run) shortName(t *table) int {
	i := r.pos
	if t == nil || i+11 > len(r.data) || r.data[i] != '"' {
		return -1
	}
	w, n := binary.LittleEndian.Uint64(r.data[i+1:]), 8
	if m := special(w); m != 0 {
		n = bits.TrailingZeros64(m) >> 3
		w &= 1<<(8*n) - 1
	}
	if r.data[i+1+n] != '"' || r.data[i+2+n] != ':' {
		return -1
	}
	known := t.findKey(key{first: w, last: w}, uint32(n))
	if known >= 0 {
		if r.pos = i + 3 + n; r.pos < len(r.data) && r.data[r.pos] <= ' ' {
			r.next()
		}
	}
	return known
}

// name reads a member's name and goes on to its value. The text stays until the
// object's names are closed.
func (r *run) name() (text []byte, ok bool) {
	if r.next() != '"' {
		return nil, false
	}
	start := r.pos + 1
	end, content := scanString(r.data, start)
	if end < 0 {
		return nil, false
	}
	text = r.data[start:end]
	if content == escaped {
		at := len(r.names.bytes)
		r.names.bytes = unescape(r.names.bytes, text)
		text = r.names.bytes[at:]
	}
	r.pos = end + 1
	if r.pos >= len(r.data) || r.data[r.pos] != ':' {
		if r.next() != ':' {
			return nil, false
		}
	}
	if r.pos++; r.pos < len(r.data) && r.data[r.pos] <= ' ' {
		r.next()
	}
	return text, true
}
