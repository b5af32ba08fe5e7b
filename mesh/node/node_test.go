package node_test

import (
	"context"
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
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
		if _, err := hub.PublishAsync(subject, fmt.Append(nil, i)); err != nil {
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
