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
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leftovers()...) }

const schema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "x-lockstep-key": ["/order_id"],
  "properties": {
    "order_id": {"type": "string", "x-lockstep-class": "id"},
    "email": {"type": "string", "x-lockstep-class": "email"},
    "serial": {"type": "integer", "x-lockstep-class": "public"},
    "note": {"type": "string"}
  },
  "required": ["order_id", "serial"]
}`

const eventType = "orders.order.placed"

// origin is an environment with an egress stream for staging.
type origin struct {
	node    *node.Node
	js      jetstream.JetStream
	conn    *nats.Conn
	catalog *catalog.Catalog
	masker  *mask.Masker
}

func newOrigin(t *testing.T) *origin {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	o := &origin{}
	var err error
	o.node, err = node.Start(t.Context(), node.Config{
		Environment: "production", Address: "127.0.0.1:0", LeafAddress: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "production"),
		Durability: node.DurabilityInterval, Domains: []string{"orders"}, Origins: []string{"orders"}, Leaves: []string{"staging"},
		Feeds: node.RouteFeeds("production", "staging", "orders"), Logger: zerolog.Nop(),
	})
	must(err)
	t.Cleanup(func() { _ = o.node.Close(); natstest.AtRest(t) })
	o.conn, err = o.node.Connect("test")
	must(err)
	t.Cleanup(o.conn.Close)
	o.js, err = jetstream.New(o.conn)
	must(err)
	must(store.Create(t.Context(), o.js, store.Options{}))
	log, err := store.Open(t.Context(), o.js)
	must(err)
	r, err := registry.Open(t.Context(), log)
	must(err)
	t.Cleanup(r.Close)
	_, err = r.Register(t.Context(), eventType, registry.Schema{Type: registry.JSON, Text: schema})
	must(err)
	_, err = r.Register(t.Context(), "orders.free", registry.Schema{Type: registry.JSON, Text: strings.Replace(schema, `"x-lockstep-key": ["/order_id"],`, "", 1)})
	must(err)
	o.catalog = catalog.New(r, nil)
	key, err := mask.LoadOrCreateKey(filepath.Join(t.TempDir(), "mask.key"))
	must(err)
	pass, token := mask.Rule{Technique: mask.Pass}, mask.Rule{Technique: mask.Token}
	o.masker, err = mask.New("testers", mask.Policy{Classes: map[string]mask.Rule{"public": pass, "email": token, "id": token}}, "staging", key)
	must(err)
	return o
}

func (o *origin) start(t *testing.T) *route.Route {
	t.Helper()
	r, err := route.Start(route.Config{
		From: "production", To: "staging", Domain: "orders", Policy: "testers@0", Masker: o.masker,
		Catalog: o.catalog, Conn: o.conn, Logger: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// put stores an event as the gate does.
func (o *origin) put(t *testing.T, subject, data string, more nats.Header) uint64 {
	t.Helper()
	schemaSubject := eventType
	if strings.HasPrefix(subject, "orders.free") {
		schemaSubject = "orders.free"
	}
	h := nats.Header{
		wire.HeaderCEDataSchema: {wire.DataSchema(schemaSubject, 1)}, wire.HeaderSchemaVersion: {"1"}, wire.HeaderSchemaID: {"1"},
		wire.HeaderCEID: {"raw-id"}, wire.HeaderCETime: {"2026-01-02T03:04:05Z"},
	}
	for name, values := range more {
		if values == nil {
			delete(h, name)
		} else {
			h[name] = values
		}
	}
	ack, err := o.js.PublishMsg(t.Context(), &nats.Msg{Subject: wire.StoredSubject("production", subject), Header: h, Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

// egress waits until the egress stream has dealt with origin sequence last,
// and gives all its messages but the watermarks.
func (o *origin) egress(t *testing.T, last uint64) []*jetstream.RawStreamMsg {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		messages := o.all(t)
		events := slices.DeleteFunc(slices.Clone(messages), func(m *jetstream.RawStreamMsg) bool {
			return strings.HasSuffix(m.Subject, "."+wire.KindWatermark) || m.Header.Get(wire.HeaderReleased) != ""
		})
		if len(events) > 0 && events[len(events)-1].Header.Get(wire.HeaderOriginSequence) == strconv.FormatUint(last, 10) {
			return events
		}
		if time.Now().After(deadline) {
			t.Fatalf("the route did not reach event %d: %d messages", last, len(events))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// eventually waits until problem is empty.
func eventually(t *testing.T, problem func() string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		text := problem()
		if text == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(text)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// all are the egress stream's messages, under the subjects that they have at the
// destination, but for those that were written for repairs, or begin a generation.
func (o *origin) all(t *testing.T) []*jetstream.RawStreamMsg {
	t.Helper()
	return slices.DeleteFunc(o.stored(t), func(m *jetstream.RawStreamMsg) bool {
		return m.Header.Get(wire.HeaderRepair) != "" || strings.HasSuffix(m.Subject, "."+wire.KindRenewal)
	})
}

// stored are all messages of the egress stream.
func (o *origin) stored(t *testing.T) []*jetstream.RawStreamMsg {
	t.Helper()
	s, err := o.js.Stream(t.Context(), wire.EgressStream("orders", "staging"))
	if err != nil {
		t.Fatal(err)
	}
	var messages []*jetstream.RawStreamMsg
	for seq := max(1, s.CachedInfo().State.FirstSeq); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // it is of a generation that is over
		}
		if err != nil {
			t.Fatal(err)
		}
		m.Subject = strings.TrimPrefix(m.Subject, "egress.staging.")
		messages = append(messages, m)
	}
	return messages
}

// Guards against anything of an event crossing that is not meant to: payload,
// key tokens, ids and headers.
func TestOnlyWhatIsMaskedCrosses(t *testing.T) {
	o := newOrigin(t)
	const raw = "ann-kathrin"
	o.put(t, eventType+"."+raw, `{"order_id":"`+raw+`","serial":1,"email":"`+raw+`@corp.test"}`, nats.Header{
		wire.HeaderCEID: {raw}, wire.HeaderMsgID: {raw}, wire.HeaderCESource: {raw}, "ce-subject": {raw}, "X-Customer": {raw}, "baggage": {"user=" + raw},
		wire.HeaderTraceparent: {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "tracestate": {"vendor=" + raw}, "Nats-Expected-Stream": {"ORDERS"},
		wire.HeaderContentType: {"text/" + raw},
	})
	last := o.put(t, "orders.free."+raw+"."+raw, `{"order_id":"`+raw+`","serial":2}`, nil)
	o.start(t)
	events := o.egress(t, last)
	if len(events) != 2 {
		t.Fatalf("%d messages for 2 events", len(events))
	}
	for _, m := range events {
		whole := m.Subject + fmt.Sprint(m.Header) + string(m.Data)
		if strings.Contains(whole, raw) || strings.Contains(whole, "4bf92f3577b34da6") {
			t.Errorf("raw values cross: %s", whole)
		}
		for name := range m.Header {
			if !mayCross(name) {
				t.Errorf("header %s crosses", name)
			}
		}
	}
	var masked struct {
		OrderID string `json:"order_id"`
		Serial  int
		Email   string
	}
	if err := json.Unmarshal(events[0].Data, &masked); err != nil {
		t.Fatal(err)
	}
	if events[0].Subject != wire.StoredSubject("production", eventType+"."+masked.OrderID) {
		t.Errorf("the key token %s is not the masked field %s", events[0].Subject, masked.OrderID)
	}
	if masked.Serial != 1 || masked.OrderID == "" || !strings.Contains(masked.Email, "@example.") {
		t.Errorf("masked as %s", events[0].Data)
	}
	for name, want := range map[string]string{wire.HeaderOrigin: "production", wire.HeaderOriginSequence: "1", wire.HeaderHop: "1", wire.HeaderMasked: "2", wire.HeaderCEType: eventType, wire.HeaderPolicy: "testers@0"} {
		if got := events[0].Header.Get(name); got != want {
			t.Errorf("header %s is %q, not %q", name, got, want)
		}
	}
}

// mayCross lists the headers that a message may have in the egress stream:
// the event's, those of the batch that wrote it, and those that a direct get
// adds in its answer.
func mayCross(name string) bool {
	return strings.HasPrefix(name, "Lockstep-") || strings.HasPrefix(name, "ce-") || strings.HasPrefix(name, "Nats-Batch-") ||
		slices.Contains([]string{
			wire.HeaderContentType, wire.HeaderTraceparent, jetstream.ExpectedLastSeqHeader,
			"Nats-Subject", "Nats-Sequence", "Nats-Stream", "Nats-Time-Stamp",
		}, name)
}

// Guards against an event that is neither delivered nor accounted for: what
// cannot be masked leaves a marker where it would have stood, and its reason
// at the origin, and holds nothing up.
func TestWhatCannotBeMaskedIsWithheldAndRecorded(t *testing.T) {
	o := newOrigin(t)
	const raw = "secret words"
	bad := map[uint64]string{}
	o.put(t, eventType, `{"order_id":"a","serial":1}`, nil)
	bad[o.put(t, eventType, `{"order_id":"a","serial":2,"note":"`+raw+`"}`, nil)] = "unclassified"
	bad[o.put(t, eventType, `{"order_id":"a","serial":3,"undeclared":"`+raw+`"}`, nil)] = "undeclared"
	bad[o.put(t, eventType, `{"order_id":`, nil)] = "not_json"
	bad[o.put(t, eventType, `{"order_id":"a","serial":5}`, nats.Header{wire.HeaderCEDataSchema: {wire.DataSchema(eventType, 9)}, wire.HeaderSchemaVersion: {"9"}})] = route.CodeContract
	bad[o.put(t, eventType, `{"order_id":"a","serial":6}`, nats.Header{wire.HeaderCEDataSchema: nil})] = route.CodeEnvelope
	bad[o.put(t, eventType, `{"order_id":"a","serial":7}`, nats.Header{wire.HeaderCEDataSchema: {wire.DataSchema("orders.other", 1)}})] = route.CodeEnvelope
	bad[o.put(t, eventType, `{"order_id":"a","serial":8}`, nats.Header{wire.HeaderCETime: {raw}})] = route.CodeEnvelope
	bad[o.put(t, eventType+".a.b", `{"order_id":"a","serial":9}`, nil)] = route.CodeKeys
	last := o.put(t, eventType, `{"order_id":"a","serial":10}`, nil)
	r := o.start(t)
	events := o.egress(t, last)
	if len(events) != int(last) {
		t.Fatalf("%d messages for %d events", len(events), last)
	}
	why, err := o.js.Stream(t.Context(), wire.WithheldStream)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range events {
		sequence := uint64(i + 1)
		code, withheld := bad[sequence]
		if isMarker := strings.HasPrefix(m.Subject, "ledger."); isMarker != withheld {
			t.Errorf("event %d became %s: %s", sequence, m.Subject, m.Data)
			continue
		}
		if !withheld {
			continue
		}
		if m.Header.Get(wire.HeaderReason) != code || strings.Contains(string(m.Data), raw) {
			t.Errorf("event %d is withheld for %q, not %q: %s", sequence, m.Header.Get(wire.HeaderReason), code, m.Data)
		}
		record, err := why.GetLastMsgForSubject(t.Context(), fmt.Sprintf("withheld.staging.orders.%d", sequence))
		if err != nil || !strings.Contains(string(record.Data), `"code":"`+code+`"`) || strings.Contains(string(record.Data), raw) {
			t.Errorf("the reason for event %d is recorded as %v (%v)", sequence, record, err)
		}
	}
	eventually(t, func() string {
		if s := r.Status(); s.Sent != 2 || s.Withheld != uint64(len(bad)) || s.Checkpoint != last {
			return fmt.Sprintf("status %+v", s)
		}
		return ""
	})
}

// Guards against loss and doubling when routes are stopped, killed between two
// batches, or run twice at once: each event must stand in the egress stream
// once, in order, and the chain of watermarks must hold.
func TestExactlyOnceThroughRestartsAndRivals(t *testing.T) {
	o := newOrigin(t)
	const n = 4000
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	churned := make(chan struct{})
	go func() {
		defer close(churned)
		for ctx.Err() == nil {
			var rivals []*route.Route
			for range 1 + rand.IntN(2) {
				r, err := route.Start(route.Config{From: "production", To: "staging", Domain: "orders", Policy: "testers@0", Masker: o.masker, Catalog: o.catalog, Conn: o.conn, Logger: zerolog.Nop()})
				if err != nil {
					t.Error(err)
					return
				}
				rivals = append(rivals, r)
			}
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			for _, r := range rivals {
				r.Close()
			}
		}
	}()
	var last uint64
	for i := range n {
		data := fmt.Sprintf(`{"order_id":"o-%d","serial":%d}`, i%10, i)
		if i%50 == 0 {
			data = `{"serial":"no"}`
		}
		last = o.put(t, eventType, data, nil)
	}
	cancel()
	<-churned
	o.start(t)
	events := o.egress(t, last)
	if len(events) != n {
		t.Fatalf("%d messages for %d events", len(events), n)
	}
	for i, m := range events {
		if m.Header.Get(wire.HeaderOriginSequence) != strconv.Itoa(i+1) {
			t.Fatalf("message %d is of event %s", i+1, m.Header.Get(wire.HeaderOriginSequence))
		}
	}
	checkChain(t, o.all(t), 2)
}

// checkChain recomputes every watermark.
func checkChain(t *testing.T, messages []*jetstream.RawStreamMsg, least int) {
	t.Helper()
	var segment *ledger.Segment
	var chain ledger.Digest
	next, marks := uint64(1), 0
	for _, m := range messages {
		if segment == nil {
			segment = ledger.NewSegment(m.Header.Get(wire.HeaderOriginStream), next, chain)
		}
		if m.Header.Get(wire.HeaderReleased) != "" {
			if strings.HasSuffix(m.Subject, "."+wire.KindReleased) {
				var r ledger.Released
				if err := json.Unmarshal(m.Data, &r); err != nil {
					t.Fatal(err)
				}
				segment.AddRelease(r)
			}
			continue
		}
		if !strings.HasSuffix(m.Subject, "."+wire.KindWatermark) {
			sequence, err := strconv.ParseUint(m.Header.Get(wire.HeaderOriginSequence), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			segment.Add(sequence, m.Subject, m.Header, m.Data)
			continue
		}
		var w ledger.Watermark
		if err := json.Unmarshal(m.Data, &w); err != nil {
			t.Fatal(err)
		}
		if is := segment.Watermark(); is != w {
			t.Errorf("watermark %+v, recomputed %+v", w, is)
		}
		segment, chain, next = nil, w.Chain, w.To+1
		marks++
	}
	if marks < least {
		t.Errorf("only %d watermarks", marks)
	}
}

// Guards against carrying other events under known sequences: an origin stream
// that was made again must halt the route, not go on.
func TestOriginStreamMadeAgainHaltsTheRoute(t *testing.T) {
	o := newOrigin(t)
	last := o.put(t, eventType, `{"order_id":"a","serial":1}`, nil)
	r := o.start(t)
	o.egress(t, last)
	r.Close()
	s, err := o.js.Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	config := s.CachedInfo().Config
	if err := o.js.DeleteStream(t.Context(), "ORDERS"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		o.put(t, eventType, `{"order_id":"b","serial":2}`, nil)
	}
	r = o.start(t)
	deadline := time.Now().Add(10 * time.Second)
	for r.Status().State != route.StateStopped {
		if time.Now().After(deadline) {
			t.Fatalf("the route goes on: %+v", r.Status())
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !strings.Contains(r.Status().Problem, "made again") {
		t.Errorf("it says %q", r.Status().Problem)
	}
	if events := o.egress(t, last); len(events) != 1 {
		t.Errorf("%d messages crossed", len(events))
	}
}
