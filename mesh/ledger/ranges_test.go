package ledger

import (
	"testing"

	"pgregory.net/rapid"
)

// Guards against a set of ranges that forgets, invents or splits wrongly: it
// must agree with a plain set, and its spans stay apart.
func TestRangesAgreeWithASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ranges
		set := map[uint64]bool{}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			n := rapid.Uint64Range(1, 40).Draw(t, "n")
			if rapid.Bool().Draw(t, "add") {
				r.add(n)
				set[n] = true
			} else {
				if r.remove(n) != set[n] {
					t.Fatalf("removing %d disagrees", n)
				}
				delete(set, n)
			}
		}
		for n := range uint64(42) {
			if r.has(n) != set[n] {
				t.Fatalf("has(%d) is %v: %v", n, r.has(n), r.spans)
			}
		}
		for i := 1; i < len(r.spans); i++ {
			if r.spans[i-1].to+1 >= r.spans[i].from {
				t.Fatalf("spans touch: %v", r.spans)
			}
		}
	})
}
