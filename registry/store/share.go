package store

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// SharedStream is the stream that other environments replicate: the log as it
// may leave its environment, record by record under the same revisions.
const SharedStream = "REGISTRY_SHARED"

const sharedRoot = "shared." + Root

// Redact is a record as it may leave its environment: its kind, the registry
// subject it is about, and its bytes.
type Redact func(Entry) (kind, name string, data []byte, err error)

// CreateShared makes the stream that other environments replicate.
func CreateShared(ctx context.Context, js jetstream.JetStream) error {
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:             SharedStream,
		Description:      "the schema registry's log, as other environments may have it",
		Subjects:         []string{sharedRoot + ".>"},
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: sharedRoot + ".>", Destination: Root + ".>"},
		Storage:          jetstream.FileStorage,
		Discard:          jetstream.DiscardNew,
		AllowDirect:      true,
		DenyDelete:       true,
		DenyPurge:        true,
	})
	if err != nil {
		return unavailable("create the stream "+SharedStream, err)
	}
	return nil
}

// Share writes every record of the log, redacted, into the shared stream, until
// ctx ends or the history is broken. The shared stream's last record is its
// checkpoint, and each write expects it to be the last: any number of instances
// may share one log, and any of them may end at any moment.
func (l *Log) Share(ctx context.Context, redact Redact) error {
	for {
		at, err := l.shared(ctx)
		if err != nil {
			return err
		}
		err = l.Tail(ctx, Position{}, Reader{Deliver: func(e Entry) error {
			if e.Position.Revision <= at.Revision {
				return nil
			}
			kind, name, data, err := redact(e)
			if err != nil {
				return err
			}
			next := at.next(data)
			message := &nats.Msg{
				Subject: "shared." + Subject(kind, name), Data: data,
				Header: nats.Header{HeaderRevision: {strconv.FormatUint(next.Revision, 10)}, HeaderChain: {next.chainText()}},
			}
			ack, err := l.js.PublishMsg(ctx, message, jetstream.WithExpectStream(SharedStream), jetstream.WithExpectLastSequence(at.Sequence))
			if err != nil {
				return appendError(err, message.Size(), l.js.Conn().MaxPayload())
			}
			next.Sequence = ack.Sequence
			at = next
			return nil
		}})
		if !Conflict.Is(err) && !Uncertain.Is(err) && !Unavailable.Is(err) || ctx.Err() != nil {
			return err
		}
		if err := pauseFor(ctx, retryMost); err != nil {
			return err
		}
	}
}

// shared is the position after the shared stream's last record.
func (l *Log) shared(ctx context.Context) (Position, error) {
	stream, err := l.js.Stream(ctx, SharedStream)
	if err != nil {
		return Position{}, unavailable("find the stream "+SharedStream, err)
	}
	last := stream.CachedInfo().State.LastSeq
	if last == 0 {
		return Position{}, nil
	}
	message, err := stream.GetMsg(ctx, last)
	if err != nil {
		return Position{}, unavailable("read the last record of "+SharedStream, err)
	}
	at := Position{Sequence: last}
	at.Revision, err = strconv.ParseUint(message.Header.Get(HeaderRevision), 10, 64)
	chain, chainErr := hex.DecodeString(message.Header.Get(HeaderChain))
	if err = errors.Join(err, chainErr); err != nil || len(chain) != len(at.Chain) {
		return Position{}, &Error{Code: Foreign, Problem: "the last message of " + SharedStream + " is no record of this log", Cure: "remove the stream; it is made again from the log, and replicas must be made again too", Err: err}
	}
	copy(at.Chain[:], chain)
	return at, nil
}

// pauseFor waits, or ends with ctx.
func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
