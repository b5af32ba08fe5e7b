package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// soon repeats failed events as tests can wait for.
var soon = []time.Duration{time.Millisecond, 2 * time.Millisecond}

// Guards against an event that is given up too early, too late, for the wrong
// reason, or without what is needed to deal with it.
func TestDeadLetters(t *testing.T) {
	for _, tc := range []struct {
		name, data    string
		order         mesh.Order
		handler       mesh.Handler[order]
		calls         int32
		reason, error string
	}{
		{
			"failing", `{"id":"a"}`, mesh.OrderAny, func(context.Context, mesh.Event[order]) error { return errors.New("no\nstock\x00") }, 3,
			mesh.ReasonMaxDeliveries, "no stock\uFFFD",
		},
		{
			"failing, by key", `{"id":"a"}`, mesh.OrderKey, func(context.Context, mesh.Event[order]) error { return errors.New("no") }, 3,
			mesh.ReasonMaxDeliveries, "no",
		},
		{
			"failing, all in order", `{"id":"a"}`, mesh.OrderAll, func(context.Context, mesh.Event[order]) error { return errors.New(strings.Repeat("ä", 600)) }, 3,
			mesh.ReasonMaxDeliveries, strings.Repeat("ä", 512) + "…",
		},
		{
			"permanent", `{"id":"a"}`, mesh.OrderAny, func(context.Context, mesh.Event[order]) error {
				return fmt.Errorf("wrapped: %w", mesh.Permanent(errors.New("never")))
			}, 1, mesh.ReasonPermanent, "wrapped: never",
		},
		{
			"panicking", `{"id":"a"}`, mesh.OrderAny, func(context.Context, mesh.Event[order]) error { panic("ouch") }, 3,
			mesh.ReasonMaxDeliveries, "the handler panicked: ouch",
		},
		{
			"of another type", `{"id":1}`, mesh.OrderAny, func(context.Context, mesh.Event[order]) error { return nil }, 0,
			mesh.ReasonDecode, "cannot be decoded",
		},
		{
			"no JSON", `{"id"`, mesh.OrderKey, func(context.Context, mesh.Event[order]) error { return nil }, 0,
			mesh.ReasonDecode, "cannot be decoded",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := startServer(t)
			js := s.admin()
			ungoverned(t, js)
			c := connect(t, s)
			var calls atomic.Int32
			sub := subscribe(t, c, mesh.SubscribeConfig{MaxDeliver: 3, Backoff: soon, Order: tc.order}, func(ctx context.Context, e mesh.Event[order]) error {
				if n := calls.Add(1); e.Delivered != int(n) {
					t.Errorf("handling %d says Delivered %d", n, e.Delivered)
				}
				return tc.handler(ctx, e)
			})
			r, err := c.Publish(pubCtx(t), mesh.Envelope{Type: "orders.order.created", Keys: []string{"k"}, Data: []byte(tc.data)})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is given up", func() bool { st := sub.Stats(); return st.DeadLettered == 1 && st.InFlight == 0 })
			if n := calls.Load(); n != tc.calls {
				t.Errorf("handled %d times, want %d", n, tc.calls)
			}
			eventually(t, "the consumer is rid of it", func() bool { n, _ := pending(t, js, "billing"); return n == 0 })
			letters := stored(t, js, "DLQ")
			if len(letters) != 1 {
				t.Fatalf("%d dead letters", len(letters))
			}
			l := letters[0]
			if l.Subject != "dlq.orders.billing" || string(l.Data) != tc.data {
				t.Errorf("dead letter %s %s", l.Subject, l.Data)
			}
			for name, want := range map[string]string{
				"Lockstep-Reason": tc.reason, "Nats-Msg-Id": "ORDERS:billing:1", "ce-id": r.ID, "ce-type": "orders.order.created",
				"Lockstep-Origin": "production", "Lockstep-Origin-Sequence": "1", mesh.HeaderDeadLetterSubject: "evt.production.orders.order.created.k",
				mesh.HeaderDeadLetterPosition: "ORDERS:1", mesh.HeaderDeadLetterDeliveries: fmt.Sprint(max(tc.calls, 1)),
			} {
				if got := l.Header.Get(name); got != want {
					t.Errorf("header %s: %q, want %q", name, got, want)
				}
			}
			if got := l.Header.Get(mesh.HeaderDeadLetterError); !strings.Contains(got, tc.error) {
				t.Errorf("error %q, want %q", got, tc.error)
			}
		})
	}
}

// Guards against an event that is lost, or handled over and over, because the
// dead letters are out of reach when it is given up.
func TestUnreachableDeadLettersKeepTheEvent(t *testing.T) {
	for _, o := range []mesh.Order{mesh.OrderAny, mesh.OrderKey, mesh.OrderAll} {
		t.Run(o.String(), func(t *testing.T) {
			s := startServer(t)
			js := s.admin()
			ungoverned(t, js)
			if err := js.DeleteStream(t.Context(), "DLQ"); err != nil {
				t.Fatal(err)
			}
			c := connect(t, s)
			store(t, c, 3, "a", "b", "c")
			var calls atomic.Int32
			var handled log[int]
			sub := subscribe(t, c, mesh.SubscribeConfig{MaxDeliver: 2, Backoff: soon, Order: o, AckWait: time.Second}, func(_ context.Context, e mesh.Event[order]) error {
				if e.Data.Total == 1 {
					calls.Add(1)
					return errors.New("no")
				}
				handled.add(e.Data.Total)
				return nil
			})
			// The letter is offered again and again: by an ungoverned listener.
			var offered atomic.Int32
			watch, err := c.NATS().Subscribe("dlq.>", func(m *nats.Msg) {
				offered.Add(1)
				_ = m.Respond([]byte(`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}`))
			})
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the letter is offered", func() bool { return offered.Load() >= 7 })
			if n, _ := pending(t, js, "billing"); n != 1 || calls.Load() != 2 {
				t.Errorf("%d are unsettled, the handler was called %d times", n, calls.Load())
			}
			if err := watch.Unsubscribe(); err != nil {
				t.Fatal(err)
			}
			makeStream(t, js, jetstream.StreamConfig{Name: "DLQ", Subjects: []string{"dlq.>"}})
			eventually(t, "all is settled", func() bool { st := sub.Stats(); return st.DeadLettered == 1 && st.Handled == 2 })
			if n := len(stored(t, js, "DLQ")); n != 1 || calls.Load() != 2 {
				t.Errorf("%d dead letters, the handler was called %d times", n, calls.Load())
			}
			if got := handled.get(); o == mesh.OrderAll && !slices.Equal(got, []int{0, 2}) {
				t.Errorf("handled %v", got)
			}
		})
	}
}

// Guards against a poisonous event that ends every process that handles it,
// for ever.
func TestEventThatNobodySettlesIsGivenUp(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	store(t, c, 1)
	if _, err := js.CreateConsumer(t.Context(), "ORDERS", jetstream.ConsumerConfig{
		Durable: "billing", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: -1, AckWait: time.Minute, FilterSubject: "evt.*.orders.>",
	}); err != nil {
		t.Fatal(err)
	}
	consumer, err := js.Consumer(t.Context(), "ORDERS", "billing")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // deliveries without a word, as of processes that died
		m, err := consumer.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Nak(); err != nil {
			t.Fatal(err)
		}
	}
	sub := subscribe(t, c, mesh.SubscribeConfig{MaxDeliver: 2}, func(context.Context, mesh.Event[order]) error {
		t.Error("the handler is called")
		return nil
	})
	eventually(t, "it is given up", func() bool { return sub.Stats().DeadLettered == 1 })
	letter := stored(t, js, "DLQ")[0]
	if got := letter.Header.Get(mesh.HeaderDeadLetterError); !strings.Contains(got, "delivered 2 times without being settled") {
		t.Error(got)
	}
}

// Guards against a slow handler's event, and those that wait behind it, being
// delivered to somebody else meanwhile.
func TestSlowHandlerKeepsItsEvents(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	store(t, c, 4)
	var got log[string]
	handler := func(_ context.Context, e mesh.Event[order]) error {
		got.add(fmt.Sprint(e.Data.Total, "/", e.Delivered))
		time.Sleep(1200 * time.Millisecond)
		return nil
	}
	first := subscribe(t, c, mesh.SubscribeConfig{AckWait: time.Second, Concurrency: 2}, handler)
	eventually(t, "the first holds all", func() bool { return first.Stats().InFlight == 4 })
	subscribe(t, c, mesh.SubscribeConfig{AckWait: time.Second, Concurrency: 2}, handler)
	eventually(t, "all is handled", func() bool { return first.Stats().Handled == 4 })
	all := got.get()
	slices.Sort(all)
	if !slices.Equal(all, []string{"0/1", "1/1", "2/1", "3/1"}) {
		t.Errorf("handled %v", all)
	}
}

// Guards against one key's trouble holding back another's, and against a key's
// events that overtake a failed one.
func TestOrderByKey(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	const each = 20
	store(t, c, 3*each, "a", "b", "c")
	var got log[mesh.Event[order]]
	release := make(chan struct{})
	var failures atomic.Int32 // of one event of key a
	sub := subscribe(t, c, mesh.SubscribeConfig{Order: mesh.OrderKey, Concurrency: 4, MaxInFlight: 16, MaxDeliver: -1, Backoff: soon}, func(_ context.Context, e mesh.Event[order]) error {
		if e.Data.ID == "a" && e.Data.Total == 15 {
			select {
			case <-release:
			default:
				failures.Add(1)
				return errors.New("not yet")
			}
		}
		got.add(e)
		return nil
	})
	count := func(key string) (totals []int) {
		for _, e := range got.get() {
			if e.Data.ID == key {
				totals = append(totals, e.Data.Total)
			}
		}
		return totals
	}
	// Only 16 are held, so the others go on until a's fill that.
	eventually(t, "other keys go on while a waits", func() bool { return failures.Load() > 0 && len(count("b")) > 9 && len(count("c")) > 9 })
	if n := len(count("a")); n != 5 {
		t.Errorf("%d of key a are handled while its sixth fails", n)
	}
	close(release)
	eventually(t, "all is handled", func() bool { return sub.Stats().Handled == 3*each })
	for i, key := range []string{"a", "b", "c"} {
		var want []int
		for n := range each {
			want = append(want, 3*n+i)
		}
		if got := count(key); !slices.Equal(got, want) {
			t.Errorf("key %s: %v", key, got)
		}
	}
}

// Guards against an event that is handled before the one ahead of it is done,
// even by another process.
func TestOrderAll(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	store(t, c, 30)
	var got log[int]
	var running atomic.Int32
	tries := map[int]int{} // never touched in parallel
	handler := func(_ context.Context, e mesh.Event[order]) error {
		if running.Add(1) != 1 {
			t.Error("two events are handled at once")
		}
		defer running.Add(-1)
		if tries[e.Data.Total]++; e.Data.Total%10 == 4 && tries[e.Data.Total] < 3 {
			return errors.New("not yet")
		}
		got.add(e.Data.Total)
		return nil
	}
	for range 2 {
		subscribe(t, c, mesh.SubscribeConfig{Order: mesh.OrderAll, Backoff: soon}, handler)
	}
	eventually(t, "all is handled", func() bool { return len(got.get()) == 30 })
	if !slices.Equal(got.get(), upTo(30)) {
		t.Errorf("handled %v", got.get())
	}
}

// Guards against Drain that drops what runs, handles what it need not, or waits
// beyond its time.
func TestDrainFinishesWhatRuns(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	store(t, c, 10)
	begun, release := make(chan struct{}, 10), make(chan struct{})
	var handled atomic.Int32
	sub := subscribe(t, c, mesh.SubscribeConfig{Concurrency: 2}, func(ctx context.Context, _ mesh.Event[order]) error {
		begun <- struct{}{}
		<-release
		if ctx.Err() == nil {
			handled.Add(1)
		}
		return ctx.Err()
	})
	<-begun
	<-begun
	eventually(t, "ten are held", func() bool { return sub.Stats().InFlight == 10 })
	drained := make(chan error)
	go func() { drained <- sub.Drain(pubCtx(t)) }()
	select {
	case err := <-drained:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	if st := sub.Stats(); st != (mesh.Stats{Handled: 2}) || handled.Load() != 2 {
		t.Errorf("stats %+v", st)
	}
	// What was not begun is free at once, though AckWait is half a minute.
	sub = subscribe(t, c, mesh.SubscribeConfig{}, func(context.Context, mesh.Event[order]) error { handled.Add(1); return nil })
	eventually(t, "the rest is handled", func() bool { return handled.Load() == 10 })
	if err := sub.Close(); err != nil {
		t.Fatal(err)
	}

	// Without time, it cancels, says so, and does not count that as a failure.
	store(t, c, 1)
	block := make(chan struct{})
	sub = subscribe(t, c, mesh.SubscribeConfig{MaxDeliver: 1}, func(ctx context.Context, _ mesh.Event[order]) error {
		begun <- struct{}{}
		<-ctx.Done()
		<-block
		return ctx.Err()
	})
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	wantError(t, sub.Drain(ctx), mesh.CodeTimeout, "1 events still held")
	close(block)
	<-sub.Done()
	if st := sub.Stats(); st.Failed != 0 || st.DeadLettered != 0 {
		t.Errorf("stats %+v", st)
	}
}

// Guards against Close that leaves handlers running.
func TestCloseCancelsHandlers(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	store(t, c, 1)
	begun := make(chan struct{})
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
	var ended atomic.Bool
	sub, err := mesh.Subscribe(ctx, c, mesh.SubscribeConfig{Durable: "billing", Domain: "orders"}, func(ctx context.Context, _ mesh.Event[order]) error {
		if ctx.Value(key{}) != "kept" || ctx.Err() != nil {
			t.Error("the handler's context is not what it should be")
		}
		close(begun)
		<-ctx.Done()
		ended.Store(true)
		return ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	cancel() // bounds the subscribing only
	<-begun
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if !ended.Load() || sub.Err() != nil {
		t.Errorf("ended %v, %v", ended.Load(), sub.Err())
	}
	<-sub.Done()
}

// Guards against a subscription that stays silent when what it reads is gone.
func TestDeletedConsumerEndsSubscription(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	sub := subscribe(t, c, mesh.SubscribeConfig{}, func(context.Context, mesh.Event[order]) error { return nil })
	other := subscribe(t, c, mesh.SubscribeConfig{Durable: "other"}, func(context.Context, mesh.Event[order]) error { return nil })
	if sub.Err() != nil {
		t.Error(sub.Err())
	}
	if err := js.DeleteConsumer(t.Context(), "ORDERS", "billing"); err != nil {
		t.Fatal(err)
	}
	<-sub.Done()
	wantError(t, sub.Err(), mesh.CodeNotFound, "ORDERS/billing")
	if err := js.DeleteStream(t.Context(), "ORDERS"); err != nil {
		t.Fatal(err)
	}
	<-other.Done()
	wantError(t, other.Err(), mesh.CodeNotFound)
}

// Guards against events that a subscriber misses, or sees out of order, while
// the server goes away and comes back.
func TestSubscriberSurvivesRestarts(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	const n = 1500
	store(t, c, n, "a", "b", "c")
	var got log[int]
	sub := subscribe(t, c, mesh.SubscribeConfig{Order: mesh.OrderKey, Concurrency: 3, AckWait: time.Second}, func(_ context.Context, e mesh.Event[order]) error {
		got.add(e.Data.Total)
		return nil
	})
	for i := range 2 {
		eventually(t, "handling goes on", func() bool { return len(got.get()) > (i+1)*n/4 })
		s.stop()
		s.start()
	}
	eventually(t, "all is handled and settled", func() bool {
		return sub.Stats().Handled >= n && func() bool { unsettled, left := pending(t, js, "billing"); return unsettled == 0 && left == 0 }()
	})
	seen := map[int]bool{}
	last := map[int]int{}
	for _, total := range got.get() {
		if !seen[total] && total < last[total%3] {
			t.Errorf("%d is first handled after %d", total, last[total%3])
		}
		seen[total] = true
		last[total%3] = max(last[total%3], total)
	}
	if len(seen) != n {
		t.Errorf("%d of %d events are handled", len(seen), n)
	}
}
