package mesh

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// Conn is a connection to one environment of the mesh. All of its methods, and
// the publishers and subscriptions made on it, may be used from any number of
// goroutines.
//
// A Conn reconnects for as long as it takes, with growing, jittered waits.
// While it is disconnected, publishing fails with [CodeDisconnected] inside and
// is retried as its [Retry] allows; nothing is buffered behind the caller's back.
type Conn struct {
	nc    *nats.Conn
	owned bool
	js    jetstream.JetStream
	link  link
	acks  *acks
	log   zerolog.Logger

	source string
	trace  func(context.Context) string
	retry  Retry

	stop chan struct{} // closed when the connection begins to close
	done chan struct{} // closed when it has closed
	gone chan struct{} // closed when the NATS connection has been closed underneath
	wg   sync.WaitGroup

	mu       sync.Mutex
	closing  bool
	closeErr error
	lost     chan struct{} // closed, and replaced, whenever the connection breaks
	parts    map[part]struct{}
}

// part is what lives on a connection and ends before it.
type part interface {
	stage() stage
	drain(ctx context.Context) error
	close()
}

// stage orders draining: what takes events in drains before what sends them
// out, because handlers publish.
type stage int

const (
	taking stage = iota
	sending
)

// Connect connects to the environment whose NATS server has the given URL
// ("nats://host:port", "tls://…", "ws://…"; several separated by commas).
//
// It tries until it succeeds, until ctx ends, or until the connect time-out
// ([WithConnectTimeout], 10 seconds if not set) has passed; ctx bounds only the
// connecting, not the connection. Wrong arguments and refused credentials fail
// at once. The errors' codes: invalid_argument, forbidden, disconnected,
// canceled, closed.
func Connect(ctx context.Context, url string, opts ...ConnectOption) (*Conn, error) {
	cfg := connectConfig{log: zerolog.Nop(), timeout: defaultConnectTimeout}
	for _, o := range opts {
		o.applyConnect(&cfg)
	}
	if err := cfg.complete(url); err != nil {
		return nil, err
	}
	c := &Conn{
		owned: cfg.conn == nil, log: cfg.log, source: cfg.source, trace: cfg.trace, retry: cfg.retry,
		stop: make(chan struct{}), done: make(chan struct{}), gone: make(chan struct{}), lost: make(chan struct{}), parts: make(map[part]struct{}),
	}
	if c.nc = cfg.conn; c.nc == nil {
		nc, err := dial(ctx, url, cfg, c.asyncError)
		if err != nil {
			return nil, err
		}
		c.nc = nc
	}
	if err := c.start(cfg.domain); err != nil {
		if c.owned {
			c.nc.Close()
		}
		return nil, err
	}
	return c, nil
}

func (c *Conn) start(domain string) error {
	where := c.nc.ConnectedUrlRedacted()
	var err error
	if domain == "" {
		c.js, err = jetstream.New(c.nc)
	} else {
		c.js, err = jetstream.NewWithDomain(c.nc, domain)
	}
	if err != nil {
		return &Error{Code: CodeInvalid, Op: "connect", Subject: where, Message: "the JetStream client cannot be made", Cause: err}
	}
	if c.acks, err = newAcks(c.nc, &c.link); err != nil {
		return sendError("connect", where, err)
	}
	statuses := c.nc.StatusChanged()
	if c.link.follow(c.nc.Status()); c.link.closed() { // before it could be noticed
		c.nc.RemoveStatusListener(statuses)
		return closedError("connect", where)
	}
	c.wg.Go(func() { c.watch(statuses) })
	c.log.Info().Str("server", where).Str("domain", domain).Msg("connected to the mesh")
	return nil
}

// asyncError receives what the server says outside of any request.
func (c *Conn) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	event := c.log.Warn().Err(err)
	if sub != nil {
		event = event.Str("subject", sub.Subject)
	}
	event.Msg("the server reports an error")
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	c.acks.failed(func(op, subject string) *Error {
		if !concernsPublish(err, subject) {
			return nil
		}
		return sendError(op, subject, err)
	})
}

// NATS returns the connection underneath, for what this package does not do.
// Closing it ends the Conn's usefulness without freeing its resources.
func (c *Conn) NATS() *nats.Conn { return c.nc }

// JetStream returns the JetStream client of this connection and domain.
func (c *Conn) JetStream() jetstream.JetStream { return c.js }

// adopt makes p end with the connection. It reports false when the connection
// is closing.
func (c *Conn) adopt(p part) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return false
	}
	c.parts[p] = struct{}{}
	return true
}

func (c *Conn) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

func (c *Conn) orphan(p part) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.parts, p)
}

func (c *Conn) living() []part {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]part, 0, len(c.parts))
	for p := range c.parts {
		all = append(all, p)
	}
	return all
}

// Drain ends everything gracefully: subscriptions stop taking events and finish
// those being handled, publishers get their outstanding answers, and then the
// connection closes. What is not finished when ctx ends is given up, and named
// in the error: events that were being handled come again later, events that
// were being published fail with [CodeClosed]. After Drain the Conn is closed.
func (c *Conn) Drain(ctx context.Context) error {
	err := errors.Join(c.drainParts(ctx, taking), c.drainParts(ctx, sending))
	if c.nc.IsConnected() {
		err = errors.Join(err, c.flush(ctx))
	}
	return errors.Join(err, c.Close())
}

func (c *Conn) drainParts(ctx context.Context, which stage) error {
	var wg sync.WaitGroup
	parts := c.living()
	errs := make([]error, len(parts))
	for i, p := range parts {
		if p.stage() == which {
			wg.Go(func() { errs[i] = p.drain(ctx) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c *Conn) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, defaultPubAckWait)
	defer cancel()
	if err := c.nc.FlushWithContext(ctx); err != nil {
		e := sendError("drain", "", err)
		e.Message = "what was sent last may not have reached the server"
		return e
	}
	return nil
}

// Close ends the connection now: it cancels the handlers' contexts and waits
// for the handlers to return, fails outstanding publishes with [CodeClosed],
// and closes the NATS connection unless it was given by [WithConn]. Closing
// again does nothing and returns what the first call returned. Close must not
// be called from a handler.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		<-c.done
		return c.closeErr
	}
	c.closing = true
	c.mu.Unlock()

	close(c.stop)
	for _, p := range c.living() {
		p.close()
	}
	if err := c.acks.close(); err != nil {
		c.closeErr = &Error{Code: CodeDisconnected, Op: "close", Message: "the reply subscription cannot be removed", Cause: err}
	}
	if c.owned {
		c.nc.Close()
	}
	c.wg.Wait()
	close(c.done)
	return c.closeErr
}
