package mask

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Technique is what is done with a value.
type Technique string

// The techniques.
const (
	// Pass leaves the value exactly as it is.
	Pass Technique = "pass"
	// Redact puts a constant in its place, of the same type and valid under the
	// schema. It keeps nothing but the value's presence.
	Redact Technique = "redact"
	// Drop removes the value's property, where the schema doesn't require it, or
	// the value from its array. Where the schema requires it, the event is withheld.
	Drop Technique = "drop"
	// Token puts a keyed token in its place. It keeps the format, and equality:
	// equal values of one class have equal tokens in one destination, and others
	// in every other destination. It reveals which values are equal and how often
	// each occurs. A boolean has no token: it becomes false.
	Token Technique = "token"
	// Withhold keeps the whole event back.
	Withhold Technique = "withhold"
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

// Rule is what becomes of one class.
type Rule struct {
	// Technique is pass, redact, drop, token or withhold.
	Technique Technique `yaml:"technique" json:"technique"`
	// As is the form of a token (email, login, url, …: see Form); empty means
	// the class's own. For redact it is the text that stands in place of a
	// string; empty means "[redacted]". A format or pattern in the schema comes
	// first in any case.
	As string `yaml:"as,omitempty" json:"as,omitempty"`
}

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
		switch rule.Technique {
		case Pass, Drop, Withhold:
			if rule.As != "" {
				add(path+".as", fmt.Sprintf("as: %q has no effect", rule.As), "only token and redact make a new value", "leave it out")
			}
			if rule.Technique == Pass && Class(name) == Secret {
				add(path+".technique", "secrets would pass", "a credential that crosses is a credential given away",
					"use drop or redact, or classify the field as something else")
			}
		case Redact:
		case Token:
			if rule.As != "" && !Form(rule.As).Known() {
				add(path+".as", fmt.Sprintf("%q is no form of a token", rule.As), "no token could be made", "use one of "+join(Forms()))
			}
		default:
			add(path+".technique", fmt.Sprintf("%q is no technique", rule.Technique), "values of the class would be withheld",
				"use pass, redact, drop, token or withhold")
		}
	}
	return append(problems, p.Defaults.validate()...)
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
