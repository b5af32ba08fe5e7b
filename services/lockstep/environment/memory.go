package environment

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much memory a process may hold before the garbage collector hurries.
// Stores keep what they have written or read where only the collector takes it
// back, so that a process that takes in a backlog would grow to several times
// what it needs.
const (
	smallMemory = 80 << 20 // up to here the collector leaves it alone
	// Above, it may hold so much more than what lives, or a quarter more than what the
	// collector has to look at. Most of what lives are the blocks that the server has
	// written or read in the last ten seconds, which cost the collector nothing.
	spareMemory = 16 << 20
)

// BoundMemory has the garbage collector keep a process that is one environment
// small, for as long as the process lives; it is for programs, not for packages.
// It does nothing where GOMEMLIMIT says what is wanted. The bound is soft: what
// lives always has room, and some more, so that the collector never runs all the
// time.
func BoundMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	boundMemory(0, 0)
	afterCollection()
}

// afterCollection has the bound follow what lives after each collection.
func afterCollection() {
	runtime.AddCleanup(new([16]byte), func(int) {
		samples := []metrics.Sample{
			{Name: "/gc/heap/live:bytes"},
			{Name: "/memory/classes/total:bytes"},
			{Name: "/memory/classes/heap/released:bytes"},
			{Name: "/memory/classes/heap/objects:bytes"},
			{Name: "/memory/classes/heap/free:bytes"},
			{Name: "/memory/classes/heap/unused:bytes"},
			{Name: "/gc/scan/total:bytes"},
		}
		metrics.Read(samples)
		value := func(i int) int64 {
			if samples[i].Value.Kind() != metrics.KindUint64 {
				return 0
			}
			return int64(samples[i].Value.Uint64())
		}
		other := value(1) - value(2) - value(3) - value(4) - value(5) // stacks and the runtime's own
		boundMemory(value(0)+max(other, 0), value(6))
		afterCollection()
	}, 0)
}

func boundMemory(needed, scanned int64) {
	debug.SetMemoryLimit(max(smallMemory, needed+max(scanned/4, spareMemory)))
}
