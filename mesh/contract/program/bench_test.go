package program_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// orderEvent is an order of n lines under schemas/orders/order/created; one
// line makes it 496 bytes long.
func orderEvent(lines int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"order_id":"0b9bd1c5-3d0e-4a1c-8f6e-7c1d2e3f4a5b","number":"SO-26-0000042","created_at":"2026-03-02T08:00:00.000Z",` +
		`"channel":"web","customer":{"customer_id":"6f1d2c3b-4a59-4e68-9d7c-8b9aa0b1c2d3","name":"Åsa Ström","email":"asa.strom@post.test"},` +
		`"delivery":{"method":"courier","address":{"street":"Ågatan 1","city":"Lund","postal_code":"22350","country":"SE"}},"lines":[`)
	for i := range lines {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"line":%d,"sku":"TEA-0042","title":"Te","quantity":2,"unit_price":{"amount":12.50,"currency":"EUR"}}`, i+1)
	}
	b.WriteString(`],"total":{"amount":25.00,"currency":"EUR"}}`)
	return b.Bytes()
}

func orderSubject(t testing.TB) *subject {
	t.Helper()
	bundles := bundlesIn(t, filepath.Join(moduleRoot(t), "schemas", "orders"))
	s, err := newSubject(bundles["order/created.schema.json"])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The product's own example could be judged wrongly, or slowly.
func TestOrder(t *testing.T) {
	s := orderSubject(t)
	if !s.closed.Fast() {
		t.Errorf("not fast: %v", s.closed.Explain())
	}
	for _, lines := range []int{1, 30} {
		data := orderEvent(lines)
		if !s.agree(t, "order", data) || !s.closed.Valid(data) {
			t.Errorf("an order of %d bytes is not valid", len(data))
		}
		allocs := testing.AllocsPerRun(100, func() { s.closed.Valid(data) })
		if allocs > 0 && !raceEnabled {
			t.Errorf("validating %d bytes allocates %v times", len(data), allocs)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	order := orderSubject(b)
	for _, size := range []struct {
		name  string
		lines int
	}{{"order", 1}, {"order4k", 34}} {
		data := orderEvent(size.lines)
		name := fmt.Sprintf("%s-%dB", size.name, len(data))
		b.Run(name+"/program", func(b *testing.B) { benchProgram(b, order.closed, data) })
		b.Run(name+"/v5", func(b *testing.B) { benchReference(b, order, data) })
	}
	bundles := bundlesIn(b, corpus(b, "github-webhooks/schemas"))
	subjects := map[string]*subject{}
	var events []event
	size := 0
	for _, e := range githubEvents(b, bundles) {
		if subjects[e.schema] == nil {
			s, err := newSubject(bundles[e.schema])
			if err != nil {
				b.Fatal(err)
			}
			subjects[e.schema] = s
		}
		if subjects[e.schema].open.Valid(e.text) {
			events = append(events, e)
			size += len(e.text)
		}
	}
	b.Run("github/program", func(b *testing.B) {
		b.SetBytes(int64(size / len(events)))
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			e := &events[i%len(events)]
			if !subjects[e.schema].open.Valid(e.text) {
				b.Fatal(e.name)
			}
		}
	})
	b.Run("github/v5", func(b *testing.B) {
		b.SetBytes(int64(size / len(events)))
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			e := &events[i%len(events)]
			value, err := strictjson.Decode(e.text, strictjson.Limits{})
			if err != nil || subjects[e.schema].linked.Schema.Validate(value) != nil {
				b.Fatal(e.name)
			}
		}
	})
}

func benchProgram(b *testing.B, p *program.Program, data []byte) {
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if !p.Valid(data) {
			b.Fatal("not valid")
		}
	}
}

func benchReference(b *testing.B, s *subject, data []byte) {
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		value, err := strictjson.Decode(data, strictjson.Limits{})
		if err != nil || s.linked.Schema.Validate(value) != nil {
			b.Fatal("not valid")
		}
	}
}
