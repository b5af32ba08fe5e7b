package automaton

import (
	"regexp/syntax"
	"unicode/utf8"
)

// sequence is a regular expression of the simplest and most frequent form,
// ^[a-f]{4}-[0-9]+$: from the text's beginning to its end so and so many
// characters of one class, then of another. As long as each class ends where
// the next begins, there is nothing to try out, and the characters can be
// looked at independently of each other, which a state machine can't.
type sequence struct {
	steps []step
	// in has, for each character of ASCII, a bit for each step whose class has it.
	in [256]uint16
	// fixed has the step's bit for each character, where their number is given.
	fixed []uint16
}

type step struct {
	class    [2]uint64 // of ASCII
	min, max int       // max -1: no bound
}

// The bounds on a sequence: how many steps it may have, and how many characters
// one of a given number.
const (
	maxSteps = 16
	maxFixed = 128
)

// match reports whether text matches; it isn't certain if there is anything
// but ASCII in it.
func (s *sequence) match(text []byte) (matches, certain bool) {
	if fixed := s.fixed; len(fixed) > 0 && len(text) == len(fixed) {
		wrong := uint32(0)
		for i, c := range text {
			wrong |= uint32(s.in[c]&fixed[i]) - 1 // beyond 16 bits if there is none
		}
		if wrong>>16 == 0 {
			return true, true
		}
	}
	i := 0
	for at := range s.steps {
		st, bit := &s.steps[at], uint16(1)<<at
		end := len(text)
		if st.max >= 0 && st.max < end-i {
			end = i + st.max
		}
		first := i
		for i < end && s.in[text[i]]&bit != 0 {
			i++
		}
		if i < len(text) && text[i] >= utf8.RuneSelf {
			return false, false
		}
		if i-first < st.min {
			return false, true
		}
	}
	return i == len(text), true
}

// size is about the memory that the sequence takes, in bytes.
func (s *sequence) size() int { return 544 + 32*cap(s.steps) }

// newSequence is the sequence that parsed is; nil if it is none.
func newSequence(parsed *syntax.Regexp) *sequence {
	if parsed.Op != syntax.OpConcat || len(parsed.Sub) < 2 || parsed.Sub[0].Op != syntax.OpBeginText ||
		parsed.Sub[len(parsed.Sub)-1].Op != syntax.OpEndText {
		return nil
	}
	s := &sequence{}
	for _, sub := range parsed.Sub[1 : len(parsed.Sub)-1] {
		steps, ok := stepsOf(sub)
		if !ok {
			return nil
		}
		s.steps = append(s.steps, steps...)
	}
	if len(s.steps) == 0 || len(s.steps) > maxSteps || !s.definite() {
		return nil
	}
	for at, st := range s.steps {
		for c := range utf8.RuneSelf {
			s.in[c] |= uint16(st.class[c>>6]>>(c&63)&1) << at
		}
	}
	s.fix()
	return s
}

// fix finds out whether the number of characters is given.
func (s *sequence) fix() {
	var fixed []uint16
	for at, st := range s.steps {
		if st.min != st.max || len(fixed)+st.min > maxFixed {
			return
		}
		for range st.min {
			fixed = append(fixed, 1<<at)
		}
	}
	s.fixed = fixed
}

// definite reports whether no step can take what one after it needs.
func (s *sequence) definite() bool {
	for i := range s.steps {
		st := &s.steps[i]
		if st.min == st.max {
			continue
		}
		for _, next := range s.steps[i+1:] {
			if st.class[0]&next.class[0]|st.class[1]&next.class[1] != 0 {
				return false
			}
			if next.min > 0 {
				break
			}
		}
	}
	return true
}

func stepsOf(r *syntax.Regexp) ([]step, bool) {
	switch r.Op {
	case syntax.OpLiteral:
		if r.Flags&syntax.FoldCase != 0 {
			return nil, false
		}
		var steps []step
		for _, c := range r.Rune {
			if c >= utf8.RuneSelf {
				return nil, false
			}
			st := step{min: 1, max: 1}
			st.class[c>>6] |= 1 << (c & 63)
			steps = append(steps, st)
		}
		return steps, true
	case syntax.OpCharClass:
		st := step{min: 1, max: 1}
		for i := 0; i+1 < len(r.Rune); i += 2 {
			for c := r.Rune[i]; c <= r.Rune[i+1] && c < utf8.RuneSelf; c++ {
				st.class[c>>6] |= 1 << (c & 63)
			}
		}
		return []step{st}, true
	case syntax.OpStar:
		return repeated(r.Sub[0], 0, -1)
	case syntax.OpPlus:
		return repeated(r.Sub[0], 1, -1)
	case syntax.OpQuest:
		return repeated(r.Sub[0], 0, 1)
	case syntax.OpRepeat:
		return repeated(r.Sub[0], r.Min, r.Max)
	default:
		return nil, false
	}
}

// repeated is a single character, several times.
func repeated(r *syntax.Regexp, least, most int) ([]step, bool) {
	if r.Op != syntax.OpLiteral && r.Op != syntax.OpCharClass {
		return nil, false
	}
	steps, ok := stepsOf(r)
	if !ok || len(steps) != 1 {
		return nil, false
	}
	steps[0].min, steps[0].max = least, most
	return steps, true
}
