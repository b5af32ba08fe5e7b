package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// pipelineBatch is how many events the pipeline pulls at a time.
const pipelineBatch = 500

// pipeline starts what people build who have no Lockstep: an origin, a
// destination, and a program between that pulls events, decodes, validates,
// masks and marshals them, and publishes the outcome, asynchronously, with a
// message id against doubles.
func (t *trial) pipeline(ctx context.Context) (*system, error) {
	// Not over a leaf: what is published at one end would be captured at the other.
	p, s, err := t.pair(ctx, topology.DurabilityInterval, false)
	if err != nil {
		return nil, err
	}
	config := plainStream()
	config.Subjects = []string{wire.StoredSubject(origin, "orders.>")}
	if _, err = p.to.js.CreateStream(ctx, config); err == nil {
		s.delivered, err = countsOf(ctx, p.to.js, config.Name)
	}
	if err != nil {
		return nil, errors.Join(err, s.shut(ctx))
	}
	r, err := startRelay(ctx, p)
	if err != nil {
		return nil, errors.Join(err, s.shut(ctx))
	}
	s.problem = r.failed.err
	s.close = func(context.Context) error {
		err := r.close()
		p.close()
		return err
	}
	return s, nil
}

// relay is the program between.
type relay struct {
	consumer jetstream.Consumer
	to       jetstream.JetStream
	conns    []*nats.Conn
	failed   failures

	cancel context.CancelFunc
	work   sync.WaitGroup
}

func startRelay(ctx context.Context, p *plainPair) (*relay, error) {
	r := &relay{}
	var js [2]jetstream.JetStream
	for i, s := range []*plainServer{p.from, p.to} {
		nc, err := nats.Connect(s.server.ClientURL(), nats.Name("pipeline"), nats.Timeout(connectTimeout))
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.conns = append(r.conns, nc)
		if js[i], err = jetstream.New(nc, jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) {
			r.failed.add(fmt.Errorf("the pipeline publishes: %w", err))
		})); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	order, err := compileOrder()
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	r.to = js[1]
	if r.consumer, err = js[0].CreateConsumer(ctx, wire.DomainStream("orders"), jetstream.ConsumerConfig{
		Durable: "pipeline", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 2 * pipelineBatch,
	}); err != nil {
		return nil, errors.Join(err, r.close())
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	r.work.Go(func() {
		h := newByHand()
		for running.Err() == nil {
			if err := r.batch(running, h, order); err != nil && running.Err() == nil {
				r.failed.add(err)
				return
			}
		}
	})
	return r, nil
}

// batch carries what waits, at most a batch of it.
func (r *relay) batch(ctx context.Context, h *byHand, order document) error {
	fetched, err := r.consumer.Fetch(pipelineBatch, jetstream.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return fmt.Errorf("the pipeline pulls: %w", err)
	}
	var done []jetstream.Msg
	for m := range fetched.Messages() {
		masked, err := h.mask(order.schema, m.Data())
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		id := fmt.Sprintf("%s-%d", meta.Stream, meta.Sequence.Stream)
		if _, err := r.to.PublishAsync(m.Subject(), masked, jetstream.WithMsgID(id), jetstream.WithStallWait(patientStall)); err != nil {
			return fmt.Errorf("the pipeline publishes: %w", err)
		}
		done = append(done, m)
	}
	if err := fetched.Error(); err != nil {
		return fmt.Errorf("the pipeline pulls: %w", err)
	}
	if err := settle(ctx, r.to, &r.failed); err != nil {
		return err
	}
	for _, m := range done {
		if err := m.Ack(); err != nil {
			return fmt.Errorf("the pipeline acknowledges: %w", err)
		}
	}
	return nil
}

func (r *relay) close() error {
	if r.cancel != nil {
		r.cancel()
	}
	r.work.Wait()
	for _, nc := range r.conns {
		nc.Close()
	}
	return r.failed.err()
}
