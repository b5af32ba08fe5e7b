package mask

import (
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// Policy says what each class becomes in a destination. What it doesn't name
// is withheld: the zero Policy lets no classified string or number pass.
type Policy struct {
	// Classes has the rule for each class of the vocabulary that may cross. A
	// class without a rule is withheld.
	Classes map[string]Rule `yaml:"classes" json:"classes"`
	// Defaults say what becomes of values that nobody classified.
	Defaults Defaults `yaml:"defaults,omitempty" json:"defaults,omitzero"`
}

// Rule is what becomes of one class: a technique, and its options.
type Rule struct {
	Technique Technique `yaml:"technique" json:"technique"`
	// As is the form of a token (email, login, url, …: see Form); empty means
	// the class's own. For redact it is the text that stands in place of a
	// string; empty means "[redacted]". A format or pattern in the schema comes
	// first in any case.
	As string `yaml:"as,omitempty" json:"as,omitempty"`
	// Days is how far date-shift moves a date at most, either way: 1 to 3,650.
	Days int `yaml:"days,omitempty" json:"days,omitempty"`
	// By is the class whose first value in the event says whom a date is about,
	// for date-shift.
	By Class `yaml:"by,omitempty" json:"by,omitempty"`
	// Size is the width of a bucket's interval, above 0.
	Size Decimal `yaml:"size,omitempty" json:"size,omitempty"`
	// Percent is how much noise may change a number, above 0 and up to 100.
	Percent Decimal `yaml:"percent,omitempty" json:"percent,omitempty"`
	// Length is how many characters (code points) truncate keeps of a text.
	Length int `yaml:"length,omitempty" json:"length,omitempty"`
	// To is what truncate keeps of a date (year, month, day, hour) or of an IP
	// address (network: the first 24 bits of IPv4, 48 of IPv6).
	To string `yaml:"to,omitempty" json:"to,omitempty"`
	// Alphabet has the characters that fpe encrypts: digits (the default), hex,
	// lower, upper, letters, alphanumeric, or the characters themselves.
	Alphabet string `yaml:"alphabet,omitempty" json:"alphabet,omitempty"`
	// Value is what constant puts in a value's place; for a number it must be
	// one, for a boolean true or false.
	Value Literal `yaml:"value,omitempty" json:"value,omitempty"`
	// Expression is cel's: it sees value, event and token(text), and gives a
	// value of the same type.
	Expression string `yaml:"expression,omitempty" json:"expression,omitempty"`
}

// options are the names of the options that the rule gives, sorted.
func (r Rule) options() []string {
	var given []string
	for name, is := range map[string]bool{
		"as": r.As != "", "days": r.Days != 0, "by": r.By != "", "size": r.Size != "", "percent": r.Percent != "", "length": r.Length != 0,
		"to": r.To != "", "alphabet": r.Alphabet != "", "value": r.Value != "", "expression": r.Expression != "",
	} {
		if is {
			given = append(given, name)
		}
	}
	slices.Sort(given)
	return given
}

// Decimal is a decimal number, exactly as it is written: 10, 0.5.
type Decimal string

// MarshalText gives the number as it was written.
func (d Decimal) MarshalText() ([]byte, error) { return []byte(d), nil }

// UnmarshalText refuses what is no decimal number.
func (d *Decimal) UnmarshalText(text []byte) error {
	if _, ok := parseDecimal(string(text)); !ok {
		return fmt.Errorf("%q is no decimal number; write it as 10 or 0.5", text)
	}
	*d = Decimal(text)
	return nil
}

// rat is the number; nil if it is none.
func (d Decimal) rat() *big.Rat {
	r, _ := parseDecimal(string(d))
	return r
}

// parseDecimal reads what JSON admits as a number, in at most 40 digits and
// without an exponent beyond 40: more would be a way to take up memory.
func parseDecimal(text string) (*big.Rat, bool) {
	if !decimal.MatchString(text) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,39})(\.[0-9]{1,40})?([eE][+-]?([0-9]|[1-3][0-9]|40))?$`)

// Literal is a text, a number, true or false, as it is written.
type Literal string

// MarshalText gives the literal as it was written.
func (l Literal) MarshalText() ([]byte, error) { return []byte(l), nil }

// UnmarshalText takes any text.
func (l *Literal) UnmarshalText(text []byte) error { *l = Literal(text); return nil }

// Defaults are the techniques for values that no schema and no overlay
// classifies. An empty one has the default given here.
type Defaults struct {
	String  Technique `yaml:"string,omitempty" json:"string,omitempty"`   // withhold
	Number  Technique `yaml:"number,omitempty" json:"number,omitempty"`   // withhold
	Boolean Technique `yaml:"boolean,omitempty" json:"boolean,omitempty"` // pass
	Null    Technique `yaml:"null,omitempty" json:"null,omitempty"`       // pass
	// Enum is for values, of any type, that the schema enumerates ("enum", "const").
	Enum Technique `yaml:"enum,omitempty" json:"enum,omitempty"` // pass
	// Key is for names in a map: properties that the schema admits without
	// naming them. pass, token or withhold.
	Key Technique `yaml:"key,omitempty" json:"key,omitempty"` // withhold
}

// Resolve returns d with what is empty filled in.
func (d Defaults) Resolve() Defaults {
	fill := func(t *Technique, value Technique) {
		if *t == "" {
			*t = value
		}
	}
	fill(&d.String, Withhold)
	fill(&d.Number, Withhold)
	fill(&d.Boolean, Pass)
	fill(&d.Null, Pass)
	fill(&d.Enum, Pass)
	fill(&d.Key, Withhold)
	return d
}

// Problem is one thing wrong with a policy or an overlay.
type Problem struct {
	File      string // the file's name as it was given; empty for a policy
	Line, Col int    // from 1; 0 for a policy, whose place its owner knows by Path
	Path      string // where in it, as "classes.email.technique"
	What      string // what is wrong
	Why       string // why that is a problem
	Cure      string // what to do about it
}

// String is the problem in one line, with file:line:col where it has one.
func (p Problem) String() string {
	var place string
	switch {
	case p.File != "":
		place = fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Col)
	case p.Path != "":
		place = p.Path + ": "
	}
	return place + p.What + ": " + p.Why + "; " + p.Cure
}

// Problems is an error that reports all that is wrong, not only the first.
type Problems []Problem

// Error has one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// Validate reports everything that is wrong with the policy, ordered by path;
// nil if nothing is. What Validate reports is withheld at run time.
func (p Policy) Validate() []Problem {
	var problems []Problem
	add := func(path, what, why, cure string) {
		problems = append(problems, Problem{Path: path, What: what, Why: why, Cure: cure})
	}
	if len(p.Classes) == 0 {
		add("classes", "the policy names no class", "everything that is classified would be withheld",
			"give each class that may cross a technique, as in email: {technique: token}")
	}
	for _, name := range slices.Sorted(maps.Keys(p.Classes)) {
		rule, path := p.Classes[name], "classes."+name
		if !Class(name).Known() {
			add(path, fmt.Sprintf("%q is no class", name), "no value would ever have it", "use one of "+join(Classes()))
			continue
		}
		for _, problem := range rule.validate(Class(name)) {
			problem.Path = path + problem.Path
			problems = append(problems, problem)
		}
	}
	return append(problems, p.Defaults.validate()...)
}

// validate reports what is wrong with the rule for class; paths are relative to it.
func (r Rule) validate(class Class) []Problem {
	var problems []Problem
	add := func(path, what, why, cure string) {
		problems = append(problems, Problem{Path: path, What: what, Why: why, Cure: cure})
	}
	info, ok := techniqueInfos[r.Technique]
	if !ok {
		add(".technique", fmt.Sprintf("%q is no technique", r.Technique), "values of the class would be withheld", "use one of "+join(Techniques()))
		return problems
	}
	for _, option := range r.options() {
		if !slices.Contains(info.options, option) {
			cure := "leave it out"
			if len(info.options) > 0 {
				cure += fmt.Sprintf("; %s has %s", r.Technique, join(info.options))
			}
			add("."+option, option+" has no effect", fmt.Sprintf("the technique %s doesn't read it", r.Technique), cure)
		}
	}
	if class == Secret && info.partly {
		add(".technique", "secrets would be seen", "a credential that crosses, even in part, is a credential given away",
			"use drop or redact, or classify the field as something else")
	}
	switch r.Technique {
	case Token, Synthetic:
		if r.As != "" && !Form(r.As).Known() {
			add(".as", fmt.Sprintf("%q is no form of a token", r.As), "no token could be made", "use one of "+join(Forms()))
		}
	case FPE:
		if why := badAlphabet(r.Alphabet); why != "" {
			add(".alphabet", fmt.Sprintf("the alphabet %q can't be used", r.Alphabet), why,
				"use digits, hex, lower, upper, letters, alphanumeric, or list the characters")
		}
	case DateShift:
		if r.Days < 1 || r.Days > maxShift {
			add(".days", fmt.Sprintf("days is %d", r.Days), "dates move by at least a day, and are no dates any more after ten years", fmt.Sprintf("give 1 to %d", maxShift))
		}
		if r.By == "" || !r.By.Known() {
			add(".by", fmt.Sprintf("by is %q", r.By), "without knowing whom a date is about, its subject's dates would lose their order",
				"give the class of the value that identifies the subject, as in by: id")
		}
	case Bucket:
		if size := r.Size.rat(); size == nil || size.Sign() <= 0 {
			add(".size", fmt.Sprintf("size is %q", r.Size), "an interval has a size above 0", "give it, as in size: 10")
		}
	case Noise:
		if percent := r.Percent.rat(); percent == nil || percent.Sign() <= 0 || percent.Cmp(big.NewRat(100, 1)) > 0 {
			add(".percent", fmt.Sprintf("percent is %q", r.Percent), "noise changes a number by more than 0 and up to 100 percent", "give it, as in percent: 5")
		}
	case Truncate:
		switch _, precise := precisions[r.To]; {
		case r.To != "" && r.Length != 0:
			add(".to", "both length and to", "it is not clear which of them counts", "leave out one of them")
		case r.To != "" && !precise:
			add(".to", fmt.Sprintf("%q is no precision", r.To), "nothing could be kept", "use year, month, day, hour or network")
		case r.To == "" && (r.Length < 1 || r.Length > maxGenerated):
			add(".length", fmt.Sprintf("length is %d", r.Length), "truncate keeps something, and not everything",
				fmt.Sprintf("give 1 to %d characters, or to: year, month, day, hour or network", maxGenerated))
		}
	case Constant:
		if r.Value == "" {
			add(".value", "there is no value", "nothing could stand in the value's place", "give it, as in value: unknown")
		}
	case CEL:
		if r.Expression == "" {
			add(".expression", "there is no expression", "nothing could stand in the value's place", `give it, as in expression: "value.size() > 3 ? 'long' : 'short'"`)
		} else if _, err := compileExpression(r.Expression, nil); err != nil {
			add(".expression", "the expression can't be compiled", err.Error(), "correct it; it sees value, event and token(text)")
		}
	default:
	}
	return problems
}

func (d Defaults) validate() []Problem {
	var problems []Problem
	d = d.Resolve()
	check := func(name string, t Technique, admitted ...Technique) {
		if !slices.Contains(admitted, t) {
			problems = append(problems, Problem{
				Path: "defaults." + name, What: fmt.Sprintf("%q can't be the default", t),
				Why: "such values would be withheld", Cure: "use one of " + join(admitted),
			})
		}
	}
	check("string", d.String, Withhold, Token, Redact, Drop, Pass)
	check("number", d.Number, Withhold, Token, Redact, Drop, Pass)
	check("boolean", d.Boolean, Pass, Redact, Drop, Withhold)
	check("null", d.Null, Pass, Drop, Withhold)
	check("enum", d.Enum, Pass, Redact, Drop, Withhold)
	check("key", d.Key, Withhold, Token, Pass)
	return problems
}

func join[S ~string](items []S) string {
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = string(item)
	}
	return strings.Join(names, ", ")
}
