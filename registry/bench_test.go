package registry_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
)

// BenchmarkCaches asks for the compatibility of a new schema with every one of 20,000
// subjects' newest of 100,000 versions, and says what the registry takes in memory
// before and after.
func BenchmarkCaches(b *testing.B) {
	const versions = 100_000
	js := natstest.Start(b).Connect()
	fill(b, js, versions)
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	start := heap()
	r := openOn(b, js)
	opened := heap()
	checks := 0
	for b.Loop() {
		for i := range versions / 5 {
			text := fmt.Sprintf(`{"title":"%d","type":"object","properties":{"order_id":{"type":"string"},"note_%d":{"type":"string"}}}`, i, i)
			if _, err := r.CheckNext(fmt.Sprintf("orders.order.s%d", i), registry.Schema{Type: registry.JSON, Text: text}); err != nil {
				b.Fatal(err)
			}
			checks++
		}
	}
	b.ReportMetric(opened-start, "MB-opened")
	b.ReportMetric(heap()-start, "MB-after")
	b.ReportMetric(float64(checks)/b.Elapsed().Seconds(), "checks/s")
	runtime.KeepAlive(r)
}
