package mesh_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// Guards against an event that arrives without what the mesh and CloudEvents
// promise of it: subject with keys, headers, data.
func TestPublishedEventOnTheWire(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	type traceKey struct{}
	c := connect(t, s, mesh.WithSource("/shop/orders desk"), mesh.WithTrace(func(ctx context.Context) string {
		tp, _ := ctx.Value(traceKey{}).(string)
		return tp
	}))
	p, err := mesh.NewPublisher[order](c, "orders.order.created", mesh.WithKey(orderKey), mesh.WithSchemaVersion(3))
	if err != nil {
		t.Fatal(err)
	}
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.FixedZone("", 3600))
	ctx := context.WithValue(pubCtx(t), traceKey{}, trace)
	r, err := p.Publish(ctx, order{ID: "o-1", Total: 5}, mesh.WithID("id%1"), mesh.WithTime(at))
	if err != nil {
		t.Fatal(err)
	}
	if want := (mesh.Receipt{Stream: "ORDERS", Environment: "production", Sequence: 1, ID: "id%1"}); r != want {
		t.Errorf("receipt %+v, want %+v", r, want)
	}
	m := stored(t, js, "ORDERS")[0]
	if m.Subject != "evt.production.orders.order.created.o-1" || string(m.Data) != `{"id":"o-1","total":5}` {
		t.Errorf("stored %s %s", m.Subject, m.Data)
	}
	for name, want := range map[string]string{
		"Nats-Msg-Id": "id%1", "ce-specversion": "1.0", "ce-id": "id%251", "ce-source": "/shop/orders%20desk",
		"ce-type": "orders.order.created", "ce-time": "2026-03-04T04:06:07.000008Z", "content-type": "application/json",
		"traceparent": trace, "Lockstep-Schema-Version": "3",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("header %s: %q, want %q", name, got, want)
		}
	}
	if len(m.Header) != 9 {
		t.Errorf("more headers than meant: %v", m.Header)
	}

	r, err = p.Publish(pubCtx(t), order{ID: "o-1"}, mesh.WithID("id%1"), mesh.WithSchemaVersion(0), mesh.WithKeys())
	if err != nil || !r.Duplicate || r.Sequence != 1 {
		t.Errorf("the same ID again: %+v, %v", r, err)
	}
	generated, err := p.Publish(pubCtx(t), order{ID: "o-2"})
	if err != nil || generated.ID == "" || generated.Duplicate {
		t.Errorf("a generated ID: %+v, %v", generated, err)
	}
}

// Guards against sending what can be told to be wrong beforehand, and against
// telling only the first of several mistakes.
func TestInvalidArguments(t *testing.T) {
	s := startServer(t)
	c := connect(t, s)
	good := mesh.Envelope{Type: "orders.order.created", Data: []byte(`{}`)}
	change := func(f func(*mesh.Envelope)) mesh.Envelope {
		e := good
		f(&e)
		return e
	}
	for name, tc := range map[string]struct {
		event mesh.Envelope
		says  []string
	}{
		"type of one token":   {change(func(e *mesh.Envelope) { e.Type = "orders" }), []string{"has 1 token"}},
		"type with keys":      {change(func(e *mesh.Envelope) { e.Type = "orders.order.created.1" }), []string{"keys are given apart"}},
		"wildcard":            {change(func(e *mesh.Envelope) { e.Type = "orders.*.created" }), []string{`token 2 ("*")`}},
		"shared definitions":  {change(func(e *mesh.Envelope) { e.Type = "orders.common.address" }), []string{`"common" is kept`}},
		"key without action":  {change(func(e *mesh.Envelope) { e.Type, e.Keys = "orders.order", []string{"1"} }), []string{"cannot have key tokens"}},
		"key with dot":        {change(func(e *mesh.Envelope) { e.Keys = []string{"a", "b.c"} }), []string{"key token 2"}},
		"empty key":           {change(func(e *mesh.Envelope) { e.Keys = []string{""} }), []string{"key token 1"}},
		"no data":             {change(func(e *mesh.Envelope) { e.Data = nil }), []string{"data is empty"}},
		"ID with line break":  {change(func(e *mesh.Envelope) { e.ID = "a\nNats-TTL: 1" }), []string{"the ID is not"}},
		"long ID":             {change(func(e *mesh.Envelope) { e.ID = strings.Repeat("x", 257) }), []string{"the ID is not"}},
		"traceparent":         {change(func(e *mesh.Envelope) { e.Traceparent = "00-1-2-3" }), []string{"traceparent"}},
		"negative version":    {change(func(e *mesh.Envelope) { e.SchemaVersion = -1 }), []string{"version is negative"}},
		"source":              {change(func(e *mesh.Envelope) { e.Source = "%" }), []string{"source"}},
		"year":                {change(func(e *mesh.Envelope) { e.Time = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC) }), []string{"year"}},
		"everything at once":  {mesh.Envelope{Type: "x", Keys: []string{">"}, SchemaVersion: -2}, []string{"1 token", "key token 1", "data is empty", "negative"}},
		"larger than allowed": {change(func(e *mesh.Envelope) { e.Data = make([]byte, 2<<20) }), []string{"larger than the server takes"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Publish(pubCtx(t), tc.event)
			wantError(t, err, mesh.CodeInvalid, tc.says...)
		})
	}
	_, err := mesh.NewPublisher[order](c, "orders", mesh.WithKey(func(string) []string { return nil }), mesh.WithMaxInFlight(0), mesh.WithOrder(7), mesh.WithRetry(mesh.Retry{Max: -1}), mesh.WithSchemaVersion(-1))
	wantError(t, err, mesh.CodeInvalid, "1 token", "func(string) []string", "func(mesh_test.order) []string", "WithMaxInFlight", "WithOrder", "negative duration", "version is negative")
	_, err = mesh.NewPublisher[order](nil, "orders.order.created")
	wantError(t, err, mesh.CodeInvalid, "connection is nil")
	p, err := mesh.NewPublisher[func()](c, "orders.order.created")
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Publish(pubCtx(t), func() {})
	wantError(t, err, mesh.CodeInvalid, "cannot be written as JSON")
}

// Guards against a refusal that is retried, or that loses the gate's own words.
func TestRefusalIsFinal(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	makeStream(t, js, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"evt.production.orders.>"}})
	var asked atomic.Int32
	answers := make(chan string, 1)
	standInGate(t, s, func(*nats.Msg) string { asked.Add(1); return <-answers })
	c := connect(t, s)
	for name, tc := range map[string]struct {
		answer string
		code   mesh.Code
		says   string
	}{
		"refused":            {`{"error":{"code":400,"err_code":40011,"description":"/total: expected integer, found string"},"stream":"ORDERS","seq":0}`, mesh.CodeRefused, "/total: expected integer, found string [refused 40011]"},
		"without words":      {`{"error":{"code":404,"err_code":40012}}`, mesh.CodeRefused, "status 404"},
		"no acknowledgement": {`{"ok":true}`, mesh.CodeDecode, "not a JetStream acknowledgement"},
		"no JSON":            {`pong`, mesh.CodeDecode, "not a JetStream acknowledgement"},
	} {
		t.Run(name, func(t *testing.T) {
			asked.Store(0)
			answers <- tc.answer
			_, err := c.Publish(pubCtx(t), mesh.Envelope{Type: "orders.order.created", Data: []byte(`{}`)})
			wantError(t, err, tc.code, "publish orders.order.created", tc.says)
			e := detail(err)
			if e.Retryable() || asked.Load() != 1 {
				t.Errorf("asked %d times, retryable %v", asked.Load(), e.Retryable())
			}
			if name == "refused" && (e.Status != 400 || e.ErrCode != 40011 || e.Description != "/total: expected integer, found string") {
				t.Errorf("the refusal is not kept: %+v", e)
			}
		})
	}
	if n := len(stored(t, js, "ORDERS")); n != 0 {
		t.Errorf("%d refused events are stored", n)
	}
}

// Guards against giving up on what passes, and against retries under another ID.
func TestPassingFailuresAreRetriedUnderOneID(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	makeStream(t, js, jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"evt.production.orders.>"}})
	var asked atomic.Int32
	ids := make(chan string, 8)
	standInGate(t, s, func(m *nats.Msg) string {
		ids <- m.Header.Get(nats.MsgIdHdr)
		switch asked.Add(1) {
		case 1:
			return `{"error":{"code":503,"err_code":40090,"description":"the registry is not here yet"}}`
		case 2:
			return silent
		case 3:
			return `{"error":{"code":429,"err_code":40091,"description":"too many"}}`
		case 4:
			return `{"error":{"code":408,"err_code":40092,"description":"too slow"}}`
		default:
			return ""
		}
	})
	c := connect(t, s, mesh.WithRetry(mesh.Retry{Initial: time.Millisecond, Max: 2 * time.Millisecond, AckWait: 50 * time.Millisecond}))
	r, err := c.Publish(pubCtx(t), mesh.Envelope{Type: "orders.order.created", Data: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if id := <-ids; id != r.ID {
			t.Errorf("an attempt under ID %q, the receipt says %q", id, r.ID)
		}
	}
	if n := len(stored(t, js, "ORDERS")); n != 1 || asked.Load() != 5 {
		t.Errorf("stored %d, asked %d", n, asked.Load())
	}
}

// Guards against retrying for longer than allowed, and against an error that
// does not tell why.
func TestAttemptsAndContextBoundRetries(t *testing.T) {
	s := startServer(t)
	c := connect(t, s)
	event := mesh.Envelope{Type: "orders.order.created", Data: []byte(`{}`)}
	few := connect(t, s, mesh.WithRetry(mesh.Retry{Attempts: 3, Initial: time.Millisecond, Max: time.Millisecond}))
	_, err := few.Publish(pubCtx(t), event)
	wantError(t, err, mesh.CodeNoGate, "no gate serves domain orders here", "mesh.yaml")
	e := detail(err)
	if !errors.Is(err, nats.ErrNoResponders) || !e.Retryable() {
		t.Errorf("no responders are not told as such: %v", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = c.Publish(ctx, event)
	wantError(t, err, mesh.CodeNoGate, "no gate serves domain orders here", "deadline")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the deadline is not told as such: %v", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = c.Publish(ctx, event)
	wantError(t, err, mesh.CodeCanceled)

	standInGate(t, s, func(*nats.Msg) string { return silent })
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = c.Publish(ctx, event)
	wantError(t, err, mesh.CodeTimeout)
	slow := connect(t, s, mesh.WithRetry(mesh.Retry{Attempts: 2, Initial: time.Millisecond, Max: time.Millisecond, AckWait: 20 * time.Millisecond}))
	_, err = slow.Publish(pubCtx(t), event)
	wantError(t, err, mesh.CodeTimeout, "no answer within 20ms")
}

// Guards against a missing permission that shows as time-outs only.
func TestForbiddenSubject(t *testing.T) {
	s := startServerWith(t, server.Options{Users: []*server.User{{
		Username: "app", Password: "secret",
		Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{"customers.>"}}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		},
	}}})
	c, err := mesh.Connect(t.Context(), s.url(), mesh.WithNATSOptions(nats.UserInfo("app", "secret")))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Publish(pubCtx(t), mesh.Envelope{Type: "orders.order.created", Data: []byte(`{}`)})
	wantError(t, err, mesh.CodeForbidden, "do not allow this subject")

	// A connection that was given has its own error handler; the reason is then
	// found when the answer is missing.
	nc, err := nats.Connect(s.url(), nats.UserInfo("app", "secret"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	given, err := mesh.Connect(t.Context(), "", mesh.WithConn(nc), mesh.WithRetry(mesh.Retry{AckWait: 50 * time.Millisecond}))
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	_, err = given.Publish(pubCtx(t), mesh.Envelope{Type: "orders.order.created", Data: []byte(`{}`)})
	wantError(t, err, mesh.CodeForbidden)
}

// Guards against loss and doubling while the server goes away and comes back
// under publishers that each wait for their receipt.
func TestPublishSurvivesRestarts(t *testing.T) {
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	p, err := mesh.NewPublisher[order](c, "orders.order.created", mesh.WithKey(orderKey))
	if err != nil {
		t.Fatal(err)
	}
	const publishers, each = 4, 400
	var published atomic.Int32
	errs := make(chan error, publishers)
	for w := range publishers {
		go func() {
			for i := range each {
				if _, err := p.Publish(pubCtx(t), order{ID: string(rune('a' + w)), Total: i}); err != nil {
					errs <- err
					return
				}
				published.Add(1)
			}
			errs <- nil
		}()
	}
	for i := range 3 {
		at := int32((i + 1) * publishers * each / 5)
		eventually(t, "publishing goes on", func() bool { return published.Load() >= at })
		s.stop()
		s.start()
	}
	for range publishers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	next := map[string]int{}
	for _, m := range stored(t, js, "ORDERS") {
		var o order
		if err := json.Unmarshal(m.Data, &o); err != nil {
			t.Fatal(err)
		}
		if o.Total != next[o.ID] {
			t.Fatalf("publisher %s: %d is stored where %d should be", o.ID, o.Total, next[o.ID])
		}
		next[o.ID]++
	}
	for w := range publishers {
		if n := next[string(rune('a'+w))]; n != each {
			t.Errorf("publisher %c: %d stored, want %d", 'a'+w, n, each)
		}
	}
}
