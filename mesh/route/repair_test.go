package route_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// repairs gives what was written for repairs, the events and the leaves, and fails
// if it doesn't stand directly behind a watermark, or its checkpoint is not the
// route's.
func (o *origin) repairs(t *testing.T) (events []*jetstream.RawStreamMsg, leaves []ledger.Leaves) {
	t.Helper()
	open, checkpoint := false, ""
	for i, m := range o.stored(t) {
		if m.Header.Get(wire.HeaderRepair) == "" {
			open = !strings.HasSuffix(m.Subject, "."+wire.KindWatermark)
			if m.Header.Get(wire.HeaderReleased) == "" {
				checkpoint = m.Header.Get(wire.HeaderOriginSequence)
			}
			continue
		}
		if open || i == 0 {
			t.Errorf("message %d stands within a segment", m.Sequence)
		}
		if at := m.Header.Get(wire.HeaderCheckpoint); at != checkpoint || at == "" {
			t.Errorf("message %d has checkpoint %q, and the route is at %q", m.Sequence, at, checkpoint)
		}
		if !strings.HasSuffix(m.Subject, "."+wire.KindLeaves) {
			events = append(events, m)
			continue
		}
		var l ledger.Leaves
		if err := json.Unmarshal(m.Data, &l); err != nil {
			t.Fatal(err)
		}
		if m.Header.Get(wire.HeaderOriginSequence) != strconv.FormatUint(l.To, 10) || m.Header.Get(wire.HeaderOriginStream) != l.OriginStream || m.Header.Get(wire.HeaderOrigin) != "production" {
			t.Errorf("leaves have headers %v", m.Header)
		}
		leaves = append(leaves, l)
	}
	return events, leaves
}

// watermarks are those of the egress stream.
func (o *origin) watermarks(t *testing.T) (marks []ledger.Watermark) {
	t.Helper()
	for _, m := range o.all(t) {
		if !strings.HasSuffix(m.Subject, "."+wire.KindWatermark) {
			continue
		}
		var w ledger.Watermark
		if err := json.Unmarshal(m.Data, &w); err != nil {
			t.Fatal(err)
		}
		marks = append(marks, w)
	}
	return marks
}

// closed waits until watermarks cover all that has crossed.
func (o *origin) closed(t *testing.T) {
	t.Helper()
	eventually(t, func() string {
		if messages := o.all(t); !strings.HasSuffix(messages[len(messages)-1].Subject, wire.KindWatermark) {
			return "the last segment is open"
		}
		return ""
	})
}

// segmented fills a stream with segments: events of which some are withheld, some of
// those released among others, some alone.
func (o *origin) segmented(t *testing.T, r *route.Route) (last uint64, withheld []uint64) {
	t.Helper()
	for range 2 {
		_, more := o.fill(t, r, 10)
		withheld = append(withheld, more...)
		o.closed(t)
	}
	for _, sequence := range withheld[:2] {
		if result, err := r.Release(t.Context(), route.Filter{Sequences: []uint64{sequence}}, "ann"); err != nil || result.Released != 1 {
			t.Fatalf("%+v (%v)", result, err)
		}
		o.closed(t)
	}
	last = o.put(t, eventType, `{"order_id":"a","serial":100}`, nil)
	o.egress(t, last)
	if result, err := r.Release(t.Context(), route.Filter{Sequences: withheld[2:3]}, "ann"); err != nil || result.Released != 1 {
		t.Fatalf("%+v (%v)", result, err)
	}
	o.closed(t)
	return last, withheld
}

// Guards against leaves that a destination cannot trust: those of each segment must
// give its watermark, whatever it is made of, and exactly the segments that are
// asked for must come, first ones first.
func TestLeavesGiveTheirWatermark(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	last, _ := o.segmented(t, r)
	marks := o.watermarks(t)
	for _, from := range []uint64{1, marks[0].To, marks[1].From, last, last + 1} {
		for _, to := range []uint64{from - 1, from, from + 1, last, last + 100} {
			if to+1 < from {
				continue
			}
			for after := range len(marks) + 1 {
				q := ledger.LeavesRequest{Domain: "orders", From: from, To: to, By: "ben"}
				if after > 0 {
					q.After = marks[after-1].Chain
				}
				var want []ledger.Watermark
				for i, w := range marks {
					holds := w.From <= q.To && w.To >= q.From
					if w.To < w.From {
						holds = q.From == w.From || q.From < w.From && w.From <= q.To
					}
					if holds && i >= after && len(want) < ledger.MaxSegments {
						want = append(want, w)
					}
				}
				_, before := o.repairs(t)
				written, err := r.Leaves(t.Context(), q)
				if err != nil {
					if after == 0 || len(want) > 0 {
						t.Errorf("%+v: %v", q, err)
					}
					continue
				}
				_, leaves := o.repairs(t)
				leaves = leaves[len(before):]
				if len(leaves) != len(want) || len(written.Sequences) != len(want) || len(want) > 0 && written.To != want[len(want)-1].To {
					t.Errorf("%+v wrote %+v and %d segments, not %d", q, written, len(leaves), len(want))
					continue
				}
				for i, l := range leaves {
					if l.Watermark != want[i] || rebuilt(l, marks) != l.Watermark {
						t.Errorf("%+v wrote leaves of %+v, not %+v", q, l.Watermark, want[i])
					}
				}
			}
		}
	}
	if s := r.Status(); s.Resent != 0 {
		t.Errorf("status %+v", s)
	}
	checkChain(t, o.all(t), len(marks))
}

// rebuilt is the watermark that leaves give.
func rebuilt(l ledger.Leaves, marks []ledger.Watermark) ledger.Watermark {
	var chain ledger.Digest
	if i := slices.IndexFunc(marks, func(w ledger.Watermark) bool { return w == l.Watermark }); i > 0 {
		chain = marks[i-1].Chain
	}
	s := ledger.NewSegment(l.OriginStream, l.From, chain)
	for _, leaf := range l.Leaves {
		if leaf.Withheld {
			s.AddMarker(leaf.Sequence, leaf.Digest)
		} else {
			s.AddEvent(leaf.Sequence, leaf.Digest)
		}
	}
	for _, r := range l.Releases {
		s.AddRelease(r)
	}
	return s.Watermark()
}

// Guards against a segment of releases without end, whose leaves no message holds.
func TestReleasesCloseSegments(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	r.Apply("testers@0", nil, nil)
	const n = 2300
	var last uint64
	for i := range n {
		last = o.put(t, eventType, fmt.Sprintf(`{"order_id":"o","serial":%d}`, i), nil)
	}
	o.egress(t, last)
	r.Apply("testers@1", o.masker, nil)
	for range 3 {
		if _, err := r.Release(t.Context(), route.Filter{Limit: route.MaxLimit}, "ann"); err != nil {
			t.Fatal(err)
		}
	}
	o.marked(t, 4)
	released := uint64(0)
	for _, w := range o.watermarks(t) {
		if released += w.Released; w.Released > 1100 {
			t.Errorf("a segment has %d releases", w.Released)
		}
	}
	if released != n {
		t.Errorf("%d releases are covered", released)
	}
}

// Guards against a copy that is another event than the original, in any part that
// counts, against one of what is withheld, and against a request of which a part is
// done in silence.
func TestResentEventsAreTheOriginals(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	last, withheld := o.segmented(t, r)
	released, still := withheld[:3], withheld[3:]
	want := slices.DeleteFunc(count(last), func(n uint64) bool { return slices.Contains(still, n) })
	written, err := r.Resend(t.Context(), ledger.ResendRequest{Domain: "orders", Sequences: count(last), By: "ben"})
	if err != nil || !slices.Equal(written.Sequences, want) {
		t.Fatalf("%+v (%v), not %v", written, err, want)
	}
	copies, _ := o.repairs(t)
	if len(copies) != len(want) {
		t.Fatalf("%d copies of %d events", len(copies), len(want))
	}
	originals := map[uint64]*jetstream.RawStreamMsg{}
	for _, m := range o.all(t) {
		if sequence, _ := strconv.ParseUint(m.Header.Get(wire.HeaderOriginSequence), 10, 64); strings.HasPrefix(m.Subject, wire.EventRoot) {
			originals[sequence] = m
		}
	}
	for i, m := range copies {
		original := originals[want[i]]
		if ledger.EventDigest(want[i], m.Subject, m.Header, m.Data) != ledger.EventDigest(want[i], original.Subject, original.Header, original.Data) {
			t.Errorf("the copy of event %d is %+v, not %+v", want[i], m, original)
		}
		if (m.Header.Get(wire.HeaderReleased) != "") != slices.Contains(released, want[i]) || m.Header.Get(wire.HeaderRepair) != written.At {
			t.Errorf("the copy of event %d has headers %v", want[i], m.Header)
		}
		for name := range m.Header {
			if !mayCross(name) {
				t.Errorf("header %s crosses", name)
			}
		}
	}
	if s := r.Status(); s.Resent != uint64(len(want)) || s.Checkpoint != last {
		t.Errorf("status %+v", s)
	}
	if _, err := r.Resend(t.Context(), ledger.ResendRequest{Domain: "orders", Sequences: []uint64{1, last + 1}, By: "ben"}); err == nil || !strings.Contains(err.Error(), "has not come to event") {
		t.Errorf("of an event that is none yet: %v", err)
	}
	// A copy of a copy would be found if an original were not the first.
	again, err := r.Resend(t.Context(), ledger.ResendRequest{Domain: "orders", Sequences: count(last), By: "ben"})
	if err != nil || !slices.Equal(again.Sequences, want) {
		t.Errorf("again: %+v (%v)", again, err)
	}
	next := o.put(t, eventType, `{"order_id":"a","serial":101}`, nil)
	o.egress(t, next)
	o.marked(t, 1)
}

// Guards against a route that takes copies for what it did: it must begin again
// behind them where it was, and complete no release that is complete, whatever the
// last message is.
func TestRouteBeginsAgainBehindARepair(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable=%v", durable), func(t *testing.T) {
			o := newOrigin(t)
			r := o.start(t)
			last, withheld := o.segmented(t, r)
			for _, ask := range []func() error{
				func() error {
					_, err := r.Leaves(t.Context(), ledger.LeavesRequest{From: 1, To: last, By: "ben"})
					return err
				},
				func() error {
					_, err := r.Resend(t.Context(), ledger.ResendRequest{Sequences: []uint64{2, 3}, By: "ben"})
					return err
				},
				func() error { // what was released is last
					_, err := r.Resend(t.Context(), ledger.ResendRequest{Sequences: withheld[:1], By: "ben"})
					return err
				},
			} {
				if err := ask(); err != nil {
					t.Fatal(err)
				}
				before := len(o.stored(t))
				r.Close()
				config, _ := o.config(t, durable)
				var err error
				if r, err = route.Start(config); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(r.Close)
				eventually(t, func() string {
					if s := r.Status(); s.State != route.StateRunning || s.Checkpoint != last {
						return fmt.Sprintf("it begins again at %d: %+v", last, s)
					}
					return ""
				})
				if after := len(o.stored(t)); after != before {
					t.Errorf("it wrote %d messages", after-before)
				}
				last = o.put(t, eventType, `{"order_id":"a","serial":102}`, nil)
				o.exactly(t, last)
				o.marked(t, 1)
			}
			o.repairs(t)
			if got := o.released(t); !slices.Equal(got, withheld[:3]) {
				t.Errorf("released %v", got)
			}
		})
	}
}

// Guards against loss, doubling and a broken chain when a route ends at any step of
// a repair: another one goes on, and the repair can be asked for again.
func TestRepairSurvivesACutAtEveryStep(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable=%v", durable), func(t *testing.T) {
			o := newOrigin(t)
			r := o.start(t)
			last, withheld := o.fill(t, r, 16)
			if _, err := r.Release(t.Context(), route.Filter{Limit: 3}, "ann"); err != nil {
				t.Fatal(err)
			}
			o.closed(t)
			r.Close()
			for at, done := 1, false; !done; at++ {
				config, nc := o.config(t, durable)
				cut := &cutter{nc: nc, at: at}
				r, err := route.StartObserved(config, cut.observe)
				if err != nil {
					t.Fatal(err)
				}
				last = o.put(t, eventType, fmt.Sprintf(`{"order_id":"a","serial":%d}`, at), nil)
				ctx, cancel := context.WithCancel(t.Context())
				gone := make(chan struct{})
				go func() { // as the end of the process ends its requests, too
					defer close(gone)
					for !nc.IsClosed() && ctx.Err() == nil {
						time.Sleep(time.Millisecond)
					}
					cancel()
				}()
				_, first := r.Leaves(ctx, ledger.LeavesRequest{From: 1, To: last, By: "ben"})
				_, second := r.Resend(ctx, ledger.ResendRequest{Sequences: count(16), By: "ben"})
				done = first == nil && second == nil && !nc.IsClosed()
				cancel()
				<-gone
				r.Close()
			}
			r = o.start(t)
			o.exactly(t, last)
			written, err := r.Resend(t.Context(), ledger.ResendRequest{Sequences: withheld[:3], By: "ben"})
			if err != nil || !slices.Equal(written.Sequences, withheld[:3]) {
				t.Errorf("%+v (%v)", written, err)
			}
			o.marked(t, 1)
			o.repairs(t)
			if got := o.released(t); !slices.Equal(got, withheld[:3]) {
				t.Errorf("released %v", got)
			}
		})
	}
}

// Guards against a repair that disturbs what flows, and against one that is disturbed
// by it.
func TestRepairsWhileEventsFlow(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable=%v", durable), func(t *testing.T) {
			o := newOrigin(t)
			config, _ := o.config(t, durable)
			r, err := route.Start(config)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			last, withheld := o.fill(t, r, 30)
			flowing := make(chan uint64)
			go func() {
				var n uint64
				for i := range 1500 {
					ack, err := o.js.PublishMsg(t.Context(), &nats.Msg{
						Subject: wire.StoredSubject("production", eventType), Data: fmt.Appendf(nil, `{"order_id":"o-%d","serial":%d}`, i%10, i),
						Header: nats.Header{
							wire.HeaderCEDataSchema: {wire.DataSchema(eventType, 1)}, wire.HeaderSchemaVersion: {"1"}, wire.HeaderSchemaID: {"1"},
							wire.HeaderCEID: {"raw-id"}, wire.HeaderCETime: {"2026-01-02T03:04:05Z"},
						},
					})
					if err != nil {
						t.Error(err)
						break
					}
					n = ack.Sequence
				}
				flowing <- n
			}()
			asked, copies := 0, 0
			for flows := true; flows; {
				select {
				case last = <-flowing:
					flows = false
				default:
				}
				if _, err := r.Leaves(t.Context(), ledger.LeavesRequest{From: 1, To: 1 << 40, By: "ben"}); err != nil {
					t.Fatal(err)
				}
				written, err := r.Resend(t.Context(), ledger.ResendRequest{Sequences: count(30), By: "ben"})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := r.Release(t.Context(), route.Filter{Limit: 1}, "ann"); err != nil {
					t.Fatal(err)
				}
				copies += len(written.Sequences)
				if asked++; asked == 1 && copies != 30-len(withheld) {
					t.Errorf("%+v", written)
				}
			}
			o.exactly(t, last)
			o.marked(t, 2)
			if got, _ := o.repairs(t); len(got) != copies || r.Status().Resent != uint64(copies) {
				t.Errorf("%d copies, not %d, and %+v", len(got), copies, r.Status())
			}
			o.released(t)
		})
	}
}
