package mesh

import (
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// link is the state of the NATS connection as far as it has been told. Asking
// nats.go instead can take as long as an attempt to connect, during which it
// holds its lock.
type link struct{ state atomic.Int32 }

const (
	linkDown int32 = iota
	linkUp
	linkClosed // for good
)

func (l *link) up() bool     { return l.state.Load() == linkUp }
func (l *link) closed() bool { return l.state.Load() == linkClosed }

// follow records a status.
func (l *link) follow(s nats.Status) {
	switch s {
	case nats.CONNECTED, nats.DRAINING_SUBS, nats.DRAINING_PUBS:
		l.state.Store(linkUp)
	case nats.CLOSED:
		l.state.Store(linkClosed)
	default:
		l.state.Store(linkDown)
	}
}

// statusInterval is how often the status is asked for beside being told, since
// nats.go drops what a listener is too slow for.
const statusInterval = 2 * time.Second

// watch follows the connection's status. What waits for an answer when the
// connection breaks will not get one: it is told, so that it can be retried as
// soon as the connection is back instead of after its time-out.
func (c *Conn) watch(statuses chan nats.Status) {
	defer c.nc.RemoveStatusListener(statuses)
	ticker := time.NewTicker(statusInterval)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-ticker.C:
			c.link.follow(c.nc.Status())
			if c.link.closed() {
				c.closedUnderneath()
				return
			}
		case s, ok := <-statuses:
			if !ok {
				return
			}
			c.link.follow(s)
			switch s {
			case nats.CONNECTED:
				c.log.Info().Str("server", c.nc.ConnectedUrlRedacted()).Msg("connection restored")
			case nats.RECONNECTING, nats.DISCONNECTED:
				c.broke(nats.ErrDisconnected)
				c.log.Warn().Err(c.nc.LastError()).Msg("connection lost, reconnecting")
			case nats.CLOSED:
				c.closedUnderneath()
				return // there is no way back
			default:
			}
		}
	}
}

func (c *Conn) closedUnderneath() {
	if !c.ended() {
		c.log.Error().Err(c.nc.LastError()).Msg("the NATS connection has been closed underneath")
	}
	c.broke(nats.ErrConnectionClosed)
	close(c.gone)
}

func (c *Conn) broke(cause error) {
	c.mu.Lock()
	close(c.lost)
	c.lost = make(chan struct{})
	c.mu.Unlock()
	c.acks.failed(func(op, subject string) *Error {
		e := sendError(op, subject, cause)
		e.Message = "the connection broke before the answer came; whether the event is stored is not known"
		return e
	})
}

// breaks returns a channel that is closed when the connection breaks next.
func (c *Conn) breaks() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// epoch tells one session with a server from the next. It reports false while
// there is none.
func (c *Conn) epoch() (uint64, bool) {
	if !c.link.up() {
		return 0, false
	}
	return c.nc.Stats().Reconnects, c.nc.IsConnected()
}

// lastError is the server's last word on this connection, while there is one.
func (c *Conn) lastError() error {
	if !c.link.up() {
		return nil
	}
	return c.nc.LastError()
}
