package program

import (
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
)

// surety is what is known of the groups that judge what a step's field makes:
// those of which it is certain that they admit all of it need not judge any more.
type surety struct {
	sure   atomic.Uint32 // a bit for each of groups
	groups [maxSureties]atomic.Pointer[group]
	mu     sync.Mutex // to add groups
}

// maxSureties bounds how many groups are remembered of one step; others judge
// each time. Places of which the same is demanded mostly share their group.
const maxSureties = 6

// assured reports whether g is known to admit whatever the step's field makes.
func (s *Step) assured(g *group) bool {
	if g == nil {
		return false // it is quickest to judge
	}
	for i := range s.surety.groups {
		switch s.surety.groups[i].Load() {
		case g:
			return s.surety.sure.Load()>>i&1 != 0
		case nil:
			return s.assure(g)
		}
	}
	return false
}

// assure finds out whether g admits all that the step's field makes, and remembers
// it.
func (s *Step) assure(g *group) bool {
	sure := s.sure(g)
	s.surety.mu.Lock()
	defer s.surety.mu.Unlock()
	for i := range s.surety.groups {
		switch at := &s.surety.groups[i]; at.Load() {
		case g:
			return sure
		case nil:
			if sure { // before others can find the group
				s.surety.sure.Or(1 << i)
			}
			at.Store(g)
			return sure
		}
	}
	return sure
}

// sure reports whether all checks that g makes hold for whatever the step's field
// makes.
func (s *Step) sure(g *group) bool {
	k := kindString
	if s.Kind == Number {
		k = kindNumber
	}
	if g.whole || g.busy>>k&1 != 0 || g.failing(k) != 0 {
		return false
	}
	if made, ok := s.Field.Texts(); ok && k == kindString {
		return !slices.ContainsFunc(g.text, func(t textual) bool {
			return t.enum != nil || made.Min < t.min || t.max >= 0 && made.Max > t.max ||
				t.format != nil && t.format.name != made.Format ||
				t.pattern != nil && (made.Language == nil || !made.Language.Within(t.pattern))
		})
	}
	made, ok := s.Field.Numbers()
	return ok && k == kindNumber && (g.integer == 0 || made.Low.IsInt() && made.Step.IsInt()) &&
		!slices.ContainsFunc(g.number, func(n numeric) bool {
			return n.enum != nil || n.min != nil && made.Low.Cmp(n.min.rat()) < 0 || n.above != nil && made.Low.Cmp(n.above.rat()) <= 0 ||
				n.max != nil && made.High.Cmp(n.max.rat()) > 0 || n.below != nil && made.High.Cmp(n.below.rat()) >= 0 ||
				n.of != nil && !(multiple(made.Low, n.of) && multiple(made.Step, n.of))
		})
}

func multiple(n *big.Rat, of *decimal) bool { return new(big.Rat).Quo(n, of.rat()).IsInt() }
