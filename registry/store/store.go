// Package store keeps the schema registry's log on a JetStream stream.
//
// It belongs here when it is about the log as a log: the stream and its
// configuration, appending with an expected position, reading in order from the
// beginning and on, and proving that what was read is the one history. What a
// record means is not known here: records are bytes, package registry gives
// them their meaning.
//
// # The history is numbered and chained
//
// Every record carries its revision (1, 2, 3, …) and a chain value, the SHA-256
// of the chain value before it, its revision and its bytes. A reader verifies
// both. Stream sequences alone would not do: in another environment the log is a
// stream that sources this one, whose sequences are its own, and a stream that
// was lost, restored or made again can hold other records under old numbers. A
// gap, a fork, a rollback or a record that was altered ends the reading with an
// [Error] that says so; nothing after it is delivered.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Stream is the name of the stream, in every environment.
const Stream = "REGISTRY"

// Root is the first token of the subjects that the stream captures.
const Root = "registry"

// Headers of a record. They travel with it into sourced streams.
const (
	HeaderRevision = "Lockstep-Registry-Revision"
	HeaderChain    = "Lockstep-Registry-Chain"
)

// Position is a place in the history: after the record with that revision. The
// zero Position is the beginning, before the first record.
type Position struct {
	// Revision numbers the records from 1, without gaps, and is the same in every
	// environment.
	Revision uint64
	// Sequence is the record's sequence in the stream it was read from or
	// appended to. In a sourced stream it may differ from Revision.
	Sequence uint64
	// Chain is the digest of the history up to and with this record.
	Chain [sha256.Size]byte
}

// next is the position of a record with these bytes that follows p directly.
// Its sequence is not known here.
func (p Position) next(data []byte) Position {
	h := sha256.New()
	h.Write(p.Chain[:])
	h.Write(binary.BigEndian.AppendUint64(nil, p.Revision+1))
	h.Write(data)
	next := Position{Revision: p.Revision + 1}
	h.Sum(next.Chain[:0])
	return next
}

func (p Position) chainText() string { return hex.EncodeToString(p.Chain[:]) }

// Entry is one record as it was read. Data belongs to the receiver.
type Entry struct {
	Position Position
	Data     []byte
}

// Options are the choices that a primary's stream leaves open.
type Options struct {
	// Replicas is the number of servers that keep the stream; 0 means 1.
	Replicas int
	// MaxBytes bounds the stream; 0 means unbounded. A full stream refuses new
	// records, it never drops old ones.
	MaxBytes int64
}

// Create makes the primary's stream, or verifies the one that is there: a
// stream that could lose, drop or alter records is refused with every setting
// that is wrong. Replicas are made by whoever sets up replication, not here.
func Create(ctx context.Context, js jetstream.JetStream, o Options) error {
	maxBytes := o.MaxBytes
	if maxBytes <= 0 {
		maxBytes = -1
	}
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name:        Stream,
		Description: "Lockstep schema registry: every change, in order, for ever",
		Subjects:    []string{Root + ".>"},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Discard:     jetstream.DiscardNew,
		MaxBytes:    maxBytes,
		Replicas:    max(o.Replicas, 1),
		AllowDirect: true,
		DenyDelete:  true,
		DenyPurge:   true,
	})
	if err == nil {
		return nil
	}
	if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return unavailable("create the stream", err)
	}
	stream, err := js.Stream(ctx, Stream)
	if err != nil {
		return unavailable("look at the stream that is there", err)
	}
	return verify(stream.CachedInfo().Config)
}

// verify refuses a configuration under which the stream would not be a log that
// keeps everything.
func verify(c jetstream.StreamConfig) error {
	var wrong []string
	expect := func(ok bool, what string) {
		if !ok {
			wrong = append(wrong, what)
		}
	}
	expect(slices.Contains(c.Subjects, Root+".>"), "subjects must hold "+Root+".>")
	expect(c.Mirror == nil && len(c.Sources) == 0, "it must have no mirror and no sources, as it is the primary's")
	expect(c.Storage == jetstream.FileStorage, "storage must be file")
	expect(c.Retention == jetstream.LimitsPolicy, "retention must be limits")
	expect(c.Discard == jetstream.DiscardNew || (c.MaxMsgs <= 0 && c.MaxBytes <= 0), "discard must be new, as a full stream must not drop old records")
	expect(c.MaxAge == 0, "max age must be unlimited")
	expect(c.MaxMsgsPerSubject <= 0, "max messages per subject must be unlimited")
	expect(c.DenyDelete, "deny_delete must be set")
	expect(c.DenyPurge, "deny_purge must be set")
	expect(!c.AllowMsgTTL, "message TTLs must not be allowed")
	expect(c.SubjectTransform == nil && c.RePublish == nil, "it must have no subject transform and no republish")
	if len(wrong) == 0 {
		return nil
	}
	return &Error{
		Code:    Misconfigured,
		Problem: "there is a stream " + Stream + " already and it is not fit to keep the registry: " + strings.Join(wrong, "; "),
		Cure:    "if the stream belongs to something else, use another account or JetStream domain; if it is the registry's, restore these settings",
	}
}

// Log is the registry's log on one server or cluster. It holds no connection of
// its own and nothing to close; its methods may be called concurrently.
type Log struct {
	js       jetstream.JetStream
	created  time.Time
	writable bool
}

// Open binds to the stream that is there, the primary's or a replica's.
func Open(ctx context.Context, js jetstream.JetStream) (*Log, error) {
	stream, err := js.Stream(ctx, Stream)
	if err != nil {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, &Error{
				Code:    Absent,
				Problem: "there is no stream " + Stream + " on this server",
				Cure:    "create it first: the primary's with store.Create, a replica's by sourcing the primary's",
				Err:     err,
			}
		}
		return nil, unavailable("find the stream", err)
	}
	info := stream.CachedInfo()
	return &Log{
		js:       js,
		created:  info.Created,
		writable: info.Config.Mirror == nil && len(info.Config.Sources) == 0 && len(info.Config.Subjects) > 0,
	}, nil
}

// Writable reports whether records can be appended here: not to a stream that
// is a copy of another one.
func (l *Log) Writable() bool { return l.writable }

// Last is the sequence of the last record that the stream holds, 0 when it is
// empty.
func (l *Log) Last(ctx context.Context) (uint64, error) {
	info, err := l.inspect(ctx)
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq, nil
}

// inspect asks for the stream's state and makes sure that it is still the
// stream that was opened.
func (l *Log) inspect(ctx context.Context) (*jetstream.StreamInfo, error) {
	stream, err := l.stream(ctx)
	if err != nil {
		return nil, unavailable("ask for the stream's state", err)
	}
	info := stream.CachedInfo()
	if !info.Created.Equal(l.created) {
		return nil, &Error{
			Code: Replaced,
			Problem: fmt.Sprintf("the stream %s was made again at %s; the one that this view was read from was made at %s",
				Stream, info.Created.UTC().Format(time.RFC3339Nano), l.created.UTC().Format(time.RFC3339Nano)),
			Cure: "restart this instance, so that it reads the new stream from its beginning; if nobody meant to replace it, restore it from a replica first",
		}
	}
	return info, nil
}

// stream asks again where the answer did not come: a request that is lost with its
// connection is never answered.
func (l *Log) stream(ctx context.Context) (stream jetstream.Stream, err error) {
	for range 3 {
		once, cancel := context.WithTimeout(ctx, requestTimeout)
		stream, err = l.js.Stream(once, Stream)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	return stream, err
}
