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
	"github.com/lockstep-mesh/lockstep/services/internal/measure"
)

const (
	memoryRate = 10_000 // events a second, at load
	// For so many of a run's times the load is kept up: longer than the server keeps what
	// it has written, which is ten seconds.
	loadRuns = 8
)

// memories are how much of an environment is in memory. Each environment is
// a process of its own, and events are published from this one.
func memories() []measurement {
	const load = "at 10,000 orders of 496 B a second"
	list := []measurement{
		{name: "memory/rest", what: "a leaf at rest", run: alive(destination, 0)},
		{name: "memory/rest-origin", what: "the origin at rest", run: alive(origin, 0)},
		{name: "memory/load", what: "a leaf " + load + ", the most", targets: []target{atMost("governed", 150)}, run: alive(destination, memoryRate)},
		{name: "memory/load-origin", what: "the origin " + load + ", the most", run: alive(origin, memoryRate)},
		{
			name: "memory/dead-destination", what: "the origin " + load + " while its destination is away, the most",
			versus: "the same while it is there", targets: []target{atMost("ratio", 1.25)}, run: func(ctx context.Context, t *trial) error { return t.deadDestination(ctx) },
		},
		{
			name: "memory/backlog", what: "the origin after a backlog for a destination that is away (--events), the most in the last tenth",
			versus: "the most in the second tenth", targets: []target{atMost("ratio", 1.25)}, run: func(ctx context.Context, t *trial) error { return t.backlog(ctx) },
		},
		{
			name: "memory/catch-up", what: "a leaf that takes in a backlog (--events), the most",
			versus: "a leaf at rest", run: func(ctx context.Context, t *trial) error { return t.catchUp(ctx) },
		},
	}
	measured := make([]measurement, len(list))
	for i, m := range list {
		m.unit, m.better = megabytes, lower
		measured[i] = m
	}
	return measured
}

// processes are an origin and its destination in processes of their own.
type processes struct {
	mesh, data string
	from, to   *process // to is nil while the destination is away

	publisher *system
	counting  *nats.Conn // at the destination
	published int
}

// processes starts both, and waits until an event has crossed.
func (t *trial) processes(ctx context.Context) (_ *processes, err error) {
	if _, err := measure.ResidentMemory(os.Getpid()); err != nil {
		return nil, err
	}
	p := &processes{data: filepath.Join(t.dir, "data")}
	if p.mesh, err = (layout{durability: topology.DurabilityInterval, routed: true}).write(filepath.Join(t.dir, "mesh")); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	t.progress.note("starting two processes")
	if p.from, err = launch(ctx, origin, p.mesh, p.data); err != nil {
		return nil, err
	}
	p.publisher = &system{pending: t.pending(), url: p.from.NATS, login: p.from.login(), subject: layout{}.subject}
	if err := p.revive(ctx); err != nil {
		return nil, err
	}
	events, err := orders(1)
	if err != nil {
		return nil, err
	}
	if err := p.publish(ctx, events, 1, 0); err != nil {
		return nil, err
	}
	return p, p.arrived(ctx)
}

// revive starts the destination.
func (p *processes) revive(ctx context.Context) (err error) {
	p.to, err = launch(ctx, destination, p.mesh, p.data, "--hub-url", p.from.Leaf, "--hub-credentials", p.from.LeafCredentials[destination])
	if err != nil {
		return err
	}
	if p.counting, err = nats.Connect(p.to.NATS, append(p.to.login(), nats.Timeout(connectTimeout))...); err != nil {
		return fmt.Errorf("connect to %s: %w", p.to.NATS, err)
	}
	js, err := jetstream.New(p.counting)
	if err != nil {
		return err
	}
	p.publisher.delivered, err = countsOf(ctx, js, wire.DomainStream("orders"))
	return err
}

// kill stops the destination.
func (p *processes) kill() error {
	if p.counting != nil {
		p.counting.Close()
		p.counting = nil
	}
	if p.to == nil {
		return nil
	}
	err := p.to.stop()
	p.to = nil
	return err
}

func (p *processes) close() error {
	err := p.kill()
	if p.from != nil {
		err = errors.Join(err, p.from.stop())
	}
	return err
}

// publish publishes n events, at a rate or, if that is 0, as fast as it can.
func (p *processes) publish(ctx context.Context, events []event, n, rate int) error {
	var failed failures
	nc, js, err := p.publisher.publisher(failed.add)
	if err != nil {
		return err
	}
	defer nc.Close()
	list := p.publisher.publications(events)
	send := func(i int, _ time.Time) error { return list[i%len(list)].send(js) }
	if rate > 0 {
		_, err = measure.Pace(ctx, rate, time.Duration(float64(n)/float64(rate)*float64(time.Second)), send)
	} else {
		for i := 0; i < n && err == nil; i++ {
			if err = ctx.Err(); err == nil {
				err = send(i, time.Time{})
			}
		}
	}
	if err == nil {
		err = settle(ctx, js, &failed)
	}
	p.published += n
	return err
}

// arrived waits until all that was published is at the destination.
func (p *processes) arrived(ctx context.Context) error {
	return p.publisher.await(ctx, uint64(p.published))
}

// with does something with both processes.
func (t *trial) with(ctx context.Context, do func(*processes, []event) error) error {
	events, err := orders(pool)
	if err != nil {
		return err
	}
	p, err := t.processes(ctx)
	if errors.Is(err, measure.ErrUnavailable) {
		t.skip("a process's resident memory is %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(do(p, events), p.close())
}

// inMegabytes is the sample of a process's memory.
func inMegabytes(v float64) []sample {
	s := none()
	s.value = v
	return []sample{s}
}

// load is how many events make the load.
func (t *trial) load() int {
	return max(100, int(loadRuns*t.flags.For.Seconds()*memoryRate))
}

// alive measures one of two environments, at rest or at a rate of events.
func alive(which string, rate int) func(context.Context, *trial) error {
	return func(ctx context.Context, t *trial) error {
		return t.with(ctx, func(p *processes, events []event) error {
			measured := p.to
			if which == origin {
				measured = p.from
			}
			work := func() error { return pause(ctx, t.flags.For) }
			if rate > 0 {
				t.progress.note("publishing %d events", t.load())
				work = func() error {
					err := p.publish(ctx, events, t.load(), rate)
					if err == nil {
						err = p.arrived(ctx)
					}
					return err
				}
			}
			most, err := measured.watchMemory(work)
			t.result.summarize(inMegabytes(most), nil)
			return err
		})
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// deadDestination compares the origin at load with and without a destination.
func (t *trial) deadDestination(ctx context.Context) error {
	return t.with(ctx, func(p *processes, events []event) error {
		t.progress.note("publishing %d events", 2*t.load())
		work := func() error { return p.publish(ctx, events, t.load(), memoryRate) }
		with, err := p.from.watchMemory(work)
		if err == nil {
			err = p.kill()
		}
		if err != nil {
			return err
		}
		without, err := p.from.watchMemory(work)
		t.result.summarize(inMegabytes(without), inMegabytes(with))
		return err
	})
}

// backlog compares the origin with the beginning and the end of a backlog.
func (t *trial) backlog(ctx context.Context) error {
	return t.with(ctx, func(p *processes, events []event) error {
		if err := p.kill(); err != nil {
			return err
		}
		tenths := make([]float64, 10)
		for i := range tenths {
			t.progress.note("a backlog of %d events", p.published)
			var err error
			if tenths[i], err = p.from.watchMemory(func() error { return p.publish(ctx, events, t.flags.Events/10, 0) }); err != nil {
				return err
			}
		}
		t.result.summarize(inMegabytes(tenths[9]), inMegabytes(tenths[1]))
		t.result.Note = fmt.Sprintf("a backlog of %d events; MB in each tenth: %v", p.published, rounded(tenths))
		return nil
	})
}

// catchUp measures a destination that was away.
func (t *trial) catchUp(ctx context.Context) error {
	return t.with(ctx, func(p *processes, events []event) error {
		rest, err := p.to.memory()
		if err != nil {
			return err
		}
		if err := p.kill(); err != nil {
			return err
		}
		t.progress.note("a backlog of %d events", t.flags.Events)
		if err := p.publish(ctx, events, t.flags.Events, 0); err != nil {
			return err
		}
		t.progress.note("the destination takes in %d events", t.flags.Events)
		if err := p.revive(ctx); err != nil {
			return err
		}
		most, err := p.to.watchMemory(func() error { return p.arrived(ctx) })
		t.result.summarize(inMegabytes(most), inMegabytes(rest))
		return err
	})
}
