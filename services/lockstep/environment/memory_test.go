package environment_test

import (
	"math"
	"os"
	"os/exec"
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
	// What the servers of other tests have left lives, too, so it has a process of its own.
	const alone = "LOCKSTEP_TEST_MEMORY_ALONE"
	if os.Getenv(alone) == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		child.Env = append(os.Environ(), alone+"=1")
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("alone: %v\n%s", err, out)
		}
		return
	}
	t.Setenv("GOMEMLIMIT", "")
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	environment.BoundMemory()
	if limit := debug.SetMemoryLimit(-1); limit > 1<<30 {
		t.Fatalf("the bound is %d bytes", limit)
	}
	within := func(least, most int64) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; runtime.GC() {
			limit := debug.SetMemoryLimit(-1)
			if limit >= least && limit <= most {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the bound is %d, want %d to %d", limit, least, most)
			}
		}
	}
	const mega = 1 << 20
	const own = 30 * mega            // the program and the runtime
	blocks := make([]byte, 512*mega) // the collector need not look at them
	within((512+16)*mega, (512+16)*mega+own)
	runtime.KeepAlive(blocks)
	pointers := make([]*byte, 256*mega/8)
	within((256+64)*mega, (256+64)*mega+own)
	runtime.KeepAlive(pointers)
}
