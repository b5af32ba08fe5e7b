package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// OrderCreated is the data of the event type orders.order.created.
type OrderCreated struct {
	OrderID string `json:"order_id"`
	Cents   int64  `json:"cents"`
}

func Example() {
	url, stop := environment()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	conn, err := mesh.Connect(ctx, url, mesh.WithName("shop"))
	if err != nil {
		fmt.Println(err)
		return
	}
	orders, err := mesh.NewPublisher[OrderCreated](conn, "orders.order.created",
		mesh.WithKey(func(o OrderCreated) []string { return []string{o.OrderID} }))
	if err != nil {
		fmt.Println(err)
		return
	}
	receipt, err := orders.Publish(ctx, OrderCreated{OrderID: "o-1", Cents: 4999})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("stored in", receipt.Stream, "at", receipt.Sequence)

	handled := make(chan struct{})
	_, err = mesh.Subscribe(ctx, conn, mesh.SubscribeConfig{
		Durable: "billing",
		Types:   []string{"orders.order.created"},
	}, func(_ context.Context, e mesh.Event[OrderCreated]) error {
		fmt.Println("bill", e.Data.OrderID, "of", e.Origin, e.Data.Cents)
		close(handled)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	<-handled
	if err := conn.Drain(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// stored in ORDERS at 1
	// bill o-1 of production 4999
}

// An ID of one's own makes publishing idempotent: whoever is not sure whether an
// event was published, publishes it again.
func ExamplePublisher_Publish() {
	url, stop := environment()
	defer stop()
	ctx := context.Background()
	conn, err := mesh.Connect(ctx, url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	orders, err := mesh.NewPublisher[OrderCreated](conn, "orders.order.created")
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		r, err := orders.Publish(ctx, OrderCreated{OrderID: "o-1", Cents: 4999}, mesh.WithID("created-o-1"))
		fmt.Println(r.Sequence, r.Duplicate, err)
	}
	// Output:
	// 1 false <nil>
	// 1 true <nil>
}

func ExamplePublisher_PublishAsync() {
	url, stop := environment()
	defer stop()
	ctx := context.Background()
	conn, err := mesh.Connect(ctx, url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	orders, err := mesh.NewPublisher[OrderCreated](conn, "orders.order.created", mesh.WithMaxInFlight(64))
	if err != nil {
		fmt.Println(err)
		return
	}
	var futures []*mesh.Future
	for i := range 3 {
		f, err := orders.PublishAsync(ctx, OrderCreated{OrderID: fmt.Sprint("o-", i)})
		if err != nil {
			fmt.Println(err) // not taken
			return
		}
		futures = append(futures, f)
	}
	for _, f := range futures {
		r, err := f.Receipt(ctx)
		fmt.Println(r.Sequence, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}

// Programs branch on an error's code; people read its text.
func ExampleConn_Publish() {
	url, stop := environment()
	defer stop()
	ctx := context.Background()
	conn, err := mesh.Connect(ctx, url, mesh.WithRetry(mesh.Retry{Attempts: 2}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	_, err = conn.Publish(ctx, mesh.Envelope{Type: "customers.customer.moved", Data: []byte(`{"city":"Turin"}`)})
	switch mesh.CodeOf(err) {
	case "":
		fmt.Println("stored")
	case mesh.CodeRefused:
		fmt.Println("the event is at fault")
	case mesh.CodeNoGate, mesh.CodeDisconnected, mesh.CodeTimeout, mesh.CodeUnavailable:
		fmt.Println("try again later")
	default:
		fmt.Println("the program is at fault, or was told to stop")
	}
	var e *mesh.Error
	if errors.As(err, &e) {
		fmt.Println(e.Message)
		fmt.Println(e.Cure)
	}
	// Output:
	// try again later
	// no gate serves domain customers here
	// start the node of this environment, and see in mesh.yaml that domain customers has an origin in it
}

// A handler that knows that an event can never be handled says so with
// Permanent; the event goes to the dead letters.
func ExamplePermanent() {
	url, stop := environment()
	defer stop()
	ctx := context.Background()
	conn, err := mesh.Connect(ctx, url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	letters, err := conn.NATS().SubscribeSync("dlq.orders.billing")
	if err != nil {
		fmt.Println(err)
		return
	}

	_, err = mesh.Subscribe(ctx, conn, mesh.SubscribeConfig{Durable: "billing", Domain: "orders"},
		func(_ context.Context, e mesh.Event[OrderCreated]) error {
			if e.Data.Cents < 0 {
				return mesh.Permanent(fmt.Errorf("order %s has a negative amount", e.Data.OrderID))
			}
			return nil
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := conn.Publish(ctx, mesh.Envelope{Type: "orders.order.created", Data: []byte(`{"order_id":"o-1","cents":-5}`)}); err != nil {
		fmt.Println(err)
		return
	}
	letter, err := letters.NextMsg(10 * time.Second)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(letter.Header.Get("Lockstep-Reason"))
	fmt.Println(letter.Header.Get(mesh.HeaderDeadLetterError))
	fmt.Println(string(letter.Data))
	// Output:
	// permanent
	// order o-1 has a negative amount
	// {"order_id":"o-1","cents":-5}
}

// environment starts a server that stands in for an environment of the mesh:
// it stores orders and dead letters, without a gate.
func environment() (url string, stop func()) {
	store, err := os.MkdirTemp("", "mesh-example-")
	if err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: store, NoLog: true, NoSigs: true})
	if err != nil {
		panic(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		panic("the server does not get ready")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		panic(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		panic(err)
	}
	for _, cfg := range []jetstream.StreamConfig{
		{
			Name: "ORDERS", Subjects: []string{"orders.>"},
			SubjectTransform: &jetstream.SubjectTransformConfig{Source: "orders.>", Destination: "evt.production.orders.>"},
		},
		{Name: "DLQ", Subjects: []string{"dlq.>"}},
	} {
		if _, err := js.CreateStream(context.Background(), cfg); err != nil {
			panic(err)
		}
	}
	return s.ClientURL(), func() {
		s.Shutdown()
		s.WaitForShutdown()
		_ = os.RemoveAll(store)
	}
}
