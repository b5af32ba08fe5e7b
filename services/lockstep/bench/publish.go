package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/services/internal/measure"
)

// connections is over how many connections synchronous publishers are spread,
// as over the instances of a service.
const connections = 8

func publishing() []measurement {
	list := []measurement{{
		name: "publish", unit: perSecond, better: higher,
		what:   "js.PublishAsync through the gate, validated, 496 B orders, durability interval",
		versus: "the same client straight into the stream", targets: []target{atLeast(0.75)},
		run: func(ctx context.Context, t *trial) error {
			return t.publishing(ctx, topology.DurabilityInterval, asynchronous)
		},
	}, {
		name: "publish-durable/async", unit: perSecond, better: higher,
		what:   fmt.Sprintf("one asynchronous client with %d pending, durability always", asyncPending),
		versus: "the same into a stream under sync_interval: always", targets: []target{atLeast(8)},
		run: func(ctx context.Context, t *trial) error {
			return t.publishing(ctx, topology.DurabilityAlways, asynchronous)
		},
	}}
	for _, v := range []struct {
		publishers int
		what       string
		targets    []target
	}{
		{512, fmt.Sprintf("512 synchronous publishers on %d connections, durability always", connections), []target{atLeast(5)}},
		{64, fmt.Sprintf("64 synchronous publishers on %d connections, durability always", connections), nil},
		{1, "one synchronous publisher, durability always", []target{atLeast(0.9)}},
	} {
		list = append(list, measurement{
			name: fmt.Sprintf("publish-durable/%d", v.publishers), unit: perSecond, better: higher,
			what: v.what, versus: "the same into a stream under sync_interval: always", targets: v.targets,
			run: func(ctx context.Context, t *trial) error {
				return t.publishing(ctx, topology.DurabilityAlways, synchronous(v.publishers))
			},
		})
	}
	return list
}

func latencies() []measurement {
	var list []measurement
	for _, v := range []struct {
		durability topology.Durability
		targets    []target
	}{
		{topology.DurabilityInterval, []target{atMost("p50.difference", 15)}},
		{topology.DurabilityAlways, []target{atMost("p50.ratio", 1.1)}},
	} {
		list = append(list, measurement{
			name: "latency/" + string(v.durability), unit: micros, better: lower,
			what:   "one synchronous publisher through the gate, durability " + string(v.durability) + "; p50 and p99",
			versus: "the same straight into the stream", targets: v.targets,
			run: func(ctx context.Context, t *trial) error { return t.publishing(ctx, v.durability, roundTrips) },
		})
	}
	return list
}

// publishing compares a way to publish, through the gate and without it.
func (t *trial) publishing(ctx context.Context, d topology.Durability, publish func(*system, []event) work) (err error) {
	events, err := orders(pool)
	if err != nil {
		return err
	}
	governed, err := t.governed(ctx, layout{durability: d})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, governed.shut(ctx)) }()
	raw, err := t.raw(ctx, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, raw.shut(ctx)) }()
	return t.compare(ctx, governed.checked(publish(governed, events)), raw.checked(publish(raw, events)))
}

// failures keeps the first of many errors. It is safe for concurrent use.
type failures struct{ first atomic.Pointer[error] }

func (f *failures) add(err error) { f.first.CompareAndSwap(nil, &err) }

func (f *failures) err() error {
	if err := f.first.Load(); err != nil {
		return *err
	}
	return nil
}

// counted is what a side that publishes has published, for checked.
type counted struct {
	sample
	events int
}

// work publishes for about as long as d, and waits for all acknowledgements.
type work func(ctx context.Context, d time.Duration) (counted, error)

// checked compares what a side says that it has published with what is stored.
func (s *system) checked(publish work) side {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		before, err := sum(ctx, s.stored)
		if err != nil {
			return sample{}, err
		}
		c, err := publish(ctx, d)
		if err != nil {
			return sample{}, err
		}
		after, err := sum(ctx, s.stored)
		if err == nil && after-before != uint64(c.events) {
			err = fmt.Errorf("%d events were acknowledged, and %d are stored", c.events, after-before)
		}
		return c.sample, err
	}
}

// asynchronous publishes as fast as one asynchronous client may.
func asynchronous(s *system, events []event) work {
	return func(ctx context.Context, d time.Duration) (counted, error) {
		var failed failures
		nc, js, err := s.publisher(failed.add)
		if err != nil {
			return counted{}, err
		}
		defer nc.Close()
		watch := start()
		n, err := publishFor(ctx, js, s.publications(events), d)
		if err == nil {
			err = settle(ctx, js, &failed)
		}
		return counted{watch.rate(n), n}, err
	}
}

// publishFor publishes asynchronously for as long as d.
func publishFor(ctx context.Context, js jetstream.JetStream, list []publication, d time.Duration) (n int, err error) {
	for end := time.Now().Add(d); ; n++ {
		if n%64 == 0 && (ctx.Err() != nil || time.Now().After(end)) {
			return n, ctx.Err()
		}
		if err := list[n%len(list)].send(js); err != nil {
			return n, err
		}
	}
}

// send publishes asynchronously, and waits while too many publishes are pending.
func (p publication) send(js jetstream.JetStream) error {
	if _, err := js.PublishAsync(p.subject, p.data, jetstream.WithStallWait(patientStall)); err != nil {
		return fmt.Errorf("publish on %s: %w", p.subject, err)
	}
	return nil
}

// settle waits until every asynchronous publish is acknowledged.
func settle(ctx context.Context, js jetstream.JetStream, failed *failures) error {
	pending, moved := js.PublishAsyncPending(), time.Now()
	for {
		select {
		case <-js.PublishAsyncComplete():
			return failed.err()
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if now := js.PublishAsyncPending(); now != pending {
			pending, moved = now, time.Now()
		}
		if time.Since(moved) > stalledAfter {
			return errors.Join(fmt.Errorf("%d publishes are not acknowledged, and none was for %s", pending, stalledAfter), failed.err())
		}
	}
}

// synchronous publishes with several publishers, each of which waits for each
// acknowledgement.
func synchronous(publishers int) func(*system, []event) work {
	return func(s *system, events []event) work {
		return func(ctx context.Context, d time.Duration) (counted, error) {
			var failed failures
			clients := make([]jetstream.JetStream, min(connections, publishers))
			for i := range clients {
				nc, js, err := s.publisher(failed.add)
				if err != nil {
					return counted{}, err
				}
				defer nc.Close() //nolint:revive // as many as there are clients, until all are done
				clients[i] = js
			}
			list := s.publications(events)
			var total atomic.Int64
			var busy sync.WaitGroup
			watch := start()
			for p := range publishers {
				busy.Go(func() {
					n, err := publishOneByOne(ctx, clients[p%len(clients)], list, p, d, nil)
					total.Add(int64(n))
					if err != nil {
						failed.add(err)
					}
				})
			}
			busy.Wait()
			n := int(total.Load())
			return counted{watch.rate(n), n}, failed.err()
		}
	}
}

// publishOneByOne publishes for as long as d, beginning with event number
// first, and tells took of each publish how long it took.
func publishOneByOne(ctx context.Context, js jetstream.JetStream, list []publication, first int, d time.Duration, took func(time.Duration)) (n int, err error) {
	for end := time.Now().Add(d); ctx.Err() == nil; n++ {
		begin := time.Now()
		if begin.After(end) {
			return n, nil
		}
		p := list[(first+n)%len(list)]
		one, cancel := context.WithTimeout(ctx, stalledAfter)
		_, err := js.Publish(one, p.subject, p.data)
		cancel()
		if err != nil {
			return n, fmt.Errorf("publish on %s: %w", p.subject, err)
		}
		if took != nil {
			took(time.Since(begin))
		}
	}
	return n, ctx.Err()
}

// roundTrips measures how long a single synchronous publisher waits.
func roundTrips(s *system, events []event) work {
	return func(ctx context.Context, d time.Duration) (counted, error) {
		nc, js, err := s.publisher(func(error) {})
		if err != nil {
			return counted{}, err
		}
		defer nc.Close()
		waits := make([]float64, 0, 1<<16)
		watch := start()
		n, err := publishOneByOne(ctx, js, s.publications(events), 0, d, func(took time.Duration) {
			waits = append(waits, float64(took.Nanoseconds())/1e3)
		})
		_, cpu := watch.stop(n)
		return counted{percentiles(waits, cpu), n}, err
	}
}

// percentiles is the sample of times; its number is the median.
func percentiles(times []float64, cpu float64) sample {
	s := none()
	s.p50, s.p99, s.cpu = measure.Percentile(times, 50), measure.Percentile(times, 99), cpu
	s.value = s.p50
	return s
}
