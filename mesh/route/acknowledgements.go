package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/link"
)

// acknowledgements are what a sink has asked for and not got yet, and what the
// route has done up to what is acknowledged. They are awaited by one goroutine.
type acknowledgements struct {
	route  *Route
	faults chan error    // has room for one
	wake   chan struct{} // likewise

	mu     sync.Mutex
	asked  []askedFor // in order
	stored uint64     // messages that are acknowledged
	known  tally      // of those
	fault  error
}

// askedFor is a message whose acknowledgement is awaited.
type askedFor struct {
	sequence uint64 // that it gets
	sent     uint64 // messages up to it, since the sink was made
	total    tally  // of those
}

// expect makes the acknowledgements of what goes out through an outlet.
func (o *outlet) expect() *acknowledgements {
	k := &acknowledgements{route: o.route, faults: make(chan error, 1), wake: make(chan struct{}, 1)}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pipelined = k
	if o.fault != nil {
		k.down(o.fault)
	}
	return k
}

func (k *acknowledgements) ask(a askedFor) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, a)
}

// await waits until done, which is asked under the lock, or the sink fails.
func (k *acknowledgements) await(ctx context.Context, done func() bool) error {
	var timer *time.Timer
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	for {
		k.mu.Lock()
		ok, fault := done(), k.fault
		k.mu.Unlock()
		if fault != nil {
			return fault
		}
		if ok {
			return nil
		}
		if timer == nil {
			timer = time.NewTimer(writeTimeout)
		}
		select {
		case <-k.wake:
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return fmt.Errorf("stream %s has not acknowledged what was written for %s", k.route.egress, writeTimeout)
		}
	}
}

// down is told that the outlet is.
func (k *acknowledgements) down(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail(err)
}

// answer takes in what JetStream says; it runs on the link's goroutine.
func (k *acknowledgements) answer(m *link.Message) {
	var ack struct {
		Sequence uint64              `json:"seq"`
		Error    *jetstream.APIError `json:"error"`
	}
	err := json.Unmarshal(m.Data, &ack)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case len(m.Data) == 0 && len(m.Header) > 0:
		err = fmt.Errorf("stream %s does not answer: %w", k.route.egress, nats.ErrNoResponders)
	case err != nil:
		err = fmt.Errorf("stream %s answered with something else than an acknowledgement: %w", k.route.egress, err)
	case ack.Error != nil:
		err = fmt.Errorf("write to stream %s: %w", k.route.egress, ack.Error)
	case len(k.asked) == 0 || k.asked[0].sequence != ack.Sequence:
		err = fmt.Errorf("write to stream %s: message %d is acknowledged, which was not asked for: %w", k.route.egress, ack.Sequence, errOrder)
	}
	if err != nil {
		k.fail(err)
		return
	}
	reached, before := k.asked[0].total, k.known
	k.stored, k.known = k.asked[0].sent, reached
	k.asked = append(k.asked[:0], k.asked[1:]...)
	k.route.written(tally{
		checkpoint: reached.checkpoint, sent: reached.sent - before.sent,
		withheld: reached.withheld - before.withheld, masked: reached.masked - before.masked,
	})
	k.rouse()
}

var errOrder = errors.New("acknowledgements are out of order")

// rouse wakes whoever awaits.
func (k *acknowledgements) rouse() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *acknowledgements) fail(err error) {
	if k.fault != nil {
		return
	}
	k.fault = err
	k.faults <- err
	k.rouse()
}
