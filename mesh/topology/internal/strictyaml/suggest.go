package strictyaml

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest returns the one of known that written was probably meant to be, or
// "" if none is near.
func Nearest(written string, known []string) string {
	best, bestDistance := "", 1+max(1, len(written)/3)
	for _, candidate := range known {
		if strings.EqualFold(written, candidate) {
			return candidate
		}
		if len(written) >= 3 && strings.HasPrefix(candidate, strings.ToLower(written)) {
			return candidate
		}
		if d := distance(strings.ToLower(written), candidate, bestDistance); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// Suggest is the cure for a name that is not known: the nearest known one,
// or all of them.
func Suggest(written string, known []string) string {
	if near := Nearest(written, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if len(known) == 0 {
		return ""
	}
	sorted := slices.Clone(known)
	slices.Sort(sorted)
	if len(sorted) == 1 {
		return fmt.Sprintf("the only one is %s", sorted[0])
	}
	return "one of " + strings.Join(sorted, ", ")
}

// suggestOr is Suggest where there is a nearest one, and else what is given.
func suggestOr(written string, known []string, otherwise string) string {
	if Nearest(written, known) == "" {
		return otherwise
	}
	return Suggest(written, known)
}

// distance is the number of insertions, deletions, changes and swaps of
// neighbours between a and b, or limit where it is no less.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
