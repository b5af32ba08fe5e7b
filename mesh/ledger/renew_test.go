package ledger_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// renewed is what a route writes for the same events in a later generation: its record,
// then all of it masked otherwise.
func renewed(t *testing.T, generation int, messages []*nats.Msg) []*nats.Msg {
	t.Helper()
	encode := func(kind string, record any) *nats.Msg {
		body, err := ledger.Encode(record)
		if err != nil {
			t.Fatal(err)
		}
		return &nats.Msg{Subject: wire.LedgerSubject("production", "orders", kind), Data: body}
	}
	all := []*nats.Msg{encode(wire.KindRenewal, ledger.Renewal{Generation: uint64(generation), At: time.Now().UTC(), To: 131})}
	segment := ledger.NewSegment("ORDERS@1", 1, ledger.Digest{})
	for _, m := range messages {
		is := &nats.Msg{Subject: m.Subject, Header: maps.Clone(m.Header), Data: m.Data}
		switch kind := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]; kind {
		case wire.KindWatermark:
			w := segment.Watermark()
			is = encode(kind, w)
			segment = ledger.NewSegment("ORDERS@1", w.To+1, w.Chain)
		case wire.KindReleased:
			event := all[len(all)-1]
			r := ledger.Released{OriginSequence: sequenceOf(event), Digest: ledger.EventDigest(sequenceOf(event), event.Subject, event.Header, event.Data)}
			segment.AddRelease(r)
			is.Data = encode(kind, r).Data
		default:
			is.Header.Set(wire.HeaderGeneration, fmt.Sprint(generation))
			if kind != wire.KindWithheld {
				is.Data = fmt.Appendf(nil, `{"generation":%d,"was":%s}`, generation, m.Data)
			}
			if is.Header.Get(wire.HeaderReleased) == "" {
				segment.Add(sequenceOf(is), is.Subject, is.Header, is.Data)
			}
		}
		all = append(all, is)
	}
	return all
}

// interleaved puts events and records, which come each in their order, into one.
func interleaved(messages []*nats.Msg, eventsFirst func() bool) []*nats.Msg {
	var events, records, all []*nats.Msg
	for _, m := range messages {
		if strings.HasPrefix(m.Subject, wire.LedgerRoot) {
			records = append(records, m)
		} else {
			events = append(events, m)
		}
	}
	for len(events)+len(records) > 0 {
		if len(records) == 0 || (len(events) > 0 && eventsFirst()) {
			all, events = append(all, events[0]), events[1:]
		} else {
			all, records = append(all, records[0]), records[1:]
		}
	}
	return all
}

// reports waits until a desk reports a generation as whole and healthy.
func reports(t *testing.T, d *ledger.Desk, generation uint64) {
	t.Helper()
	var r ledger.Report
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		r = d.Reports()[0]
		if r.Generation == generation && r.VerifiedTo == 131 && r.Delivered+r.Withheld == 131 && r.Released == 4 && r.Healthy() {
			return
		}
	}
	r.Lags = nil
	t.Fatalf("generation %d is reported as %+v", generation, r)
}

// Guards against a history that comes again, masked anew, and is taken for duplicates
// or differences, that leaves what was there before, or that takes out too much: in
// whatever order the domain's stream and the ledger's get on, and wherever the
// destination begins again.
func TestRenewalReplacesTheHistory(t *testing.T) {
	base := whole(t)
	random := rand.New(rand.NewPCG(1, 2))
	for name, eventsFirst := range map[string]func() bool{
		"events first":  func() bool { return true },
		"records first": func() bool { return false },
		"mixed":         func() bool { return random.IntN(2) == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			js := repairable(t)
			second, third := renewed(t, 2, base), renewed(t, 3, base)
			o := newOrigin(t, js, third[1:])
			other := &nats.Msg{Subject: wire.StoredSubject("edge", "orders.order.placed"), Header: nats.Header{wire.HeaderOriginSequence: {"1"}}, Data: []byte(`{}`)}
			arrive(t, js, []*nats.Msg{other})
			messages := interleaved(append(append(append([]*nats.Msg(nil), base...), second...), third...), eventsFirst)
			for part := range 5 { // each begins again
				d := desk(t, js)
				arrive(t, js, messages[part*len(messages)/5:(part+1)*len(messages)/5])
				if part == 4 {
					reports(t, d, 3)
				}
				d.Close()
			}
			differ(t, contents(t, js), append([]string{describe(other.Subject, other.Header, other.Data)}, o.wanted()...))
			d := desk(t, js)
			reports(t, d, 3)
		})
	}
}

// Guards against a repair of a later generation that does not find what differs, an
// undo that brings back what was masked under a key of before, and a copy of before
// that stays.
func TestRepairInALaterGeneration(t *testing.T) {
	js, base := repairable(t), whole(t)
	o := newOrigin(t, js, base)
	d := desk(t, js)
	arrive(t, js, broken(append([]*nats.Msg(nil), base...)))
	settled(t, d)
	before := repairAll(t, d)
	identical(t, js, o, d)

	second := renewed(t, 2, base)
	o.renew(second[1:])
	arrive(t, js, append(second[:1:1], broken(append([]*nats.Msg(nil), second[1:]...))...))
	settled(t, d)
	late := &nats.Msg{Subject: base[0].Subject, Header: maps.Clone(base[0].Header), Data: base[0].Data}
	late.Header.Set(wire.HeaderRestored, "9.9")
	arrive(t, js, []*nats.Msg{late})
	was := contents(t, js)
	settled(t, d)
	if a := d.Undo(t.Context(), ledger.UndoRequest{ID: before[0], By: "test"}); a.Problem == nil || a.Problem.Code != ledger.CodeNoRepair || a.Problem.Cure == "" {
		t.Fatalf("a repair of the first generation is undone: %+v", a)
	}
	ids := repairAll(t, d)
	identical(t, js, o, d)
	reports(t, d, 2)
	for i := range ids {
		if a := d.Undo(t.Context(), ledger.UndoRequest{ID: ids[len(ids)-1-i], By: "test"}); a.Problem != nil {
			t.Fatalf("not undone: %+v", a.Problem)
		}
	}
	differ(t, contents(t, js), was)
}

// Guards against old tokens that stay in silence where they cannot be taken out.
func TestRenewalOfAStreamThatOnlyGrows(t *testing.T) {
	js, base := repairable(t), whole(t)
	stream, err := js.Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	shape := stream.CachedInfo().Config
	shape.DenyPurge = true
	if _, err := js.UpdateStream(t.Context(), shape); err != nil {
		t.Fatal(err)
	}
	d := desk(t, js)
	arrive(t, js, append(append([]*nats.Msg(nil), base...), renewed(t, 2, base)...))
	var r ledger.Report
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if r = d.Reports()[0]; r.VerifiedTo == 131 && r.Superseded == 109 && strings.Contains(r.Problem, "deny_purge") && !r.Healthy() {
			return
		}
	}
	r.Lags = nil
	t.Errorf("reported %+v", r)
}

// Guards against an event of a generation that nobody has begun that counts, or that
// costs those that are verified.
func TestEventAheadOfItsGenerationWaits(t *testing.T) {
	js, base := repairable(t), whole(t)
	second := renewed(t, 2, base)
	d := desk(t, js)
	arrive(t, js, base)
	reports(t, d, 0)
	events := interleaved(second, func() bool { return true })
	arrive(t, js, events[:50])
	time.Sleep(200 * time.Millisecond)
	reports(t, d, 0)
	arrive(t, js, events[50:])
	reports(t, d, 2)
	var want []string
	for _, m := range second {
		if strings.HasPrefix(m.Subject, wire.EventRoot) {
			want = append(want, describe(m.Subject, m.Header, m.Data))
		}
	}
	slices.Sort(want)
	differ(t, contents(t, js), want)
}
