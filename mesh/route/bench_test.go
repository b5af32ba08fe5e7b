package route_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

const benchSchema = `{
	"$schema":"http://json-schema.org/draft-07/schema#","type":"object","required":["order_id","customer","lines","total","currency","placed_at"],
	"properties":{
		"order_id":{"type":"string","format":"uuid","x-lockstep-class":"uuid"},
		"customer":{"type":"object","required":["id","email"],"properties":{
			"id":{"type":"string","x-lockstep-class":"id"},"email":{"type":"string","format":"email","x-lockstep-class":"email"},
			"name":{"type":"string","maxLength":120,"x-lockstep-class":"person-name"},"phone":{"type":["string","null"],"x-lockstep-class":"phone"}}},
		"lines":{"type":"array","minItems":1,"items":{"type":"object","required":["sku","quantity","price"],"properties":{
			"sku":{"type":"string","x-lockstep-class":"public"},"quantity":{"type":"integer","minimum":1,"x-lockstep-class":"public"},
			"price":{"type":"number","multipleOf":0.01,"x-lockstep-class":"public"},"gift":{"type":"boolean","x-lockstep-class":"public"}}}},
		"total":{"type":"number","x-lockstep-class":"public"},"currency":{"enum":["EUR","USD","GBP"],"x-lockstep-class":"public"},"status":{"enum":["placed","paid","shipped"],"x-lockstep-class":"public"},
		"placed_at":{"type":"string","format":"date-time","x-lockstep-class":"public"},"note":{"type":"string","x-lockstep-class":"text"}}}`

const benchEvent = `{"order_id":"5f2c1c1e-7a8d-4b7e-9d6a-2f8a1f0c9b11","customer":{"id":"cus_8f3k2m9x1a","email":"ada.lovelace@example.org","name":"Ada Lovelace","phone":"+49 30 901820"},` +
	`"lines":[{"sku":"A-1001","quantity":2,"price":19.99,"gift":false},{"sku":"B-7","quantity":1,"price":4.5},{"sku":"C-12-XL","quantity":10,"price":0.35,"gift":true}],` +
	`"total":47.98,"currency":"EUR","status":"placed","placed_at":"2026-03-01T10:15:00Z","note":"Please ring twice; the bell of the third floor is broken."}`

// pair is an origin and a leaf, joined by a native source or by routes.
type pair struct {
	hub, leaf *node.Node
	js, there jetstream.JetStream
	routes    []*route.Route
	conns     []*nats.Conn
}

// newPair starts both servers, with n destinations of which only the first one
// is there: routes to the others write their egress streams all the same.
func newPair(tb testing.TB, durability node.Durability, routes int) *pair {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	dir := tb.TempDir()
	feeds := []node.Feed{{From: "production", To: "staging", Stream: "ORDERS", Consumer: "to_staging", Into: "ORDERS"}}
	hub := feeds
	leaves := []string{"staging"}
	if routes > 0 {
		feeds = node.RouteFeeds("production", "staging", "orders")
		hub = slices.Clone(feeds)
		for i := 1; i < routes; i++ {
			leaves = append(leaves, "other-"+strconv.Itoa(i))
			hub = append(hub, node.RouteFeeds("production", leaves[i], "orders")...)
		}
	}
	p := &pair{}
	var err error
	p.hub, err = node.Start(tb.Context(), node.Config{
		Environment: "production", Address: "127.0.0.1:0", LeafAddress: "127.0.0.1:0", Data: filepath.Join(dir, "production"),
		Durability: durability, Domains: []string{"orders"}, Origins: []string{"orders"}, Leaves: leaves, Feeds: hub, Logger: zerolog.Nop(),
	})
	must(err)
	tb.Cleanup(func() { _ = p.hub.Close() })
	p.leaf, err = node.Start(tb.Context(), node.Config{
		Environment: "staging", Address: "127.0.0.1:0", Data: filepath.Join(dir, "staging"), Durability: node.DurabilityInterval,
		Domains: []string{"orders"}, Feeds: feeds, Logger: zerolog.Nop(),
		Upstream: &node.Upstream{URL: p.hub.LeafURL(), Credentials: p.hub.LeafCredentials("staging")},
	})
	must(err)
	tb.Cleanup(func() { _ = p.leaf.Close() })
	connect := func(n *node.Node) *nats.Conn {
		nc, err := n.Connect("test")
		must(err)
		p.conns = append(p.conns, nc)
		tb.Cleanup(nc.Close)
		return nc
	}
	nc := connect(p.hub)
	p.js, err = jetstream.New(nc)
	must(err)
	p.there, err = jetstream.New(connect(p.leaf))
	must(err)
	if routes == 0 {
		return p
	}
	must(store.Create(tb.Context(), p.js, store.Options{}))
	log, err := store.Open(tb.Context(), p.js)
	must(err)
	view, err := registry.Open(tb.Context(), log)
	must(err)
	tb.Cleanup(view.Close)
	_, err = view.Register(tb.Context(), eventType, registry.Schema{Type: registry.JSON, Text: benchSchema})
	must(err)
	contracts := catalog.New(view, nil)
	key, err := mask.LoadOrCreateKey(filepath.Join(dir, "mask.key"))
	must(err)
	pass, token := mask.Rule{Technique: mask.Pass}, mask.Rule{Technique: mask.Token}
	policy := mask.Policy{Classes: map[string]mask.Rule{
		"public": pass, "uuid": token, "id": token, "email": token, "person-name": token, "phone": token, "text": {Technique: mask.Redact},
	}}
	for _, to := range leaves {
		masker, err := mask.New("testers", policy, to, key)
		must(err)
		r, err := route.Start(route.Config{
			From: "production", To: to, Domain: "orders", Policy: "testers@0", Masker: masker, Catalog: contracts,
			Conn: connect(p.hub), Durable: durability == node.DurabilityAlways, Logger: zerolog.Nop(),
		})
		must(err)
		tb.Cleanup(r.Close)
		p.routes = append(p.routes, r)
	}
	return p
}

func benchMessage(i int) *nats.Msg {
	return &nats.Msg{
		Subject: wire.StoredSubject("production", eventType), Data: []byte(benchEvent),
		Header: nats.Header{
			wire.HeaderSchemaVersion: {"1"}, wire.HeaderSchemaID: {"1"},
			wire.HeaderCESpecVersion: {"1.0"}, wire.HeaderCEID: {"order-" + strconv.Itoa(i)}, wire.HeaderCEType: {eventType},
			wire.HeaderCESource: {"/production/orders"}, wire.HeaderCETime: {time.Now().UTC().Format(time.RFC3339Nano)},
			wire.HeaderCEDataSchema: {wire.DataSchema(eventType, 1)}, wire.HeaderContentType: {"application/json"},
		},
	}
}

// arrivals receives what staging's stream stores, as a subscriber there does.
func (p *pair) arrivals(tb testing.TB, each func(jetstream.Msg)) {
	tb.Helper()
	consumer, err := p.there.OrderedConsumer(tb.Context(), "ORDERS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		tb.Fatal(err)
	}
	c, err := consumer.Consume(each, jetstream.PullMaxMessages(5000))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Stop)
}

// publish stores n events at rate a second, or as fast as the server takes
// them; the origin has then everything, the destinations not yet.
func (p *pair) publish(tb testing.TB, n, from, rate int) {
	tb.Helper()
	js, err := jetstream.New(p.conns[0], jetstream.WithPublishAsyncMaxPending(1000))
	if err != nil {
		tb.Fatal(err)
	}
	begin := time.Now()
	for i := range n {
		if rate > 0 {
			time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		if _, err := js.PublishMsgAsync(benchMessage(from+i), jetstream.WithStallWait(time.Minute)); err != nil {
			tb.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

// publishBatches stores n events in atomic batches.
func (p *pair) publishBatches(tb testing.TB, n, from int) {
	tb.Helper()
	const size = 250
	for ; n > 0; n, from = n-size, from+size {
		batch, err := jetstreamext.NewBatchPublisher(p.js)
		if err != nil {
			tb.Fatal(err)
		}
		for i := range size - 1 {
			if err := batch.AddMsg(benchMessage(from + i)); err != nil {
				tb.Fatal(err)
			}
		}
		if _, err := batch.CommitMsg(tb.Context(), benchMessage(from+size-1)); err != nil {
			tb.Fatal(err)
		}
	}
}

func (p *pair) await(tb testing.TB, done <-chan struct{}) {
	tb.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		for _, r := range p.routes {
			tb.Logf("%+v", r.Status())
		}
		tb.Fatal("not all events arrived in a minute")
	}
}

// Sustained events per second from publishing in production to standing in
// staging: a native, unmasked source, and a masked route, over the same leaf.
// Under always, what is masked is published as a gate's group commit stores it,
// in atomic batches; the native source has a plain publisher.
func BenchmarkDeliver(b *testing.B) {
	for _, durability := range []node.Durability{node.DurabilityInterval, node.DurabilityAlways} {
		for _, routes := range []int{0, 1} {
			name := fmt.Sprintf("%s/%s", durability, []string{"native", "masked"}[routes])
			b.Run(name, func(b *testing.B) {
				p := newPair(b, durability, routes)
				n := 100_000
				if durability == node.DurabilityAlways {
					n = 10_000
				}
				target, arrived, done := 0, 0, make(chan struct{}, 1)
				targets := make(chan int, 1)
				p.arrivals(b, func(jetstream.Msg) {
					if arrived++; target == 0 || arrived > target {
						target = <-targets
					}
					if arrived == target {
						done <- struct{}{}
					}
				})
				var total time.Duration
				used, runs := cpu(), 0
				for b.Loop() {
					runs++
					targets <- runs * n
					begin := time.Now()
					if durability == node.DurabilityAlways && routes > 0 {
						p.publishBatches(b, n, runs*n)
					} else {
						p.publish(b, n, runs*n, 0)
					}
					p.await(b, done)
					total += time.Since(begin)
				}
				b.ReportMetric(float64(runs*n)/total.Seconds(), "events/s")
				b.ReportMetric(float64((cpu()-used).Nanoseconds())/1000/float64(runs*n), "cpu-µs/event")
			})
		}
	}
}

// Time from publishing in production to a subscriber in staging.
func BenchmarkLatency(b *testing.B) {
	for _, rate := range []int{1000, 5000, 20_000} {
		for _, routes := range []int{0, 1} {
			b.Run(fmt.Sprintf("%d/%s", rate, []string{"native", "masked"}[routes]), func(b *testing.B) {
				p := newPair(b, node.DurabilityInterval, routes)
				n := 2 * rate
				var lags []time.Duration
				done := make(chan struct{}, 1)
				warm := rate / 2 // connections and caches
				total := n + warm
				p.arrivals(b, func(m jetstream.Msg) {
					at, err := time.Parse(time.RFC3339Nano, m.Headers().Get(wire.HeaderCETime))
					if err != nil {
						b.Error(err)
					}
					if lags = append(lags, time.Since(at)); len(lags)%total == 0 {
						done <- struct{}{}
					}
				})
				for b.Loop() {
					p.publish(b, total, 0, rate)
					p.await(b, done)
				}
				lags = lags[warm:]
				slices.Sort(lags)
				b.ReportMetric(float64(lags[len(lags)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(lags[len(lags)*99/100].Microseconds())/1000, "p99-ms")
			})
		}
	}
}

// What an event costs when 1 to 50 routes carry one domain: the CPU of the
// whole process, for each event and route.
func BenchmarkRoutes(b *testing.B) {
	for _, routes := range []int{1, 10, 50} {
		b.Run(strconv.Itoa(routes), func(b *testing.B) {
			p := newPair(b, node.DurabilityInterval, routes)
			n := 40_000 / routes
			round := 0
			var used time.Duration
			for b.Loop() {
				round++
				begin := cpu()
				p.publish(b, n, round*n, 0)
				for i := range p.routes {
					p.reach(b, i, uint64(round*n))
				}
				used += cpu() - begin
			}
			b.ReportMetric(float64(used.Nanoseconds())/1000/float64(round*n*routes), "cpu-µs/event/route")
		})
	}
}

// reach waits until a route has dealt with the event of that origin sequence.
func (p *pair) reach(tb testing.TB, i int, sequence uint64) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	for p.routes[i].Status().Checkpoint < sequence {
		select {
		case <-ctx.Done():
			tb.Fatalf("route %d: %+v", i, p.routes[i].Status())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// What the route itself does for an event: look up, mask, revalidate, headers,
// digest.
func BenchmarkTransform(b *testing.B) {
	p := newPair(b, node.DurabilityInterval, 1)
	m := benchMessage(1)
	at, subject, header := time.Now(), []byte(m.Subject), []byte(wire.BlockPrefix)
	for name, values := range m.Header {
		header = fmt.Appendf(header, "%s: %s\r\n", name, values[0])
	}
	header = append(header, "\r\n"...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.routes[0].TransformOnce(1, at, subject, header, m.Data); err != nil {
			b.Fatal(err)
		}
	}
}
