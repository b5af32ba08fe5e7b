package program

import "slices"

// surety is what is known of a group that judges what a step's field makes.
type surety struct {
	group *group
	sure  bool // it says fail of every text that the field makes, so that none need be judged
	fail  set
}

// assured reports whether g is known to give fail for whatever the step's field
// makes of a text. That is found out for the first group that a step meets; a
// place has another one only under alternatives.
func (s *Step) assured(g *group, fail set) bool {
	known := s.surety.Load()
	if known == nil {
		known = &surety{group: g, sure: s.sure(g)}
		if g != nil && known.sure {
			known.fail = g.failing(kindString) & g.roots
		}
		s.surety.Store(known)
	}
	return known.sure && known.group == g && known.fail == fail
}

// sure reports whether all checks that g makes of texts hold for those that the
// step's field makes.
func (s *Step) sure(g *group) bool {
	made, ok := s.Field.Texts()
	if !ok || g == nil {
		return ok
	}
	return !g.whole && g.busy>>kindString&1 == 0 && !slices.ContainsFunc(g.text, func(t textual) bool {
		return t.enum != nil || made.Min < t.min || t.max >= 0 && made.Max > t.max ||
			t.format != nil && t.format.name != made.Format || t.pattern != nil && !made.Language.Within(t.pattern)
	})
}
