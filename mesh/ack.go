package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// pubAck is JetStream's answer to a publish, and so the gate's.
type pubAck struct {
	Stream    string    `json:"stream"`
	Domain    string    `json:"domain"`
	Sequence  uint64    `json:"seq"`
	Duplicate bool      `json:"duplicate"`
	Error     *apiError `json:"error"`
}

// answer is what became of one attempt: an acknowledgement, or an error.
type answer struct {
	ack pubAck
	err *Error
}

// acks sends requests and brings each its answer. All share one reply
// subscription, whose callbacks nats.go runs one after another: answers arrive
// in the order in which the server sent them.
//
// It is nats.go's own request multiplexer with two differences that ordered
// publishing needs: answers come by callback, and everything unanswered is
// told at once when the connection breaks.
type acks struct {
	nc     *nats.Conn
	link   *link
	prefix string
	sub    *nats.Subscription

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]*request
	closed  bool
}

type request struct {
	op, subject string
	done        func(answer)
}

func newAcks(nc *nats.Conn, l *link) (*acks, error) {
	a := &acks{nc: nc, link: l, prefix: nc.NewInbox() + ".", waiting: make(map[uint64]*request)}
	sub, err := nc.Subscribe(a.prefix+"*", a.receive)
	if err != nil {
		return nil, err
	}
	// Answers are small and bounded by what is in flight; dropping one would
	// turn a stored event into a time-out.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, errors.Join(err, sub.Unsubscribe())
	}
	a.sub = sub
	return a, nil
}

// send publishes msg with a reply subject of its own. Unless it returns an
// error, done is called exactly once, from another goroutine or before send
// returns, except after forget has returned true for the id.
func (a *acks) send(op string, msg *nats.Msg, done func(answer)) (uint64, *Error) {
	if err := a.usable(); err != nil {
		return 0, sendError(op, msg.Subject, err)
	}
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return 0, closedError(op, msg.Subject)
	}
	a.next++
	id := a.next
	a.waiting[id] = &request{op: op, subject: msg.Subject, done: done}
	a.mu.Unlock()

	msg.Reply = a.prefix + strconv.FormatUint(id, 36)
	if err := a.nc.PublishMsg(msg); err != nil {
		if a.forget(id) {
			return 0, sendError(op, msg.Subject, err)
		}
		// The connection's loss was told to done in the meantime.
	}
	return id, nil
}

// usable returns why nothing can be sent now, if so. What could end up in the
// connection's reconnect buffer is not sent: it would go out after events that
// were lost with the old connection have been overtaken.
func (a *acks) usable() error {
	switch {
	case a.link.closed():
		return nats.ErrConnectionClosed
	case !a.link.up():
		return nats.ErrDisconnected
	}
	switch a.nc.Status() {
	case nats.RECONNECTING, nats.CONNECTING, nats.DISCONNECTED:
		return nats.ErrDisconnected
	default:
		return nil
	}
}

// forget gives up waiting for id. It reports false if id has its answer.
func (a *acks) forget(id uint64) bool {
	_, ok := a.take(id)
	return ok
}

func (a *acks) take(id uint64) (*request, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, ok := a.waiting[id]
	delete(a.waiting, id)
	return r, ok
}

func (a *acks) receive(msg *nats.Msg) {
	id, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, a.prefix), 36, 64)
	if err != nil {
		return // not a reply subject that send has given out
	}
	if r, ok := a.take(id); ok {
		r.done(parseAnswer(r.op, r.subject, msg))
	}
}

// failed answers with fail(op, subject) every waiting request for which it
// returns an error.
func (a *acks) failed(fail func(op, subject string) *Error) {
	type told struct {
		done func(answer)
		err  *Error
	}
	var all []told
	a.mu.Lock()
	for id, r := range a.waiting {
		if err := fail(r.op, r.subject); err != nil {
			delete(a.waiting, id)
			all = append(all, told{r.done, err})
		}
	}
	a.mu.Unlock()
	for _, t := range all {
		t.done(answer{err: t.err})
	}
}

// close answers everything that waits with "closed" and refuses what comes.
func (a *acks) close() error {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return nil
	}
	a.closed = true
	a.mu.Unlock()
	a.failed(closedError)
	if err := a.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
		return err
	}
	return nil
}

func parseAnswer(op, subject string, msg *nats.Msg) answer {
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
		return answer{err: noResponders(op, subject)}
	}
	var ack pubAck
	err := json.Unmarshal(msg.Data, &ack)
	if err == nil && ack.Error != nil {
		return answer{err: ack.Error.answered(op, subject)}
	}
	if err != nil || ack.Stream == "" || ack.Sequence == 0 {
		return answer{err: &Error{
			Code: CodeDecode, Op: op, Subject: subject, Cause: err,
			Message: "the answer is not a JetStream acknowledgement; whether the event is stored is not known",
			Cure:    "find out who else answers requests on this subject: only the gate may",
		}}
	}
	return answer{ack: ack}
}

// attempt sends msg once and waits for its answer. last is how the attempt
// before it failed, or nil.
func (c *Conn) attempt(ctx context.Context, op string, msg *nats.Msg, wait time.Duration, last *Error) (pubAck, *Error) {
	if ctx.Err() != nil {
		return pubAck{}, contextEnded(ctx, op, msg.Subject, last)
	}
	came := make(chan answer, 1)
	id, err := c.acks.send(op, msg, func(a answer) { came <- a })
	if err != nil {
		return pubAck{}, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case a := <-came:
		return a.ack, a.err
	case <-ctx.Done():
		err = contextEnded(ctx, op, msg.Subject, last)
	case <-timer.C:
		err = c.noAnswer(op, msg.Subject, wait)
	case <-c.stop:
		err = closedError(op, msg.Subject)
	}
	if !c.acks.forget(id) {
		a := <-came // it came after all
		return a.ack, a.err
	}
	return pubAck{}, err
}

// deliver sends msg until it is acknowledged, finally refused, or until retry
// or ctx allow no further attempt.
func (c *Conn) deliver(ctx context.Context, op string, msg *nats.Msg, retry Retry) (pubAck, *Error) {
	var last *Error
	for attempts := 1; ; attempts++ {
		ack, err := c.attempt(ctx, op, msg, retry.AckWait, last)
		switch {
		case err == nil || !err.Retryable() || retry.spent(attempts):
			return ack, err
		case ctx.Err() != nil:
			if !errors.Is(err, ctx.Err()) { // it ended just after the answer
				err = contextEnded(ctx, op, msg.Subject, err)
			}
			return pubAck{}, err
		}
		c.log.Debug().Str("subject", msg.Subject).Int("attempt", attempts).Err(err).Msg("publish failed, will retry")
		if !pause(ctx, c.stop, retry.wait(attempts)) {
			if ctx.Err() != nil {
				return pubAck{}, contextEnded(ctx, op, msg.Subject, err)
			}
			return pubAck{}, closedError(op, msg.Subject)
		}
		last = err
	}
}

// noAnswer is the error for an attempt that nobody answered. A server drops
// what the credentials do not allow and says so only on the connection, so a
// silence may have that reason.
func (c *Conn) noAnswer(op, subject string, wait time.Duration) *Error {
	if err := c.lastError(); concernsPublish(err, subject) {
		return sendError(op, subject, err)
	}
	return &Error{
		Code: CodeTimeout, Op: op, Subject: subject, Cause: nats.ErrTimeout,
		Message: "no answer within " + wait.String() + "; whether the event is stored is not known",
		Cure:    "see whether this environment's node is overloaded or gone; the same ID may be published again safely",
	}
}

// concernsPublish reports whether err is the server's word that this connection
// may not publish on subject. The protocol gives the subject as quoted text only.
func concernsPublish(err error, subject string) bool {
	return errors.Is(err, nats.ErrPermissionViolation) &&
		strings.Contains(err.Error(), `Publish to "`+subject+`"`)
}
