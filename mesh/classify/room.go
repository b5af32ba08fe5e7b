package classify

import (
	"regexp"
	"slices"
	"sync"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// tokens is a masker that makes a token of everything: what it finds no room for in
// a schema, policies that ask for tokens withhold. It is nil if there is none, which
// would be a defect.
var tokens = sync.OnceValue(func() *mask.Masker {
	p := mask.Policy{Classes: map[string]mask.Rule{}}
	for _, class := range mask.Classes() {
		p.Classes[string(class)] = mask.Rule{Technique: mask.Token}
	}
	key, err := mask.NewKey([]byte("nothing is kept secret by this ."))
	if err != nil {
		return nil
	}
	m, err := mask.New("tokens", p, "nowhere", key)
	if err != nil {
		return nil
	}
	return m
})

// tight reports whether the schema leaves no room for tokens of class at f.
func (f field) tight(class mask.Class) bool {
	m := tokens()
	return m != nil && slices.ContainsFunc(f.shapes, func(shape *mask.Shape) bool {
		return slices.ContainsFunc(f.kinds, func(name string) bool {
			kind, text := mask.String, "x"
			switch name {
			case "number":
				kind, text = mask.Number, "1"
			case "string":
			default:
				return false
			}
			_, err := m.Field(class, shape, false, kind).Append(nil, kind, []byte(text), nil)
			return err != nil
		})
	})
}

// spelled are patterns that spell out what they admit.
var spelled = regexp.MustCompile(`^\^[A-Za-z0-9_()|?:-]+\$$`)

// lists reports whether the schema's patterns list the names that a map may have, and
// leave no room for tokens: these are the schema's own words.
func (f field) lists(class mask.Class) bool {
	m := tokens()
	return m != nil && len(f.shapes) > 0 && !slices.ContainsFunc(f.shapes, func(shape *mask.Shape) bool {
		if shape == nil || !slices.ContainsFunc(shape.Patterns, spelled.MatchString) {
			return true
		}
		_, err := m.KeyToken(class, "x", shape)
		return err == nil
	})
}

// fewNames is how many different names a map may have whose names the schema's
// patterns list, more or less.
const fewNames = 40

// room gives those fields a class that is redacted, as a rule, where the schema
// leaves no room for tokens; and names in maps one that passes, where the schema's
// patterns admit too few for tokens and so say themselves what they are.
func (j *judged) room() {
	if passes(j.class) || redacts(j.class) {
		return
	}
	var without []field
	for _, f := range j.group.fields {
		if j.group.key.keys && f.lists(j.class) || !j.group.key.keys && f.tight(j.class) {
			without = append(without, f)
		}
	}
	if len(without) == 0 {
		return
	}
	class, evidence := mask.Text, "the schema leaves too little room there for tokens"
	switch {
	case j.group.key.keys && len(j.distinct) > fewNames:
		return
	case j.group.key.keys:
		class, evidence = mask.Internal, "the schema's patterns admit few names, which are the schema's own words and leave no room for tokens"
	case !j.group.values.kinds["string"]:
		class = mask.Sensitive
	}
	if len(without) == len(j.group.fields) || !j.group.key.keys && len(without) > maxApart {
		j.instead(class, evidence)
		return
	}
	if len(without) <= maxApart {
		j.apart = append(j.apart, apart{fields: without, class: class, evidence: evidence})
	}
}

// spare leaves as they are the fields of the same name whose values the schema
// enumerates: a class by name would mask them, too.
func (j *judged) spare() {
	if passes(j.class) || j.class == mask.Sensitive {
		return
	}
	// At one place the schema may list the values of one alternative, and not of another.
	listed := slices.DeleteFunc(slices.Clone(j.group.enumerated), func(e field) bool {
		return slices.ContainsFunc(j.group.fields, func(f field) bool { return f.subject == e.subject && f.pointer == e.pointer })
	})
	if len(listed) > 0 && len(listed) <= maxApart {
		j.apart = append(j.apart, apart{fields: listed, class: mask.Internal, evidence: "the schema lists the values there"})
	}
}

// proposals are what is proposed for the group: by name, and for the fields that
// differ by their places.
func (j *judged) proposals() []Proposal {
	j.room()
	j.spare()
	g := j.group
	p := Proposal{
		Name: g.key.name, Subject: g.key.subject, Pointer: g.key.pointer, Keys: g.key.keys, Class: j.class, Pattern: j.like, Confidence: j.confidence, Evidence: j.evidence,
		Places: len(g.fields), Samples: len(g.values.samples), Example: g.fields[0].subject + " " + g.fields[0].pointer,
	}
	for _, class := range j.others {
		if class != j.class && !slices.Contains(p.Others, class) {
			p.Others = append(p.Others, class)
		}
	}
	var all []Proposal
	if p.Name == "" { // each place is said
		p.Places = 1
		for _, f := range g.fields {
			if !slices.ContainsFunc(j.apart, func(a apart) bool {
				return slices.ContainsFunc(a.fields, func(other field) bool { return other.subject == f.subject && other.pointer == f.pointer })
			}) {
				p.Subject, p.Pointer, p.Example = f.subject, f.pointer, f.subject+" "+f.pointer
				if g.key.keys {
					p.Pointer = container(f.pointer)
				}
				all = append(all, p)
			}
		}
	} else {
		all = append(all, p)
	}
	for _, a := range j.apart {
		for _, f := range a.fields {
			other := p
			other.Name, other.Subject, other.Pointer = "", f.subject, f.pointer
			if g.key.keys {
				other.Pointer = container(f.pointer)
			}
			if a.own != nil {
				other.Confidence, other.Samples = certain, len(a.own.samples)
			}
			other.Pattern = a.pattern
			other.Class, other.Evidence, other.Others, other.Places, other.Example = a.class, []string{a.evidence}, []mask.Class{j.class}, 1, f.subject+" "+f.pointer
			all = append(all, other)
		}
	}
	return all
}
