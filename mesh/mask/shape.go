package mask

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/mask/automaton"
)

// Kind is a JSON value's type, as far as values can be masked: objects and
// arrays are masked by what is in them.
type Kind byte

// The kinds of values.
const (
	Null Kind = iota
	Bool
	Number
	String
)

// String is the kind's name in JSON Schema.
func (k Kind) String() string {
	return [...]string{"null", "boolean", "number", "string"}[k&3]
}

// Value is one JSON value that is no container. Text is a string's content,
// unescaped, or a number's text.
type Value struct {
	Kind Kind
	Text string
}

// Shape is what the schemas that apply at a place demand of a new value there.
// It is a hint: who uses it validates the whole document afterwards. A Shape is
// immutable once it is in use, and then safe for concurrent use; the zero Shape
// demands nothing.
type Shape struct {
	Format    string   // "format", asserted or not
	Patterns  []string // every "pattern" that applies
	MinLength int      // in code points
	MaxLength int      // in code points; 0 means unbounded

	Integer    bool     // numbers must be integers
	Minimum    *big.Rat // inclusive; nil means unbounded
	Maximum    *big.Rat // inclusive; nil means unbounded
	Above      *big.Rat // exclusive lower bound
	Below      *big.Rat // exclusive upper bound
	MultipleOf *big.Rat

	// Enum has the JSON texts of the admitted values, where the schema
	// enumerates them.
	Enum []string

	// Like is a pattern that tokens are to match, too, as an overlay wants it; empty if
	// there is none. Nothing else that is made need match it.
	Like string

	patterns []pattern
	like     *Shape // the shape that demands it; nil if there is none
}

// Compile prepares the shape for use. Patterns that don't compile are kept as
// demands that no generated value meets.
func (s *Shape) Compile() *Shape {
	s.patterns = make([]pattern, len(s.Patterns))
	for i, p := range s.Patterns {
		s.patterns[i] = parsePattern(p)
	}
	if s.Like != "" && !slices.Contains(s.Patterns, s.Like) {
		like := *s
		like.Like, like.Patterns = "", append(slices.Clone(s.Patterns), s.Like)
		s.like = like.Compile()
	}
	return s
}

// admits reports whether text meets the demands on a string's length and pattern.
func (s *Shape) admits(text []byte) bool {
	if s.MinLength > 0 || s.MaxLength > 0 {
		length := characters(text)
		if length < s.MinLength || s.MaxLength > 0 && length > s.MaxLength {
			return false
		}
	}
	return !slices.ContainsFunc(s.patterns, func(p pattern) bool { return !p.matches(text) })
}

// formatAdmits reports whether text is of the shape's format, if it has one that
// is known. The formats of templates are not checked: the check that there is
// refuses all of them.
func (s *Shape) formatAdmits(text []byte) bool {
	switch s.Format {
	case "", "uri-template":
		return true
	case "date": // what dates are cut and moved to, so without an allocation
		_, ok := parseInstant(text)
		return ok && len(text) == len(time.DateOnly)
	}
	check, ok := v5.Formats[s.Format]
	return !ok || check(string(text))
}

// admitsForm reports whether the shape admits every token of a form; its own
// format apart. It is false where that can't be told.
func (s *Shape) admitsForm(f *form) bool {
	switch {
	case s.anyText():
		return true
	case f.language == nil || len(s.patterns) != len(s.Patterns) || f.min < s.MinLength || s.MaxLength > 0 && f.max > s.MaxLength:
		return false
	}
	return !slices.ContainsFunc(s.patterns, func(p pattern) bool { return p.re == nil || !f.language().Within(p.quick()) })
}

// demands are all that tells the shape from others.
func (s *Shape) demands() string {
	return fmt.Sprintf("%q %q %d %d %t %v %v %v %v %v %q %q", s.Format, s.Patterns, s.MinLength, s.MaxLength,
		s.Integer, s.Minimum, s.Maximum, s.Above, s.Below, s.MultipleOf, s.Enum, s.Like)
}

// anyText reports whether the shape demands nothing of a string but its format.
func (s *Shape) anyText() bool {
	return len(s.Patterns) == 0 && s.MinLength == 0 && s.MaxLength == 0
}

// anyNumber reports whether the shape demands nothing of a number but that it
// be an integer.
func (s *Shape) anyNumber() bool {
	return s.MultipleOf == nil && s.Minimum == nil && s.Maximum == nil && s.Above == nil && s.Below == nil
}

// maxLength is the longest string of at most limit code points that the shape admits.
func (s *Shape) maxLength(limit int) int {
	if s.MaxLength > 0 && s.MaxLength < limit {
		return s.MaxLength
	}
	return max(limit, s.MinLength)
}

// admitsNumber reports whether n meets the demands on a number.
func (s *Shape) admitsNumber(n *big.Rat) bool {
	switch {
	case s.Integer && !n.IsInt(),
		s.Minimum != nil && n.Cmp(s.Minimum) < 0,
		s.Maximum != nil && n.Cmp(s.Maximum) > 0,
		s.Above != nil && n.Cmp(s.Above) <= 0,
		s.Below != nil && n.Cmp(s.Below) >= 0:
		return false
	case s.MultipleOf != nil && s.MultipleOf.Sign() != 0:
		return new(big.Rat).Quo(n, s.MultipleOf).IsInt()
	}
	return true
}

// pattern is a regular expression that values can be checked against and made from.
type pattern struct {
	re  *regexp.Regexp // nil if it doesn't compile
	gen *generator     // nil if nothing can be made from it
	// quick says what re says. It is made when it is needed first: of most
	// patterns nothing is ever masked.
	quick func() *automaton.Pattern
}

func (p pattern) matches(text []byte) bool {
	switch {
	case p.re == nil:
		return false
	case !utf8.Valid(text):
		return p.re.Match(text)
	}
	return p.quick().Match(text)
}

// characters counts the code points of text. (utf8.RuneCount, where it is
// inlined, makes a string of a longer text.)
func characters(text []byte) (n int) {
	for len(text) > 0 {
		_, size := utf8.DecodeRune(text)
		text = text[size:]
		n++
	}
	return n
}
