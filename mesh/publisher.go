package mesh

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Order says which events must stay in order.
type Order int

const (
	// OrderAny keeps no order beyond what happens to be.
	OrderAny Order = iota
	// OrderKey keeps the order of events that have the same key.
	OrderKey
	// OrderAll keeps the order of all events.
	OrderAll
)

// String is the constant's name.
func (o Order) String() string {
	switch o {
	case OrderAny:
		return "OrderAny"
	case OrderKey:
		return "OrderKey"
	case OrderAll:
		return "OrderAll"
	default:
		return fmt.Sprintf("Order(%d)", int(o))
	}
}

const defaultPublisherInFlight = 256

type publisherConfig struct {
	source   string
	trace    func(context.Context) string
	retry    Retry
	version  int
	order    Order
	inFlight int
	key      any // func(T) []string
}

type publisherOption func(*publisherConfig)

func (f publisherOption) applyPublisher(c *publisherConfig) { f(c) }

// WithKey sets the function that gives an event's key tokens, which are
// appended to its subject: [WithKey](func(o Order) []string { return
// []string{o.ID} }). T must be the publisher's.
func WithKey[T any](key func(T) []string) PublisherOption {
	return publisherOption(func(c *publisherConfig) { c.key = key })
}

// WithOrder sets which order PublishAsync keeps when it retries; the default is
// [OrderAll]. See [Publisher.PublishAsync].
func WithOrder(o Order) PublisherOption {
	return publisherOption(func(c *publisherConfig) { c.order = o })
}

// WithMaxInFlight bounds the events that PublishAsync has taken and that are
// not settled yet; the default is 256. A call beyond waits.
func WithMaxInFlight(n int) PublisherOption {
	return publisherOption(func(c *publisherConfig) { c.inFlight = n })
}

// Publisher publishes events of one type, whose data is a T as encoding/json
// writes it. It is safe for concurrent use and needs no closing of its own: it
// ends with its connection.
type Publisher[T any] struct {
	conn      *Conn
	eventType string
	cfg       publisherConfig
	key       func(T) []string
	async     *async
}

// NewPublisher makes a publisher of an event type, "orders.order.created". It
// asks no server: whether the type exists, and whether the credentials allow
// it, shows when publishing. The error's code is invalid_argument or closed.
func NewPublisher[T any](conn *Conn, eventType string, opts ...PublisherOption) (*Publisher[T], error) {
	cfg := publisherConfig{order: OrderAll, inFlight: defaultPublisherInFlight}
	if conn != nil {
		cfg.source, cfg.trace = conn.source, conn.trace
	}
	for _, o := range opts {
		o.applyPublisher(&cfg)
	}
	p := &Publisher[T]{conn: conn, eventType: eventType}
	var problems []string
	note := func(bad bool, problem string) {
		if bad {
			problems = append(problems, problem)
		}
	}
	if t := typeProblem(eventType); t != "" {
		problems = append(problems, t)
	}
	if r := cfg.retry.problem(); r != "" {
		problems = append(problems, r)
	}
	note(conn == nil, "the connection is nil")
	note(cfg.inFlight < 1, "WithMaxInFlight is below 1")
	note(cfg.order < OrderAny || cfg.order > OrderAll, "WithOrder is none of OrderAny, OrderKey, OrderAll")
	note(cfg.version < 0, "the schema version is negative")
	note(conn != nil && !validSource(cfg.source), sourceProblem)
	if cfg.key != nil {
		var ok bool
		p.key, ok = cfg.key.(func(T) []string)
		note(!ok, fmt.Sprintf("WithKey has a %T, the publisher needs a func(%v) []string", cfg.key, reflect.TypeFor[T]()))
	}
	if len(problems) > 0 {
		return nil, invalid("publisher", eventType, "correct the arguments of NewPublisher", "%s", strings.Join(problems, "; "))
	}
	cfg.retry = cfg.retry.over(conn.retry)
	p.cfg = cfg
	p.async = newAsync(conn, cfg)
	return p, nil
}

// Type is the event type.
func (p *Publisher[T]) Type() string { return p.eventType }

// Publish publishes one event and waits until it is stored or cannot be.
//
// It is retried ([Retry]) while no gate answers, no answer comes, the gate is
// unavailable or the connection is down; never when it is refused. All attempts
// carry one ID, so however often it is sent, it is stored once. Publish does
// not wait for events that PublishAsync has in flight. The Receipt of a failed
// publish holds the ID alone, for publishing the event again.
//
// The error's codes: invalid_argument (nothing was sent), refused, forbidden,
// no_gate, timeout, unavailable, disconnected, canceled, closed, and decode when
// something else than a gate answered.
func (p *Publisher[T]) Publish(ctx context.Context, event T, opts ...PublishOption) (Receipt, error) {
	env, err := p.envelope(ctx, event, opts)
	if err != nil {
		return Receipt{}, err
	}
	return p.conn.publish(ctx, env, p.cfg.retry)
}

// PublishAsync takes one event and returns as soon as it is sent or queued;
// [Future.Receipt] tells what became of it. It waits only while as many events
// as [WithMaxInFlight] allows are unsettled. ctx bounds that waiting and the
// event's retries. An error means that the event was not taken.
//
// # Order
//
// Calls made one after another are one sequence. Events are sent in it, many in
// flight at once, and futures settle in it. A refused event fails alone; those
// behind it go on. When an event fails for a reason that may pass, sending
// stops, what is in flight is waited for, the failed event is sent alone until
// it is stored, and then those behind it in their order. If it cannot be stored
// at all, every event behind it that is not stored yet fails with [CodeStopped]:
// what the stream holds is then a beginning of the sequence, and publishing the
// failed events again, in their order and under their IDs, completes it.
//
// With [OrderAll] the sequence is all of the publisher's events. One gap
// remains: an event can fail in passing while one sent right after it is
// already being stored (a gate that comes back at that moment). The retried
// event is then stored after it, and its Receipt says Reordered. With
// [WithMaxInFlight](1), or with [OrderKey], that cannot happen: OrderKey makes
// one sequence of each subject (the type with its key tokens), never has two
// events of one sequence in flight, and lets the sequences fail and recover
// apart. With [OrderAny] every event is a sequence of its own.
func (p *Publisher[T]) PublishAsync(ctx context.Context, event T, opts ...PublishOption) (*Future, error) {
	env, err := p.envelope(ctx, event, opts)
	if err != nil {
		return nil, err
	}
	msg, bad := env.message()
	if bad != nil {
		return nil, bad
	}
	return p.async.publish(ctx, msg, env.ID)
}

// Flush waits until every event that PublishAsync has taken so far is settled,
// one way or the other, or ctx ends. Only the latter is an error.
func (p *Publisher[T]) Flush(ctx context.Context) error { return p.async.flush(ctx) }

// envelope is the event with everything but an ID.
func (p *Publisher[T]) envelope(ctx context.Context, event T, opts []PublishOption) (Envelope, error) {
	data, err := json.Marshal(event)
	if err != nil {
		e := invalid("publish", p.eventType, "give the type a JSON form", "the event cannot be written as JSON")
		e.Cause = err
		return Envelope{}, e
	}
	env := Envelope{Type: p.eventType, Data: data, Source: p.cfg.source, SchemaVersion: p.cfg.version}
	if p.key != nil {
		env.Keys = p.key(event)
	}
	for _, o := range opts {
		o.applyPublish(&env)
	}
	if env.Traceparent == "" && p.cfg.trace != nil {
		env.Traceparent = p.cfg.trace(ctx)
	}
	return env, nil
}

// Publish publishes an event whose data is JSON already, as
// [Publisher.Publish] does, under the connection's [Retry].
func (c *Conn) Publish(ctx context.Context, event Envelope, opts ...PublishOption) (Receipt, error) {
	for _, o := range opts {
		o.applyPublish(&event)
	}
	if event.Source == "" {
		event.Source = c.source
	}
	if event.Traceparent == "" && c.trace != nil {
		event.Traceparent = c.trace(ctx)
	}
	return c.publish(ctx, event, c.retry)
}

func (c *Conn) publish(ctx context.Context, env Envelope, retry Retry) (Receipt, error) {
	msg, err := env.message()
	if err != nil {
		return Receipt{}, err
	}
	ack, err := c.deliver(ctx, "publish", msg, retry)
	if err != nil {
		return Receipt{ID: env.ID}, err
	}
	return ack.receipt(env.ID), nil
}
