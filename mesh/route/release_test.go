package route_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// released gives the origin sequences of the released events in the egress
// stream, in the order in which they stand there, and fails unless each is
// followed by its record.
func (o *origin) released(t *testing.T) []uint64 {
	t.Helper()
	var sequences []uint64
	messages := o.all(t)
	for i, m := range messages {
		if m.Header.Get(wire.HeaderReleased) == "" || !strings.HasPrefix(m.Subject, wire.EventRoot+".") {
			continue
		}
		sequence, err := strconv.ParseUint(m.Header.Get(wire.HeaderOriginSequence), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sequences = append(sequences, sequence)
		var r ledger.Released
		if i+1 == len(messages) || json.Unmarshal(messages[i+1].Data, &r) != nil || r.OriginSequence != sequence {
			t.Fatalf("no record follows the released event %d", sequence)
		}
		if r.Digest != ledger.EventDigest(sequence, m.Subject, m.Header, m.Data) {
			t.Errorf("the record of event %d has another digest", sequence)
		}
	}
	return sequences
}

// fill stores n events of which every third cannot be masked for now: the
// route has no policy while it meets them.
func (o *origin) fill(t *testing.T, r *route.Route, n int) (last uint64, withheld []uint64) {
	t.Helper()
	for i := range n {
		broken := i%3 == 0
		if broken {
			r.Apply("testers@0", nil, errors.New("the key file is gone"))
		}
		last = o.put(t, eventType, fmt.Sprintf(`{"order_id":"o-%d","serial":%d}`, i%10, i), nil)
		o.egress(t, last)
		if broken {
			withheld = append(withheld, last)
			r.Apply("testers@1", o.masker, nil)
		}
	}
	return last, withheld
}

func count(n uint64) (all []uint64) {
	for i := uint64(1); i <= n; i++ {
		all = append(all, i)
	}
	return all
}

// Guards against a route that fails open, stops, or forgets when its policy is
// taken away while events flow: each event is withheld with the reason, and can
// be released, once, in origin order, when the policy is back.
func TestWithheldEventsAreReleasedInOrderOnce(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	_, withheld := o.fill(t, r, 30)
	page, err := r.Withheld(t.Context(), route.Filter{})
	if err != nil || page.Total != len(withheld) {
		t.Fatalf("%d are withheld (%v), not %d", page.Total, err, len(withheld))
	}
	for i, record := range page.Records {
		if record.OriginSequence != withheld[i] || record.Code != mask.CodeNoPolicy || !strings.Contains(record.Why, "key file") || record.Type != eventType {
			t.Errorf("record %d is %+v", i, record)
		}
	}
	result, err := r.Release(t.Context(), route.Filter{Last: withheld[3]}, "ann")
	if err != nil || result.Released != 4 || result.Remaining != 0 {
		t.Fatalf("%+v (%v)", result, err)
	}
	if result, err = r.Release(t.Context(), route.Filter{Limit: 4}, "ben"); err != nil || result.Released != 4 || result.Remaining != len(withheld)-8 {
		t.Fatalf("%+v (%v)", result, err)
	}
	last := o.put(t, eventType, `{"order_id":"o","serial":99}`, nil)
	o.egress(t, last)
	if result, err = r.Release(t.Context(), route.Filter{}, "ben"); err != nil || result.Released != len(withheld)-8 || result.Settled != 0 {
		t.Fatalf("%+v (%v)", result, err)
	}
	if got := o.released(t); !slices.Equal(got, withheld) {
		t.Errorf("released were %v, not %v", got, withheld)
	}
	if result, err = r.Release(t.Context(), route.Filter{Sequences: withheld}, "ann"); err != nil || result.Released != 0 {
		t.Errorf("released again: %+v (%v)", result, err)
	}
	page, err = r.Withheld(t.Context(), route.Filter{Settled: true})
	if err != nil || page.Total != len(withheld) || page.Records[0].Released == nil || page.Records[0].Released.By != "ann" || page.Records[9].Released.By != "ben" || page.Records[0].Code != mask.CodeNoPolicy {
		t.Errorf("recorded is %+v (%v)", page, err)
	}
	o.marked(t, 1)
	if s := r.Status(); s.Released != uint64(len(withheld)) {
		t.Errorf("status %+v", s)
	}
}

// Guards against releasing what still cannot cross: it stays withheld, with
// the reason of the latest attempt, and holds the others up no more than
// before.
func TestWhatIsStillUnfitStaysWithheld(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	r.Apply("testers@0", nil, &mask.Refusal{Code: mask.CodeNoKey, Why: "there is no key"})
	first := o.put(t, eventType, `{"order_id":"a","serial":1,"note":"free text"}`, nil)
	second := o.put(t, eventType, `{"order_id":"a","serial":2}`, nil)
	o.egress(t, second)
	page, err := r.Withheld(t.Context(), route.Filter{Codes: []string{mask.CodeNoKey}})
	if err != nil || page.Total != 2 {
		t.Fatalf("%+v (%v)", page, err)
	}
	r.Apply("testers@1", o.masker, nil)
	result, err := r.Release(t.Context(), route.Filter{}, "ann")
	if err != nil || result.Released != 1 || len(result.StillWithheld) != 1 || result.StillWithheld[0].Code != contract.CodeUnclassified {
		t.Fatalf("%+v (%v)", result, err)
	}
	page, err = r.Withheld(t.Context(), route.Filter{})
	if err != nil || page.Total != 1 || page.Records[0].OriginSequence != first || page.Records[0].Code != contract.CodeUnclassified || page.Records[0].Attempts != 1 || page.Records[0].Policy != "testers@1" {
		t.Errorf("%+v (%v)", page, err)
	}
	for name, ask := range map[string]func() (route.Result, error){
		"nobody":  func() (route.Result, error) { return r.Release(t.Context(), route.Filter{}, "") },
		"settled": func() (route.Result, error) { return r.Release(t.Context(), route.Filter{Settled: true}, "ann") },
	} {
		var typed *route.Error
		if _, err := ask(); !errors.As(err, &typed) || typed.Code != route.CodeRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Guards against a panic while an event is masked ending the route, or letting
// the event through: it is withheld as a fault, and nothing of it is shown.
func TestPanicWithholds(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	r.Break(eventType)
	broken := o.put(t, eventType, `{"order_id":"secret","serial":1}`, nil)
	last := o.put(t, "orders.free", `{"order_id":"a","serial":2}`, nil)
	o.exactly(t, last)
	page, err := r.Withheld(t.Context(), route.Filter{})
	if err != nil || page.Total != 1 || page.Records[0].OriginSequence != broken || page.Records[0].Code != contract.CodeFault || strings.Contains(fmt.Sprint(page), "secret") {
		t.Errorf("%+v (%v)", page, err)
	}
}

// Guards against a second copy of an event whose reason was recorded, and that
// crossed in its turn after all: the route had stopped before it wrote the
// marker.
func TestWhatCrossedInItsTurnIsNotReleased(t *testing.T) {
	o := newOrigin(t)
	last := o.put(t, eventType, `{"order_id":"a","serial":1}`, nil)
	record, err := json.Marshal(route.Record{OriginSequence: last, To: "staging", Domain: "orders", Code: "policy"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.js.Publish(t.Context(), wire.WithheldSubject("staging", "orders", last), record); err != nil {
		t.Fatal(err)
	}
	r := o.start(t)
	o.egress(t, last)
	result, err := r.Release(t.Context(), route.Filter{}, "ann")
	if err != nil || result.Released != 0 || result.Settled != 1 {
		t.Errorf("%+v (%v)", result, err)
	}
	if page, err := r.Withheld(t.Context(), route.Filter{}); err != nil || page.Total != 0 {
		t.Errorf("%+v (%v)", page, err)
	}
	if got := o.released(t); len(got) != 0 {
		t.Errorf("released %v", got)
	}
}

// Guards against a double release by two operators at once, on one route and
// on two rivals, of which the one that does not write says so.
func TestTwoOperatorsReleaseEachEventOnce(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	last, withheld := o.fill(t, r, 60)
	rival := o.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var work sync.WaitGroup
	for i := range 6 {
		work.Go(func() {
			on := []*route.Route{r, rival}[i%2]
			for {
				result, err := on.Release(ctx, route.Filter{Limit: 3}, fmt.Sprintf("operator %d", i))
				if refused := (*route.Error)(nil); on == rival && errors.As(err, &refused) && refused.Code == route.CodeNotRunning {
					on = r
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if result.Remaining == 0 {
					return
				}
			}
		})
	}
	work.Wait()
	got := o.released(t)
	slices.Sort(got)
	if !slices.Equal(got, withheld) {
		t.Errorf("released %v, not %v", got, withheld)
	}
	o.exactly(t, last)
	o.marked(t, 1)
}

// Guards against loss, doubling and forgetting when a route ends at any step of
// a release: asked again, the next one releases the rest, and knows all that
// was released.
func TestReleaseSurvivesACutAtEveryStep(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable=%v", durable), func(t *testing.T) {
			o := newOrigin(t)
			var withheld []uint64
			for at, done := 1, false; !done; at++ {
				first, _ := o.config(t, durable)
				first.Masker = nil
				r, err := route.Start(first)
				if err != nil {
					t.Fatal(err)
				}
				var last uint64
				for i := range 5 {
					last = o.put(t, eventType, fmt.Sprintf(`{"order_id":"o-%d","serial":%d}`, i, i), nil)
					withheld = append(withheld, last)
				}
				o.egress(t, last)
				r.Close()

				config, nc := o.config(t, durable)
				cut := &cutter{nc: nc, at: at}
				if r, err = route.StartObserved(config, cut.observe); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				gone := make(chan struct{})
				go func() { // as the end of the process ends its requests, too
					defer close(gone)
					for !nc.IsClosed() && ctx.Err() == nil {
						time.Sleep(time.Millisecond)
					}
					cancel()
				}()
				_, err = r.Release(ctx, route.Filter{}, "ann")
				done = err == nil && !nc.IsClosed()
				cancel()
				<-gone
				r.Close()
			}
			r := o.start(t)
			if _, err := r.Release(t.Context(), route.Filter{Limit: route.MaxLimit}, "ben"); err != nil {
				t.Fatal(err)
			}
			if got := o.released(t); !slices.Equal(slices.Sorted(slices.Values(got)), withheld) {
				t.Errorf("released %v, not %v", got, withheld)
			}
			if page, err := r.Withheld(t.Context(), route.Filter{Settled: true}); err != nil || page.Total != len(withheld) {
				t.Errorf("%d of %d are recorded (%v)", page.Total, len(withheld), err)
			}
			o.marked(t, 1)
		})
	}
}

// Guards against an egress stream whose end a crash has cut between a released
// event and its record: the route completes it before it does anything else.
func TestCutBatchOfAReleaseIsCompleted(t *testing.T) {
	o := newOrigin(t)
	r := o.start(t)
	last, withheld := o.fill(t, r, 1)
	r.Close()
	// What a server leaves that ends while it stores the batch.
	marker := o.egress(t, last)[0]
	h := marker.Header
	for name := range h {
		if strings.HasPrefix(name, "Nats-") {
			delete(h, name)
		}
	}
	h.Set(wire.HeaderReleased, "2026-01-02T03:04:05.000000006Z")
	h.Set(wire.HeaderCheckpoint, strconv.FormatUint(last, 10))
	h.Del(wire.HeaderReason)
	stored := wire.StoredSubject("production", eventType)
	m := &nats.Msg{Subject: wire.EgressSubject("staging", stored), Header: h, Data: []byte(`{"masked":true}`)}
	if _, err := o.js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r = o.start(t)
	eventually(t, func() string {
		page, err := r.Withheld(t.Context(), route.Filter{Settled: true})
		if err != nil || page.Total != 1 || page.Records[0].Released == nil {
			return fmt.Sprintf("recorded is %+v (%v)", page, err)
		}
		return ""
	})
	if got := o.released(t); !slices.Equal(got, withheld) {
		t.Errorf("released %v", got)
	}
	if result, err := r.Release(t.Context(), route.Filter{Sequences: count(last)}, "ann"); err != nil || result.Released != 0 {
		t.Errorf("%+v (%v)", result, err)
	}
	next := o.put(t, eventType, `{"order_id":"o","serial":7}`, nil)
	o.egress(t, next)
	o.marked(t, 1)
}
