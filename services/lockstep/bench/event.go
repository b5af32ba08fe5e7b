package bench

import (
	"bytes"
	"fmt"

	"github.com/lockstep-mesh/lockstep/services/internal/shop"
)

// The sizes of the events that are measured with.
const (
	orderBytes  = 496
	spreadBytes = 16      // how far an event may be off
	largeBytes  = 4013    // of an order with many lines
	pool        = 512     // different events, each with a key of its own
	largePool   = 16      // different large events
	historyEnd  = 200_000 // no history that is longer is looked through
)

const orderType = "orders.order.created"

// event is what is published: a real order, valid under the sample's schema.
type event struct {
	key  string // the order's id
	data []byte
}

// again is the same event with another key, for rounds from 1 on.
func (e event) again(round int) event {
	const digits = 6 // of the key's end; it is a UUID
	key := e.key[:len(e.key)-digits] + fmt.Sprintf("%0*x", digits, round)
	return event{key: key, data: bytes.ReplaceAll(e.data, []byte(e.key), []byte(key))}
}

// orders takes orders of about 496 bytes out of a shop's history.
func orders(n int) ([]event, error) {
	events := make([]event, 0, n)
	for e := range shop.All(496, historyEnd) {
		if e.Type != orderType {
			continue
		}
		if data := e.Data(); len(data) >= orderBytes-spreadBytes && len(data) <= orderBytes+spreadBytes {
			if events = append(events, event{key: e.Key, data: data}); len(events) == n {
				return events, nil
			}
		}
	}
	return nil, fmt.Errorf("a shop's history of %d events has only %d orders of about %d bytes", historyEnd, len(events), orderBytes)
}

// largeOrders gives orders whose lines are as many as make about 4 KB.
func largeOrders(n int) ([]event, error) {
	events := make([]event, 0, n)
	for e := range shop.All(4013, historyEnd) {
		order, ok := e.Payload.(shop.OrderCreated)
		if !ok {
			continue
		}
		own := order.Lines
		for len(e.Data()) < largeBytes {
			line := own[len(order.Lines)%len(own)]
			line.Line = len(order.Lines) + 1
			order.Lines = append(order.Lines[:len(order.Lines):len(order.Lines)], line)
			e.Payload = order
		}
		if events = append(events, event{key: e.Key, data: e.Data()}); len(events) == n {
			return events, nil
		}
	}
	return nil, fmt.Errorf("a shop's history of %d events has only %d orders", historyEnd, len(events))
}
