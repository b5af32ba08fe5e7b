package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// Guards against an SDK that works on a bare server only: what it publishes in
// production must be refused by the gate or handled in staging, masked, and
// what a handler gives up must be kept there.
func TestSDKAcrossEnvironments(t *testing.T) {
	d, _ := startDev(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	connect := func(environment string) *mesh.Conn {
		t.Helper()
		e := d.Environments[environment]
		conn, err := mesh.Connect(ctx, e.NATS, mesh.WithCredentials(e.Credentials))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	production, staging := connect("production"), connect("staging")
	publisher, err := mesh.NewPublisher[json.RawMessage](production, "orders.order.created")
	if err != nil {
		t.Fatal(err)
	}
	raw := goodEvent(t)
	const n = 10
	for range n {
		receipt, err := publisher.Publish(ctx, raw)
		if err != nil || receipt.Stream != "ORDERS" || receipt.Environment != "production" {
			t.Fatalf("published: %+v, %v", receipt, err)
		}
	}
	var refused *mesh.Error
	if _, err := publisher.Publish(ctx, badEvent(t)); !errors.As(err, &refused) || refused.Code != mesh.CodeRefused || refused.Retryable() {
		t.Fatalf("a bad event: %v", err)
	}
	checkRefusal(t, refused.Description)
	elsewhere, err := mesh.NewPublisher[json.RawMessage](staging, "orders.order.created")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := elsewhere.Publish(ctx, raw); mesh.CodeOf(err) != mesh.CodeRefused {
		t.Errorf("an event of production's, published in staging: %v", err)
	}

	type order struct {
		Customer struct {
			Email string `json:"email"`
		} `json:"customer"`
	}
	subscription, err := mesh.Subscribe(ctx, staging, mesh.SubscribeConfig{
		Durable: "billing", Types: []string{"orders.order.created"}, MaxDeliver: 2, Backoff: []time.Duration{10 * time.Millisecond},
	}, func(_ context.Context, e mesh.Event[order]) error {
		if e.Origin != "production" || e.Data.Customer.Email == "" || e.Data.Customer.Email == "zaneta.oshaughnessy7@mailbox.invalid" {
			t.Errorf("handled %+v", e.Data)
		}
		switch e.Sequence {
		case 3:
			return errors.New("not today")
		case 4:
			return mesh.Permanent(errors.New("never"))
		default:
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for {
		s := subscription.Stats()
		if s.Handled == n-2 && s.DeadLettered == 2 {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("handled so far: %+v", s)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := subscription.Drain(ctx); err != nil {
		t.Error(err)
	}
}
