package store

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Code says what kind of failure an [Error] is.
type Code string

// The codes.
const (
	// Conflict: somebody appended first. Nothing was stored; read on and decide anew.
	Conflict Code = "conflict"
	// Uncertain: no answer came; the record is stored or it is not. Reading on tells.
	Uncertain Code = "uncertain"
	// Unavailable: the server, the stream or its leader cannot be reached. Nothing was stored.
	Unavailable Code = "unavailable"
	// Refused: the server answered that it does not store the record.
	Refused Code = "refused"
	// TooLarge: the record is larger than the server takes.
	TooLarge Code = "too_large"
	// ReadOnly: this stream is a copy of the primary's.
	ReadOnly Code = "read_only"
	// Absent: there is no such stream.
	Absent Code = "absent"
	// Misconfigured: there is a stream, and it is not fit to keep the log.
	Misconfigured Code = "misconfigured"

	// Gap: records are missing from the history.
	Gap Code = "gap"
	// Forked: a record does not follow from what was read before it.
	Forked Code = "forked"
	// RolledBack: the stream ends before what was read from it.
	RolledBack Code = "rolled_back"
	// Replaced: the stream is another one than was opened.
	Replaced Code = "replaced"
	// Foreign: a message in the stream is not a record of this log.
	Foreign Code = "foreign"
)

// Error is a failure of the log: what happened and how to mend it.
type Error struct {
	Code    Code
	Problem string
	Cure    string
	Err     error // the cause, where there is one
}

func (e *Error) Error() string {
	s := "registry log: " + e.Problem
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + ". " + e.Cure
}

func (e *Error) Unwrap() error { return e.Err }

// Is reports whether err is an [Error] with that code.
func (c Code) Is(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == c
}

// Broken reports whether err says that the history cannot be trusted or is not
// the one that was opened. Waiting does not mend that.
func Broken(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case Gap, Forked, RolledBack, Replaced, Foreign:
		return true
	default:
		return false
	}
}

func unavailable(doing string, err error) *Error {
	return &Error{
		Code:    Unavailable,
		Problem: "cannot " + doing,
		Cure:    "see that the server runs with JetStream and that this user may reach the stream " + Stream + "; the call can be repeated",
		Err:     err,
	}
}

// appendError sorts a failed publish: what is known about the record decides
// what the caller may do.
func appendError(err error, size int, limit int64) *Error {
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api):
		switch api.ErrorCode {
		case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
			return &Error{Code: Conflict, Problem: "another record was appended first", Cure: "read on and try again", Err: err}
		case jetstream.JSErrCodeStreamMessageExceedsMaximum:
			return tooLarge(size, limit, err)
		}
		return &Error{
			Code:    Refused,
			Problem: "the server did not store the record",
			Cure:    "free or grant storage if it is exhausted (see the stream's and the account's limits), then repeat the call",
			Err:     err,
		}
	case errors.Is(err, nats.ErrMaxPayload):
		return tooLarge(size, limit, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return unavailable("append: no server answers for the stream", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrConnectionClosed),
		errors.Is(err, nats.ErrDisconnected), errors.Is(err, jetstream.ErrInvalidJSAck):
		return &Error{
			Code:    Uncertain,
			Problem: "the server did not confirm the record in time: it is stored or it is not",
			Cure:    "repeat the call: it does nothing twice",
			Err:     err,
		}
	}
	// Anything else happened on this side before or after sending; assume the worse.
	return &Error{
		Code:    Uncertain,
		Problem: "appending failed on the way: the record is stored or it is not",
		Cure:    "repeat the call: it does nothing twice",
		Err:     err,
	}
}

func tooLarge(size int, limit int64, err error) *Error {
	return &Error{
		Code:    TooLarge,
		Problem: "the record has " + byteCount(int64(size)) + ", and the server takes " + byteCount(limit) + " at most",
		Cure:    "split the schema into referenced ones, or raise the server's max_payload",
		Err:     err,
	}
}
