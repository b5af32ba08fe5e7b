package environment_test

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
)

// What the operator has set would be overridden.
func TestMemoryBoundLeavesTheOperatorsAlone(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "1GiB")
	before := debug.SetMemoryLimit(-1)
	environment.BoundMemory()
	if after := debug.SetMemoryLimit(-1); after != before {
		t.Fatalf("the bound went from %d to %d", before, after)
	}
}

// The collector would run all the time in a process that needs more than the
// bound, or not at all in one that needs less.
func TestMemoryBoundFollowsWhatLives(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	environment.BoundMemory()
	if limit := debug.SetMemoryLimit(-1); limit > 1<<30 {
		t.Fatalf("the bound is %d bytes", limit)
	}
	needed := make([]byte, 256<<20)
	for deadline := time.Now().Add(10 * time.Second); debug.SetMemoryLimit(-1) < int64(len(needed)*5/4); {
		if time.Now().After(deadline) {
			t.Fatalf("with %d bytes in use, the bound is %d", len(needed), debug.SetMemoryLimit(-1))
		}
		runtime.GC()
	}
	runtime.KeepAlive(needed)
}
