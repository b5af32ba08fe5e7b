package registry_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/cputest"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

// fill writes a history of n versions, five to a subject, each schema about 600
// bytes, in the records' own format: registering them would take longer.
func fill(t testing.TB, js jetstream.JetStream, n int) {
	t.Helper()
	if err := store.Create(t.Context(), js, store.Options{}); err != nil {
		t.Fatal(err)
	}
	log, err := store.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	var at store.Position
	for i := range n {
		subject := fmt.Sprintf("orders.order.s%d", i/5)
		schema := fmt.Sprintf(`{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Order %d","type":"object",`+
			`"properties":{"order_id":{"type":"string","minLength":1},"customer":{"type":"object","properties":{"id":{"type":"string"},"email":{"type":"string","format":"email"}},"required":["id"]},`+
			`"lines":{"type":"array","items":{"type":"object","properties":{"sku":{"type":"string"},"quantity":{"type":"integer","minimum":1},"price":{"type":"number"}},"required":["sku","quantity"]}},`+
			`"status":{"enum":["new","paid","sent"]},"at":{"type":"string","format":"date-time"}},"required":["order_id","lines"]}`, i)
		data, err := json.Marshal(map[string]any{
			"format": 1, "kind": "version", "subject": subject, "version": i%5 + 1, "id": i + 1, "guid": fmt.Sprintf("guid-%d", i),
			"type": "JSON", "schema": schema, "at": time.Now().UTC(), "author": "ada",
		})
		if err != nil {
			t.Fatal(err)
		}
		if at, err = log.Append(t.Context(), at, store.Subject("version", subject), data); err != nil {
			t.Fatal(err)
		}
	}
}

// Guards against a restart that takes long: an environment is not ready before
// its registry is. A hundred thousand versions may take five seconds on two
// processors; this many, on a machine that has other things to do, too.
func TestRestart(t *testing.T) {
	const versions = 5000
	js := natstest.Start(t).Connect()
	fill(t, js, versions)
	began := cputest.Used()
	r := openOn(t, js)
	took := cputest.Used() - began
	if r.Revision() != versions || len(r.Subjects()) != versions/5 || r.MaxID() != versions {
		t.Errorf("after the restart: revision %d, %d subjects", r.Revision(), len(r.Subjects()))
	}
	if took > 5*time.Second {
		t.Errorf("%d versions took %v", versions, took)
	}
}

// BenchmarkRestart opens a view of 100,000 versions, and says what it takes in
// memory.
func BenchmarkRestart(b *testing.B) {
	const versions = 100_000
	js := natstest.Start(b).Connect()
	fill(b, js, versions)
	log, err := store.Open(b.Context(), js)
	if err != nil {
		b.Fatal(err)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var used uint64
	for b.Loop() {
		b.StopTimer()
		before := heap()
		b.StartTimer()
		r, err := registry.Open(b.Context(), log)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if r.Revision() != versions {
			b.Errorf("revision %d", r.Revision())
		}
		used = heap() - before
		r.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(used)/(1<<20), "MB")
	b.ReportMetric(float64(versions)*float64(b.N)/b.Elapsed().Seconds(), "versions/s")
}
