package mask

import (
	"math"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"unicode"

	"github.com/lockstep-mesh/lockstep/mesh/mask/automaton"
)

// generator makes strings that match a regular expression. It need not be
// complete: what it makes is checked against the expression.
type generator struct{ root *syntax.Regexp }

// maxGenerated bounds what a pattern can make us write.
const maxGenerated = 1024

func parsePattern(expression string) pattern {
	re, err := regexp.Compile(expression)
	if err != nil {
		return pattern{}
	}
	quick := sync.OnceValue(func() *automaton.Pattern { return automaton.New(re) })
	root, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return pattern{re: re, quick: quick}
	}
	return pattern{re: re, gen: &generator{root}, quick: quick}
}

// generate makes a string out of keyed bits; a repetition without an upper
// bound runs repeat times, or as often as it must. It returns the bits that
// went into it, on a logarithmic scale: how many different strings there are.
func (g *generator) generate(bits *bitStream, repeat int) (text string, entropy float64, ok bool) {
	w := &writer{bits: bits, repeat: repeat}
	w.write(g.root)
	return w.out.String(), w.entropy, !w.failed
}

type writer struct {
	out     strings.Builder
	bits    *bitStream
	repeat  int
	entropy float64
	failed  bool
}

func (w *writer) write(re *syntax.Regexp) {
	if w.failed || w.out.Len() > maxGenerated {
		w.failed = true
		return
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			w.out.WriteRune(r)
		}
	case syntax.OpCharClass:
		w.class(re.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		w.class([]rune{'0', '9', 'a', 'z'})
	case syntax.OpCapture:
		w.write(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			w.write(sub)
		}
	case syntax.OpAlternate:
		w.entropy += math.Log2(float64(len(re.Sub)))
		w.write(re.Sub[w.bits.below(len(re.Sub))])
	case syntax.OpStar:
		w.times(re.Sub[0], 0, -1)
	case syntax.OpPlus:
		w.times(re.Sub[0], 1, -1)
	case syntax.OpQuest:
		w.times(re.Sub[0], 0, 1)
	case syntax.OpRepeat:
		w.times(re.Sub[0], re.Min, re.Max)
	case syntax.OpNoMatch:
		w.failed = true
	default:
		// Anchors, boundaries and the empty match write nothing.
	}
}

// times writes re between low and high (or any number of) times: as near to
// repeat as that allows, so that the length, unlike the content, is no token.
func (w *writer) times(re *syntax.Regexp, low, high int) {
	n := max(w.repeat, low)
	if high >= 0 {
		n = min(n, high)
	}
	for range n {
		if w.write(re); w.failed {
			return
		}
	}
}

// readable are the ranges from which characters are taken if the class has any
// of them, best first.
var readable = [][2]rune{{'a', 'z'}, {'0', '9'}, {'A', 'Z'}, {' ', '~'}, {0xa1, 0x17f}, {0, unicode.MaxRune}}

// class writes one character of a class, given as pairs of bounds. Letters and
// digits come first; what the class holds beyond them is used only if it holds
// none of them.
func (w *writer) class(ranges []rune) {
	var chosen [][2]rune
	size := 0
	for i, want := range readable {
		for j := 0; j+1 < len(ranges); j += 2 {
			low, high := max(ranges[j], want[0]), min(ranges[j+1], want[1])
			if low <= high {
				chosen = append(chosen, [2]rune{low, high})
				size += int(high-low) + 1
			}
		}
		if size > 0 && i >= 2 || size >= 32 {
			break
		}
	}
	if size == 0 {
		w.failed = true
		return
	}
	w.entropy += math.Log2(float64(size))
	n := rune(w.bits.below(size))
	for _, r := range chosen {
		if span := r[1] - r[0] + 1; n >= span {
			n -= span
			continue
		}
		c := r[0] + n
		if c >= 0xd800 && c <= 0xdfff { // no character
			c = unicode.ReplacementChar
		}
		w.out.WriteRune(c)
		return
	}
}
