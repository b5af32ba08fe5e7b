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

// Guards against an event whose schema cannot be told from its headers, and
// against what another publisher wrote being taken for a schema of the registry.
func TestDataSchema(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		subject, version := rapid.StringMatching(`[a-z]+(\.[a-z0-9_-]+){1,2}`).Draw(t, "subject"), rapid.IntRange(1, 1<<31).Draw(t, "version")
		value := wire.DataSchema(subject, version)
		if s, v, ok := wire.ParseDataSchema(value); !ok || s != subject || v != version {
			t.Fatalf("%s is taken apart into %s, %d, %v", value, s, v, ok)
		}
	})
	for _, value := range []string{
		"", "/subjects/", "/subjects/orders.order", "/subjects//versions/1", "/subjects/orders.order/versions/", "/subjects/orders.order/versions/0",
		"/subjects/orders.order/versions/-1", "/subjects/orders.order/versions/+1", "/subjects/orders.order/versions/01", "/subjects/orders.order/versions/1/",
		"/subjects/orders.order/versions/latest", "https://example.com/subjects/orders.order/versions/1", "subjects/orders.order/versions/1",
	} {
		if s, v, ok := wire.ParseDataSchema(value); ok {
			t.Errorf("%q is taken for version %d of %s", value, v, s)
		}
	}
}
