package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/internal/measure"
)

// arrivals are how long events take to arrive, at different rates.
func arrivals() []measurement {
	var list []measurement
	for _, durability := range []topology.Durability{topology.DurabilityInterval, topology.DurabilityAlways} {
		for _, rate := range []int{1000, 5000, 20000} {
			m := measurement{
				name: fmt.Sprintf("deliver/latency-%d", rate), unit: millis, better: lower,
				what:   fmt.Sprintf("from publish in production to a subscriber in staging at %d events a second, durability %s at the origin; p50 and p99", rate, durability),
				versus: "a native source over the same leaf, nothing masked",
				run:    func(ctx context.Context, t *trial) error { return t.arriving(ctx, durability, rate) },
			}
			switch {
			case durability == topology.DurabilityAlways:
				m.name += "-" + string(durability)
			case rate == 20000:
				m.targets = []target{atMost("p50.ratio", 2.5), atMost("p99.ratio", 3)}
			default:
				m.targets = []target{atMost("p50.ratio", 1.5), atMost("p99.ratio", 3)}
			}
			list = append(list, m)
		}
	}
	return list
}

// arriving compares how long events take at a rate.
func (t *trial) arriving(ctx context.Context, d topology.Durability, rate int) error {
	return t.routed(ctx, d, t.native, func(governed, other *system, events []event) error {
		return t.compare(ctx, governed.paced(events, rate), other.paced(events, rate))
	})
}

// paced publishes at a steady rate and takes the time until each event is with
// a subscriber at the destination.
func (s *system) paced(events []event, rate int) side {
	list := s.publications(events)
	return func(ctx context.Context, d time.Duration) (_ sample, err error) {
		before, err := sum(ctx, s.delivered)
		if err != nil {
			return sample{}, err
		}
		var failed failures
		nc, js, err := s.publisher(failed.add)
		if err != nil {
			return sample{}, err
		}
		defer nc.Close()
		expected := max(1, int(float64(rate)*d.Seconds()))
		sub, err := s.subscribe(ctx, before+1, expected)
		if err != nil {
			return sample{}, err
		}
		defer sub.close()

		sent := make([]time.Time, 0, expected)
		watch := start()
		_, err = measure.Pace(ctx, rate, time.Duration(float64(expected)/float64(rate)*float64(time.Second)), func(i int, due time.Time) error {
			sent = append(sent, due)
			return list[i%len(list)].send(js)
		})
		if err == nil {
			err = settle(ctx, js, &failed)
		}
		if err == nil {
			err = sub.wait(ctx, len(sent))
		}
		if err != nil {
			return sample{}, err
		}
		_, cpu := watch.stop(len(sent))
		waits := make([]float64, len(sent))
		for i, arrived := range sub.times()[:len(sent)] { // one publisher: they arrive in the order of publishing
			waits[i] = float64(arrived.Sub(sent[i])) / float64(time.Millisecond)
		}
		return percentiles(waits, cpu), nil
	}
}

// subscriber notes when events arrive.
type subscriber struct {
	conn    *nats.Conn
	consume jetstream.ConsumeContext

	mu       sync.Mutex
	arrived  []time.Time
	progress chan struct{} // an event has arrived
}

// subscribe begins to receive at the destination's stream sequence from.
func (s *system) subscribe(ctx context.Context, from uint64, expected int) (_ *subscriber, err error) {
	r := &subscriber{arrived: make([]time.Time, 0, expected), progress: make(chan struct{}, 1)}
	if r.conn, err = nats.Connect(s.destination, append([]nats.Option{nats.Name("bench"), nats.Timeout(connectTimeout)}, s.arrival...)...); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", s.destination, err)
	}
	defer func() {
		if err != nil {
			r.conn.Close()
		}
	}()
	js, err := jetstream.New(r.conn)
	if err != nil {
		return nil, err
	}
	consumer, err := js.OrderedConsumer(ctx, wire.DomainStream("orders"), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe at the destination: %w", err)
	}
	r.consume, err = consumer.Consume(func(jetstream.Msg) {
		now := time.Now()
		r.mu.Lock()
		r.arrived = append(r.arrived, now)
		r.mu.Unlock()
		select {
		case r.progress <- struct{}{}:
		default:
		}
	})
	return r, err
}

func (r *subscriber) times() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.arrived
}

// wait waits until n events have arrived.
func (r *subscriber) wait(ctx context.Context, n int) error {
	for {
		got := len(r.times())
		if got > n {
			return fmt.Errorf("%d events arrived, more than the %d that were published", got, n)
		}
		if got == n {
			return nil
		}
		select {
		case <-r.progress:
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(stalledAfter):
			return fmt.Errorf("%d of %d events arrived, and no more came in %s", got, n, stalledAfter)
		}
	}
}

func (r *subscriber) close() {
	r.consume.Stop()
	select {
	case <-r.consume.Closed():
	case <-time.After(connectTimeout):
	}
	r.conn.Close()
}
