package route_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// rotate gives the route another key.
func (o *origin) rotate(t *testing.T, apply func(*mask.Masker)) {
	t.Helper()
	key, err := mask.LoadOrCreateKey(filepath.Join(t.TempDir(), "mask.key"))
	if err != nil {
		t.Fatal(err)
	}
	pass, token := mask.Rule{Technique: mask.Pass}, mask.Rule{Technique: mask.Token}
	if o.masker, err = mask.New("testers", mask.Policy{Classes: map[string]mask.Rule{"public": pass, "email": token, "id": token}}, "staging", key); err != nil {
		t.Fatal(err)
	}
	apply(o.masker)
}

// generation checks that all that the egress stream holds is of one generation,
// under the key of now, and that it begins with its record.
func (o *origin) generation(t *testing.T, number string) {
	t.Helper()
	for i, m := range o.stored(t) {
		if begins := strings.HasSuffix(m.Subject, "."+wire.KindRenewal); begins != (i == 0) {
			t.Errorf("message %d, the stream's number %d, is %s", m.Sequence, i, m.Subject)
		}
		isEvent := strings.HasPrefix(m.Subject, wire.EventRoot+".")
		if got := m.Header.Get(wire.HeaderGeneration); got != number && (isEvent || strings.HasSuffix(m.Subject, "."+wire.KindWithheld)) {
			t.Errorf("message %d, %s, is of generation %q", m.Sequence, m.Subject, got)
		}
		if got := m.Header.Get(wire.HeaderKeyID); isEvent && got != o.masker.KeyID() {
			t.Errorf("message %d is under key %s", m.Sequence, got)
		}
	}
}

// anew waits until a route has come to an event in a generation.
func anew(t *testing.T, r *route.Route, number, last uint64) {
	t.Helper()
	eventually(t, func() string {
		if s := r.Status(); s.Generation != number || s.Checkpoint < last {
			return fmt.Sprintf("generation %d does not come to event %d: %+v", number, last, s)
		}
		return ""
	})
}

// Guards against a history that is masked anew only in part: tokens of the former
// key that stay, events that do not come again, or twice, or that are withheld or
// released as they were before; and against a ledger that does not begin anew.
func TestRenewalMasksTheWholeHistory(t *testing.T) {
	o := newOrigin(t)
	config, _ := o.config(t, false)
	r, err := route.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { r.Close() }()
	last, _ := o.segmented(t, r)
	unfit := o.put(t, eventType, `{"order_id":"a","serial":1,"note":"free text"}`, nil)
	o.egress(t, unfit)
	o.closed(t)
	former := o.watermarks(t)
	o.rotate(t, func(m *mask.Masker) { r.Apply("testers@2", m, nil) })

	dry, err := r.Renew(t.Context(), "ann", true)
	if err != nil || dry.Generation != 2 || dry.Events != unfit || dry.Key != o.masker.KeyID() || dry.Policy != "testers@2" || r.Status().Generation != 0 {
		t.Fatalf("foreseen is %+v (%v)", dry, err)
	}
	made, err := r.Renew(t.Context(), "ann", false)
	if err != nil || made != dry {
		t.Fatalf("made was %+v (%v), foreseen %+v", made, err, dry)
	}
	anew(t, r, 2, unfit)
	o.exactly(t, unfit)
	o.marked(t, 1)
	o.generation(t, "2")
	first := o.stored(t)[0]
	var record ledger.Renewal
	if err := json.Unmarshal(first.Data, &record); err != nil || record.Generation != 2 || record.To != unfit || record.Chain != former[len(former)-1].Chain || record.At.IsZero() {
		t.Errorf("the generation begins with %s", first.Data)
	}
	if got := o.watermarks(t); got[0].From != 1 || got[len(got)-1].Withheld != 1 || len(o.released(t)) > 0 {
		t.Errorf("watermarks %+v, released %v", got, o.released(t))
	}
	if s := r.Status(); s.Generation != 2 || s.State != route.StateRunning || s.Problem != "" {
		t.Errorf("status %+v", s)
	}
	page, err := r.Withheld(t.Context(), route.Filter{})
	if err != nil || page.Total != 1 || page.Records[0].OriginSequence != unfit || page.Records[0].Generation != 2 {
		t.Errorf("withheld is %+v (%v)", page, err)
	}
	page, err = r.Withheld(t.Context(), route.Filter{Settled: true, Limit: 1000})
	if err != nil || slices.ContainsFunc(page.Records, func(k route.Record) bool { return k.Released == nil && !k.Renewed }) {
		t.Errorf("settled is %+v (%v)", page, err)
	}

	// It goes on from there: after a restart, with releases and repairs.
	r.Close()
	config, _ = o.config(t, false)
	config.Masker = o.masker
	if r, err = route.Start(config); err != nil {
		t.Fatal(err)
	}
	more, withheld := o.fill(t, r, 9)
	if result, err := r.Release(t.Context(), route.Filter{First: last + 2}, "ann"); err != nil || result.Released != len(withheld) {
		t.Fatalf("%+v (%v)", result, err)
	}
	o.exactly(t, more)
	o.marked(t, 1)
	o.generation(t, "2")
	for _, from := range []uint64{1, 5, last} {
		written, err := r.Leaves(t.Context(), ledger.LeavesRequest{From: from, To: more, By: "ann"})
		if err != nil || len(written.Sequences) == 0 {
			t.Fatalf("leaves from %d: %+v (%v)", from, written, err)
		}
	}
	written, err := r.Resend(t.Context(), ledger.ResendRequest{Sequences: count(more), By: "ann"})
	if err != nil || len(written.Sequences) != int(more)-1 {
		t.Fatalf("%+v (%v)", written, err)
	}
	o.generation(t, "2")
	events, _ := o.repairs(t)
	if len(events) != int(more)-1 {
		t.Errorf("%d events were written again, not %d", len(events), more-1)
	}
	audit := o.audited(t)
	if n := len(slices.DeleteFunc(audit, func(line string) bool { return !strings.Contains(line, "route-renew") })); n != 2 {
		t.Errorf("%d records of the renewal", n)
	}
}

// Guards against a history that is masked anew by half when the route ends at any
// step of it: another one completes it.
func TestRenewalSurvivesACutAtEveryStep(t *testing.T) {
	eachSink(t, func(t *testing.T, durable bool) {
		o := newOrigin(t)
		var last uint64
		for i := range 30 {
			data := fmt.Sprintf(`{"order_id":"o-%d","serial":%d}`, i, i)
			if i%4 == 3 {
				data = `{"serial":"no"}`
			}
			last = o.put(t, eventType, data, nil)
		}
		for at := 1; ; at++ {
			config, nc := o.config(t, durable)
			cut := &cutter{nc: nc, at: at}
			r, err := route.StartObserved(config, cut.observe)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			nc.SetClosedHandler(func(*nats.Conn) { cancel() })
			made, err := r.Renew(ctx, "ann", false)
			cancel()
			if err != nil && !nc.IsClosed() {
				t.Fatal(err)
			}
			eventually(t, func() string {
				if s := r.Status(); !nc.IsClosed() && (s.Generation != made.Generation || s.Checkpoint < last) {
					return fmt.Sprintf("cut at step %d: %+v", at, s)
				}
				return ""
			})
			r.Close()
			if !nc.IsClosed() {
				break // it got to the end of its work
			}
		}
		o.put(t, eventType, `{"order_id":"o","serial":1}`, nil)
		last++
		o.start(t)
		o.exactly(t, last)
		o.marked(t, 1)
		if first := o.stored(t)[0]; !strings.HasSuffix(first.Subject, "."+wire.KindRenewal) {
			t.Errorf("the stream begins with %s", first.Subject)
		}
	})
}

// Guards against a renewal that empties the destination, that nobody answers for, or
// that could not be finished.
func TestRenewalIsRefused(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	o.egress(t, o.put(t, eventType, `{"order_id":"a","serial":1}`, nil))
	refused := func(code, by string) {
		t.Helper()
		was := len(o.stored(t))
		_, err := r.Renew(t.Context(), by, false)
		var typed *route.Error
		if !errors.As(err, &typed) || typed.Code != code || typed.Cure == "" {
			t.Errorf("refused with %+v; want code %s", err, code)
		}
		if is := len(o.stored(t)); is < was {
			t.Errorf("of %d messages %d are left", was, is)
		}
	}
	refused(route.CodeRequest, "")
	refused(route.CodeRequest, "a\nb")
	r.Apply("testers@1", nil, errors.New("the key file is gone"))
	refused(route.CodePolicy, "ann")
	r.Apply("testers@1", o.masker, nil)
	stream, err := o.js.Stream(t.Context(), wire.EgressStream("orders", "staging"))
	if err != nil {
		t.Fatal(err)
	}
	shape := stream.CachedInfo().Config
	shape.DenyPurge = true
	if _, err := o.js.UpdateStream(t.Context(), shape); err != nil {
		t.Fatal(err)
	}
	refused(route.CodeAppendOnly, "ann")
}

// Guards against what was read or masked in one generation that is written into the
// next: events flow, and are withheld, released and asked for again, while the history
// is masked anew several times.
func TestRenewalWhileOthersWrite(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	asked, _ := o.fill(t, r, 60)
	o.rotate(t, func(m *mask.Masker) { r.Apply("testers@2", m, nil) })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var work sync.WaitGroup
	var released, resent atomic.Int64
	work.Go(func() {
		for ctx.Err() == nil {
			if result, err := r.Release(ctx, route.Filter{}, "ann"); err == nil {
				released.Add(int64(result.Released))
			}
		}
	})
	work.Go(func() {
		for ctx.Err() == nil {
			if written, err := r.Resend(ctx, ledger.ResendRequest{Sequences: count(asked), By: "ann"}); err == nil {
				resent.Add(int64(len(written.Sequences)))
			}
			_, _ = r.Leaves(ctx, ledger.LeavesRequest{From: 1, To: asked, By: "ann"})
		}
	})
	const times = 8
	var last uint64
	for i := range times {
		if _, err := r.Renew(t.Context(), "ann", false); err != nil {
			t.Fatal(err)
		}
		// What comes now waits for the policy to be back, and for its release.
		r.Apply("testers@0", nil, errors.New("the key file is gone"))
		last = o.put(t, eventType, fmt.Sprintf(`{"order_id":"o-%d","serial":%d}`, i, i), nil)
		time.Sleep(rand.N(50 * time.Millisecond))
		if i == times-1 {
			anew(t, r, times+1, last) // at least this one waits
		}
		r.Apply("testers@2", o.masker, nil)
	}
	eventually(t, func() string {
		if resent.Load() == 0 || released.Load() == 0 {
			return fmt.Sprintf("%d are released, %d sent again", released.Load(), resent.Load())
		}
		if page, err := r.Withheld(t.Context(), route.Filter{}); err != nil || page.Total > 0 {
			return fmt.Sprintf("withheld are %+v (%v)", page, err)
		}
		return ""
	})
	stop()
	work.Wait()
	o.exactly(t, last)
	o.marked(t, 1)
	o.generation(t, strconv.Itoa(times+1))
}
