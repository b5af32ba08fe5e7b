// Package mesh is Lockstep's Go SDK: it publishes events into an environment of
// the mesh and handles those that arrive in it.
//
// What belongs here is what an application needs: a connection ([Connect]),
// publishers ([Publisher]), subscriptions ([Subscribe]), and their one error
// type ([Error]). What runs the mesh (servers, gates, routes) lives in
// the packages below, none of which this one imports. An application doesn't
// need this package: any NATS client can publish and consume. It is for those
// who would otherwise write the retries, the dead letters and the draining.
//
// # A whole program
//
// It publishes an order and, in the same process, bills the orders it sees:
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os/signal"
//		"syscall"
//		"time"
//
//		"github.com/lockstep-mesh/lockstep/mesh"
//	)
//
//	type OrderCreated struct {
//		OrderID string `json:"order_id"`
//		Cents   int64  `json:"cents"`
//	}
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
//		defer stop()
//
//		conn, err := mesh.Connect(ctx, "nats://127.0.0.1:4222",
//			mesh.WithCredentials("app.creds"), mesh.WithName("shop"))
//		if err != nil {
//			log.Fatal(err)
//		}
//
//		_, err = mesh.Subscribe(ctx, conn, mesh.SubscribeConfig{
//			Durable: "billing",
//			Types:   []string{"orders.order.created"},
//		}, func(ctx context.Context, e mesh.Event[OrderCreated]) error {
//			log.Printf("bill %s: %d cents (event %s of %s)", e.Data.OrderID, e.Data.Cents, e.ID, e.Origin)
//			return nil // done; an error means: again, later
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//
//		orders, err := mesh.NewPublisher[OrderCreated](conn, "orders.order.created",
//			mesh.WithKey(func(o OrderCreated) []string { return []string{o.OrderID} }))
//		if err != nil {
//			log.Fatal(err)
//		}
//		receipt, err := orders.Publish(ctx, OrderCreated{OrderID: "o-1", Cents: 4999})
//		if err != nil {
//			log.Fatal(err) // says what, where, why, and how to mend it
//		}
//		log.Printf("stored in %s at %d", receipt.Stream, receipt.Sequence)
//
//		<-ctx.Done()
//		ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
//		defer cancel()
//		if err := conn.Drain(ending); err != nil {
//			log.Print(err)
//		}
//	}
//
// # Publishing
//
// An event has a type, <domain>.<entity>.<action>, under which its schema is
// registered. It is published on its type with key tokens appended, and the
// environment's gate validates it before it is stored: a [Receipt] means stored,
// and an error of code [CodeRefused] means that it isn't and why. Everything that
// may pass is retried under one message id ([Retry]), so that a lost answer
// doesn't store an event twice. [Publisher.PublishAsync] keeps many events in
// flight and their order across failures.
//
// # Handling
//
// A subscription is a durable pull consumer on the stream of a domain; it works
// alike where the events originate and where a route brings them, masked. Its
// handler sees every event at least once. Failed events come again after a
// back-off, and after MaxDeliver failures go to the environment's dead letters:
// as a request on dlq.<domain>.<durable> with the event's data and headers, the
// reason, and a message id that makes repeating it harmless. Only when that is
// acknowledged is the event taken off the consumer.
//
// # Errors
//
// Every error is an [*Error]: branch on its [Code] ([CodeOf]), show its text.
// What [Error.Retryable] reports true for has been retried already.
package mesh
