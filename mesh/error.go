package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Code is the stable name of a kind of failure. Programs branch on it; people
// read the rest of the [Error].
type Code string

const (
	// CodeRefused means that the gate (or JetStream behind it) said no to this very
	// request. Sending it again cannot help; Status, ErrCode and Description
	// hold what it said.
	CodeRefused Code = "refused"
	// CodeNoGate means that nobody listens on the subject: the domain has no gate in this
	// environment, or its gate is down. Retried.
	CodeNoGate Code = "no_gate"
	// CodeTimeout means that no answer came in time; whether the event is stored is not
	// known. Publishing it again under the same ID is safe. Retried.
	CodeTimeout Code = "timeout"
	// CodeUnavailable means that the other side answered that it cannot serve just now. Retried.
	CodeUnavailable Code = "unavailable"
	// CodeDisconnected means that there is no connection, or it broke before the answer
	// came. Retried.
	CodeDisconnected Code = "disconnected"
	// CodeInvalid is for an argument, an option or an event that this package can tell
	// to be wrong without asking anybody. Nothing was sent.
	CodeInvalid Code = "invalid_argument"
	// CodeForbidden means that the credentials do not admit to the server or to the subject.
	CodeForbidden Code = "forbidden"
	// CodeNotFound means that the stream or the consumer does not exist.
	CodeNotFound Code = "not_found"
	// CodeClosed means that the connection, publisher or subscription has been closed.
	CodeClosed Code = "closed"
	// CodeCanceled means that the caller's context was canceled.
	CodeCanceled Code = "canceled"
	// CodeStopped means that an asynchronous event was given up because an earlier one in
	// the same order could not be stored; Cause is that one's error.
	CodeStopped Code = "stopped"
	// CodeDecode means that bytes that came in are not what they should be: an event's data
	// does not fit its Go type, or an answer is not one of JetStream's.
	CodeDecode Code = "decode"
)

// Error is the one type of error that this package returns. Get at it with
// errors.As, or at its code alone with [CodeOf].
type Error struct {
	Code    Code
	Op      string // what was being done: "connect", "publish", "subscribe", …
	Subject string // on what: a subject, an event type, a stream, a file; may be empty
	Message string // what went wrong, for people; no trailing period
	Cure    string // what to do about it; may be empty
	Cause   error  // the error underneath; may be nil

	// Of a refusal or an "unavailable" that the other side answered with: its
	// JetStream API error, as it came.
	Status      int    // 400, 503, …; 0 if there was no answer
	ErrCode     int    // JetStream's err_code, or the gate's: 400xx final, 503xx may pass
	Description string // the sentence that came with it
}

// Error says what failed, on what, why, and how to mend it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("mesh: ")
	b.WriteString(e.Op)
	if e.Subject != "" {
		b.WriteByte(' ')
		b.WriteString(e.Subject)
	}
	b.WriteString(": ")
	b.WriteString(e.Message)
	if e.Cause != nil {
		b.WriteString(": ")
		b.WriteString(e.Cause.Error())
	}
	b.WriteString(" [")
	b.WriteString(string(e.Code))
	if e.ErrCode != 0 {
		b.WriteByte(' ')
		b.WriteString(strconv.Itoa(e.ErrCode))
	}
	b.WriteByte(']')
	if e.Cure != "" {
		b.WriteString("; ")
		b.WriteString(e.Cure)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Retryable reports whether the same request may succeed later, unchanged.
// Publishers have already retried such an error as often as they may.
func (e *Error) Retryable() bool {
	switch e.Code {
	case CodeNoGate, CodeTimeout, CodeUnavailable, CodeDisconnected:
		return true
	default:
		return false
	}
}

// CodeOf returns the code of the first [Error] in err's chain, or "" if there
// is none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// Permanent marks an error that a handler returns as one that no redelivery
// will mend: the event goes to the dead letters at once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

type permanent struct{ cause error }

func (p *permanent) Error() string { return p.cause.Error() }
func (p *permanent) Unwrap() error { return p.cause }

// apiError is the error in a JetStream answer.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

// answered turns an API error into ours: 4xx is final, but for 408 and 429.
func (a *apiError) answered(op, subject string) *Error {
	e := &Error{
		Op: op, Subject: subject, Message: a.Description,
		Status: a.Code, ErrCode: a.ErrCode, Description: a.Description,
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("the answer is an error of status %d without a description", a.Code)
	}
	if a.Code == 408 || a.Code == 429 || a.Code >= 500 {
		e.Code = CodeUnavailable
		e.Cure = "try again later; if it lasts, look at the health of this environment's node"
		return e
	}
	e.Code = CodeRefused
	e.Cure = "sending the same again cannot help: change it as the reason says"
	return e
}

func noResponders(op, subject string) *Error {
	e := &Error{Code: CodeNoGate, Op: op, Subject: subject, Cause: nats.ErrNoResponders}
	first, _, _ := strings.Cut(subject, ".")
	if first == wire.DeadLetterRoot {
		e.Message = "nothing takes dead letters here"
		e.Cure = "start this environment's node, and see that the credentials are those of this environment's applications"
		return e
	}
	e.Message = "no gate serves domain " + first + " here"
	e.Cure = "start the node of this environment, and see in mesh.yaml that domain " + first + " has an origin in it"
	return e
}

func closedError(op, subject string) *Error {
	return &Error{
		Code: CodeClosed, Op: op, Subject: subject, Message: "the connection is closed",
		Cause: nats.ErrConnectionClosed, Cure: "use it before Close and Drain, or connect again",
	}
}

func invalid(op, subject, cure, format string, args ...any) *Error {
	return &Error{Code: CodeInvalid, Op: op, Subject: subject, Message: fmt.Sprintf(format, args...), Cure: cure}
}

// contextEnded is the error for a caller whose ctx ended; last is the failure
// that was being retried, or nil.
func contextEnded(ctx context.Context, op, subject string, last *Error) *Error {
	e := &Error{Op: op, Subject: subject, Cause: ctx.Err()}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Code, e.Message = CodeCanceled, "the caller's context was canceled"
	case last != nil:
		e.Code, e.Message = last.Code, "the caller's deadline passed while it was being retried"
	default:
		e.Code, e.Message = CodeTimeout, "the caller's deadline passed before an answer came"
	}
	if last != nil {
		e.Cause = fmt.Errorf("%w; before that: %w", ctx.Err(), last)
		e.Cure, e.Status, e.ErrCode, e.Description = last.Cure, last.Status, last.ErrCode, last.Description
	}
	if e.Code != CodeCanceled && e.Cure == "" {
		e.Cure = "allow more time, and see whether this environment's node is healthy; the same ID may be published again safely"
	}
	return e
}

// sendError classifies what nats.go answers when it cannot send.
func sendError(op, subject string, err error) *Error {
	e := &Error{Op: op, Subject: subject, Cause: err}
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		e.Code, e.Message = CodeInvalid, "the event with its headers is larger than the server takes"
		e.Cure = "make the event smaller, or raise the server's max_payload"
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionDraining):
		e.Code, e.Message, e.Cure = CodeClosed, "the connection is closed", "connect again"
	case errors.Is(err, nats.ErrBadSubject), errors.Is(err, nats.ErrHeadersNotSupported):
		e.Code, e.Message = CodeInvalid, "the server or the client library does not take it"
	case errors.Is(err, nats.ErrPermissionViolation):
		e.Code, e.Message, e.Cure = CodeForbidden, "the credentials do not allow this subject", "use credentials that may publish it, or have it granted"
	default:
		e.Code, e.Message = CodeDisconnected, "there is no connection to the server"
		e.Cure = "the connection comes back by itself once the server is reachable: see that it runs and that the address is right"
	}
	return e
}

// apiFailure classifies an error of the JetStream API client.
func apiFailure(op, subject string, err error) *Error {
	var api *jetstream.APIError
	var se jetstream.JetStreamError
	if !errors.As(err, &api) && errors.As(err, &se) {
		api = se.APIError()
	}
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return &Error{
			Code: CodeNotFound, Op: op, Subject: subject, Message: "the stream does not exist in this environment", Cause: err,
			Cure: "see in mesh.yaml that the domain originates here or that a route brings it, and that it has been applied",
		}
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrConsumerDeleted):
		return &Error{
			Code: CodeNotFound, Op: op, Subject: subject, Message: "the consumer does not exist, or has been deleted", Cause: err,
			Cure: "subscribe again to make it anew; it then starts at its configured position",
		}
	case api != nil:
		e := (&apiError{Code: api.Code, ErrCode: int(api.ErrorCode), Description: api.Description}).answered(op, subject)
		e.Cause = err
		return e
	case errors.Is(err, nats.ErrNoResponders):
		return &Error{
			Code: CodeUnavailable, Op: op, Subject: subject, Message: "nothing answers JetStream's API here", Cause: err,
			Cure: "see that JetStream runs, that these credentials' account imports its API, and that the JetStream domain is named as the environment",
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return &Error{
			Code: CodeTimeout, Op: op, Subject: subject, Message: "JetStream's API did not answer in time", Cause: err,
			Cure: "see that this environment's node is healthy and that the credentials may use JetStream's API",
		}
	case errors.Is(err, context.Canceled):
		return &Error{Code: CodeCanceled, Op: op, Subject: subject, Message: "the caller's context was canceled", Cause: err}
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) {
		return &Error{
			Code: CodeDecode, Op: op, Subject: subject, Message: "the answer is not one of JetStream's API", Cause: err,
			Cure: "find out who else answers requests to JetStream's API",
		}
	}
	return sendError(op, subject, err)
}
