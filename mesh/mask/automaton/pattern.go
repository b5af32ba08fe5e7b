// Package automaton matches texts with regular expressions faster than package
// regexp does, and exactly as it does.
//
// It belongs here when it is about one expression and one text. Expressions are
// compiled by package regexp; what they are for is known to those who use them.
package automaton

import (
	"encoding/binary"
	"regexp"
	"regexp/syntax"
	"slices"
	"sort"
	"unicode"
	"unicode/utf8"

	"github.com/lockstep-mesh/lockstep/mesh/internal/intern"
)

// Pattern is a regular expression. Most of those in schemas are small, so they
// are made into a deterministic automaton that looks at each character once;
// what grows too large, or looks around (\b, multi-line anchors), is left to
// package regexp, which says the same but more slowly. It is immutable and safe
// for concurrent use.
type Pattern struct {
	expr     *regexp.Regexp
	sequence *sequence // tried first; nil if it is none

	// next is the row of the state to which one goes by a class of characters:
	// a state's row begins at state*classes, and has an entry for each class.
	next    []uint16
	final   []bool // of a state: the text may end here
	classes int
	ascii   [utf8.RuneSelf]uint8 // a character's class
	bounds  []rune               // where classes begin, ascending; class i is from bounds[i] on
}

// The first states; what is in one of the first two is decided.
const (
	stateNo = iota
	stateYes
	stateStart
)

// The bounds on an automaton.
const (
	maxClasses     = 128
	maxTransitions = 1 << 14
	maxWork        = 1 << 18 // instructions looked at while making it
)

// shared are the patterns that all schemas use together: the same few expressions stand in most.
var shared = intern.New[string](func(p *Pattern) int { return p.size() })

// Shared is the pattern of a compiled expression, one for all who ask for it.
func Shared(expr *regexp.Regexp) *Pattern {
	return shared.Get(expr.String(), func() *Pattern { return New(expr) })
}

// SharedSize is about the memory that the shared patterns take that are in use, in
// bytes.
func SharedSize() int { return shared.Size() }

// size is about the memory that the pattern takes, in bytes, its expression included.
func (p *Pattern) size() int {
	n := 1024 + 40*len(p.expr.String()) + 2*cap(p.next) + cap(p.final) + 4*cap(p.bounds)
	if p.sequence != nil {
		n += p.sequence.size()
	}
	return n
}

// New makes a pattern of a compiled expression.
func New(expr *regexp.Regexp) *Pattern {
	p := &Pattern{expr: expr}
	if parsed, err := syntax.Parse(expr.String(), syntax.Perl); err == nil {
		p.sequence = newSequence(parsed)
		if prog, err := syntax.Compile(parsed.Simplify()); err == nil && !p.determinize(prog) {
			p.next = nil
		}
	}
	return p
}

// Expr is the expression.
func (p *Pattern) Expr() *regexp.Regexp { return p.expr }

// Match reports whether text, which must be UTF-8, holds a match. It doesn't
// allocate, and keeps nothing of text.
func (p *Pattern) Match(text []byte) bool {
	if p.sequence != nil {
		if matches, certain := p.sequence.match(text); certain {
			return matches
		}
	}
	if p.next == nil {
		return p.expr.Match(text)
	}
	next, decided := p.next, stateYes*p.classes
	row := stateStart * p.classes
	for i := 0; i < len(text); {
		var class int
		if c := text[i]; c < utf8.RuneSelf {
			class = int(p.ascii[c])
			i++
		} else {
			r, n := utf8.DecodeRune(text[i:])
			class = p.classOf(r)
			i += n
		}
		if row = int(next[row+class]); row <= decided {
			return row == decided
		}
	}
	return p.final[row/p.classes]
}

// classOf is the class of a character.
func (p *Pattern) classOf(r rune) int {
	return sort.Search(len(p.bounds), func(i int) bool { return p.bounds[i] > r }) - 1
}

// determinize makes the automaton from the program that package regexp would
// interpret, by the subset construction. It reports false if it can't.
func (p *Pattern) determinize(prog *syntax.Prog) bool {
	if !p.classify(prog) {
		return false
	}
	d := &determinizer{Pattern: p, prog: prog, states: map[string]uint16{}, seen: make([]int, len(prog.Inst))}
	p.final = []bool{false, true}
	d.sets = [][]uint32{nil, nil}
	start := d.closure([]uint32{uint32(prog.Start)}, true)
	if d.matches(start) {
		p.final = append(p.final, true)
		p.next = slices.Repeat([]uint16{stateYes * uint16(p.classes)}, 3*p.classes)
		return true
	}
	d.sets = append(d.sets, start)
	p.final = append(p.final, d.matchesAtEnd(start, true))
	p.next = make([]uint16, 2*p.classes) // nobody goes on from a decided state
	for state := stateStart; state < len(d.sets); state++ {
		for class := range p.classes {
			p.next = append(p.next, d.step(d.sets[state], p.bounds[class])*uint16(p.classes))
			if len(d.sets)*p.classes > maxTransitions || d.work > maxWork {
				return false
			}
		}
	}
	return true
}

// classify finds the classes of characters that the program can't tell apart.
func (p *Pattern) classify(prog *syntax.Prog) bool {
	bounds := map[rune]bool{0: true}
	add := func(from, to rune) { bounds[from], bounds[to+1] = true, true }
	for i := range prog.Inst {
		switch inst := &prog.Inst[i]; inst.Op {
		case syntax.InstRune, syntax.InstRune1:
			if len(inst.Rune) == 1 {
				r := inst.Rune[0]
				add(r, r)
				for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
					add(f, f)
				}
				continue
			}
			for j := 0; j+1 < len(inst.Rune); j += 2 {
				add(inst.Rune[j], inst.Rune[j+1])
			}
		case syntax.InstRuneAnyNotNL:
			add('\n', '\n')
		case syntax.InstEmptyWidth:
			if op := syntax.EmptyOp(inst.Arg); op != syntax.EmptyBeginText && op != syntax.EmptyEndText {
				return false
			}
		case syntax.InstAlt, syntax.InstAltMatch, syntax.InstCapture, syntax.InstFail, syntax.InstMatch, syntax.InstNop,
			syntax.InstRuneAny:
		}
		if len(bounds) > maxClasses {
			return false
		}
	}
	for r := range bounds {
		p.bounds = append(p.bounds, r)
	}
	slices.Sort(p.bounds)
	p.classes = len(p.bounds)
	for c := range p.ascii {
		p.ascii[c] = uint8(p.classOf(rune(c)))
	}
	return true
}

// determinizer makes states, each of which is a set of instructions at which
// the program may be.
type determinizer struct {
	*Pattern
	prog   *syntax.Prog
	states map[string]uint16
	sets   [][]uint32
	seen   []int // of an instruction: the round in which it was reached last
	round  int
	work   int
}

// closure is the set of instructions that wait for a character or the text's
// end, reached from those given without reading anything.
func (d *determinizer) closure(from []uint32, begin bool) []uint32 {
	return d.reach(from, begin, false)
}

func (d *determinizer) reach(from []uint32, begin, end bool) (set []uint32) {
	d.round++
	todo := slices.Clone(from)
	for len(todo) > 0 {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		d.work++
		if d.seen[pc] == d.round {
			continue
		}
		d.seen[pc] = d.round
		switch inst := &d.prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, inst.Out)
		case syntax.InstEmptyWidth:
			atEnd := syntax.EmptyOp(inst.Arg) == syntax.EmptyEndText
			if atEnd && !end {
				set = append(set, pc)
			} else if atEnd || begin {
				todo = append(todo, inst.Out)
			}
		case syntax.InstFail:
		case syntax.InstMatch, syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			set = append(set, pc)
		}
	}
	slices.Sort(set)
	return set
}

func (d *determinizer) matches(set []uint32) bool {
	return slices.ContainsFunc(set, func(pc uint32) bool { return d.prog.Inst[pc].Op == syntax.InstMatch })
}

func (d *determinizer) matchesAtEnd(set []uint32, begin bool) bool {
	return d.matches(d.reach(set, begin, true))
}

// step is the state after a character was read in the state with this set. A
// match may begin anywhere, so the program is started anew each time.
func (d *determinizer) step(set []uint32, r rune) uint16 {
	next := []uint32{uint32(d.prog.Start)}
	for _, pc := range set {
		inst := &d.prog.Inst[pc]
		switch inst.Op {
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if inst.MatchRune(r) {
				next = append(next, inst.Out)
			}
		case syntax.InstAlt, syntax.InstAltMatch, syntax.InstCapture, syntax.InstEmptyWidth, syntax.InstFail,
			syntax.InstMatch, syntax.InstNop:
		}
	}
	next = d.closure(next, false)
	if len(next) == 0 {
		return stateNo
	}
	if d.matches(next) {
		return stateYes
	}
	var key []byte
	for _, pc := range next {
		key = binary.AppendUvarint(key, uint64(pc))
	}
	state, ok := d.states[string(key)]
	if !ok {
		state = uint16(len(d.sets))
		d.states[string(key)] = state
		d.sets = append(d.sets, next)
		d.final = append(d.final, d.matchesAtEnd(next, false))
	}
	return state
}
