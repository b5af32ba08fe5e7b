package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

var fromProduction = []ledger.Source{{Origin: "production", Domain: "orders"}}

// whole is what a route writes for 131 events, with withheld and released ones, and
// with segments of releases alone.
func whole(t *testing.T) []*nats.Msg {
	t.Helper()
	messages := withReleases(t)
	var last ledger.Watermark
	if err := json.Unmarshal(messages[len(messages)-1].Data, &last); err != nil {
		t.Fatal(err)
	}
	messages = append(messages, more(22, 121, last.Chain)...)
	for _, sequence := range []uint64{15, 20} {
		if err := json.Unmarshal(messages[len(messages)-1].Data, &last); err != nil {
			t.Fatal(err)
		}
		segment := ledger.NewSegment("ORDERS@1", 122, last.Chain)
		messages = append(messages, release(t, segment, sequence)...)
		messages = append(messages, closing(t, segment))
	}
	if err := json.Unmarshal(messages[len(messages)-1].Data, &last); err != nil {
		t.Fatal(err)
	}
	return append(messages, more(122, 131, last.Chain)...)
}

// damage is a way in which what arrives differs from what was sent.
type damage struct {
	name   string
	change func([]*nats.Msg) []*nats.Msg
}

func index(messages []*nats.Msg, sequence uint64) int {
	return slices.IndexFunc(messages, func(m *nats.Msg) bool { return isEvent(m, sequence) })
}

// watermark is the place of the watermark that closes a segment.
func watermark(messages []*nats.Msg, to uint64) int {
	return slices.IndexFunc(messages, func(m *nats.Msg) bool {
		var w ledger.Watermark
		return m.Subject == wire.LedgerSubject("production", "orders", wire.KindWatermark) && json.Unmarshal(m.Data, &w) == nil && w.To == to
	})
}

func without(messages []*nats.Msg, i int) []*nats.Msg { return slices.Delete(messages, i, i+1) }

func altered(m *nats.Msg, data string) *nats.Msg {
	return &nats.Msg{Subject: m.Subject, Header: m.Header, Data: []byte(data)}
}

func damages() []damage {
	released := func(m []*nats.Msg, sequence uint64) int {
		return slices.IndexFunc(m, func(m *nats.Msg) bool { return isEvent(m, sequence) && m.Header.Get(wire.HeaderReleased) != "" })
	}
	return []damage{
		{"nothing", func(m []*nats.Msg) []*nats.Msg { return m }},
		{"an event is missing", func(m []*nats.Msg) []*nats.Msg { return without(m, index(m, 42)) }},
		{"an event is altered", func(m []*nats.Msg) []*nats.Msg {
			m[index(m, 42)] = altered(m[index(m, 42)], `{"n":43}`)
			return m
		}},
		{"a header is altered", func(m []*nats.Msg) []*nats.Msg {
			i := index(m, 42)
			is := nats.Header{wire.HeaderCEID: {"other"}, wire.HeaderOriginSequence: {"42"}}
			m[i] = &nats.Msg{Subject: m[i].Subject, Header: is, Data: m[i].Data}
			return m
		}},
		{"an event comes twice", func(m []*nats.Msg) []*nats.Msg { return slices.Insert(m, index(m, 43), m[index(m, 42)]) }},
		{"an old event comes again", func(m []*nats.Msg) []*nats.Msg { return append(m, m[index(m, 1)]) }},
		{"two events change places", func(m []*nats.Msg) []*nats.Msg {
			i, j := index(m, 42), index(m, 43)
			m[i], m[j] = m[j], m[i]
			return m
		}},
		{"an event stands where one is withheld", func(m []*nats.Msg) []*nats.Msg {
			i := index(m, 45)
			return slices.Insert(m, i, &nats.Msg{Subject: m[index(m, 42)].Subject, Header: nats.Header{wire.HeaderOriginSequence: {"45"}}, Data: []byte(`{}`)})
		}},
		{"a message names no event", func(m []*nats.Msg) []*nats.Msg {
			return slices.Insert(m, 30, &nats.Msg{Subject: m[index(m, 42)].Subject, Data: []byte(`{}`)})
		}},
		{"a marker is lost", func(m []*nats.Msg) []*nats.Msg { return without(m, index(m, 45)) }},
		{"a watermark is lost", func(m []*nats.Msg) []*nats.Msg { return without(m, watermark(m, 51)) }},
		{"three watermarks are lost, and events", func(m []*nats.Msg) []*nats.Msg {
			for _, to := range []uint64{41, 51, 61} {
				m = without(m, watermark(m, to))
			}
			return without(without(m, index(m, 33)), index(m, 58))
		}},
		{"the first watermark is lost", func(m []*nats.Msg) []*nats.Msg { return without(m, watermark(m, 10)) }},
		{"a watermark is altered", func(m []*nats.Msg) []*nats.Msg {
			i := watermark(m, 51)
			var w ledger.Watermark
			_ = json.Unmarshal(m[i].Data, &w)
			w.Digest[0]++
			w.Chain[0]++
			body, _ := json.Marshal(w)
			m[i] = altered(m[i], string(body))
			return m
		}},
		{"a watermark is altered, and an event behind it", func(m []*nats.Msg) []*nats.Msg {
			i := watermark(m, 51)
			var w ledger.Watermark
			_ = json.Unmarshal(m[i].Data, &w)
			w.Chain[0]++
			body, _ := json.Marshal(w)
			m[i] = altered(m[i], string(body))
			return without(m, index(m, 53))
		}},
		{"a released event is altered", func(m []*nats.Msg) []*nats.Msg {
			m[released(m, 5)] = altered(m[released(m, 5)], `{}`)
			return m
		}},
		{"a released event is missing", func(m []*nats.Msg) []*nats.Msg { return without(m, released(m, 5)) }},
		{"a released event comes twice", func(m []*nats.Msg) []*nats.Msg { return append(m, m[released(m, 5)]) }},
		{"the record of a release is lost", func(m []*nats.Msg) []*nats.Msg { return without(m, released(m, 5)+1) }},
		{"the record of a release and its watermark are lost", func(m []*nats.Msg) []*nats.Msg {
			m = without(m, released(m, 5)+1)
			return without(m, watermark(m, 21))
		}},
		{"the watermark of releases alone is lost", func(m []*nats.Msg) []*nats.Msg { return without(m, released(m, 15)+2) }},
		{"two watermarks of releases alone are lost", func(m []*nats.Msg) []*nats.Msg {
			return without(without(m, released(m, 20)+2), released(m, 15)+2)
		}},
		{"a release alone is lost", func(m []*nats.Msg) []*nats.Msg {
			return slices.Delete(m, released(m, 15), released(m, 15)+3)
		}},
		{"what was released alone is altered, twice", func(m []*nats.Msg) []*nats.Msg {
			for _, sequence := range []uint64{15, 20} {
				m[released(m, sequence)] = altered(m[released(m, sequence)], `{}`)
			}
			return m
		}},
		{"the marker of a released event is lost", func(m []*nats.Msg) []*nats.Msg { return without(m, index(m, 5)) }},
		{"many events are missing", func(m []*nats.Msg) []*nats.Msg {
			for sequence := uint64(24); sequence < 110; sequence++ {
				if sequence%10 != 1 && sequence%5 != 0 {
					m = without(m, index(m, sequence))
				}
			}
			return m
		}},
	}
}

// arrive puts messages into the destination's streams.
func arrive(t *testing.T, js jetstream.JetStream, messages []*nats.Msg) {
	t.Helper()
	for _, m := range messages {
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// desk is the desk of the destination, until the test ends.
func desk(t *testing.T, js jetstream.JetStream) *ledger.Desk {
	t.Helper()
	d, err := ledger.Serve(js.Conn(), "staging", fromProduction, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// settled waits until the desk has read all that there is.
func settled(t *testing.T, d *ledger.Desk) ledger.Report {
	t.Helper()
	a := d.Audit(t.Context(), ledger.AuditRequest{By: "test"})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if a.Problem != nil {
			t.Fatalf("the audit failed: %+v", a.Problem)
		}
		f := d.Status(t.Context(), ledger.StatusRequest{}).Domains[0]
		if !f.Audit.Ended.IsZero() {
			return f.Report
		}
	}
	t.Fatal("the audit does not end")
	return ledger.Report{}
}

// repairAll repairs until nothing is left, and gives the ids of the repairs.
func repairAll(t *testing.T, d *ledger.Desk) []uint64 {
	t.Helper()
	var ids []uint64
	for range 50 {
		a := d.Repair(t.Context(), ledger.RepairRequest{By: "test"})
		if a.Problem != nil {
			t.Fatalf("not repaired: %+v", a.Problem)
		}
		if r := a.Domains[0]; r.ID != 0 {
			ids = append(ids, r.ID)
		}
		if a.Domains[0].Remaining == 0 {
			return ids
		}
	}
	t.Fatal("there is no end of repairing")
	return nil
}

// identical reports what is not identical to what the origin sent.
func identical(t *testing.T, js jetstream.JetStream, o *origin, d *ledger.Desk) {
	t.Helper()
	if r := settled(t, d); !r.Healthy() || r.VerifiedTo != 131 || r.Delivered != uint64(len(o.events)) || r.Withheld != 22 || r.Released != 4 || r.MaskedFields != 2*r.Delivered {
		t.Errorf("verified anew: %+v", r)
	}
	differ(t, contents(t, js), o.wanted())
}

// Guards against a repair that leaves a difference or makes one, against an undo
// that does not give back what was there, and against either losing its trace.
func TestRepairAndUndo(t *testing.T) {
	for _, c := range damages() {
		t.Run(c.name, func(t *testing.T) {
			js, base := repairable(t), whole(t)
			o := newOrigin(t, js, base)
			d := desk(t, js)
			arrive(t, js, c.change(slices.Clone(base)))
			before, was := settled(t, d), contents(t, js)
			if before.Healthy() != (c.name == "nothing") {
				t.Fatalf("before the repair: %+v", before)
			}
			ids := repairAll(t, d)
			identical(t, js, o, d)

			slices.Reverse(ids)
			for _, id := range ids {
				if a := d.Undo(t.Context(), ledger.UndoRequest{ID: id, By: "test"}); a.Problem != nil {
					t.Fatalf("not undone: %+v", a.Problem)
				}
				if a := d.Undo(t.Context(), ledger.UndoRequest{ID: id, By: "test"}); a.Problem == nil || a.Problem.Code != ledger.CodeNoRepair {
					t.Fatalf("undone twice: %+v", a)
				}
			}
			differ(t, contents(t, js), was)
			// Of two events that changed places, the late one is late again; it is there.
			if r := settled(t, d); r.Healthy() && len(ids) > 0 && c.name != "two events change places" {
				t.Errorf("after the undo all is well: %+v", r)
			}
			repairAll(t, d)
			identical(t, js, o, d)
		})
	}
}

// Guards against an undo that leaves what it should take out because it was taken out
// and put back meanwhile: a copy that came twice, which the next repair took for a
// duplicate, once and again.
func TestUndoOfWhatCameTwice(t *testing.T) {
	js, base := repairable(t), whole(t)
	o := newOrigin(t, js, base)
	o.twice = true
	d := desk(t, js)
	arrive(t, js, without(slices.Clone(base), index(base, 42)))
	settled(t, d)
	was := contents(t, js)
	first := repairAll(t, d)
	if len(first) != 2 {
		t.Fatalf("%d repairs: nothing was taken for a duplicate", len(first))
	}
	undo := func(id uint64) {
		t.Helper()
		if a := d.Undo(t.Context(), ledger.UndoRequest{ID: id, By: "test"}); a.Problem != nil {
			t.Fatalf("not undone: %+v", a.Problem)
		}
	}
	undo(first[1])
	again := repairAll(t, d)
	identical(t, js, o, d)
	for _, id := range again {
		undo(id)
	}
	undo(first[0])
	differ(t, contents(t, js), was)
	if r := settled(t, d); r.Missing != 1 {
		t.Errorf("after the undo: %+v", r)
	}
	repairAll(t, d)
	identical(t, js, o, d)
}

// Guards against an undo that leaves what it should take out because it came late:
// after another repair had begun, which found more before it and did not get to it.
func TestUndoOfWhatCameLate(t *testing.T) {
	js, base := repairable(t), more(1, 300, ledger.Digest{})
	o := newOrigin(t, js, base)
	ctx, cut := context.WithCancel(t.Context())
	defer cut()
	d, err := ledger.ServeObserved(js.Conn(), "staging", fromProduction, func(step string) {
		if step == "planned" {
			cut()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	arrive(t, js, without(slices.Clone(base), index(base, 272)))
	settled(t, d)
	o.mute.Store(true)
	if a := d.Repair(ctx, ledger.RepairRequest{By: "test"}); a.Problem == nil || a.Domains[0].ID == 0 {
		t.Fatalf("the repair was not cut: %+v", a)
	}
	<-o.unheard
	o.mute.Store(false)
	stream, err := js.Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	for at := uint64(2); at <= 200; at += 8 { // in more segments than one repair gets to
		if err := stream.DeleteMsg(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, d)
	was := contents(t, js)
	if a := d.Repair(t.Context(), ledger.RepairRequest{By: "test"}); a.Problem != nil || a.Domains[0].Remaining == 0 {
		t.Fatalf("the second repair: %+v", a)
	}
	late := &nats.Msg{Subject: o.events[272].Subject, Data: o.events[272].Data, Header: nats.Header{wire.HeaderRepair: {"2026-01-02T03:04:05Z"}}}
	maps.Copy(late.Header, o.events[272].Header)
	arrive(t, js, []*nats.Msg{late})
	repairAll(t, d)
	differ(t, contents(t, js), o.wanted())
	for _, id := range repairs(t, js) {
		if a := d.Undo(t.Context(), ledger.UndoRequest{ID: id, By: "test"}); a.Problem != nil {
			t.Fatalf("not undone: %+v", a.Problem)
		}
	}
	differ(t, contents(t, js), was)
}

// broken is what arrives with every kind of damage that takes something out of the
// domain's stream or puts something into it.
func broken(m []*nats.Msg) []*nats.Msg {
	m[index(m, 42)] = altered(m[index(m, 42)], `{"n":43}`)
	m = without(m, index(m, 63))
	m = slices.Insert(m, index(m, 83), m[index(m, 82)])
	m = without(m, watermark(m, 101))
	return slices.Insert(m, 30, &nats.Msg{Subject: m[index(m, 42)].Subject, Data: []byte(`{}`)})
}

// repairs are the ids of all repairs, the latest first.
func repairs(t *testing.T, js jetstream.JetStream) []uint64 {
	t.Helper()
	stream, err := js.Stream(t.Context(), wire.AuditStream)
	if err != nil {
		t.Fatal(err)
	}
	var ids []uint64
	for at := stream.CachedInfo().State.LastSeq; at > 0; at-- {
		m, err := stream.GetMsg(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		var r ledger.Record
		if err := json.Unmarshal(m.Data, &r); err != nil {
			t.Fatal(err)
		}
		if r.Action == "ledger-repair" && r.Phase == "asked" {
			ids = append(ids, at)
		}
	}
	return ids
}

// run is a destination whose desk is cut at one step of a repair or of an undo.
type run struct {
	t    *testing.T
	js   jetstream.JetStream
	at   string         // "step n": where it is cut; empty: nowhere
	seen map[string]int // how often each step was come to
}

// desk opens a desk, does something with it and closes it.
func (r *run) desk(cut bool, do func(*ledger.Desk)) {
	r.t.Helper()
	nc, err := nats.Connect(r.js.Conn().ConnectedUrl(), nats.NoReconnect())
	if err != nil {
		r.t.Fatal(err)
	}
	defer nc.Close()
	d, err := ledger.ServeObserved(nc, "staging", fromProduction, func(step string) {
		r.seen[step]++
		if cut && fmt.Sprintf("%s %d", step, r.seen[step]) == r.at {
			nc.Close() // whatever comes now does not reach the server
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	defer d.Close()
	settled(r.t, d)
	do(d)
}

func (r *run) through(base []*nats.Msg) {
	t := r.t
	o := newOrigin(t, r.js, base)
	arrive(t, r.js, broken(slices.Clone(base)))
	was := contents(t, r.js)
	r.desk(true, func(d *ledger.Desk) { d.Repair(t.Context(), ledger.RepairRequest{By: "test"}) })
	r.desk(false, func(d *ledger.Desk) {
		repairAll(t, d)
		identical(t, r.js, o, d)
	})
	for _, id := range repairs(t, r.js) {
		r.desk(true, func(d *ledger.Desk) { d.Undo(t.Context(), ledger.UndoRequest{ID: id, By: "test"}) })
		r.desk(false, func(d *ledger.Desk) {
			if a := d.Undo(t.Context(), ledger.UndoRequest{ID: id, By: "test"}); a.Problem != nil && a.Problem.Code != ledger.CodeNoRepair {
				t.Fatalf("not undone: %+v", a.Problem)
			}
		})
	}
	differ(t, contents(t, r.js), was)
}

// Guards against a repair or an undo that is cut at some point and then loses a
// message, doubles one, or cannot go on.
func TestRepairAndUndoAreCut(t *testing.T) {
	base := whole(t)
	all := &run{t: t, js: repairable(t), seen: map[string]int{}}
	all.through(base)
	for step, times := range all.seen {
		for i := 1; i <= min(times, 5); i++ {
			at := fmt.Sprintf("%s %d", step, i)
			t.Run(at, func(t *testing.T) {
				(&run{t: t, js: repairable(t), at: at, seen: map[string]int{}}).through(base)
			})
		}
	}
}
