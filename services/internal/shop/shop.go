// Package shop invents the history of a believable shop: people register, move
// house, order, pay, change their minds and get their money back. One seed
// gives one history, byte for byte, on any machine.
//
// It knows nothing of NATS or of Lockstep: it makes events, package publish
// sends them. What belongs here is the shop itself, events that are wrong on
// purpose (Spoil), and the list of what must not be found elsewhere
// (PersonalValues).
package shop

import (
	"container/heap"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"
)

// The shop's domains, in the order in which an order meets them.
const (
	Orders    = "orders"
	Customers = "customers"
	Payments  = "payments"
)

// Event is one thing that happened in the shop.
type Event struct {
	Domain string    // the domain that owns it
	Type   string    // its event type, orders.order.created
	Key    string    // the identity of what it is about, fit for a subject's token
	ID     string    // its own identity; the same in every replay
	Time   time.Time // when it happened, by the shop's own clock
	// Payload is one of this package's event structs (OrderCreated, …), never a
	// pointer; Data is its JSON.
	Payload any

	raw []byte // the bytes of a spoiled event
}

// Subject is what the event is published on: its type and its key.
func (e Event) Subject() string { return e.Type + "." + e.Key }

// Data is the event's JSON, as it is published.
func (e Event) Data() []byte {
	if e.raw != nil {
		return e.raw
	}
	data, err := json.Marshal(e.Payload)
	if err != nil {
		panic(fmt.Sprintf("shop: %s cannot be marshalled: %v", e.Type, err)) //nolint:forbidigo // payloads are this package's structs of strings and integers
	}
	return data
}

// Spoiled reports whether the event was made by Spoil, and must be refused.
func (e Event) Spoiled() bool { return e.raw != nil }

// opening is the moment at which every history begins.
var opening = time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC)

// History is a shop's history, made while it is read; it has no end. It is not
// safe for concurrent use.
type History struct {
	rng   *rand.Rand
	clock time.Time
	due   agenda
	steps uint64 // steps ever planned: they order what falls on one moment

	serial    int // customers ever registered
	orders    int // orders ever placed
	customers []*customer
}

// New begins the history that belongs to seed.
func New(seed uint64) *History {
	h := &History{rng: rand.New(rand.NewPCG(seed, 0x10c57e9)), clock: opening}
	h.plan(0, h.arrive)
	return h
}

// Next is the history's next event.
func (h *History) Next() Event {
	for {
		s := heap.Pop(&h.due).(step)
		h.clock = s.at
		if e, ok := s.run(); ok {
			return e
		}
	}
}

// All yields the history's first n events, or with n = 0 events without end.
func All(seed uint64, n int) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		h := New(seed)
		for i := 0; n == 0 || i < n; i++ {
			if !yield(h.Next()) {
				return
			}
		}
	}
}

// event makes an event of the present moment.
func (h *History) event(domain, entity, action, key string, payload any) Event {
	return Event{
		Domain:  domain,
		Type:    domain + "." + entity + "." + action,
		Key:     key,
		ID:      h.uuid(),
		Time:    h.clock,
		Payload: payload,
	}
}

// step is something that will happen; it tells at most one event.
type step struct {
	at  time.Time
	seq uint64
	run func() (Event, bool)
}

// plan lets run happen after a while.
func (h *History) plan(after time.Duration, run func() (Event, bool)) {
	h.steps++
	heap.Push(&h.due, step{at: h.clock.Add(after), seq: h.steps, run: run})
}

// agenda is a heap of steps, the earliest first.
type agenda []step

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if a[i].at.Equal(a[j].at) {
		return a[i].seq < a[j].seq
	}
	return a[i].at.Before(a[j].at)
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(s any)   { *a = append(*a, s.(step)) }
func (a *agenda) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = step{} // lets the closure go
	*a = old[:len(old)-1]
	return last
}

// chance is true with probability p.
func (h *History) chance(p float64) bool { return h.rng.Float64() < p }

// between is a time span of at least lo and less than hi, in whole milliseconds.
func (h *History) between(lo, hi time.Duration) time.Duration {
	return (lo + time.Duration(h.rng.Int64N(int64(hi-lo)))).Truncate(time.Millisecond)
}

// from chooses one of values.
func from[T any](h *History, values []T) T { return values[h.rng.IntN(len(values))] }

// uuid is a version 4 UUID out of the history's own randomness.
func (h *History) uuid() string {
	hi, lo := h.rng.Uint64(), h.rng.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(0xc000<<48) | 0x8000<<48
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&0xffffffffffff)
}

// digits is a string of n decimal digits, the first of them not 0.
func (h *History) digits(n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = '0' + byte(h.rng.IntN(10))
	}
	out[0] = '1' + byte(h.rng.IntN(9))
	return string(out)
}

// stamp writes a moment as the schemas' date-time.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// day writes a moment's date.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
