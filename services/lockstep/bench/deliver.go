package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
)

const poll = 5 * time.Millisecond // while events are awaited at the destination

func deliveries() []measurement {
	const governedText = "publish in production until delivered in staging: validated, masked, revalidated, over the leaf; "
	return append([]measurement{{
		name: "deliver/interval", unit: perSecond, better: higher, targets: []target{atLeast(0.55)},
		what: governedText + "sustained, durability interval", versus: "a native source over the same leaf, nothing masked",
		run: func(ctx context.Context, t *trial) error {
			return t.delivering(ctx, topology.DurabilityInterval, t.native)
		},
	}, {
		name: "deliver/always", unit: perSecond, better: higher, targets: []target{atLeast(5)},
		what: governedText + "sustained, durability always at the origin", versus: "a native source, sync_interval: always at the origin",
		run: func(ctx context.Context, t *trial) error {
			return t.delivering(ctx, topology.DurabilityAlways, t.native)
		},
	}, {
		name: "deliver/pipeline", unit: perSecond, better: higher, targets: []target{atLeast(4)},
		what:   governedText + "sustained, durability interval",
		versus: fmt.Sprintf("a program that pulls %d, %s, masks, marshals and publishes with Nats-Msg-Id", pipelineBatch, byHandText),
		run: func(ctx context.Context, t *trial) error {
			return t.delivering(ctx, topology.DurabilityInterval, func(ctx context.Context, _ topology.Durability) (*system, error) {
				return t.pipeline(ctx)
			})
		},
	}}, arrivals()...)
}

// routed starts both sides of a delivery.
func (t *trial) routed(ctx context.Context, d topology.Durability, against func(context.Context, topology.Durability) (*system, error), then func(governed, other *system, events []event) error) (err error) {
	events, err := orders(pool)
	if err != nil {
		return err
	}
	governed, err := t.governed(ctx, layout{durability: d, routed: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, governed.shut(ctx)) }()
	other, err := against(ctx, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.shut(ctx)) }()
	return then(governed, other, events)
}

// delivering compares how many events a second are delivered.
func (t *trial) delivering(ctx context.Context, d topology.Durability, against func(context.Context, topology.Durability) (*system, error)) error {
	return t.routed(ctx, d, against, func(governed, other *system, events []event) error {
		return t.compare(ctx, governed.sustained(events), other.sustained(events))
	})
}

// sustained publishes for as long as asked, waits until all of it is delivered,
// and counts the whole time.
func (s *system) sustained(events []event) side {
	list := s.publications(events)
	return func(ctx context.Context, d time.Duration) (sample, error) {
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
		watch := start()
		n, err := publishFor(ctx, js, list, d)
		if err == nil {
			err = settle(ctx, js, &failed)
		}
		if err == nil {
			err = s.await(ctx, before+uint64(n))
		}
		return watch.rate(n), err
	}
}

// await waits until so many events are at the destination, in all its streams
// together.
func (s *system) await(ctx context.Context, want uint64) error {
	last, moved := uint64(0), time.Now()
	first, begun := uint64(0), moved
	for {
		got, err := sum(ctx, s.delivered)
		if err == nil && s.problem != nil {
			err = s.problem()
		}
		switch {
		case err != nil:
			return err
		case got == want:
			return nil
		case got > want:
			return fmt.Errorf("%d events are at the destination, more than the %d that were published", got, want)
		case got != last:
			if last == 0 {
				first, begun = got, time.Now()
			}
			last, moved = got, time.Now()
		case time.Since(moved) > stalledAfter:
			return fmt.Errorf("%d of %d events are at the destination, and no more came in %s", got, want, stalledAfter)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(s.patience(got-first, want-got, time.Since(begun))):
		}
	}
}

// patience is how long to wait before asking again, if so many events arrived in that
// time and so many are left: asking many streams costs, too, but how late the last event
// is noticed counts as well.
func (s *system) patience(arrived, left uint64, in time.Duration) time.Duration {
	most := poll * time.Duration(len(s.delivered))
	if arrived == 0 {
		return most
	}
	return min(max(poll, time.Duration(float64(in)*float64(left)/float64(arrived)/2)), most)
}
