package mesh_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// totals is what a stream holds, as the orders' Total, per key.
func totals(t testing.TB, js jetstream.JetStream) map[string][]int {
	t.Helper()
	all := map[string][]int{}
	for _, m := range stored(t, js, "ORDERS") {
		var o order
		if err := json.Unmarshal(m.Data, &o); err != nil {
			t.Fatal(err)
		}
		all[o.ID] = append(all[o.ID], o.Total)
	}
	return all
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// Guards against loss, doubling and a changed order when the server is killed
// in the middle of pipelined publishing, whichever order was asked for.
func TestPublishAsyncSurvivesRestartsInOrder(t *testing.T) {
	for _, o := range []mesh.Order{mesh.OrderAll, mesh.OrderKey, mesh.OrderAny} {
		t.Run(o.String(), func(t *testing.T) {
			s := startServer(t)
			js := s.admin()
			ungoverned(t, js)
			c := connect(t, s)
			p, err := mesh.NewPublisher[order](c, "orders.order.created", mesh.WithKey(orderKey), mesh.WithOrder(o))
			if err != nil {
				t.Fatal(err)
			}
			const keys, each = 8, 250
			var taken atomic.Int32
			var restarts sync.WaitGroup
			restarts.Go(func() {
				for i := range 3 {
					at := int32((i + 1) * keys * each / 5)
					if !comes(t, "publishing goes on", func() bool { return taken.Load() >= at }) {
						return
					}
					s.stop()
					s.start()
				}
			})
			var futures []*mesh.Future
			for i := range each {
				for k := range keys {
					f, err := p.PublishAsync(t.Context(), order{ID: fmt.Sprint("k", k), Total: i})
					if err != nil {
						t.Fatal(err)
					}
					futures = append(futures, f)
					taken.Add(1)
				}
			}
			if err := p.Flush(pubCtx(t)); err != nil {
				t.Fatal(err)
			}
			restarts.Wait()
			last := uint64(0)
			for _, f := range futures {
				r, err := f.Receipt(pubCtx(t))
				if err != nil {
					t.Fatal(err)
				}
				if o == mesh.OrderAll && (r.Sequence <= last || r.Reordered) {
					t.Fatalf("receipt %+v comes after sequence %d", r, last)
				}
				last = r.Sequence
			}
			for k, got := range totals(t, js) {
				if o == mesh.OrderAny {
					slices.Sort(got)
				}
				if !slices.Equal(got, upTo(each)) {
					t.Errorf("key %s: stored %v", k, got)
				}
			}
		})
	}
}

// Guards against futures that settle out of order, and against one refused
// event that takes others with it.
func TestRefusedEventFailsAlone(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	makeStream(t, js, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"evt.production.orders.>"}})
	standInGate(t, s, func(m *nats.Msg) string {
		var o order
		if json.Unmarshal(m.Data, &o) != nil || o.Total%10 == 3 {
			return `{"error":{"code":400,"err_code":40011,"description":"no"}}`
		}
		return ""
	})
	c := connect(t, s)
	p, err := mesh.NewPublisher[order](c, "orders.order.created")
	if err != nil {
		t.Fatal(err)
	}
	var futures []*mesh.Future
	for i := range 100 {
		f, err := p.PublishAsync(t.Context(), order{Total: i})
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, f)
	}
	<-futures[99].Done()
	for i, f := range futures {
		select {
		case <-f.Done():
		default:
			t.Fatalf("future %d is not settled, though the last is", i)
		}
		r, err := f.Receipt(t.Context())
		if i%10 == 3 {
			wantError(t, err, mesh.CodeRefused)
		} else if err != nil || r.ID != f.ID() {
			t.Errorf("event %d: %+v, %v", i, r, err)
		}
	}
	if n := len(stored(t, js, "ORDERS")); n != 90 {
		t.Errorf("%d stored", n)
	}
}

// Guards against a hole in the sequence: when an event cannot be stored, those
// behind it must not be either, and all must be publishable again.
func TestFailureStopsWhatIsBehind(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	few := mesh.WithRetry(mesh.Retry{Attempts: 3, Initial: time.Millisecond, Max: time.Millisecond})
	p, err := mesh.NewPublisher[order](c, "orders.order.created", few)
	if err != nil {
		t.Fatal(err)
	}
	publish := func(from, to int) (futures []*mesh.Future) {
		for i := from; i < to; i++ {
			f, err := p.PublishAsync(t.Context(), order{Total: i}, mesh.WithID(fmt.Sprint("id-", i)))
			if err != nil {
				t.Fatal(err)
			}
			futures = append(futures, f)
		}
		return futures
	}
	publish(0, 20)
	if err := p.Flush(pubCtx(t)); err != nil {
		t.Fatal(err)
	}
	s.stop()
	lost := publish(20, 60)
	if err := p.Flush(pubCtx(t)); err != nil {
		t.Fatal(err)
	}
	stopped := 0
	for _, f := range lost {
		_, err := f.Receipt(t.Context())
		if mesh.CodeOf(err) == mesh.CodeStopped {
			stopped++
			wantError(t, errors.Unwrap(err), mesh.CodeDisconnected)
			continue
		}
		wantError(t, err, mesh.CodeDisconnected)
	}
	if stopped == 0 {
		t.Error("no event was stopped by the one ahead of it")
	}
	s.start()
	eventually(t, "the connection is back", c.NATS().IsConnected)
	again := publish(20, 60)
	for _, f := range again {
		if _, err := f.Receipt(pubCtx(t)); err != nil {
			t.Fatal(err)
		}
	}
	if got := totals(t, js)[""]; !slices.Equal(got, upTo(60)) {
		t.Errorf("stored %v", got)
	}
}

// Guards against an event that overtakes another unnoticed, in the one case in
// which a pipeline cannot help it.
func TestReorderingIsToldAndAvoidable(t *testing.T) {
	for _, tc := range []struct {
		name      string
		opts      []mesh.PublisherOption
		reordered bool
	}{
		{"pipeline", nil, true},
		{"window of one", []mesh.PublisherOption{mesh.WithMaxInFlight(1)}, false},
		{"by key", []mesh.PublisherOption{mesh.WithOrder(mesh.OrderKey)}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := startServer(t)
			js := s.admin()
			makeStream(t, js, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"evt.production.orders.>"}})
			var failed atomic.Bool
			sent := make(chan struct{})
			standInGate(t, s, func(m *nats.Msg) string {
				if tc.reordered {
					<-sent
				}
				if m.Header.Get(nats.MsgIdHdr) == "id-5" && failed.CompareAndSwap(false, true) {
					return `{"error":{"code":503,"err_code":40090,"description":"just now not"}}`
				}
				return ""
			})
			c := connect(t, s)
			p, err := mesh.NewPublisher[order](c, "orders.order.created", tc.opts...)
			if err != nil {
				t.Fatal(err)
			}
			var futures []*mesh.Future
			for i := range 20 {
				f, err := p.PublishAsync(t.Context(), order{Total: i}, mesh.WithID(fmt.Sprint("id-", i)))
				if err != nil {
					t.Fatal(err)
				}
				futures = append(futures, f)
			}
			close(sent)
			for i, f := range futures {
				r, err := f.Receipt(pubCtx(t))
				if err != nil {
					t.Fatal(err)
				}
				if want := tc.reordered && i == 5; r.Reordered != want {
					t.Errorf("event %d: Reordered is %v", i, r.Reordered)
				}
			}
			if got := totals(t, js)[""]; slices.IsSorted(got) == tc.reordered || len(got) != 20 {
				t.Errorf("stored %v", got)
			}
		})
	}
}

// Guards against an unanswered event that stays in flight for ever, and against
// a window that does not bound what is taken.
func TestAsyncTimeoutAndWindow(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	makeStream(t, js, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"evt.production.orders.>"}})
	var mute atomic.Bool
	mute.Store(true)
	standInGate(t, s, func(*nats.Msg) string {
		if mute.Load() {
			return silent
		}
		return ""
	})
	c := connect(t, s)
	p, err := mesh.NewPublisher[order](c, "orders.order.created", mesh.WithMaxInFlight(4),
		mesh.WithRetry(mesh.Retry{Attempts: -1, Initial: time.Millisecond, Max: 5 * time.Millisecond, AckWait: 40 * time.Millisecond}))
	if err != nil {
		t.Fatal(err)
	}
	var futures []*mesh.Future
	for i := range 4 {
		f, err := p.PublishAsync(t.Context(), order{Total: i})
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, f)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = p.PublishAsync(ctx, order{Total: 4})
	wantError(t, err, mesh.CodeTimeout)
	_, err = futures[0].Receipt(ctx)
	wantError(t, err, mesh.CodeTimeout)
	wantError(t, p.Flush(ctx), mesh.CodeTimeout)

	mute.Store(false)
	for _, f := range futures {
		if r, err := f.Receipt(pubCtx(t)); err != nil || r.Reordered {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if got := totals(t, js)[""]; !slices.Equal(got, upTo(4)) {
		t.Errorf("stored %v", got)
	}
}

// Guards against an event whose context has ended and that is retried on.
func TestAsyncContextEndsRetries(t *testing.T) {
	s := startServer(t)
	c := connect(t, s)
	p, err := mesh.NewPublisher[order](c, "orders.order.created")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first, err := p.PublishAsync(ctx, order{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.PublishAsync(t.Context(), order{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = first.Receipt(pubCtx(t))
	wantError(t, err, mesh.CodeCanceled, "no gate serves domain orders")
	_, err = second.Receipt(pubCtx(t))
	wantError(t, err, mesh.CodeStopped, "canceled")
}

// Guards against Close that leaves futures open or goroutines running, and
// against publishing after it.
func TestCloseSettlesFutures(t *testing.T) {
	s := startServer(t)
	standInGate(t, s, func(*nats.Msg) string { return silent })
	c := connect(t, s)
	p, err := mesh.NewPublisher[order](c, "orders.order.created", mesh.WithMaxInFlight(3))
	if err != nil {
		t.Fatal(err)
	}
	var futures []*mesh.Future
	for range 3 {
		f, err := p.PublishAsync(t.Context(), order{})
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, f)
	}
	waits := make(chan error)
	go func() {
		_, err := p.PublishAsync(t.Context(), order{})
		waits <- err
	}()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, <-waits, mesh.CodeClosed)
	for _, f := range futures {
		_, err := f.Receipt(t.Context())
		wantError(t, err, mesh.CodeClosed, "whether the event is stored is not known")
	}
	_, err = p.PublishAsync(t.Context(), order{})
	wantError(t, err, mesh.CodeClosed)
	_, err = p.Publish(t.Context(), order{})
	wantError(t, err, mesh.CodeClosed)
	if err := p.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

// Guards against Drain that cuts off what is in flight.
func TestDrainWaitsForReceipts(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	makeStream(t, js, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"evt.production.orders.>"}})
	standInGate(t, s, func(*nats.Msg) string { time.Sleep(time.Millisecond); return "" })
	c := connect(t, s)
	p, err := mesh.NewPublisher[order](c, "orders.order.created")
	if err != nil {
		t.Fatal(err)
	}
	var futures []*mesh.Future
	for i := range 50 {
		f, err := p.PublishAsync(t.Context(), order{Total: i})
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, f)
	}
	if err := c.Drain(pubCtx(t)); err != nil {
		t.Fatal(err)
	}
	for _, f := range futures {
		if _, err := f.Receipt(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
