package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// SubscribeConfig says what a subscription reads and how it behaves. Durable
// and either Types or Domain are required; the zero value of anything else is
// its default.
type SubscribeConfig struct {
	// Durable names the consumer that remembers how far the subscription has
	// got, across restarts. Processes that subscribe under the same name share
	// its events. One subject token.
	Durable string
	// Types are patterns of event types, all of one domain: "orders.order.created",
	// "orders.order.*", "orders.*.created", "orders.>". "orders.order" is the
	// events about the whole entity, those without an action. Default: all
	// events of Domain.
	Types []string
	// Domain is the domain to read. Default: the one that Types begin with.
	Domain string
	// Stream is the stream to read. Default: the domain's.
	Stream string
	// From is where a consumer that does not exist yet begins; one that exists
	// goes on where it is. Default: the first event.
	From Position

	// Concurrency is how many events are handled at once. Default 1.
	Concurrency int
	// MaxInFlight bounds the events that this process holds: being handled and
	// waiting for it. Smaller shares events out more evenly among processes,
	// larger is faster. Default: the larger of 64 and 4*Concurrency.
	MaxInFlight int
	// Order says what order handling keeps. Default [OrderAny].
	//
	// With OrderAny, events are handled as they come; one that failed is
	// delivered again later, after younger ones.
	//
	// With [OrderKey], events of one entity with the same key tokens are handled
	// one at a time and in order, a failed one holding back those behind it;
	// different keys go on in parallel, as Concurrency allows. Its failures are
	// counted in this process. The order is kept across reconnects and restarts:
	// after those, new events may have to wait for up to AckWait and a tenth of
	// it, or a second where that is more, until what was delivered before and
	// lost has come again; they are set aside then, up to MaxInFlight beside what
	// it bounds. It holds for one process: run only one for a durable. MaxInFlight
	// is at least 2, and where it is less than what was lost, as when it was made
	// smaller, the order is that in which the server delivers again.
	//
	// With [OrderAll], events are handled one at a time in the stream's order,
	// across all processes of the durable and across crashes: nothing is
	// delivered before the event ahead of it is settled. Every event costs a
	// round trip, and Concurrency and MaxInFlight are 1.
	Order Order

	// MaxDeliver is how often an event is handled before it is given up and goes
	// to the dead letters. Default 5; negative: no limit.
	MaxDeliver int
	// Backoff is how long to wait before the second, third, … handling; the last
	// one holds for all further. Each is jittered over its upper half. Default
	// 1 s, 5 s, 30 s, 2 min.
	Backoff []time.Duration
	// AckWait is after what silence of this process its events are delivered
	// again. It need not cover a handler's duration: while an event is held, its
	// being in progress is reported three times per AckWait. Default 30 s, at
	// least 100 ms.
	AckWait time.Duration
}

// Position is a place in a stream. The zero value is its beginning.
type Position struct {
	policy   jetstream.DeliverPolicy
	sequence uint64
	at       time.Time
}

// FromFirst begins with the oldest event that the stream still has.
func FromFirst() Position { return Position{} }

// FromNew begins with the first event stored after the consumer is made.
func FromNew() Position { return Position{policy: jetstream.DeliverNewPolicy} }

// FromTime begins with the first event stored at t or later.
func FromTime(t time.Time) Position {
	return Position{policy: jetstream.DeliverByStartTimePolicy, at: t}
}

// FromSequence begins with the first event whose sequence in the stream read is
// n or above.
func FromSequence(n uint64) Position {
	return Position{policy: jetstream.DeliverByStartSequencePolicy, sequence: max(n, 1)}
}

// Handler handles one event. When it returns nil the event is done; when it
// returns an error or panics the event is handled again later, [Permanent]
// errors apart. Delivery is at least once: a handler must bear to see an event
// twice. Its context carries the values of the one given to [Subscribe] and is
// canceled when the subscription is closed, or when its draining runs out of
// time.
type Handler[T any] func(ctx context.Context, event Event[T]) error

const (
	defaultMaxDeliver    = 5
	defaultSubAckWait    = 30 * time.Second
	minSubAckWait        = 100 * time.Millisecond
	defaultSubInFlight   = 64
	defaultMaxAckPending = 1000 // delivered and unsettled, all processes together
)

func defaultBackoff() []time.Duration {
	return []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute}
}

// Subscribe has handler called for the events that cfg selects, until the
// subscription is closed or drained. It makes the durable consumer, or brings an
// existing one up to cfg. ctx bounds that only.
//
// An event that the handler cannot deal with (cfg.MaxDeliver failures, a
// [Permanent] error, data that is no T) is sent to the environment's dead
// letters with the reason, and taken off the consumer once that is
// acknowledged. While the dead letters cannot be reached it stays on the
// consumer and is tried again: it is never dropped.
//
// The error's codes: invalid_argument, not_found (no such stream), refused,
// timeout, unavailable, disconnected, canceled, closed.
func Subscribe[T any](ctx context.Context, conn *Conn, cfg SubscribeConfig, handler Handler[T]) (*Subscription, error) {
	filters, err := cfg.complete(conn == nil, handler == nil)
	if err != nil {
		return nil, err
	}
	if conn.ended() {
		return nil, closedError("subscribe", cfg.Durable)
	}
	consumer, err := conn.consumer(ctx, cfg, filters)
	if err != nil {
		return nil, err
	}
	var s *Subscription
	s = newSubscription(conn, cfg, consumer, func(ctx context.Context, md Metadata) error {
		event := Event[T]{Metadata: md}
		if err := json.Unmarshal(md.Raw, &event.Data); err != nil {
			return &undecodable{err}
		}
		s.seen.note(&md)
		return handler(ctx, event)
	})
	handling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	if !conn.adopt(s) {
		cancel()
		return nil, closedError("subscribe", cfg.Durable)
	}
	s.start(handling)
	return s, nil
}

// undecodable is an event whose data is not what the subscriber expects.
type undecodable struct{ cause error }

func (u *undecodable) Error() string { return "the event cannot be decoded: " + u.cause.Error() }
func (u *undecodable) Unwrap() error { return u.cause }

// complete fills in defaults, returns the consumer's filters, and reports every
// problem at once.
func (cfg *SubscribeConfig) complete(noConn, noHandler bool) ([]string, error) {
	var problems []string
	note := func(bad bool, problem string) {
		if bad {
			problems = append(problems, problem)
		}
	}
	note(noConn, "the connection is nil")
	note(noHandler, "the handler is nil")
	note(!validName(cfg.Durable), "Durable is not one subject token that can be a consumer's name")
	note(cfg.Stream != "" && !validName(cfg.Stream), "Stream is not the name of a stream")
	note(cfg.Concurrency < 0, "Concurrency is negative")
	note(cfg.MaxInFlight < 0, "MaxInFlight is negative")
	note(cfg.Order < OrderAny || cfg.Order > OrderAll, "Order is none of OrderAny, OrderKey, OrderAll")
	note(cfg.AckWait != 0 && cfg.AckWait < minSubAckWait, "AckWait is below "+minSubAckWait.String())
	note(slices.ContainsFunc(cfg.Backoff, func(d time.Duration) bool { return d < 0 }), "Backoff has a negative duration")
	note(cfg.Order == OrderAll && (cfg.Concurrency > 1 || cfg.MaxInFlight > 1), "OrderAll handles one event at a time: Concurrency and MaxInFlight cannot be above 1")
	if cfg.Domain == "" && len(cfg.Types) > 0 {
		cfg.Domain, _, _ = strings.Cut(cfg.Types[0], ".")
	}
	var filters []string
	if !wire.ValidToken(cfg.Domain) {
		problems = append(problems, "neither Domain nor Types name a domain")
	} else {
		var wrong []string
		filters, wrong = storedFilters(cfg.Domain, cfg.Types)
		problems = append(problems, wrong...)
	}
	if len(problems) > 0 {
		return nil, invalid("subscribe", cfg.Durable, "correct the SubscribeConfig", "%s", strings.Join(problems, "; "))
	}
	cfg.fill()
	return filters, nil
}

func (cfg *SubscribeConfig) fill() {
	fill := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	fill(&cfg.Concurrency, 1)
	if cfg.Order == OrderAll {
		fill(&cfg.MaxInFlight, 1)
	}
	fill(&cfg.MaxInFlight, max(defaultSubInFlight, 4*cfg.Concurrency))
	if cfg.Order == OrderKey {
		cfg.MaxInFlight = max(cfg.MaxInFlight, 2) // one for a repeated event beside a new one
	}
	fill(&cfg.MaxDeliver, defaultMaxDeliver)
	if cfg.Stream == "" {
		cfg.Stream = wire.DomainStream(cfg.Domain)
	}
	if cfg.AckWait == 0 {
		cfg.AckWait = defaultSubAckWait
	}
	if len(cfg.Backoff) == 0 {
		cfg.Backoff = defaultBackoff()
	}
	cfg.Backoff = slices.Clone(cfg.Backoff)
}

// backoff is how long to wait after an event's given handling failed.
func (cfg *SubscribeConfig) backoff(attempt int) time.Duration {
	return jittered(cfg.Backoff[min(max(attempt, 1), len(cfg.Backoff))-1])
}

// validName reports whether JetStream takes name for a consumer or a stream.
func validName(name string) bool {
	return wire.ValidToken(name) && !strings.ContainsAny(name, `/\`)
}

// consumer makes the durable consumer, or changes the one there is to cfg.
func (c *Conn) consumer(ctx context.Context, cfg SubscribeConfig, filters []string) (jetstream.Consumer, error) {
	want := jetstream.ConsumerConfig{
		Name: cfg.Durable, Durable: cfg.Durable, FilterSubjects: filters,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: cfg.AckWait,
		// Deliveries are counted here, not there: the server would drop an event
		// after the last one, whether or not it got to the dead letters.
		MaxDeliver:    -1,
		MaxAckPending: max(defaultMaxAckPending, 4*cfg.MaxInFlight),
		DeliverPolicy: cfg.From.policy, OptStartSeq: cfg.From.sequence,
	}
	if cfg.Order == OrderAll {
		want.MaxAckPending = 1
	}
	if !cfg.From.at.IsZero() {
		want.OptStartTime = &cfg.From.at
	}
	name := cfg.Stream + "/" + cfg.Durable
	for attempts := 1; ; attempts++ {
		consumer, err := c.upsert(ctx, cfg.Stream, want)
		if err == nil {
			return consumer, nil
		}
		failure := new(Error)
		if !errors.As(err, &failure) {
			failure = apiFailure("subscribe", name, err)
		}
		if ctx.Err() != nil {
			return nil, contextEnded(ctx, "subscribe", name, failure)
		}
		if !failure.Retryable() || c.retry.spent(attempts) {
			return nil, failure
		}
		if !pause(ctx, c.stop, c.retry.wait(attempts)) {
			if ctx.Err() != nil {
				return nil, contextEnded(ctx, "subscribe", name, failure)
			}
			return nil, closedError("subscribe", name)
		}
	}
}

func (c *Conn) upsert(ctx context.Context, stream string, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.retry.AckWait)
	defer cancel()
	existing, err := c.js.Consumer(ctx, stream, want.Durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
	case errors.Is(err, jetstream.ErrNotPullConsumer):
		return nil, anotherKind(stream, want.Durable)
	case err != nil:
		return nil, err
	default:
		have := existing.CachedInfo().Config
		if have.AckPolicy != jetstream.AckExplicitPolicy {
			return nil, anotherKind(stream, want.Durable)
		}
		// Where it began cannot be changed, and what else an operator has set is
		// not ours to change.
		have.FilterSubject, have.FilterSubjects = "", want.FilterSubjects
		have.AckWait, have.BackOff = want.AckWait, nil
		have.MaxDeliver, have.MaxAckPending = want.MaxDeliver, want.MaxAckPending
		want = have
	}
	return c.js.CreateOrUpdateConsumer(ctx, stream, want)
}

func anotherKind(stream, durable string) *Error {
	return invalid("subscribe", stream+"/"+durable, "take another name for Durable",
		"a consumer of this name exists that is no pull consumer with explicit acknowledgement")
}

// String is the position as people write it.
func (p Position) String() string {
	switch p.policy {
	case jetstream.DeliverNewPolicy:
		return "new"
	case jetstream.DeliverByStartTimePolicy:
		return "time " + p.at.Format(time.RFC3339Nano)
	case jetstream.DeliverByStartSequencePolicy:
		return fmt.Sprintf("sequence %d", p.sequence)
	default:
		return "first"
	}
}
