package route

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/link"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// One route at a time writes an egress stream. That each message names the sequence
// it follows does not see to that: many are under way and few are answered, so where
// a foreign message stands in the place of one of them, the server refuses that one
// in silence and takes the next.
//
// The one that writes is subscribed to a subject, on the connection over which it
// writes. The server ends a subscription with its connection, and a connection once it
// has taken what came over it; so while anything is under way, whoever sent it is
// subscribed. A route subscribes, then asks on that subject, and does not write as
// long as somebody else is subscribed. Of two that begin at once, at least one sees
// the other. The link of an outlet is never made anew, because over another connection
// nobody would have asked.
//
// What is subscribed and does not answer is a connection whose end the server has not
// seen yet. It is waited for, and never overruled.

const (
	askFirst      = 5 * time.Millisecond // that an answer is waited for before it is asked again
	askLast       = 200 * time.Millisecond
	claimTimeout  = 2 * time.Second // for nobody to be subscribed, before the route says that somebody is
	settleTimeout = time.Second     // for the server to have what went out over a connection that is closed
)

var errOwned = errors.New("another route writes it")

// claim returns once nobody else writes the egress stream, nor has anything under
// way to it, and nobody else will while this outlet is open.
func (o *outlet) claim(ctx context.Context) error {
	fail := func(err error) error { return fmt.Errorf("write to stream %s: %w", o.route.egress, err) }
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	for wait := askFirst; ; wait = min(2*wait, askLast) {
		turn, done := context.WithTimeout(ctx, wait)
		_, err := o.ask(turn, func(reply []byte) error { return o.send(o.route.names.writer, nil, reply) })
		waited := turn.Err() != nil
		done()
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			if err := o.drain(ctx); err != nil {
				return fail(err)
			}
			return nil
		case err == nil:
			return fail(errOwned)
		case ctx.Err() != nil:
			return fail(fmt.Errorf("somebody is subscribed to %s in account MESH, and has not answered: "+
				"an earlier connection, which the server should end soon, or something else, which must end its subscription: %w", o.route.names.writer, context.Cause(ctx)))
		case !waited:
			return fail(err)
		}
	}
}

// pause waits before the route begins again; it reports false once ctx ends. While
// another route writes, what only the one that writes can do is refused, because
// that may last.
func (r *Route) pause(ctx context.Context, d time.Duration, owned bool) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	var releases chan *release
	var repairs chan *repair
	var renewals chan *renewal
	if owned {
		releases, repairs, renewals = r.releases, r.repairs, r.renewals
	}
	refusal := &Error{
		Code: CodeNotRunning, Op: "write to stream " + r.egress, Cause: errOwned,
		Cure: "ask the environment whose route runs, or stop it and ask again",
	}
	for {
		select {
		case <-over.C:
			return true
		case <-ctx.Done():
			return false
		case s := <-releases:
			s.done <- refusal
		case s := <-repairs:
			s.done <- refusal
		case s := <-renewals:
			s.done <- refusal
		}
	}
}

// avow answers who asks whether somebody writes the egress stream. It runs on the
// link's goroutine.
func (o *outlet) avow(m *link.Message) {
	if len(m.Reply) > 0 {
		_ = o.send(string(m.Reply), nil, nil) // who does not get it asks again
	}
}

// drain waits until the stream has dealt with what came to the server before: it
// sends what can follow nothing, and awaits that this is refused for that reason.
func (o *outlet) drain(ctx context.Context) error {
	ack, err := o.request(ctx, func(reply []byte) error {
		return o.send(o.route.names.withheld, appendExpected(nil, math.MaxInt64), reply)
	})
	switch {
	case err != nil:
		return err
	case ack.Error == nil:
		return &haltError{errors.New("the stream took a message that follows nothing in it")}
	case ack.Error.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
		return nil
	}
	return ack.Error
}

// send sends a message that says nothing.
func (o *outlet) send(subject string, headers, reply []byte) error {
	// One without data would be taken for the server's, that nobody is there.
	m := &message{subject: []byte(subject), header: []byte(wire.BlockPrefix + "\r\n"), data: []byte("{}")}
	if !o.append(m, headers, reply) {
		return errDown
	}
	o.link.Flush()
	return nil
}

// close ends the connection once the server has what went out over it, so that the
// next one does not wait for its end.
func (o *outlet) close() {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	_ = o.link.Settle(ctx) // if it is lost, or does not answer, its end comes as it does
	o.link.Close()
}
