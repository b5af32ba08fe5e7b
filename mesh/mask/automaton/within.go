package automaton

import "slices"

// maxPairs bounds how many pairs of states are looked at to compare patterns.
const maxPairs = 1 << 12

// Within reports whether other matches every text that p does. It is false, too,
// where that can't be told: because one of the two is left to package regexp,
// because there is too much to look at, or because p holds a match in what goes
// on in any way.
//
// It follows both automata side by side, through all pairs of states that some
// text leads to.
func (p *Pattern) Within(other *Pattern) bool {
	if p.next == nil || other.next == nil {
		return false
	}
	// Between two bounds, neither automaton tells characters apart.
	bounds := slices.Compact(slices.Sorted(slices.Values(slices.Concat(p.bounds, other.bounds))))
	type pair struct{ own, other int }
	start := pair{stateStart, stateStart}
	seen := map[pair]bool{start: true}
	todo := []pair{start}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if p.final[at.own] && !other.final[at.other] {
			return false
		}
		for _, r := range bounds {
			to := pair{p.after(at.own, r), other.after(at.other, r)}
			switch {
			case to.own == stateNo || to.other == stateYes || seen[to]:
				continue
			case to.own == stateYes || len(seen) == maxPairs:
				return false
			}
			seen[to] = true
			todo = append(todo, to)
		}
	}
	return true
}

// after is the state to which one goes from another by a character.
func (p *Pattern) after(state int, r rune) int {
	return int(p.next[state*p.classes+p.classOf(r)]) / p.classes
}
