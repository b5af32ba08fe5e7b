package compat

import (
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// choiceKey names a keyword that offers alternatives.
type choiceKey struct {
	schema  *v5.Schema
	keyword choiceKeyword
}

type choiceKeyword byte

const (
	anyOf  choiceKeyword = 'a'
	oneOf  choiceKeyword = 'o'
	ifElse choiceKeyword = 'i'
)

// choice is a keyword of the writer's by which at least one of the alternatives
// holds.
type choice struct {
	key          choiceKey
	alternatives []alternative
}

type alternative struct {
	holds []*v5.Schema
	fails []*v5.Schema
}

// nextChoice is the first keyword with alternatives that was not looked into.
func (c *check) nextChoice(w *world) (choice, bool) {
	for _, s := range w.all {
		for _, keyword := range [...]choiceKeyword{oneOf, anyOf, ifElse} {
			key := choiceKey{s, keyword}
			if slices.Contains(w.done, key) {
				continue
			}
			c.toil(1)
			if offers(s, keyword) {
				return choice{key, c.alternatives(s, keyword)}, true
			}
		}
	}
	return choice{}, false
}

// offers reports whether there are alternatives.
func offers(s *v5.Schema, keyword choiceKeyword) bool {
	switch keyword {
	case anyOf:
		return len(s.AnyOf) > 0
	case oneOf:
		return len(s.OneOf) > 0
	default:
		return s.If != nil && (s.Then != nil || s.Else != nil)
	}
}

func (c *check) alternatives(s *v5.Schema, keyword choiceKeyword) []alternative {
	var out []alternative
	switch keyword {
	case anyOf:
		for _, branch := range s.AnyOf {
			c.toil(toilStep)
			out = append(out, alternative{holds: []*v5.Schema{branch}})
		}
	case oneOf:
		for i, branch := range s.OneOf {
			c.toil(toilStep + len(s.OneOf)/2)
			others := slices.Concat(s.OneOf[:i], s.OneOf[i+1:])
			out = append(out, alternative{holds: []*v5.Schema{branch}, fails: others})
		}
	case ifElse:
		if !offers(s, keyword) {
			return nil
		}
		yes := alternative{holds: []*v5.Schema{s.If}}
		if s.Then != nil {
			yes.holds = append(yes.holds, s.Then)
		}
		no := alternative{fails: []*v5.Schema{s.If}}
		if s.Else != nil {
			no.holds = []*v5.Schema{s.Else}
		}
		out = []alternative{yes, no}
	}
	return out
}

// choose is the part of w in which the alternative is the case.
func (c *check) choose(w *world, chosen choice, a alternative) *world {
	n := c.clone(w)
	n.done = append(n.done, chosen.key)
	n.none = append(n.none, a.fails...)
	known := len(n.all)
	for _, s := range a.holds {
		c.follow(n, s)
	}
	n.disregard(known)
	c.add(n)
	return n
}
