package shop

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/services/internal/schematest"
)

// bundles are all of the shop's schemas by registry subject.
func bundles(t testing.TB) map[string]*jsonschema.Bundle {
	t.Helper()
	all := map[string]*jsonschema.Bundle{}
	for _, domain := range []string{Orders, Customers, Payments} {
		for subject, b := range schematest.Load(t, domain, filepath.Join(schematest.Root(t), "schemas", domain)) {
			all[subject] = b
		}
	}
	return all
}

// Guards against a history that differs from run to run or machine to machine:
// three services could then not tell one story, and a replay would be news.
func TestOneSeedGivesOneHistory(t *testing.T) {
	digest := func(seed uint64) string {
		sum := sha256.New()
		for e := range All(seed, 2000) {
			sum.Write([]byte(e.ID + e.Subject() + stamp(e.Time)))
			sum.Write(e.Data())
		}
		return hex.EncodeToString(sum.Sum(nil))
	}
	if first, second := digest(7), digest(7); first != second {
		t.Error("seed 7 gives two histories")
	}
	if digest(7) == digest(8) {
		t.Error("seeds 7 and 8 give the same history")
	}
	const known = "5de4b23959db00da7428ca2e89735dfd84405f4ff8265c9f0063357f5b2cea7a"
	if got := digest(42); got != known {
		t.Errorf("seed 42's history has become %s: whoever stored it will see its events change. If that is meant, write the digest here", got)
	}
}

// Guards against schemas without events, and a demo in which some event type
// never shows up.
func TestEveryEventTypeHappens(t *testing.T) {
	want := map[string]bool{}
	for subject := range bundles(t) {
		s, err := wire.ParseSubject(subject)
		if err != nil {
			t.Fatal(err)
		}
		if s.Entity != wire.SharedEntity {
			want[subject] = true
		}
	}
	for seed := range uint64(10) {
		got := map[string]bool{}
		for e := range All(seed, 2500) {
			if !want[e.Type] {
				t.Fatalf("seed %d: %s has no schema", seed, e.Type)
			}
			got[e.Type] = true
		}
		if len(got) != len(want) {
			t.Errorf("seed %d: %d of %d event types happen in 2500 events", seed, len(got), len(want))
		}
	}
}

// Guards against a history that breaks the rules it claims to follow: time
// runs forward, no event's identity comes twice, every subject can be
// published on, and payments and orders are of people who registered before.
func TestHistoryIsCoherent(t *testing.T) {
	known := map[string]bool{}
	closed := map[string]bool{}
	ids := map[string]bool{}
	mails := map[string]string{}
	last := opening
	for e := range All(3, 20_000) {
		if e.Time.Before(last) {
			t.Fatalf("%s: time runs backwards", e.ID)
		}
		last = e.Time
		if ids[e.ID] {
			t.Fatalf("event %s comes twice", e.ID)
		}
		ids[e.ID] = true
		if s, err := wire.ParseSubject(e.Subject()); err != nil || s.Type() != e.Type || s.Domain != e.Domain {
			t.Fatalf("subject %q of type %s: %+v, %v", e.Subject(), e.Type, s, err)
		}
		var who string
		switch p := e.Payload.(type) {
		case CustomerRegistered:
			known[p.CustomerID] = true
			who = p.CustomerID
			if other, taken := mails[p.Contact.Email]; taken {
				t.Fatalf("%s and %s have the same e-mail address", other, who)
			}
			mails[p.Contact.Email] = who
		case CustomerUpdated:
			who = p.CustomerID
		case CustomerClosed:
			who = p.CustomerID
			closed[who] = true
			continue
		case OrderCreated:
			who = p.Customer.CustomerID
		case OrderPaid:
			who = p.CustomerID
		case OrderShipped:
			who = p.CustomerID
		case OrderCancelled:
			who = p.CustomerID
		case PaymentAuthorized:
			who = p.Payer.CustomerID
		case PaymentCaptured:
			who = p.CustomerID
		case PaymentRefunded:
			who = p.CustomerID
		case PaymentFailed:
			who = p.Payer.CustomerID
		default:
			t.Fatalf("%s has the payload %T", e.Type, p)
		}
		if !known[who] || closed[who] {
			t.Fatalf("%s is of customer %s, who has no account then", e.Type, who)
		}
	}
}

// Guards against measurements of something else than they say.
func TestSampleSizes(t *testing.T) {
	for _, c := range []struct {
		name     string
		event    Event
		min, max int
	}{{"small", SmallOrder(), 480, 520}, {"large", LargeOrder(), 3900, 4200}} {
		if n := len(c.event.Data()); n < c.min || n > c.max {
			t.Errorf("the %s order has %d bytes, want %d to %d", c.name, n, c.min, c.max)
		}
		if !reflect.DeepEqual(c.event, map[string]Event{"small": SmallOrder(), "large": LargeOrder()}[c.name]) {
			t.Errorf("the %s order is not the same twice", c.name)
		}
	}
}

// Guards against a leak search that looks for nothing, or for values that were
// never published.
func TestPersonalValues(t *testing.T) {
	values := PersonalValues(5, 300)
	if len(values) < 200 {
		t.Fatalf("only %d personal values in 300 events", len(values))
	}
	var all bytes.Buffer
	for e := range All(5, 300) {
		all.Write(e.Data())
	}
	text := strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">", `\"`, `"`).Replace(all.String())
	for i, v := range values {
		if len(v) < searchable || slices.Contains(values[:i], v) {
			t.Errorf("%q is too short or comes twice", v)
		}
		if !strings.Contains(text, v) {
			t.Errorf("%q stands in no event", v)
		}
	}
	if got := PersonalValues(5, 0); got != nil {
		t.Errorf("no events hold %q", got)
	}
}

// Guards against amounts that lose a cent on their way through JSON.
func TestCents(t *testing.T) {
	for _, c := range []struct {
		cents Cents
		json  string
	}{{0, "0"}, {5, "0.05"}, {50, "0.5"}, {100, "1"}, {1999, "19.99"}, {-110, "-1.1"}, {-5, "-0.05"}, {1_000_000_01, "1000000.01"}} {
		got, err := c.cents.MarshalJSON()
		if err != nil || string(got) != c.json {
			t.Errorf("%d is %s (%v), want %s", c.cents, got, err, c.json)
		}
		var back Cents
		if err := back.UnmarshalJSON(got); err != nil || back != c.cents {
			t.Errorf("%s is read as %d (%v), want %d", got, back, err, c.cents)
		}
	}
	var c Cents
	if err := c.UnmarshalJSON([]byte(`"1"`)); err == nil {
		t.Error(`"1" is read as an amount`)
	}
}

func BenchmarkNext(b *testing.B) {
	h := New(1)
	b.ReportAllocs()
	for b.Loop() {
		h.Next().Data()
	}
}
