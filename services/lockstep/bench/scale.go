package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
)

// In a quick run there are no more than these: making thousands takes a while.
const (
	quickTypes  = 50
	quickRoutes = 5
)

// scales are what an event costs with more of everything around it.
func scales() []measurement {
	var list []measurement
	for _, n := range []int{10, 1000, 10000} {
		list = append(list, measurement{
			name: fmt.Sprintf("scale/types-%d", n), unit: perSecond, better: higher, targets: []target{atLeast(0.9)},
			what:   fmt.Sprintf("as publish, spread over %d event types with a schema each", n),
			versus: "the same with one event type",
			run: func(ctx context.Context, t *trial) error {
				return t.types(ctx, n, false, func(s *system, events []event) side { return s.checked(asynchronous(s, events)) })
			},
		})
	}
	for _, n := range []int{10, 1000, 10000} {
		list = append(list, measurement{
			name: fmt.Sprintf("scale/routed-types-%d", n), unit: perSecond, better: higher, targets: []target{atLeast(0.9)},
			what:   fmt.Sprintf("as deliver/interval, spread over %d event types with a schema each", n),
			versus: "the same with one event type",
			run:    func(ctx context.Context, t *trial) error { return t.types(ctx, n, true, (*system).sustained) },
		})
	}
	for _, n := range []int{1, 10, 50} {
		list = append(list, measurement{
			name: fmt.Sprintf("scale/routes-%d", n), unit: perSecond, better: higher, targets: []target{atLeast(0.9)},
			what:   fmt.Sprintf("as deliver/interval, spread over %d domains with a route each", n),
			versus: "the same with one domain and route",
			run:    func(ctx context.Context, t *trial) error { return t.routes(ctx, n) },
		})
	}
	return list
}

// quickly is n, or less in a quick run, which the result then says.
func (t *trial) quickly(n, most int, of string) int {
	if !t.flags.Quick || n <= most {
		return n
	}
	t.result.Note = fmt.Sprintf("a quick run: %d %s instead of %d", most, of, n)
	return most
}

func (t *trial) types(ctx context.Context, n int, routed bool, of func(*system, []event) side) error {
	n = t.quickly(n, quickTypes, "event types")
	one := layout{durability: topology.DurabilityInterval, routed: routed}
	many := one
	many.types = n
	return t.meshes(ctx, many, one, of)
}

func (t *trial) routes(ctx context.Context, n int) error {
	n = t.quickly(n, quickRoutes, "routes")
	one := layout{durability: topology.DurabilityInterval, routed: true}
	many := one
	many.domains = make([]string, n)
	for i := range many.domains {
		many.domains[i] = fmt.Sprintf("domain-%02d", i)
	}
	return t.meshes(ctx, many, one, (*system).sustained)
}

// meshes compares two meshes. The same events are published on both, on as many
// subjects: what these cost the servers is not what is compared.
func (t *trial) meshes(ctx context.Context, governed, against layout, of func(*system, []event) side) (err error) {
	events, err := orders(pool)
	if err != nil {
		return err
	}
	var sides [2]side
	for i, l := range []layout{governed, against} {
		t.progress.note("starting a mesh with %d event types and %d domains", max(1, l.types), len(l.names()))
		s, err := t.governed(ctx, l)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.shut(ctx)) }() //nolint:revive // both run until the end
		s.variety = max(governed.variety(), against.variety())
		if err := s.touch(ctx, events); err != nil {
			return err
		}
		sides[i] = of(s, events)
	}
	return t.compare(ctx, sides[0], sides[1])
}

// touch publishes once on every subject, so that what is made for the first
// event of a type is not measured.
func (s *system) touch(ctx context.Context, events []event) error {
	var failed failures
	nc, js, err := s.publisher(failed.add)
	if err != nil {
		return err
	}
	defer nc.Close()
	before, err := sum(ctx, s.delivered)
	if err != nil {
		return err
	}
	list := s.publications(events)
	for _, p := range list {
		if err := p.send(js); err != nil {
			return err
		}
	}
	if err := settle(ctx, js, &failed); err != nil || len(s.delivered) == 0 {
		return err
	}
	return s.await(ctx, before+uint64(len(list)))
}
