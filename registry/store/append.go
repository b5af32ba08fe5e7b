package store

import (
	"context"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// requestTimeout bounds the wait for one answer of the server.
const requestTimeout = 3 * time.Second

// Append stores data directly after the position that the caller has read up
// to, or fails: with [Conflict] if the log has moved on, with [Uncertain] if no
// answer came. After Uncertain the same call may be repeated; at most one of the
// attempts is stored, because all expect the same position.
//
// The subject is made with [Subject]. A nil error means that the server has
// stored the record as durably as it is configured to.
func (l *Log) Append(ctx context.Context, after Position, subject string, data []byte) (Position, error) {
	if !l.writable {
		return Position{}, &Error{
			Code:    ReadOnly,
			Problem: "the stream " + Stream + " is a replica here",
			Cure:    "append on the primary",
		}
	}
	next := after.next(data)
	msg := &nats.Msg{
		Subject: subject,
		Data:    data,
		Header: nats.Header{
			HeaderRevision: {strconv.FormatUint(next.Revision, 10)},
			HeaderChain:    {next.chainText()},
		},
	}
	// A request that is lost with its connection is never answered. Not to wait for
	// it for as long as the caller has time leaves time to try again.
	once, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ack, err := l.js.PublishMsg(
		once, msg,
		jetstream.WithExpectStream(Stream),
		jetstream.WithExpectLastSequence(after.Sequence),
	)
	if err != nil {
		return Position{}, appendError(err, msg.Size(), l.js.Conn().MaxPayload())
	}
	next.Sequence = ack.Sequence
	return next, nil
}

// byteCount writes a size for people.
func byteCount(n int64) string {
	if n < 10_000 {
		return strconv.FormatInt(n, 10) + " bytes"
	}
	return strconv.FormatInt(n/1024, 10) + " KiB"
}
