package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/lockstep-mesh/lockstep/registry/store"
)

// Code is a kind of failure, in the numbers that Confluent's API uses.
type Code int

// The codes.
const (
	CodeSubjectNotFound       Code = 40401
	CodeVersionNotFound       Code = 40402
	CodeSchemaNotFound        Code = 40403
	CodeSubjectSoftDeleted    Code = 40404
	CodeSubjectNotSoftDeleted Code = 40405
	CodeVersionSoftDeleted    Code = 40406
	CodeVersionNotSoftDeleted Code = 40407
	CodeLevelNotConfigured    Code = 40408
	CodeModeNotConfigured     Code = 40409
	CodeIncompatible          Code = 409
	CodeInvalidSchema         Code = 42201
	CodeInvalidVersion        Code = 42202
	CodeInvalidLevel          Code = 42203
	CodeInvalidMode           Code = 42204
	CodeNotPermitted          Code = 42205
	CodeReferenceExists       Code = 42206
	CodeIDDoesNotMatch        Code = 42207
	CodeInvalidSubject        Code = 42208
	CodeTooLarge              Code = 42209
	CodeInvalidRuleSet        Code = 42210
	CodeContextNotEmpty       Code = 42211
	CodeInvalidState          Code = 42221 // from here on the native API's own
	CodeInvalidAbout          Code = 42222
	CodeNotClassified         Code = 42223
	CodeStateTransition       Code = 40911
	CodeStore                 Code = 50001
	CodeTimeout               Code = 50002
	CodeForward               Code = 50003 // a replica could not reach the primary
	CodeReadOnly              Code = 50004 // a replica that knows no primary
)

// Error says what failed, why, and how to mend it.
type Error struct {
	Code    Code
	Message string
	Cure    string
	Cause   error
}

// Error is the message, the cause and the cure in one line.
func (e *Error) Error() string {
	text := e.Message
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	if e.Cure != "" {
		text += " (" + e.Cure + ")"
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Status is the HTTP status that goes with the code.
func (e *Error) Status() int {
	switch {
	case e.Code == CodeForward || e.Code == CodeReadOnly:
		return http.StatusServiceUnavailable
	case e.Code >= 10000:
		return int(e.Code) / 100
	default:
		return int(e.Code)
	}
}

// CodeOf is the code of err, or 0 when it is none of this package's.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func subjectNotFound(subject string) *Error {
	return &Error{Code: CodeSubjectNotFound, Message: fmt.Sprintf("subject %q not found", subject), Cure: "register a schema under it, or list the subjects to find its name"}
}

func versionNotFound(subject string, version int) *Error {
	return &Error{Code: CodeVersionNotFound, Message: fmt.Sprintf("version %d of subject %q not found", version, subject), Cure: "list the subject's versions"}
}

func storeError(err error) *Error {
	switch {
	case store.ReadOnly.Is(err):
		return &Error{Code: CodeReadOnly, Message: "this instance is a replica and takes no writes", Cause: err, Cure: "write to the primary"}
	case store.TooLarge.Is(err):
		return &Error{Code: CodeTooLarge, Message: "the schema is too large", Cause: err}
	case store.Uncertain.Is(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &Error{Code: CodeTimeout, Message: "the registry's log did not confirm the change in time", Cause: err, Cure: "repeat the request: it does nothing twice"}
	}
	return &Error{Code: CodeStore, Message: "the registry's log did not take the change", Cause: err, Cure: "repeat the request: it does nothing twice"}
}
