package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leftovers()...) }

// pair is a hub and one leaf that receives two domains.
type pair struct {
	hub, leaf *node.Node
	hubData   string
}

func feeds() []node.Feed {
	return append(append(node.RouteFeeds("production", "staging", "orders"), node.RouteFeeds("production", "staging", "payments")...), node.RegistryFeed("production", "staging"))
}

func hubConfig(data string) node.Config {
	return node.Config{
		Environment: "production", Address: "127.0.0.1:0", LeafAddress: "127.0.0.1:0", Data: data,
		Durability: node.DurabilityInterval, Domains: []string{"orders", "payments"}, Origins: []string{"orders", "payments"},
		Leaves: []string{"staging"}, Feeds: feeds(), Logger: zerolog.Nop(),
	}
}

func start(t *testing.T, c node.Config) *node.Node {
	t.Helper()
	n, err := node.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func startPair(t *testing.T) pair {
	t.Helper()
	dir := t.TempDir()
	p := pair{hubData: filepath.Join(dir, "production")}
	p.hub = start(t, hubConfig(p.hubData))
	hubJS(t, p.hub).CreateStream(t.Context(), jetstream.StreamConfig{Name: node.SharedRegistryStream, Subjects: []string{"registry.>"}}) //nolint:errcheck // the next call fails where this did
	if err := p.hub.OfferRegistry(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.leaf = start(t, node.Config{
		Environment: "staging", Address: "127.0.0.1:0", Data: filepath.Join(dir, "staging"),
		Durability: node.DurabilityInterval, Domains: []string{"orders", "payments"},
		Feeds: feeds(), Logger: zerolog.Nop(),
		Upstream: &node.Upstream{URL: p.hub.LeafURL(), Credentials: p.hub.LeafCredentials("staging")},
	})
	return p
}

func hubJS(t *testing.T, n *node.Node) jetstream.JetStream {
	t.Helper()
	nc, err := n.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func dial(t *testing.T, n *node.Node, credentials string, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(n.ClientURL(), append(options, nats.UserCredentials(credentials))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// messages waits until a stream holds n messages, and fails when it does not.
func messages(t *testing.T, js jetstream.JetStream, stream string, n uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var last uint64
	for {
		s, err := js.Stream(ctx, stream)
		if err == nil {
			if last = s.CachedInfo().State.Msgs; last == n {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("stream %s holds %d messages, not %d (%v)", stream, last, n, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Guards against a feed that is set up but over which nothing, or not
// everything, arrives: events, ledger records and the registry's log.
func TestFeedsCarryEventsLedgerAndRegistry(t *testing.T) {
	p := startPair(t)
	hub, leaf := hubJS(t, p.hub), hubJS(t, p.leaf)
	for i := range 5000 {
		subject := wire.EgressSubject("staging", wire.StoredSubject("production", "orders.order.created"))
		if i%100 == 0 {
			subject = wire.EgressRecordSubject("staging", "production", "orders", wire.KindWatermark)
		}
		if _, err := hub.PublishAsync(subject, fmt.Append(nil, i), jetstream.WithStallWait(20*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	<-hub.PublishAsyncComplete()
	if _, err := hub.Publish(t.Context(), "registry.schema", nil); err != nil {
		t.Fatal(err)
	}
	messages(t, leaf, "ORDERS", 4950)
	messages(t, leaf, wire.LedgerStream, 50)
	messages(t, leaf, node.RegistryStream, 1)
	s, err := leaf.Stream(t.Context(), "ORDERS")
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if m.Subject != "evt.production.orders.order.created" {
		t.Errorf("stored as %q", m.Subject)
	}
}

// Guards against a destination that takes events for its own which never reached it.
// It believes the hub's answer to its reset about what was delivered. Delivery goes on
// at once where somebody listens, as the server of a leaf does that was not answered:
// it must not be counted in. Otherwise what nobody took in is skipped, confirmed, and
// never sent again.
func TestResetTellsWhereDeliveryBegins(t *testing.T) {
	hub := start(t, hubConfig(t.TempDir()))
	js := hubJS(t, hub)
	for i := range 20 {
		if _, err := js.Publish(t.Context(), wire.EgressSubject("staging", wire.StoredSubject("production", "orders.order.created")), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	stream, consumer := wire.EgressStream("orders", "staging"), wire.EventConsumer("staging")
	arrived := make(chan struct{}, 1)
	if _, err := js.Conn().Subscribe(wire.DeliverSubject("staging", stream, consumer), func(m *nats.Msg) {
		if m.Header.Get("Status") != "" && m.Reply != "" {
			_ = m.Respond(nil) // flow control: go on, though nothing is confirmed
		}
		select {
		case arrived <- struct{}{}:
		default:
		}
	}); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		select {
		case <-arrived: // it delivers
		case <-time.After(10 * time.Second):
			t.Fatal("nothing is delivered")
		}
		m, err := js.Conn().Request("$JS.API.CONSUMER.RESET."+stream+"."+consumer, nil, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Delivered struct {
				Stream uint64 `json:"stream_seq"`
			} `json:"delivered"`
			Begins uint64 `json:"reset_seq"`
		}
		if err := json.Unmarshal(m.Data, &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Begins != 1 || answer.Delivered.Stream != answer.Begins-1 {
			t.Fatalf("delivery begins at %d, but the answer to reset %d has %d as delivered:\n%s", answer.Begins, i, answer.Delivered.Stream, m.Data)
		}
	}
}
