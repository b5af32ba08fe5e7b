package gate_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/gate"
	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "10"); err != nil { // each is hundreds of publishes; the command line has the last word
		panic(err)
	}
	goleak.VerifyTestMain(m, natstest.Leftovers()...)
}

const orderSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "x-lockstep-key": ["/order_id"],
  "properties": {
    "order_id": {"type": "string"},
    "total": {"type": "number", "minimum": 0},
    "email": {"type": "string"}
  },
  "required": ["order_id", "total"]
}`

// bench is one environment with a gate, and an application that is connected
// to it.
type bench struct {
	node     *node.Node
	registry *registry.Registry
	gate     *gate.Gate
	config   gate.Config // the gate's
	app      *nats.Conn
	js       jetstream.JetStream // the application's
	inside   jetstream.JetStream // Lockstep's own
}

func newBench(t testing.TB, change func(*node.Config)) *bench {
	t.Helper()
	config := node.Config{
		Environment: "production", Address: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "production"),
		Durability: node.DurabilityInterval, Domains: []string{"orders", "stock"}, Origins: []string{"orders"}, Logger: zerolog.Nop(),
	}
	if change != nil {
		change(&config)
	}
	b := &bench{}
	var err error
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b.node, err = node.Start(t.Context(), config)
	must(err)
	t.Cleanup(func() { _ = b.node.Close(); natstest.AtRest(t) })
	connect := func(open func(string, ...nats.Option) (*nats.Conn, error)) *nats.Conn {
		nc, err := open("test")
		must(err)
		t.Cleanup(nc.Close)
		return nc
	}
	inside := connect(b.node.Connect)
	b.inside, err = jetstream.New(inside)
	must(err)
	must(store.Create(t.Context(), b.inside, store.Options{}))
	log, err := store.Open(t.Context(), b.inside)
	must(err)
	b.registry, err = registry.Open(t.Context(), log)
	must(err)
	t.Cleanup(b.registry.Close)
	b.register(t, "orders.order.placed", orderSchema)
	b.config = gate.Config{
		Environment: "production", Origins: map[string][]string{"orders": {"production"}, "stock": {"edge-berlin"}},
		Catalog: catalog.New(b.registry, nil), Logger: zerolog.Nop(),
		GroupCommit: config.Durability == node.DurabilityAlways, Inboxes: node.ApplicationInboxes,
		// As package environment has it.
		Apps: connect(func(name string, options ...nats.Option) (*nats.Conn, error) {
			return b.node.ConnectApplications(name, append(options, b.node.Local())...)
		}),
		Mesh: connect(func(name string, options ...nats.Option) (*nats.Conn, error) {
			return b.node.Connect(name, append(options, b.node.Local())...)
		}),
	}
	b.gate = b.startGate(t, b.config)
	b.app, err = nats.Connect(b.node.ClientURL(), nats.UserCredentials(b.node.ApplicationCredentials()))
	must(err)
	t.Cleanup(b.app.Close)
	b.js, err = jetstream.New(b.app)
	must(err)
	return b
}

// startGate starts a gate that is closed with the test.
func (b *bench) startGate(t testing.TB, c gate.Config) *gate.Gate {
	t.Helper()
	g, err := gate.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := g.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return g
}

func (b *bench) register(t testing.TB, subject, schema string) {
	t.Helper()
	if _, err := b.registry.Register(t.Context(), subject, registry.Schema{Type: registry.JSON, Text: schema}); err != nil {
		t.Fatal(err)
	}
}

// count is how many messages a stream holds.
func (b *bench) count(t *testing.T, stream string) uint64 {
	t.Helper()
	s, err := b.inside.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// refusal is the API error with which a publish was refused.
func refusal(t *testing.T, err error) *jetstream.APIError {
	t.Helper()
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		t.Fatalf("not an API error: %v", err)
	}
	return api
}

// Guards against a gate that a client notices: an ordinary JetStream publish
// must be answered with the stream's own acknowledgement.
func TestValidEventIsStoredAndAcknowledged(t *testing.T) {
	b := newBench(t, nil)
	for i := range 3 {
		ack, err := b.js.Publish(t.Context(), "orders.order.placed.o-1", []byte(`{"order_id":"o-1","total":3.5}`), jetstream.WithMsgID(fmt.Sprint("m", i)))
		if err != nil {
			t.Fatal(err)
		}
		if ack.Stream != "ORDERS" || ack.Sequence != uint64(i+1) || ack.Domain != "production" || ack.Duplicate {
			t.Errorf("acknowledged as %+v", ack)
		}
	}
	ack, err := b.js.Publish(t.Context(), "orders.order.placed.o-1", []byte(`{"order_id":"o-1","total":3.5}`), jetstream.WithMsgID("m1"))
	if err != nil || !ack.Duplicate || ack.Sequence != 2 {
		t.Errorf("published again: %+v, %v", ack, err)
	}
	s, err := b.inside.Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if m.Subject != "evt.production.orders.order.placed.o-1" || string(m.Data) != `{"order_id":"o-1","total":3.5}` {
		t.Errorf("stored as %s %s", m.Subject, m.Data)
	}
	for name, want := range map[string]string{
		wire.HeaderCEID: "m0", wire.HeaderCEType: "orders.order.placed", wire.HeaderCESource: "/production/orders", wire.HeaderCESpecVersion: "1.0",
		wire.HeaderCEDataSchema: "/subjects/orders.order.placed/versions/1", wire.HeaderSchemaVersion: "1", wire.HeaderSchemaID: "1", wire.HeaderMsgID: "m0",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("header %s is %q, not %q", name, got, want)
		}
	}
}

// Guards against anything but a valid event getting in, and against a refusal
// that does not say what to do: each kind of bad publish is refused with its
// own code and a text that names the place, and is kept in quarantine.
func TestBadPublishesAreRefusedAndQuarantined(t *testing.T) {
	b := newBench(t, nil)
	const good = `{"order_id":"o-1","total":1}`
	cases := []struct {
		name, subject, data string
		header              nats.Header
		code                int
		says                []string
	}{
		{"wrong type", "orders.order.placed", `{"order_id":"o-1","total":"12"}`, nil, gate.CodeInvalid, []string{"orders.order.placed version 1", "/total", "number", "12"}},
		{"missing property", "orders.order.placed", `{"order_id":"o-1"}`, nil, gate.CodeInvalid, []string{"total"}},
		{"undeclared property", "orders.order.placed", `{"order_id":"o-1","total":1,"extra":1}`, nil, gate.CodeInvalid, []string{"extra"}},
		{"out of range", "orders.order.placed", `{"order_id":"o-1","total":-1}`, nil, gate.CodeInvalid, []string{"/total", "-1"}},
		{"no JSON", "orders.order.placed", `{"order_id":`, nil, gate.CodeSyntax, nil},
		{"empty", "orders.order.placed", ``, nil, gate.CodeSyntax, nil},
		{"trailing data", "orders.order.placed", good + `{}`, nil, gate.CodeSyntax, nil},
		{"duplicate name", "orders.order.placed", `{"order_id":"o-1","total":1,"total":2}`, nil, gate.CodeSyntax, []string{"total"}},
		{"duplicate name, escaped", "orders.order.placed", `{"order_id":"o-1","total":1,"tot\u0061l":2}`, nil, gate.CodeSyntax, []string{"total"}},
		{"invalid UTF-8", "orders.order.placed", "{\"order_id\":\"\xff\",\"total\":1}", nil, gate.CodeSyntax, nil},
		{"NaN", "orders.order.placed", `{"order_id":"o-1","total":NaN}`, nil, gate.CodeSyntax, nil},
		{"leading zero", "orders.order.placed", `{"order_id":"o-1","total":01}`, nil, gate.CodeSyntax, nil},
		{"too deep", "orders.order.placed", strings.Repeat("[", 100_000), nil, gate.CodeSyntax, nil},
		{"unknown type", "orders.order.teleported", good, nil, gate.CodeUnknownType, []string{"orders.order.teleported", "schema push"}},
		{"shared definitions", "orders.common.address", good, nil, gate.CodeUnknownType, nil},
		{"too few tokens", "orders.order", good, nil, gate.CodeUnknownType, nil},
		{"another origin", "stock.level.changed", good, nil, gate.CodeOrigin, []string{"edge-berlin"}},
		{"another key", "orders.order.placed.o-2", good, nil, gate.CodeKey, []string{"/order_id"}},
		{"unknown pinned version", "orders.order.placed", good, nats.Header{wire.HeaderSchemaVersion: {"7"}}, gate.CodeUnknownVersion, []string{"7"}},
		{"atomic batch", "orders.order.placed", good, nats.Header{"Nats-Batch-Id": {"b"}, "Nats-Batch-Sequence": {"1"}}, gate.CodeBatch, []string{"batch"}},
		{"rollup", "orders.order.placed", good, nats.Header{"Nats-Rollup": {"all"}}, gate.CodeHeader, []string{"Nats-Rollup"}},
		{"server's header in lower case", "orders.order.placed", good, nats.Header{"nats-rollup": {"all"}}, gate.CodeHeader, nil},
		{"time to live", "orders.order.placed", good, nats.Header{"Nats-TTL": {"1s"}}, gate.CodeHeader, nil},
		{"schedule", "orders.order.placed", good, nats.Header{"Nats-Schedule": {"@at 2030-01-01T00:00:00Z"}}, gate.CodeHeader, nil},
		{"forged origin", "orders.order.placed", good, nats.Header{wire.HeaderOrigin: {"staging"}}, gate.CodeHeader, []string{wire.HeaderOrigin}},
		{"no time", "orders.order.placed", good, nats.Header{wire.HeaderCETime: {"yesterday"}}, gate.CodeHeader, []string{"yesterday"}},
		{"twice the same attribute", "orders.order.placed", good, nats.Header{wire.HeaderCEID: {"a", "b"}}, gate.CodeHeader, nil},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := b.js.PublishMsg(t.Context(), &nats.Msg{Subject: c.subject, Data: []byte(c.data), Header: c.header}, jetstream.WithRetryAttempts(0))
			api := refusal(t, err)
			if int(api.ErrorCode) != c.code || api.Code != 400 {
				t.Errorf("code %d/%d, not %d: %s", api.Code, api.ErrorCode, c.code, api.Description)
			}
			for _, text := range c.says {
				if !strings.Contains(api.Description, text) {
					t.Errorf("the refusal does not say %q: %s", text, api.Description)
				}
			}
			s, err := b.inside.Stream(t.Context(), wire.QuarantineStream)
			if err != nil {
				t.Fatal(err)
			}
			if n := s.CachedInfo().State.Msgs; n != uint64(i+1) {
				t.Fatalf("%d events in quarantine, not %d", n, i+1)
			}
			kept, err := s.GetMsg(t.Context(), uint64(i+1))
			if err != nil {
				t.Fatal(err)
			}
			if string(kept.Data) != c.data || kept.Subject != "quarantine."+c.subject || kept.Header.Get(wire.HeaderReason) != fmt.Sprint(c.code) {
				t.Errorf("kept as %s %v %q", kept.Subject, kept.Header, kept.Data)
			}
			if c.header != nil {
				var original nats.Header
				if err := json.Unmarshal([]byte(kept.Header.Get(gate.HeaderOriginalHeaders)), &original); err != nil || len(original) != len(c.header) {
					t.Errorf("the publisher's headers are kept as %q", kept.Header.Get(gate.HeaderOriginalHeaders))
				}
			}
		})
	}
	if n := b.count(t, "ORDERS"); n != 0 {
		t.Errorf("%d refused events were stored", n)
	}
	if s := b.gate.Stats(); s.Refused != uint64(len(cases)) || s.Stored != 0 {
		t.Errorf("counted %+v", s)
	}
}

// Guards against a fast batch, whose instructions are in the reply subject,
// getting past the gate.
func TestFastBatchIsRefused(t *testing.T) {
	b := newBench(t, nil)
	inbox := b.app.NewInbox()
	sub, err := b.app.SubscribeSync(inbox + ".>")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.app.PublishRequest("orders.order.placed", inbox+".uuid.0.fail.1.0.$FI", []byte(`{"order_id":"o-1","total":1}`)); err != nil {
		t.Fatal(err)
	}
	m, err := sub.NextMsg(5 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(m.Data), fmt.Sprint(gate.CodeBatch)) || b.count(t, "ORDERS") != 0 {
		t.Errorf("answered %s", m.Data)
	}
}

// Guards against producers and schemas having to roll out in one step: an
// event that only an older version admits is stored under that version, and a
// pinned version decides alone.
func TestNewestVersionThatAdmitsDecides(t *testing.T) {
	b := newBench(t, nil)
	b.register(t, "orders.order.placed", strings.Replace(orderSchema, `"email": {"type": "string"}`, `"email": {"type": "string"}, "note": {"type": "string"}`, 1))
	version := func(data string, header nats.Header) string {
		t.Helper()
		ack, err := b.js.PublishMsg(t.Context(), &nats.Msg{Subject: "orders.order.placed", Data: []byte(data), Header: header})
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.inside.Stream(t.Context(), ack.Stream)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.GetMsg(t.Context(), ack.Sequence)
		if err != nil {
			t.Fatal(err)
		}
		return m.Header.Get(wire.HeaderSchemaVersion)
	}
	if v := version(`{"order_id":"o","total":1,"note":"x"}`, nil); v != "2" {
		t.Errorf("with the new field: version %s", v)
	}
	if v := version(`{"order_id":"o","total":1}`, nats.Header{wire.HeaderSchemaVersion: {"1"}}); v != "1" {
		t.Errorf("pinned: version %s", v)
	}
	_, err := b.js.PublishMsg(t.Context(), &nats.Msg{Subject: "orders.order.placed", Data: []byte(`{"order_id":"o","total":1,"note":"x"}`), Header: nats.Header{wire.HeaderSchemaVersion: {"1"}}})
	if api := refusal(t, err); int(api.ErrorCode) != gate.CodeInvalid || !strings.Contains(api.Description, "version 1") {
		t.Errorf("pinned to a version that does not admit it: %v", api)
	}
}

// Guards against reordering: what one publisher sends without waiting must be
// stored in the order in which it was sent.
func TestOrderOfOnePublisherIsKept(t *testing.T) {
	b := newBench(t, nil)
	const n = 5000
	js, err := jetstream.New(b.app, jetstream.WithPublishAsyncMaxPending(n))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		data := fmt.Sprintf(`{"order_id":"o","total":%d}`, i)
		if i%7 == 0 {
			data = `{"bad":true}`
		}
		if _, err := js.PublishAsync("orders.order.placed", []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(20 * time.Second):
		t.Fatal("not all publishes were answered")
	}
	consumer, err := b.js.OrderedConsumer(t.Context(), "ORDERS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	last := -1
	got, want := 0, n-(n+6)/7
	batch, err := consumer.Fetch(want)
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		var o struct{ Total int }
		if err := json.Unmarshal(m.Data(), &o); err != nil {
			t.Fatal(err)
		}
		if o.Total <= last {
			t.Fatalf("%d is stored after %d", o.Total, last)
		}
		last = o.Total
		got++
	}
	if got != want {
		t.Errorf("%d events stored, not %d", got, want)
	}
}

// Guards against a full store that loses events silently or hangs: the
// publisher must learn that there is no room, and what to do.
func TestFullStoreIsReported(t *testing.T) {
	b := newBench(t, func(c *node.Config) { c.MaxStore = 1 << 20 })
	data := fmt.Appendf(nil, `{"order_id":"o","total":1,"email":%q}`, strings.Repeat("x", 50_000))
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := b.js.Publish(ctx, "orders.order.placed", data)
		cancel()
		if err == nil {
			continue
		}
		api := refusal(t, err)
		if api.Code != 503 || int(api.ErrorCode) != gate.CodeStoreFull || !strings.Contains(api.Description, "mesh.yaml") {
			t.Errorf("refused with %+v", api)
		}
		return
	}
	t.Fatal("the store took more than its limit")
}

// Guards against a gate that is down looking like a slow one.
func TestClosedGateMeansNoResponders(t *testing.T) {
	b := newBench(t, nil)
	if err := b.gate.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := b.js.Publish(t.Context(), "orders.order.placed", []byte(`{}`), jetstream.WithRetryAttempts(0))
	if !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("a publish without a gate gives %v", err)
	}
}

// Guards against dead letters that are acknowledged and not kept.
func TestDeadLettersAreKept(t *testing.T) {
	b := newBench(t, nil)
	m := &nats.Msg{Subject: "dlq.orders.billing", Data: []byte(`{}`), Header: nats.Header{wire.HeaderReason: {"boom"}, "Nats-Rollup": {"all"}, wire.HeaderMsgID: {"ORDERS:billing:1"}}}
	for range 2 {
		if _, err := b.js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.count(t, wire.DeadLetterStream); n != 1 {
		t.Errorf("%d dead letters, not 1", n)
	}
}

// Guards against an event that is too large breaking the publisher's
// connection, or being stored: it must be refused with its size.
func TestTooLargeEventIsRefused(t *testing.T) {
	b := newBench(t, nil)
	data := fmt.Appendf(nil, `{"order_id":"o","total":1,"email":%q}`, strings.Repeat("x", gate.MaxEventBytes))
	_, err := b.js.Publish(t.Context(), "orders.order.placed", data)
	if api := refusal(t, err); int(api.ErrorCode) != gate.CodeTooLarge {
		t.Errorf("refused with %+v", api)
	}
	if n := b.count(t, wire.QuarantineStream); n != 1 {
		t.Errorf("%d events in quarantine", n)
	}
}
