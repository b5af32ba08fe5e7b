package mesh_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// log collects what handlers see.
type log[E any] struct {
	mu  sync.Mutex
	all []E
}

func (l *log[E]) add(e E) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

func (l *log[E]) get() []E {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

func subscribe(t testing.TB, c *mesh.Conn, cfg mesh.SubscribeConfig, h mesh.Handler[order]) *mesh.Subscription {
	t.Helper()
	if cfg.Durable == "" {
		cfg.Durable = "billing"
	}
	if cfg.Domain == "" {
		cfg.Domain = "orders"
	}
	sub, err := mesh.Subscribe(pubCtx(t), c, cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	return sub
}

// store puts orders 0 to n-1 into the stream, with keys by turns.
func store(t testing.TB, c *mesh.Conn, n int, keys ...string) {
	t.Helper()
	p, err := mesh.NewPublisher[order](c, "orders.order.created", mesh.WithKey(func(o order) []string {
		if o.ID == "" {
			return nil
		}
		return []string{o.ID}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		o := order{Total: i}
		if len(keys) > 0 {
			o.ID = keys[i%len(keys)]
		}
		if _, err := p.PublishAsync(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(pubCtx(t)); err != nil {
		t.Fatal(err)
	}
}

func pending(t testing.TB, js jetstream.JetStream, durable string) (unsettled int, undelivered uint64) {
	t.Helper()
	c, err := js.Consumer(context.Background(), "ORDERS", durable)
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo().NumAckPending, c.CachedInfo().NumPending
}

// Guards against an event that reaches its handler without what is known about
// it, and against acknowledgements that do not arrive.
func TestSubscriberReceivesEventsWithMetadata(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	p, err := mesh.NewPublisher[order](c, "orders.order.created", mesh.WithKey(orderKey), mesh.WithSource("/a b"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(pubCtx(t), order{ID: "o-1", Total: 7}, mesh.WithID("x%y"), mesh.WithTime(at)); err != nil {
		t.Fatal(err)
	}
	// One that a route brought, from somebody who is no CloudEvents publisher.
	routed := nats.NewMsg("orders.refund")
	routed.Data = []byte(`{"total":8}`)
	for k, v := range map[string]string{
		"Nats-Msg-Id": "m-2", "Lockstep-Origin-Sequence": "4711", "ce-dataschema": "/subjects/orders.refund/versions/12",
		"Lockstep-Schema-Version": "12", "Lockstep-Stored-At": "2026-02-03T04:05:06.000000007Z", "ce-time": "yesterday",
	} {
		routed.Header.Set(k, v)
	}
	if _, err := js.PublishMsg(pubCtx(t), routed); err != nil {
		t.Fatal(err)
	}
	var got log[mesh.Event[order]]
	sub := subscribe(t, c, mesh.SubscribeConfig{}, func(_ context.Context, e mesh.Event[order]) error { got.add(e); return nil })
	eventually(t, "both events are handled", func() bool { return len(got.get()) == 2 })
	first, second := got.get()[0], got.get()[1]
	if string(first.Raw) != `{"id":"o-1","total":7}` || first.Headers.Get("ce-specversion") != "1.0" {
		t.Errorf("raw event: %s %v", first.Raw, first.Headers)
	}
	for _, e := range []*mesh.Event[order]{&first, &second} {
		e.Raw, e.Headers = nil, nil
	}
	want := mesh.Event[order]{Data: order{ID: "o-1", Total: 7}, Metadata: mesh.Metadata{
		Type: "orders.order.created", Subject: "orders.order.created.o-1", Keys: []string{"o-1"}, Origin: "production",
		Sequence: 1, Stream: "ORDERS", Position: 1, ID: "x%y", Source: "/a b", Time: at, Delivered: 1,
	}}
	if fmt.Sprintf("%+v", first) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", first, want)
	}
	want = mesh.Event[order]{Data: order{Total: 8}, Metadata: mesh.Metadata{
		Type: "orders.refund", Subject: "orders.refund", Origin: "production", Sequence: 4711, Stream: "ORDERS", Position: 2,
		ID: "m-2", Time: time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC), SchemaSubject: "orders.refund", SchemaVersion: 12, Delivered: 1,
	}}
	if fmt.Sprintf("%+v", second) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", second, want)
	}
	eventually(t, "both are acknowledged", func() bool { n, _ := pending(t, js, "billing"); return n == 0 })
	if st := sub.Stats(); st != (mesh.Stats{Handled: 2}) {
		t.Errorf("stats %+v", st)
	}
}

// Guards against a subscription that gets other events than it asked for, or
// that JetStream refuses for overlapping filters.
func TestSubscriberSelectsTypes(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	subjects := []string{
		"orders.order", "orders.order.created", "orders.order.created.k1", "orders.order.created.k1.k2", "orders.order.paid.k1",
		"orders.refund", "orders.refund.created", "orders.refund.created.k1",
	}
	for _, subject := range subjects {
		if _, err := js.Publish(pubCtx(t), subject, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	for i, tc := range []struct {
		types []string
		want  []int
	}{
		{nil, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{[]string{"orders.>"}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{[]string{"orders.order.created"}, []int{1, 2, 3}},
		{[]string{"orders.order.*"}, []int{1, 2, 3, 4}},
		{[]string{"orders.order.>", "orders.order", "orders.order.paid"}, []int{0, 1, 2, 3, 4}},
		{[]string{"orders.*"}, []int{0, 5}},
		{[]string{"orders.*.created", "orders.order.paid"}, []int{1, 2, 3, 4, 6, 7}},
	} {
		t.Run(fmt.Sprint(tc.types), func(t *testing.T) {
			var got log[string]
			subscribe(t, c, mesh.SubscribeConfig{Durable: fmt.Sprint("d", i), Types: tc.types}, func(_ context.Context, e mesh.Event[order]) error {
				got.add(e.Subject)
				return nil
			})
			var want []string
			for _, w := range tc.want {
				want = append(want, subjects[w])
			}
			eventually(t, "they are handled", func() bool { return len(got.get()) >= len(want) })
			if _, more := pending(t, js, fmt.Sprint("d", i)); more != 0 || !slices.Equal(got.get(), want) {
				t.Errorf("got %v, want %v, and %d are pending", got.get(), want, more)
			}
		})
	}
}

// Guards against mistakes that show only when events stay away.
func TestSubscribeRefusesMistakes(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	handler := func(context.Context, mesh.Event[order]) error { return nil }
	for name, tc := range map[string]struct {
		cfg  mesh.SubscribeConfig
		says []string
	}{
		"nothing":       {mesh.SubscribeConfig{}, []string{"Durable", "neither Domain nor Types"}},
		"numbers":       {mesh.SubscribeConfig{Durable: "d", Domain: "orders", Concurrency: -1, MaxInFlight: -1, AckWait: 1, Backoff: []time.Duration{-1}, Order: 9}, []string{"Concurrency", "MaxInFlight", "AckWait", "Backoff", "Order is none"}},
		"order":         {mesh.SubscribeConfig{Durable: "d", Domain: "orders", Order: mesh.OrderAll, Concurrency: 2}, []string{"OrderAll"}},
		"names":         {mesh.SubscribeConfig{Durable: "a.b", Stream: "a/b", Domain: "orders"}, []string{"Durable", "Stream"}},
		"two domains":   {mesh.SubscribeConfig{Durable: "d", Types: []string{"orders.order.paid", "customers.>"}}, []string{`"customers.>" is not of domain "orders"`}},
		"patterns":      {mesh.SubscribeConfig{Durable: "d", Domain: "orders", Types: []string{"orders", "orders.>.x", "orders.a.b.c", "orders..x"}}, []string{"1 tokens", `token 2 (">")`, "4 tokens", `token 2 ("")`}},
		"wild domain":   {mesh.SubscribeConfig{Durable: "d", Types: []string{"*.order.created"}}, []string{"neither Domain nor Types"}},
		"crossing ones": {mesh.SubscribeConfig{Durable: "d", Types: []string{"orders.*.created", "orders.order.*"}}, []string{"fall under both", "orders.*.created", "orders.order.>"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mesh.Subscribe(t.Context(), c, tc.cfg, handler)
			wantError(t, err, mesh.CodeInvalid, tc.says...)
		})
	}
	_, err := mesh.Subscribe[order](t.Context(), nil, mesh.SubscribeConfig{Durable: "d", Domain: "orders"}, nil)
	wantError(t, err, mesh.CodeInvalid, "connection is nil", "handler is nil")
	_, err = mesh.Subscribe(t.Context(), c, mesh.SubscribeConfig{Durable: "d", Domain: "customers"}, handler)
	wantError(t, err, mesh.CodeNotFound, "CUSTOMERS/d", "the stream does not exist", "mesh.yaml")
	if _, err := js.CreatePushConsumer(t.Context(), "ORDERS", jetstream.ConsumerConfig{Durable: "push", DeliverSubject: "x"}); err != nil {
		t.Fatal(err)
	}
	_, err = mesh.Subscribe(t.Context(), c, mesh.SubscribeConfig{Durable: "push", Domain: "orders"}, handler)
	wantError(t, err, mesh.CodeInvalid, "no pull consumer")
	off := connect(t, s, mesh.WithJetStreamDomain("elsewhere"), mesh.WithRetry(mesh.Retry{Attempts: 2, Initial: 1, Max: 1}))
	_, err = mesh.Subscribe(t.Context(), off, mesh.SubscribeConfig{Durable: "d", Domain: "orders"}, handler)
	wantError(t, err, mesh.CodeUnavailable, "JetStream domain")
}

// Guards against a durable that starts over, or cannot be changed, when it is
// subscribed to again, and against a wrong first position.
func TestDurableGoesOnAndIsUpdated(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	store(t, c, 10)
	var got log[int]
	handler := func(_ context.Context, e mesh.Event[order]) error { got.add(e.Data.Total); return nil }
	sub := subscribe(t, c, mesh.SubscribeConfig{From: mesh.FromSequence(6)}, handler)
	eventually(t, "five events are handled", func() bool { return len(got.get()) == 5 })
	if err := sub.Drain(pubCtx(t)); err != nil {
		t.Fatal(err)
	}
	if err := sub.Drain(pubCtx(t)); err != nil {
		t.Fatal(err)
	}
	if sub.Err() != nil {
		t.Error(sub.Err())
	}
	between := time.Now()
	store(t, c, 3)
	subscribe(t, c, mesh.SubscribeConfig{From: mesh.FromNew(), Types: []string{"orders.order.*"}, AckWait: time.Minute}, handler)
	eventually(t, "the rest is handled", func() bool { return len(got.get()) == 8 })
	if want := []int{5, 6, 7, 8, 9, 0, 1, 2}; !slices.Equal(got.get(), want) {
		t.Errorf("handled %v, want %v", got.get(), want)
	}
	consumer, err := js.Consumer(t.Context(), "ORDERS", "billing")
	if err != nil {
		t.Fatal(err)
	}
	if cfg := consumer.CachedInfo().Config; cfg.AckWait != time.Minute || cfg.MaxDeliver != -1 || !slices.Equal(cfg.FilterSubjects, []string{"evt.*.orders.order.>"}) && cfg.FilterSubject != "evt.*.orders.order.>" {
		t.Errorf("the consumer is %+v", cfg)
	}
	var newer log[int]
	fresh := func(_ context.Context, e mesh.Event[order]) error { newer.add(e.Data.Total); return nil }
	subscribe(t, c, mesh.SubscribeConfig{Durable: "fresh", From: mesh.FromNew()}, fresh)
	subscribe(t, c, mesh.SubscribeConfig{Durable: "timed", From: mesh.FromTime(between)}, fresh)
	eventually(t, "three old ones are handled", func() bool { return len(newer.get()) == 3 })
	store(t, c, 1)
	eventually(t, "and a new one twice", func() bool { return len(newer.get()) == 5 })
}

// Guards against an SDK that works for administrators only: applications live
// in another account than the streams, and reach JetStream by imports.
func TestSubscribeFromApplicationAccount(t *testing.T) {
	t.Parallel()
	s, owner, app := operatorServer(t)
	js := s.admin(nats.UserCredentials(owner))
	ungoverned(t, js)
	c := connect(t, s, mesh.WithCredentials(app))
	for i := range 300 {
		if _, err := js.PublishAsync("orders.order.created", fmt.Appendf(nil, `{"total":%d}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	var got log[int]
	sub := subscribe(t, c, mesh.SubscribeConfig{MaxDeliver: 2, Backoff: []time.Duration{time.Millisecond}, AckWait: 500 * time.Millisecond}, func(_ context.Context, e mesh.Event[order]) error {
		if e.Data.Total == 7 {
			time.Sleep(700 * time.Millisecond) // longer than AckWait: reports of progress must arrive, too
			return fmt.Errorf("not %d", e.Data.Total)
		}
		got.add(e.Data.Total)
		return nil
	})
	eventually(t, "all is settled", func() bool { st := sub.Stats(); return st.Handled >= 299 && st.DeadLettered >= 1 && st.InFlight == 0 })
	if n := len(stored(t, js, "DLQ")); n != 1 {
		t.Errorf("%d dead letters", n)
	}
	eventually(t, "all is acknowledged", func() bool { n, _ := pending(t, js, "billing"); return n == 0 })
	if err := c.Drain(pubCtx(t)); err != nil {
		t.Fatal(err)
	}
}
