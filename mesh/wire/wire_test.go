package wire_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Guards against a subject that is taken apart in another way than it was put
// together, and against tokens that are no literals.
func TestParseSubject(t *testing.T) {
	for subject, want := range map[string]wire.Subject{
		"orders.order":              {Domain: "orders", Entity: "order"},
		"orders.order.placed":       {Domain: "orders", Entity: "order", Action: "placed"},
		"orders.order.placed.o-1":   {Domain: "orders", Entity: "order", Action: "placed", Keys: []string{"o-1"}},
		"orders.order.placed.a.b%2": {Domain: "orders", Entity: "order", Action: "placed", Keys: []string{"a", "b%2"}},
	} {
		got, err := wire.ParseSubject(subject)
		if err != nil {
			t.Errorf("%s: %v", subject, err)
			continue
		}
		if got.String() != subject || got.Type() != want.Type() || strings.Join(got.Keys, "/") != strings.Join(want.Keys, "/") || got.EntityType() != "orders.order" {
			t.Errorf("%s became %+v", subject, got)
		}
	}
	for _, subject := range []string{"", "orders", "orders.", ".order", "orders..placed", "orders.*", "orders.>", "orders.order.a b", "orders.order.\x00", "orders.order.placed."} {
		if got, err := wire.ParseSubject(subject); err == nil {
			t.Errorf("%q is taken for %+v", subject, got)
		}
	}
}

// Guards against two names of mesh.yaml that meet in one stream, or an event
// whose origin cannot be told from its subject.
func TestNamesStayApart(t *testing.T) {
	name := rapid.StringMatching(`[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,4}){0,2}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		if a != b && wire.DomainStream(a) == wire.DomainStream(b) {
			t.Fatalf("%s and %s share the stream %s", a, b, wire.DomainStream(a))
		}
		stored := wire.StoredSubject(a, b+".order.placed")
		environment, subject, ok := wire.ParseStored(stored)
		if !ok || environment != a || subject != b+".order.placed" {
			t.Fatalf("%s is taken apart into %s and %s", stored, environment, subject)
		}
		if captured := wire.EgressSubject(b, stored); strings.TrimPrefix(captured, wire.EgressRoot+"."+b+".") != stored {
			t.Fatalf("%s does not store as %s", captured, stored)
		}
		if _, _, ok := wire.ParseStored(wire.LedgerSubject(a, b, wire.KindWatermark)); ok {
			t.Fatal("a ledger record is taken for an event")
		}
	})
}
