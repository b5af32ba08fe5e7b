package mesh

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Future is the outcome of an event given to PublishAsync.
type Future struct {
	id      string
	done    chan struct{}
	receipt Receipt
	err     *Error
}

// ID is the event's ID, known from the start.
func (f *Future) ID() string { return f.id }

// Done is closed when the outcome is known.
func (f *Future) Done() <-chan struct{} { return f.done }

// Receipt waits for the outcome, or until ctx ends; the event goes on either
// way. The error's codes are those of [Publisher.Publish], and stopped.
func (f *Future) Receipt(ctx context.Context) (Receipt, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		select {
		case <-f.done:
		default:
			return Receipt{ID: f.id}, contextEnded(ctx, "publish", "", nil)
		}
	}
	if f.err != nil {
		return Receipt{ID: f.id}, f.err
	}
	return f.receipt, nil
}

// async publishes without waiting, in sequences ("lanes") that keep their order
// across failures as [Publisher.PublishAsync] describes.
//
// One mutex guards all lanes. Sending happens under it, so that the order of
// the queue is the order on the wire; answers come from the connection's reply
// subscription. A lane that has a failure is taken over by a goroutine of its
// own (recovery.go) until it flows again.
type async struct {
	conn   *Conn
	order  Order
	window int // events of one lane in flight
	retry  Retry
	room   chan struct{} // holds a token for each event taken and unsettled

	mu      sync.Mutex
	lanes   map[string]*lane
	counter uint64 // names lanes under OrderAny
	running bool   // the sweeper runs, and the connection knows of us
	closed  bool
	stop    chan struct{}
	wg      sync.WaitGroup
}

// lane is a sequence of events that keep their order.
type lane struct {
	name       string
	queue      []*outgoing // unsettled events, and settled ones behind them
	sent       int         // queue[:sent] is in flight, failed or settled
	flying     int
	ahead      int    // settled events in the queue, which wait for an earlier one
	epoch      uint64 // the session in which what is flying was sent
	recovering bool
	kick       chan struct{} // an answer came while recovering
}

type state int

const (
	waiting state = iota // to be sent
	flying               // sent, no answer yet
	failed               // for a reason that may pass
	settled              // stored, or failed for good
)

// outgoing is one event on its way.
type outgoing struct {
	ctx      context.Context //nolint:containedctx // the caller's, bounds this one event's retries
	msg      *nats.Msg
	future   *Future
	state    state
	request  uint64
	deadline time.Time
	attempts int
	ack      pubAck
	err      *Error
}

func newAsync(conn *Conn, cfg publisherConfig) *async {
	a := &async{
		conn: conn, order: cfg.order, window: cfg.inFlight, retry: cfg.retry,
		room: make(chan struct{}, cfg.inFlight), lanes: make(map[string]*lane), stop: make(chan struct{}),
	}
	if a.order != OrderAll {
		a.window = 1
	}
	return a
}

func (a *async) publish(ctx context.Context, msg *nats.Msg, id string) (*Future, error) {
	if ctx.Err() != nil {
		return nil, contextEnded(ctx, "publish", msg.Subject, nil)
	}
	select {
	case a.room <- struct{}{}:
	case <-ctx.Done():
		return nil, contextEnded(ctx, "publish", msg.Subject, nil)
	case <-a.stop:
		return nil, closedError("publish", msg.Subject)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.begin() {
		<-a.room
		return nil, closedError("publish", msg.Subject)
	}
	f := &Future{id: id, done: make(chan struct{})}
	l := a.lane(msg.Subject)
	l.queue = append(l.queue, &outgoing{ctx: ctx, msg: msg, future: f})
	a.pump(l)
	return f, nil
}

// begin starts what runs beside the lanes. It reports false once closed.
func (a *async) begin() bool {
	if a.closed {
		return false
	}
	if !a.running {
		if !a.conn.adopt(a) {
			return false
		}
		a.running = true
		a.wg.Go(a.sweep)
	}
	return true
}

func (a *async) lane(subject string) *lane {
	name := ""
	switch a.order {
	case OrderKey:
		name = subject
	case OrderAny:
		a.counter++
		name = strconv.FormatUint(a.counter, 36)
	case OrderAll:
	}
	l := a.lanes[name]
	if l == nil {
		l = &lane{name: name, kick: make(chan struct{}, 1)}
		a.lanes[name] = l
	}
	return l
}

// pump sends what l's window has room for.
func (a *async) pump(l *lane) {
	for !l.recovering && l.flying < a.window && l.sent < len(l.queue) {
		o := l.queue[l.sent]
		if o.state != waiting {
			l.sent++
			continue
		}
		epoch, connected := a.conn.epoch()
		if connected && l.flying > 0 && epoch != l.epoch {
			// What is in flight went out on a connection that broke since, and may
			// be lost: nothing may overtake it.
			a.recover(l)
			return
		}
		l.sent++
		l.epoch = epoch
		if !a.send(l, o) {
			return
		}
	}
	if len(l.queue) == 0 && !l.recovering && a.order != OrderAll {
		delete(a.lanes, l.name)
	}
}

// send sends o. It reports false when l has begun to recover.
func (a *async) send(l *lane, o *outgoing) bool {
	o.attempts++
	o.state, o.deadline = flying, time.Now().Add(a.retry.AckWait)
	l.flying++
	var err *Error
	attempt := o.attempts
	o.request, err = a.conn.acks.send("publish", o.msg, func(ans answer) { a.answered(l, o, attempt, ans) })
	if err != nil {
		l.flying--
		a.judge(l, o, answer{err: err})
		a.settle(l)
	}
	return !l.recovering
}

// answered takes the answer to one attempt at o.
func (a *async) answered(l *lane, o *outgoing, attempt int, ans answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.state != flying || o.attempts != attempt {
		return // given up meanwhile
	}
	a.landed(l, o, ans)
	a.pump(l)
}

// landed ends o's flight.
func (a *async) landed(l *lane, o *outgoing, ans answer) {
	l.flying--
	a.judge(l, o, ans)
	a.settle(l)
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// judge records what an answer makes of o.
func (a *async) judge(l *lane, o *outgoing, ans answer) {
	o.ack, o.err = ans.ack, ans.err
	if o.err != nil && o.err.Retryable() {
		o.state = failed
		a.recover(l)
		return
	}
	l.finish(o)
}

// finish marks o as settled.
func (l *lane) finish(o *outgoing) {
	o.state = settled
	l.ahead++
}

// settle takes the settled events off the head of the queue and tells their
// futures, in order.
func (a *async) settle(l *lane) {
	for len(l.queue) > 0 && l.queue[0].state == settled {
		o := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		l.sent = max(l.sent-1, 0)
		l.ahead--
		if o.err != nil {
			o.future.err = o.err
		} else {
			o.future.receipt = o.ack.receipt(o.future.id)
			o.future.receipt.Reordered = l.stored(o)
		}
		close(o.future.done)
		<-a.room
	}
	if len(l.queue) == 0 {
		l.queue = nil
	}
}

// stored notes that o, the next in order, is stored, and reports whether an
// event that follows it in the queue is stored before it.
func (l *lane) stored(o *outgoing) bool {
	if l.ahead == 0 || o.ack.Duplicate && o.attempts == 1 {
		return false // nothing is ahead, or o was published before this sequence
	}
	for _, later := range l.queue {
		if later.state == settled && later.err == nil && !(later.ack.Duplicate && later.attempts == 1) &&
			later.ack.Stream == o.ack.Stream && later.ack.Sequence < o.ack.Sequence {
			return true
		}
	}
	return false
}

// sweep ends the attempts that wait for their answer for too long. It returns
// when there is nothing left to watch.
func (a *async) sweep() {
	ticker := time.NewTicker(min(max(a.retry.AckWait/8, 5*time.Millisecond), 250*time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-a.stop:
			return
		case now := <-ticker.C:
			if !a.expire(now) {
				return
			}
		}
	}
}

func (a *async) expire(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	idle := true
	for _, l := range a.lanes {
		idle = idle && len(l.queue) == 0
		for _, o := range l.queue[:l.sent] {
			if o.state != flying || o.deadline.After(now) {
				continue
			}
			// If its answer is on the way, answered comes next and finds it failed:
			// the retry is answered as a duplicate.
			a.conn.acks.forget(o.request)
			a.landed(l, o, answer{err: a.conn.noAnswer("publish", o.msg.Subject, a.retry.AckWait)})
		}
	}
	if idle && !a.closed {
		a.running = false
		a.conn.orphan(a)
	}
	return a.running
}

func (a *async) stage() stage { return sending }

// drain waits for what is in flight.
func (a *async) drain(ctx context.Context) error { return a.flush(ctx) }

func (a *async) flush(ctx context.Context) error {
	for _, f := range a.last() {
		select {
		case <-f.done:
		case <-ctx.Done():
			return contextEnded(ctx, "flush", "", nil)
		}
	}
	return nil
}

// last returns the newest future of each lane; futures settle in order.
func (a *async) last() []*Future {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]*Future, 0, len(a.lanes))
	for _, l := range a.lanes {
		if n := len(l.queue); n > 0 {
			all = append(all, l.queue[n-1].future)
		}
	}
	return all
}

// close fails everything unsettled and waits for the goroutines.
func (a *async) close() {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return
	}
	a.closed = true
	close(a.stop)
	for _, l := range a.lanes {
		l.recovering = true // nothing is sent any more
		a.abandon(l, func(o *outgoing) *Error {
			e := closedError("publish", o.msg.Subject)
			if o.attempts > 0 {
				e.Message += " before the answer came; whether the event is stored is not known"
			}
			return e
		})
	}
	a.mu.Unlock()
	a.wg.Wait()
	a.conn.orphan(a)
}
