package compat

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"unicode"
)

// machine is a deterministic automaton over characters whose states are made as
// they are reached.
type machine interface {
	start() int
	next(state int, r rune) int
	// accepts reports whether a string that ends here is accepted.
	accepts(state int) bool
	// bounds calls add with characters at which the machine begins to tell
	// characters apart.
	bounds(add func(rune))
	// tells writes what the machine tells of a character.
	tells(b []byte, r rune) []byte
}

// expression is the machine of a regular expression that is searched for in a
// string, as pattern does.
type expression struct {
	prog   *syntax.Prog
	empty  bool // has assertions such as ^ and \b
	states []expressionState
	byKey  map[string]int
	mark   []bool
	stack  []uint32
}

type expressionState struct {
	pcs     []uint32
	before  rune // stands for the character before: -1 at the beginning
	matched bool
}

// maxProgram bounds the size of a regular expression that is looked into.
const maxProgram = 1000

func newExpression(pattern string) *expression {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(prog.Inst) > maxProgram {
		return nil
	}
	e := &expression{prog: prog, byKey: map[string]int{}, mark: make([]bool, len(prog.Inst))}
	for _, inst := range prog.Inst {
		e.empty = e.empty || inst.Op == syntax.InstEmptyWidth
	}
	return e
}

func (e *expression) start() int {
	return e.state(expressionState{pcs: []uint32{uint32(e.prog.Start)}, before: -1})
}

func (e *expression) state(s expressionState) int {
	b := binary.AppendVarint(nil, int64(s.before))
	b = append(b, boolByte(s.matched))
	for _, pc := range s.pcs {
		b = binary.AppendUvarint(b, uint64(pc))
	}
	if i, ok := e.byKey[string(b)]; ok {
		return i
	}
	e.states = append(e.states, s)
	e.byKey[string(b)] = len(e.states) - 1
	return len(e.states) - 1
}

// reach follows what consumes no character: where the next one is r, or -1 at the
// end.
func (e *expression) reach(s expressionState, r rune) (consuming []uint32, matched bool) {
	flags := syntax.EmptyOpContext(s.before, r)
	clear(e.mark)
	e.stack = append(e.stack[:0], s.pcs...)
	for len(e.stack) > 0 {
		pc := e.stack[len(e.stack)-1]
		e.stack = e.stack[:len(e.stack)-1]
		if e.mark[pc] {
			continue
		}
		e.mark[pc] = true
		inst := &e.prog.Inst[pc]
		switch inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			e.stack = append(e.stack, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			e.stack = append(e.stack, inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^flags == 0 {
				e.stack = append(e.stack, inst.Out)
			}
		case syntax.InstMatch:
			return nil, true
		case syntax.InstFail:
		default:
			consuming = append(consuming, pc)
		}
	}
	return consuming, false
}

func (e *expression) next(state int, r rune) int {
	s := e.states[state]
	if s.matched {
		return state
	}
	consuming, matched := e.reach(s, r)
	if matched {
		return e.state(expressionState{matched: true})
	}
	n := expressionState{pcs: []uint32{uint32(e.prog.Start)}}
	for _, pc := range consuming {
		if inst := &e.prog.Inst[pc]; inst.MatchRune(r) {
			n.pcs = append(n.pcs, inst.Out)
		}
	}
	slices.Sort(n.pcs)
	n.pcs = slices.Compact(n.pcs)
	n.before = ' '
	if e.empty {
		switch {
		case syntax.IsWordChar(r):
			n.before = 'a'
		case r == '\n':
			n.before = '\n'
		}
	}
	return e.state(n)
}

func (e *expression) accepts(state int) bool {
	s := e.states[state]
	if s.matched {
		return true
	}
	_, matched := e.reach(s, -1)
	return matched
}

func (e *expression) bounds(add func(rune)) {
	if e.empty {
		for _, r := range "09AZ__az\n" {
			add(r)
			add(r + 1)
		}
	}
	for i := range e.prog.Inst {
		inst := &e.prog.Inst[i]
		switch inst.Op {
		case syntax.InstRuneAnyNotNL:
			add('\n')
			add('\n' + 1)
		case syntax.InstRune, syntax.InstRune1:
			if len(inst.Rune) == 1 {
				r := inst.Rune[0]
				for f := r; ; {
					add(f)
					add(f + 1)
					if f = unicode.SimpleFold(f); f == r {
						break
					}
				}
			}
			for j := 0; j+1 < len(inst.Rune); j += 2 {
				add(inst.Rune[j])
				add(inst.Rune[j+1] + 1)
			}
		}
	}
}

func (e *expression) tells(b []byte, r rune) []byte {
	if e.empty {
		b = append(b, boolByte(syntax.IsWordChar(r)), boolByte(r == '\n'))
	}
	for i := range e.prog.Inst {
		switch inst := &e.prog.Inst[i]; inst.Op {
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			b = append(b, boolByte(inst.MatchRune(r)))
		}
	}
	return b
}

// listing is the machine that accepts certain strings.
type listing struct {
	children []map[rune]int
	ends     []bool
	runes    map[rune]bool
}

func newListing(texts []string) *listing {
	l := &listing{children: []map[rune]int{{}, {}}, ends: []bool{false, false}, runes: map[rune]bool{}}
	for _, text := range texts {
		at := 1
		for _, r := range text {
			l.runes[r] = true
			to, ok := l.children[at][r]
			if !ok {
				to = len(l.children)
				l.children = append(l.children, map[rune]int{})
				l.ends = append(l.ends, false)
				l.children[at][r] = to
			}
			at = to
		}
		l.ends[at] = true
	}
	return l
}

func (l *listing) start() int                 { return 1 }
func (l *listing) next(state int, r rune) int { return l.children[state][r] }
func (l *listing) accepts(state int) bool     { return l.ends[state] }

func (l *listing) bounds(add func(rune)) {
	for r := range l.runes {
		add(r)
		add(r + 1)
	}
}

func (l *listing) tells(b []byte, r rune) []byte {
	if l.runes[r] {
		return binary.AppendVarint(b, int64(r))
	}
	return append(b, 0)
}

// language is the strings that some machines accept and others do not, within
// bounds of their length.
type language struct {
	machines  []machine
	accept    []bool
	low, high int // characters; high is -1 for any number
}

// The bounds of looking through a language.
const (
	maxClasses = 300
	maxTelling = 4_000_000 // characters times instructions
	maxVisits  = 30_000
)

// readable are the characters that strings are made of if there is a choice.
const readable = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_. @/:+,;=!?#%&*()[]{}<>|~^$'\"\\`"

// classes are characters, one for each way in which the machines can tell them.
func (l *language) classes() (out []rune, whole bool) {
	at := map[rune]bool{0: true, 0xE000: true}
	for _, m := range l.machines {
		m.bounds(func(r rune) { at[r] = true })
	}
	candidates := []rune(readable)
	for r := range at {
		if r >= 0 && r <= unicode.MaxRune && (r < 0xD800 || r > 0xDFFF) {
			candidates = append(candidates, r)
		}
	}
	slices.Sort(candidates[len(readable):])
	size := 0
	for _, m := range l.machines {
		if e, ok := m.(*expression); ok {
			size += len(e.prog.Inst)
		}
	}
	if size*len(candidates) > maxTelling {
		return []rune(readable)[:40], false
	}
	seen := map[string]bool{}
	var b []byte
	for _, r := range candidates {
		b = b[:0]
		for _, m := range l.machines {
			b = m.tells(b, r)
			b = append(b, 0xff)
		}
		if !seen[string(b)] {
			seen[string(b)] = true
			out = append(out, r)
		}
	}
	if len(out) > maxClasses {
		return out[:maxClasses], false
	}
	return out, true
}

// visit is a point of the product of the machines.
type visit struct {
	states []int
	length int
	from   int
	by     rune
}

// strings goes through the language, shortest strings first, until yield says
// false. It reports whether it has seen every way in which a string can be
// accepted; each of them it shows at most again times.
func (l *language) strings(again int, spend func() bool, yield func(string) bool) (whole bool) {
	if l.high >= 0 && l.low > l.high {
		return true
	}
	alphabet, whole := l.classes()
	first := visit{from: -1}
	for _, m := range l.machines {
		first.states = append(first.states, m.start())
	}
	visits := []visit{first}
	seen := map[string]int{}
	for i := 0; i < len(visits); i++ {
		v := visits[i]
		if v.length >= l.low && l.accepted(v.states) {
			if !yield(spell(visits, i)) {
				return whole
			}
		}
		if l.high >= 0 && v.length >= l.high {
			continue
		}
		for _, r := range alphabet {
			if !spend() || len(visits) > maxVisits {
				return false
			}
			n := visit{length: v.length + 1, from: i, by: r}
			for j, m := range l.machines {
				n.states = append(n.states, m.next(v.states[j], r))
			}
			if key := l.key(n); seen[key] < again {
				seen[key]++
				visits = append(visits, n)
			}
		}
	}
	return whole
}

func (l *language) accepted(states []int) bool {
	for i, m := range l.machines {
		if m.accepts(states[i]) != l.accept[i] {
			return false
		}
	}
	return true
}

// key names a point: where lengths no longer matter they are left out.
func (l *language) key(v visit) string {
	length := v.length
	if l.high < 0 {
		length = min(length, l.low)
	}
	b := binary.AppendUvarint(nil, uint64(length))
	for _, state := range v.states {
		b = binary.AppendUvarint(b, uint64(state))
	}
	return string(b)
}

func spell(visits []visit, i int) string {
	var out []rune
	for ; visits[i].from >= 0; i = visits[i].from {
		out = append(out, visits[i].by)
	}
	slices.Reverse(out)
	return string(out)
}
