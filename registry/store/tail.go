package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// heartbeat is how often the server says that it is still there; twice that
	// without a word and the reading starts anew.
	heartbeat = time.Second
	// fetchMessages and fetchBytes bound what waits in memory while replaying, and fetchWait how
	// long one pull waits for messages.
	fetchMessages = 500
	fetchBytes    = 8 << 20
	fetchWait     = 30 * time.Second
	// retryFirst and retryMost bound the pause before the reading starts anew.
	retryFirst = 25 * time.Millisecond
	retryMost  = 2 * time.Second
)

// Reader is who reads the log. Both functions are called by the goroutine that
// called [Log.Tail].
type Reader struct {
	// Deliver takes the next record. An error of it ends the reading.
	Deliver func(Entry) error
	// Interrupted, if set, is told why nothing can be read for now, and is called
	// with nil when reading goes on.
	Interrupted func(error)
}

// Tail delivers every record after the given position, in order, each exactly
// once: first those that are there, then new ones as they come. It returns when
// ctx is done (with ctx's error), when the connection is closed for good, when
// Deliver fails (with its error), or when the history is broken (see [Broken]).
//
// Whatever else goes wrong, a restarted server, a lost connection, a consumer
// that disappeared, it reads on from where it was as soon as that is possible
// again. A reader sees nothing new meanwhile, and nothing wrong.
func (l *Log) Tail(ctx context.Context, from Position, r Reader) error {
	if r.Interrupted == nil {
		r.Interrupted = func(error) {}
	}
	at := from
	pause := retryFirst
	for {
		before := at.Revision
		err := l.follow(ctx, &at, r)
		var stop *stopError
		switch {
		case errors.As(err, &stop):
			return stop.err
		case ctx.Err() != nil:
			return ctx.Err()
		case Broken(err):
			return err
		case l.js.Conn().IsClosed():
			return unavailable("read on: the connection is closed", nats.ErrConnectionClosed)
		}
		r.Interrupted(err)
		if at.Revision != before {
			pause = retryFirst
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, retryMost)
	}
}

// stopError carries deliver's own error out of follow, apart from the log's.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

// follow reads with one consumer until something ends it, and moves at along.
// The consumer lives on the server for as long as it is read and leaves nothing
// behind.
func (l *Log) follow(ctx context.Context, at *Position, r Reader) error {
	ctx, release := l.whileConnected(ctx)
	defer release()
	if err := l.reachable(ctx, *at); err != nil {
		return err
	}
	consumer, err := l.js.CreateConsumer(ctx, Stream, jetstream.ConsumerConfig{
		Description:       "a view of the schema registry",
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       at.Sequence + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return unavailable("start reading", err)
	}
	defer func() {
		// The server would drop it soon by itself; do not keep the caller waiting.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 250*time.Millisecond)
		defer cancel()
		_ = l.js.DeleteConsumer(ctx, Stream, consumer.CachedInfo().Name)
	}()

	pulls := &pulls{ctx: ctx, consumer: consumer}
	defer pulls.end()
	r.Interrupted(nil)

	for expected := uint64(1); ; expected++ {
		msg, err := pulls.next()
		if err != nil {
			return unavailable("read on", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return unavailable("read on: a message without its place in the stream", err)
		}
		if meta.Sequence.Consumer != expected {
			// Lost on the way here, not missing in the stream: fetch it again.
			return unavailable("read on", fmt.Errorf("delivery %d came instead of %d", meta.Sequence.Consumer, expected))
		}
		entry, err := admit(*at, msg, meta)
		if err != nil {
			return err
		}
		if err := r.Deliver(entry); err != nil {
			return &stopError{err}
		}
		*at = entry.Position
	}
}

// pulls are a consumer's messages, fetched by the batch. The library's iterator would
// do, but that its buffer holds as many messages as are asked for and not one more:
// with the server's own remarks between them it drops one, and the reading begins
// anew. A batch's buffer is twice as large as the batch.
type pulls struct {
	ctx      context.Context //nolint:containedctx // of the reading that it is a part of
	consumer jetstream.Consumer
	batch    jetstream.MessageBatch
	cancel   context.CancelFunc
}

func (p *pulls) next() (jetstream.Msg, error) {
	for {
		if p.batch == nil {
			if err := p.fetch(); err != nil {
				return nil, err
			}
		}
		select {
		case msg, ok := <-p.batch.Messages():
			if ok {
				return msg, nil
			}
			err := p.batch.Error()
			p.end()
			if err != nil {
				return nil, err
			}
		case <-p.ctx.Done():
			return nil, context.Cause(p.ctx)
		}
	}
}

func (p *pulls) fetch() (err error) {
	ctx, cancel := context.WithCancel(p.ctx)
	p.batch, err = p.consumer.Fetch(
		fetchMessages, jetstream.FetchContext(pulling{ctx, time.Now().Add(fetchWait)}), jetstream.FetchHeartbeat(heartbeat), jetstream.FetchMaxBytes(fetchBytes),
	)
	if err != nil {
		cancel()
		return err
	}
	p.cancel = cancel
	return nil
}

// end gives up the batch under way, if there is one.
func (p *pulls) end() {
	if p.batch != nil {
		p.cancel()
		p.batch = nil
	}
}

// pulling is the context of a pull. It has a deadline to derive the pull's expiry at
// the server from, but does not end then: what the server sent just before it is
// still to be read.
type pulling struct {
	context.Context //nolint:containedctx // it is a context
	deadline        time.Time
}

func (p pulling) Deadline() (time.Time, bool) { return p.deadline, true }

// whileConnected is ctx until the connection is lost. The iterator of a consumer
// stays silent then, and a consumer in memory may be gone with its server.
func (l *Log) whileConnected(ctx context.Context) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	nc := l.js.Conn()
	lost := nc.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-lost:
			cancel(nats.ErrDisconnected)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(context.Canceled)
		<-watched
		nc.RemoveStatusListener(lost)
	}
}

// reachable makes sure that the stream still holds what was read from it.
func (l *Log) reachable(ctx context.Context, at Position) error {
	info, err := l.inspect(ctx)
	if err != nil {
		return err
	}
	if info.State.LastSeq < at.Sequence {
		return &Error{
			Code: RolledBack,
			Problem: fmt.Sprintf("the stream %s ends at sequence %d, and this view has read up to %d (revision %d): records are lost",
				Stream, info.State.LastSeq, at.Sequence, at.Revision),
			Cure: "restore the stream from a replica that has them; a server with sync_interval: always does not lose acknowledged records",
		}
	}
	return nil
}

// admit verifies that a message is the record that follows at, and nothing else.
func admit(at Position, msg jetstream.Msg, meta *jetstream.MsgMetadata) (Entry, error) {
	where := fmt.Sprintf("message %d of stream %s", meta.Sequence.Stream, Stream)
	revision, err := strconv.ParseUint(msg.Headers().Get(HeaderRevision), 10, 64)
	if err != nil || revision == 0 {
		return Entry{}, &Error{
			Code:    Foreign,
			Problem: fmt.Sprintf("%s is no record of the registry: its header %s is %q", where, HeaderRevision, msg.Headers().Get(HeaderRevision)),
			Cure:    "find out who publishes on " + Root + ".> beside the registry and take the permission away; then restore the stream from a replica or a backup",
		}
	}
	next := at.next(msg.Data())
	next.Sequence = meta.Sequence.Stream
	switch {
	case revision > next.Revision:
		return Entry{}, &Error{
			Code:    Gap,
			Problem: fmt.Sprintf("%s is revision %d, and %d was expected: %d records are missing", where, revision, next.Revision, revision-next.Revision),
			Cure:    "a replica must source the whole stream from its beginning, unfiltered: delete it and let it be made again; a primary must be restored from a replica",
		}
	case revision < next.Revision:
		return Entry{}, forked(where, fmt.Sprintf("it is revision %d, which was read before", revision))
	}
	chain, err := hex.DecodeString(msg.Headers().Get(HeaderChain))
	if err != nil || len(chain) != len(next.Chain) || [len(next.Chain)]byte(chain) != next.Chain {
		return Entry{}, forked(where, fmt.Sprintf("revision %d does not continue the history that was read so far", revision))
	}
	return Entry{Position: next, Data: msg.Data()}, nil
}

func forked(where, why string) *Error {
	return &Error{
		Code:    Forked,
		Problem: where + ": " + why + "; the log was altered, or two histories met in it",
		Cure:    "compare this stream with the primary's or a replica's; keep the one that is right, delete and re-make the other, then restart the instances that read it",
	}
}
