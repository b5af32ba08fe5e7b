package link

import (
	"context"
	"strconv"
	"time"
)

// Begin locks the link for appending and returns the buffer to append whole
// protocol messages to. It waits while too much is unwritten.
// With ok false the link is down: nothing may be appended, and End not called.
func (l *Link) Begin() (buffer []byte, ok bool) {
	l.mu.Lock()
	for l.conn != nil && len(l.out) > maxUnwritten && l.writing {
		l.room.Wait()
	}
	if l.conn == nil {
		l.mu.Unlock()
		return nil, false
	}
	return l.out, true
}

// End takes the buffer back. Flush sends what is in it.
func (l *Link) End(buffer []byte) {
	l.out = buffer
	l.mu.Unlock()
}

// Flush writes what has been appended. When another call is writing already,
// that one takes it along, and Flush returns at once.
func (l *Link) Flush() {
	l.mu.Lock()
	if l.writing {
		l.mu.Unlock()
		return
	}
	l.writing = true
	for len(l.out) > 0 && l.conn != nil {
		buffer, conn := l.out, l.conn
		l.out, l.spare = l.spare[:0], nil
		l.mu.Unlock()
		_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := conn.Write(buffer)
		l.mu.Lock()
		if cap(buffer) <= maxKept {
			l.spare = buffer[:0]
		}
		if err != nil && l.conn == conn {
			_ = conn.Close() // the reader notices, and connects again
			l.out = l.out[:0]
			break
		}
		l.room.Broadcast()
	}
	l.writing = false
	l.mu.Unlock()
}

// Unsubscribe ends all subscriptions, also of later connections. After a Settle
// nothing more arrives.
func (l *Link) Unsubscribe() {
	l.mu.Lock()
	l.quiet = true
	l.mu.Unlock()
	buffer, ok := l.Begin()
	if !ok {
		return
	}
	for sid := range l.config.Subscriptions {
		buffer = append(buffer, "UNSUB "...)
		buffer = strconv.AppendInt(buffer, int64(sid), 10)
		buffer = append(buffer, "\r\n"...)
	}
	l.End(buffer)
}

// Settle flushes and waits until the server has taken what was written, and
// Receive has had everything that the server sent before.
func (l *Link) Settle(ctx context.Context) error {
	buffer, ok := l.Begin()
	if !ok {
		return ErrClosed
	}
	pong := make(chan struct{})
	l.pings = append(l.pings, pong)
	l.End(append(buffer, "PING\r\n"...))
	l.Flush()
	select {
	case <-pong:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// answerPing keeps the connection alive.
func (l *Link) answerPing() {
	if buffer, ok := l.Begin(); ok {
		l.End(append(buffer, "PONG\r\n"...))
		l.Flush()
	}
}

func (l *Link) pong() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pings) > 0 {
		close(l.pings[0])
		l.pings = l.pings[1:]
	}
}

// AppendSizes ends the first line of a message with headers: a space, the
// sizes, CR LF. The header block, the payload and CR LF follow.
func AppendSizes(buffer []byte, header, data int) []byte {
	buffer = append(buffer, ' ')
	buffer = strconv.AppendInt(buffer, int64(header), 10)
	buffer = append(buffer, ' ')
	buffer = strconv.AppendInt(buffer, int64(header+data), 10)
	return append(buffer, "\r\n"...)
}

// AppendPub appends a message without headers, whose payload is first and then
// rest.
func AppendPub(buffer, subject, first, rest []byte) []byte {
	buffer = append(buffer, "PUB "...)
	buffer = append(buffer, subject...)
	buffer = append(buffer, ' ')
	buffer = strconv.AppendInt(buffer, int64(len(first)+len(rest)), 10)
	buffer = append(buffer, "\r\n"...)
	buffer = append(buffer, first...)
	buffer = append(buffer, rest...)
	return append(buffer, "\r\n"...)
}
