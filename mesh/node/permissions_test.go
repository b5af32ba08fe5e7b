package node_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/node"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// violations gathers what the server says a connection may not do.
type violations struct {
	mu    sync.Mutex
	texts []string
}

func (v *violations) option() nats.Option {
	return nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.texts = append(v.texts, err.Error())
	})
}

func (v *violations) has(text string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, t := range v.texts {
		if strings.Contains(strings.ToLower(t), strings.ToLower(text)) {
			return true
		}
	}
	return false
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("not within 10 s: " + what)
}

// Guards against a leaf's credentials being good for more than that leaf's own
// deliveries: whoever steals them must be able to read no other stream, make
// no consumer, and write nothing.
func TestLeafCredentialsReachNothingElse(t *testing.T) {
	c := hubConfig(t.TempDir())
	hub := start(t, c)
	js := hubJS(t, hub)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: node.SharedRegistryStream, Subjects: []string{"registry.>"}}); err != nil {
		t.Fatal(err)
	}
	if err := hub.OfferRegistry(t.Context()); err != nil {
		t.Fatal(err)
	}
	var denied violations
	thief := dial(t, hub, hub.LeafCredentials("staging"), denied.option())

	for _, subject := range []string{
		">", "evt.>", "evt.production.orders.order.created", "$JS.>", "$JS.API.>", "$SYS.>", "_INBOX.>", "*.>", "orders.>",
		"egress.>", "mesh.d.>", "mesh.d.testing.ORDERS_TO_TESTING.to_testing", "quarantine.>", "$JSC.R.>", "dlq.>", "registry.>",
	} {
		sub, err := thief.SubscribeSync(subject)
		if err != nil {
			continue
		}
		eventually(t, "subscribing to "+subject+" is refused", func() bool { return denied.has(`Subscription to "` + subject + `"`) })
		_ = sub.Unsubscribe()
	}
	for _, subject := range []string{
		"evt.production.orders.order.created", "egress.staging.evt.production.orders.order.created", "orders.order.created",
		"$JS.API.INFO", "$JS.API.STREAM.INFO.ORDERS", "$JS.API.STREAM.LIST", "$JS.API.STREAM.CREATE.X", "$JS.API.STREAM.DELETE.ORDERS",
		"$JS.API.STREAM.PURGE.ORDERS_TO_STAGING", "$JS.API.STREAM.MSG.GET.ORDERS", "$JS.API.DIRECT.GET.ORDERS", "$JS.API.DIRECT.GET.ORDERS_TO_STAGING.>",
		"$JS.API.CONSUMER.CREATE.ORDERS_TO_STAGING", "$JS.API.CONSUMER.CREATE.ORDERS_TO_STAGING.x", "$JS.API.CONSUMER.DURABLE.CREATE.ORDERS_TO_STAGING.to_staging",
		"$JS.API.CONSUMER.DELETE.ORDERS_TO_STAGING.to_staging", "$JS.API.CONSUMER.MSG.NEXT.ORDERS_TO_STAGING.to_staging",
		"$JS.production.API.CONSUMER.CREATE.ORDERS_TO_STAGING.x", "$JS.production.API.STREAM.INFO.ORDERS", "$JS.production.API.CONSUMER.RESET.ORDERS.to_staging",
		"$JS.API.CONSUMER.RESET.ORDERS_TO_STAGING.to_staging", "$JS.ACK.ORDERS.x.1.1.1.1.1", "$SYS.REQ.SERVER.PING", "mesh.d.staging.ORDERS_TO_STAGING.to_staging",
		"registry.x", "dlq.orders.x", "quarantine.x", "lockstep.api.CONSUMER.CREATE.ORDERS",
	} {
		if err := thief.Publish(subject, []byte(`{"deliver_subject":"evt.production.orders.x"}`)); err != nil {
			t.Fatal(err)
		}
		// The domain's own prefix is mapped before permissions are looked at.
		mapped := strings.Replace(subject, "$JS.production.API", "$JS.API", 1)
		eventually(t, "publishing to "+subject+" is refused", func() bool {
			return denied.has(`Publish to "`+subject+`"`) || denied.has(`Publish to "`+mapped+`"`)
		})
	}

	// What is offered, it gets: and nothing of it is another's.
	got := make(chan *nats.Msg, 16)
	deliver := wire.DeliverSubject("staging", wire.EgressStream("orders", "staging"), wire.EventConsumer("staging"))
	if _, err := thief.ChanSubscribe(deliver, got); err != nil {
		t.Fatal(err)
	}
	if err := thief.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{
		wire.StoredSubject("production", "orders.order.created"),
		wire.EgressSubject("staging", wire.StoredSubject("production", "payments.payment.captured")),
		wire.EgressSubject("staging", wire.StoredSubject("production", "orders.order.masked")),
	} {
		if _, err := js.Publish(t.Context(), subject, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case m := <-got:
		for m.Header.Get("Status") != "" { // heartbeats
			m = <-got
		}
		if m.Subject != wire.EgressSubject("staging", wire.StoredSubject("production", "orders.order.masked")) {
			t.Errorf("the leaf received %s", m.Subject)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the leaf does not receive its own deliveries")
	}
}

// Guards against applications that get past the gate: by publishing where
// events are stored, by the reply subject of a request, or by a consumer that
// delivers into a stream.
func TestApplicationsCannotStorePastTheGate(t *testing.T) {
	hub := start(t, hubConfig(t.TempDir()))
	js := hubJS(t, hub)
	if _, err := js.Publish(t.Context(), wire.StoredSubject("production", "orders.order.created"), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	var denied violations
	app := dial(t, hub, hub.ApplicationCredentials(), denied.option())
	target := wire.StoredSubject("production", "payments.payment.captured")
	for _, subject := range []string{target, "egress.staging." + target, "registry.x", "quarantine.x", "withheld.x", "ledger.production.orders.watermark", "mesh.d.staging.X"} {
		if err := app.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, "publishing to "+subject+" is refused", func() bool { return denied.has(`Publish to "` + subject + `"`) })
	}
	for _, request := range []string{"$JS.API.INFO", "$JS.API.STREAM.INFO.ORDERS", "$JS.API.STREAM.NAMES"} {
		if err := app.PublishRequest(request, target, nil); err != nil {
			t.Fatal(err)
		}
	}
	get, _ := json.Marshal(map[string]any{"seq": 1})
	if err := app.PublishRequest("$JS.API.DIRECT.GET.ORDERS", target, get); err != nil {
		t.Fatal(err)
	}
	// Pulled with a reply subject that another stream captures.
	appJS, err := jetstream.New(app)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := appJS.CreateConsumer(t.Context(), "ORDERS", jetstream.ConsumerConfig{Durable: "pull", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	if err := app.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.ORDERS.pull", target, []byte("1")); err != nil {
		t.Fatal(err)
	}
	// Pushed there, by name and by tricks of JSON.
	for _, body := range []string{
		fmt.Sprintf(`{"stream_name":"ORDERS","config":{"durable_name":"push","deliver_subject":%q,"ack_policy":"none"}}`, target),
		fmt.Sprintf(`{"stream_name":"ORDERS","config":{"durable_name":"push","Deliver_Subject":%q,"ack_policy":"none"}}`, target),
		fmt.Sprintf(`{"stream_name":"ORDERS","config":{"durable_name":"push","ack_policy":"none"},"Config":{"deliver_subject":%q}}`, target),
		fmt.Sprintf(`{"stream_name":"ORDERS","config":{"durable_name":"push","deliver_subject":"_INBOX.x","deliver_subject":%q,"ack_policy":"none"}}`, target),
	} {
		m, err := app.Request("$JS.API.CONSUMER.CREATE.ORDERS.push", []byte(body), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(m.Data), `"error"`) {
			t.Errorf("a consumer was made for %s: %s", body, m.Data)
		}
	}
	for _, request := range []string{"STREAM.CREATE.X", "STREAM.UPDATE.ORDERS", "STREAM.DELETE.ORDERS", "STREAM.PURGE.ORDERS", "STREAM.INFO.ORDERS_TO_STAGING", "CONSUMER.CREATE.ORDERS_TO_STAGING.x", "CONSUMER.DELETE.ORDERS_TO_STAGING.to_staging", "STREAM.MSG.GET.QUARANTINE"} {
		if m, err := app.Request("$JS.API."+request, []byte(`{}`), 200*time.Millisecond); err == nil {
			t.Errorf("%s was answered: %s", request, m.Data)
		}
	}
	s, err := js.Stream(t.Context(), wire.DomainStream("payments"))
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 0 {
		t.Errorf("%d messages were stored past the gate", n)
	}
}

// Guards against a boundary that keeps honest applications from reading: every
// way in which NATS's clients read a stream must work across it.
func TestApplicationsReadTheirStreams(t *testing.T) {
	hub := start(t, hubConfig(t.TempDir()))
	js := hubJS(t, hub)
	for i := range 100 {
		if _, err := js.Publish(t.Context(), wire.StoredSubject("production", "orders.order.created"), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	app := dial(t, hub, hub.ApplicationCredentials())
	for _, domain := range []string{"", "production"} {
		var reading jetstream.JetStream
		var err error
		if domain == "" {
			reading, err = jetstream.New(app)
		} else {
			reading, err = jetstream.NewWithDomain(app, domain)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Run("domain "+domain, func(t *testing.T) {
			stream, err := reading.Stream(t.Context(), "ORDERS")
			if err != nil {
				t.Fatal(err)
			}
			if m, err := stream.GetMsg(t.Context(), 7); err != nil || string(m.Data) != "6" {
				t.Errorf("get: %v", err)
			}
			if m, err := stream.GetLastMsgForSubject(t.Context(), "evt.production.orders.order.created"); err != nil || string(m.Data) != "99" {
				t.Errorf("get last: %v", err)
			}
			consumer, err := stream.CreateOrUpdateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "reader" + domain, AckPolicy: jetstream.AckExplicitPolicy})
			if err != nil {
				t.Fatal(err)
			}
			batch, err := consumer.Fetch(60)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for m := range batch.Messages() {
				n++
				if err := m.DoubleAck(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			messages, err := consumer.Messages()
			if err != nil {
				t.Fatal(err)
			}
			for ; n < 100; n++ {
				m, err := messages.Next(jetstream.NextMaxWait(5 * time.Second))
				if err != nil {
					t.Fatal(err)
				}
				if err := m.Ack(); err != nil {
					t.Fatal(err)
				}
			}
			messages.Stop()
			ordered, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
			if err != nil {
				t.Fatal(err)
			}
			if batch, err = ordered.Fetch(100); err != nil {
				t.Fatal(err)
			}
			n = 0
			for range batch.Messages() {
				n++
			}
			if n != 100 {
				t.Errorf("an ordered consumer gave %d of 100", n)
			}
		})
	}
	t.Run("legacy push and ordered", func(t *testing.T) {
		legacy, err := app.JetStream()
		if err != nil {
			t.Fatal(err)
		}
		for name, options := range map[string][]nats.SubOpt{
			"push":    {nats.BindStream("ORDERS"), nats.AckExplicit()},
			"ordered": {nats.BindStream("ORDERS"), nats.OrderedConsumer()},
		} {
			sub, err := legacy.SubscribeSync("evt.production.orders.>", options...)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for i := range 100 {
				m, err := sub.NextMsg(5 * time.Second)
				if err != nil {
					t.Fatalf("%s: message %d: %v", name, i, err)
				}
				if name == "push" {
					if err := m.AckSync(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := sub.Unsubscribe(); err != nil {
				t.Error(err)
			}
		}
	})
}
