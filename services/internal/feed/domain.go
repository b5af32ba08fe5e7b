package feed

import (
	"context"
	"fmt"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/services/internal/shop"
)

// Domain is a business domain of the shop with the types of its events.
type Domain struct {
	Name  string
	types []eventType
}

// The shop's domains.
var (
	Orders = Domain{shop.Orders, []eventType{
		typed[shop.OrderCreated]("orders.order.created"),
		typed[shop.OrderPaid]("orders.order.paid"),
		typed[shop.OrderShipped]("orders.order.shipped"),
		typed[shop.OrderCancelled]("orders.order.cancelled"),
	}}
	Customers = Domain{shop.Customers, []eventType{
		typed[shop.CustomerRegistered]("customers.customer.registered"),
		typed[shop.CustomerUpdated]("customers.customer.updated"),
		typed[shop.CustomerClosed]("customers.customer.closed"),
	}}
	Payments = Domain{shop.Payments, []eventType{
		typed[shop.PaymentAuthorized]("payments.payment.authorized"),
		typed[shop.PaymentCaptured]("payments.payment.captured"),
		typed[shop.PaymentRefunded]("payments.payment.refunded"),
		typed[shop.PaymentFailed]("payments.payment.failed"),
	}}
)

// Domains are all of the shop's domains.
func Domains() []Domain { return []Domain{Orders, Customers, Payments} }

// sender has one event stored.
type sender func(context.Context, shop.Event) (mesh.Receipt, error)

// eventType is an event type with its publisher, which needs a connection.
type eventType struct {
	name string
	open func(*mesh.Conn) (sender, error)
}

// typed is the event type whose payload is a T.
func typed[T any](name string) eventType {
	return eventType{name, func(conn *mesh.Conn) (sender, error) {
		publisher, err := mesh.NewPublisher[T](conn, name, mesh.WithRetry(mesh.Retry{Attempts: -1}))
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, e shop.Event) (mesh.Receipt, error) {
			payload, ok := e.Payload.(T)
			if !ok {
				return mesh.Receipt{}, fmt.Errorf("the payload of a %s is a %T", name, e.Payload)
			}
			return publisher.Publish(ctx, payload, mesh.WithID(e.ID), mesh.WithTime(e.Time), mesh.WithKeys(e.Key))
		}, nil
	}}
}
