package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
	"github.com/lockstep-mesh/lockstep/services/lockstep/lifecycle"
)

// system is one side of a comparison: servers that run, as a publisher and a
// subscriber see them.
type system struct {
	url         string                         // where events are published
	login       []nats.Option                  // with what
	subject     func(i int, key string) string // of the i-th event
	variety     int                            // how many different subjects are published on, at least
	stored      []counter                      // what has been stored where events are published, by stream
	delivered   []counter                      // what has arrived at the destination, if there is one
	destination string                         // where events are delivered
	arrival     []nats.Option
	pending     int          // publishes of an asynchronous client that may wait for their acknowledgement
	problem     func() error // what has gone wrong on the way to the destination; may be nil
	close       func(context.Context) error
}

// publication is an event as it is published.
type publication struct {
	subject string
	data    []byte
}

// publications are events enough for all subjects, made once. Each has a key, and so
// a subject, of its own.
func (s *system) publications(events []event) []publication {
	list := make([]publication, max(len(events), s.variety))
	for i := range list {
		e := events[i%len(events)]
		if round := i / len(events); round > 0 {
			e = e.again(round)
		}
		list[i] = publication{s.subject(i, e.key), e.data}
	}
	return list
}

// counter counts the messages of a stream.
type counter func(ctx context.Context) (uint64, error)

// countOf counts the messages of a stream through the JetStream API.
func countOf(ctx context.Context, js jetstream.JetStream, stream string) (counter, error) {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", stream, err)
	}
	return func(ctx context.Context) (uint64, error) {
		info, err := s.Info(ctx)
		if err != nil {
			return 0, fmt.Errorf("stream %s: %w", stream, err)
		}
		return info.State.Msgs, nil
	}, nil
}

// sum is what several streams hold together.
func sum(ctx context.Context, counters []counter) (total uint64, err error) {
	for _, count := range counters {
		n, err := count(ctx)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// pending is how many publishes of an asynchronous client may be pending.
func (b *bench) pending() int {
	if b.flags.Quick {
		return quickPending
	}
	return asyncPending
}

// governed starts a mesh: an origin and, if it is routed, a destination.
func (t *trial) governed(ctx context.Context, l layout) (_ *system, err error) {
	dir, err := os.MkdirTemp(t.dir, "mesh-")
	if err != nil {
		return nil, err
	}
	name, err := l.write(filepath.Join(dir, "mesh"))
	if err != nil {
		return nil, err
	}
	mesh, err := topology.Load(name)
	if err != nil {
		return nil, err
	}
	all, err := environment.StartAll(ctx, environment.AllConfig{Mesh: mesh, Data: filepath.Join(dir, "data"), Logger: t.log})
	if err != nil {
		return nil, err
	}
	s := &system{close: all.Close, pending: t.pending()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.shut(ctx))
		}
	}()
	if err := ready(ctx, all); err != nil {
		return nil, err
	}
	from := all.Get(origin)
	s.url, s.login = from.NATSURL(), []nats.Option{nats.UserCredentials(from.ApplicationCredentials())}
	s.subject, s.variety = l.subject, l.variety()
	if s.stored, err = countAt(ctx, from, l.names()); err != nil {
		return nil, err
	}
	if to := all.Get(destination); to != nil {
		s.destination, s.arrival = to.NATSURL(), []nats.Option{nats.UserCredentials(to.ApplicationCredentials())}
		if s.delivered, err = countAt(ctx, to, l.names()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func countAt(ctx context.Context, e *environment.Environment, domains []string) ([]counter, error) {
	js, err := e.JetStream()
	if err != nil {
		return nil, err
	}
	counters := make([]counter, len(domains))
	for i, domain := range domains {
		if counters[i], err = countOf(ctx, js, wire.DomainStream(domain)); err != nil {
			return nil, err
		}
	}
	return counters, nil
}

// ready waits until all environments serve.
func ready(ctx context.Context, all *environment.All) error {
	for deadline := time.Now().Add(readyTimeout); ; {
		why := all.Ready()
		if why == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return &cli.Error{Code: "not_ready", What: fmt.Sprintf("the mesh to measure is not ready after %s", readyTimeout), Cause: why}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// shut stops the servers, also when ctx has ended.
func (s *system) shut(ctx context.Context) error {
	closing, cancel := lifecycle.Stopping(ctx)
	defer cancel()
	return s.close(closing)
}

// publisher opens a connection as an application, for publishing. failed is
// told of every asynchronous publish that is not acknowledged.
func (s *system) publisher(failed func(error)) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect(s.url, append([]nats.Option{nats.Name("bench"), nats.Timeout(connectTimeout)}, s.login...)...)
	if err != nil {
		return nil, nil, fmt.Errorf("connect to %s: %w", s.url, err)
	}
	js, err := jetstream.New(
		nc, jetstream.WithPublishAsyncMaxPending(s.pending),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) {
			failed(fmt.Errorf("publish on %s: %w", m.Subject, err))
		}),
	)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return nc, js, nil
}
