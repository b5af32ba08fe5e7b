package mesh

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	dialTimeout      = 2 * time.Second // one attempt to connect, handshake included
	pingInterval     = 20 * time.Second
	reconnectInitial = 100 * time.Millisecond
	reconnectMax     = 5 * time.Second
)

// dial makes the first connection, trying until it succeeds or may not.
func dial(ctx context.Context, url string, cfg connectConfig, asyncError nats.ErrHandler) (*nats.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.timeout)
	defer cancel()
	backoff := Retry{Initial: reconnectInitial, Max: reconnectMax}
	for attempts := 1; ; attempts++ {
		nc, err := dialOnce(ctx, url, cfg, asyncError)
		if err == nil {
			return nc, nil
		}
		failure := connectError(redacted(url), err)
		if failure.Code != CodeDisconnected {
			return nil, failure
		}
		if ctx.Err() == nil {
			cfg.log.Debug().Err(err).Int("attempt", attempts).Msg("cannot connect yet")
			pause(ctx, nil, jittered(backoff.bound(attempts)))
		}
		if ctx.Err() != nil {
			return nil, contextEnded(ctx, "connect", redacted(url), failure)
		}
	}
}

func dialOnce(ctx context.Context, url string, cfg connectConfig, asyncError nats.ErrHandler) (*nats.Conn, error) {
	d := &dialer{ctx: ctx}
	settled := context.AfterFunc(ctx, d.abort)
	opts := []nats.Option{
		nats.Name(cfg.name),
		nats.Timeout(dialTimeout),
		nats.SetCustomDialer(d),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(func(attempts int) time.Duration {
			return jittered(Retry{Initial: reconnectInitial, Max: reconnectMax}.bound(attempts))
		}),
		// A server that refuses the credentials now may know them later, and the
		// file may be replaced: "for as long as it takes" includes that.
		nats.IgnoreAuthErrorAbort(),
		// What is published while disconnected fails, and is retried in order,
		// instead of being sent by nats.go after events that were lost.
		nats.ReconnectBufSize(-1),
		nats.PingInterval(pingInterval),
		nats.ErrorHandler(asyncError),
	}
	if cfg.creds != "" {
		opts = append(opts, nats.UserCredentials(cfg.creds))
	}
	nc, err := nats.Connect(url, append(opts, cfg.nats...)...)
	if settled() {
		d.arm()
		return nc, err
	}
	if err == nil {
		nc.Close()
		err = ctx.Err()
	}
	return nil, err
}

// dialer makes nats.go's first connect end with a context. It serves the
// reconnects too, without one.
type dialer struct {
	mu    sync.Mutex
	ctx   context.Context //nolint:containedctx // of the initial connect, nil afterwards: nats.go's dialers take none
	conn  net.Conn
	ended bool
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.mu.Lock()
	ctx := d.ctx
	d.mu.Unlock()
	if ctx == nil {
		ctx = context.Background()
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return nil, errors.Join(context.Canceled, conn.Close())
	}
	if d.ctx != nil {
		d.conn = conn
	}
	return conn, nil
}

// abort breaks a handshake that is under way: its reads and writes fail.
func (d *dialer) abort() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.conn != nil {
		_ = d.conn.Close() // the handshake's error is the one reported
	}
}

// arm makes d ready for reconnects, which no context bounds.
func (d *dialer) arm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ctx, d.conn = nil, nil
}

func connectError(address string, err error) *Error {
	e := &Error{Op: "connect", Subject: address, Cause: err}
	var parse *url.Error
	if errors.As(err, &parse) {
		e.Cause = parse.Err // without the URL, which may hold a password
	}
	switch {
	case parse != nil, errors.Is(err, nats.ErrBadTimeout), errors.Is(err, nats.ErrUserButNoSigCB),
		errors.Is(err, nats.ErrClientCertOrRootCAsRequired), errors.Is(err, nats.ErrSecureConnWanted):
		e.Code, e.Message = CodeInvalid, "the connection cannot be made as asked for"
		e.Cure = "correct the URL (nats://host:port) and the options"
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked),
		errors.Is(err, nats.ErrAccountAuthExpired), errors.Is(err, nats.ErrPermissionViolation):
		e.Code, e.Message = CodeForbidden, "the server does not admit these credentials"
		e.Cure = "use a credentials file of this environment's applications, one that has not expired"
	default:
		e.Code, e.Message = CodeDisconnected, "the server cannot be reached"
		e.Cure = "see that the environment's node runs and listens at this address"
	}
	return e
}

// redacted is a list of server addresses without the passwords in it.
func redacted(addresses string) string {
	all := strings.Split(addresses, ",")
	for i, address := range all {
		user := strings.LastIndexByte(address, '@')
		if user < 0 {
			continue
		}
		scheme := strings.Index(address, "://")
		if scheme < 0 || scheme > user {
			scheme = -len("://")
		}
		all[i] = address[:scheme+len("://")] + "xxxxx" + address[user:]
	}
	return strings.Join(all, ",")
}
