package reply

import (
	"errors"
	"fmt"
	"strings"
)

// CodeUnavailable is the code of what failed for a reason that nobody has given a
// code: what it takes cannot be read, written or asked now.
const CodeUnavailable = "unavailable"

// CodeRequest is the code of a request that makes no sense.
const CodeRequest = "request"

// Error says what could not be done for somebody who asked. Its codes are stable, and
// the package that it comes from lists them. The type is one for all packages: it does
// not tell who was asked.
type Error struct {
	Code  string
	Op    string
	Cause error // may be nil
	Cure  string
}

// Error says what failed, why, and how to mend it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	if e.Cure != "" {
		b.WriteString("; " + e.Cure)
	}
	return b.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Failed is err as an *Error: err itself where one is in it, else one of
// CodeUnavailable with that cure. It is nil for nil.
func Failed(op string, err error, cure string) error {
	var typed *Error
	if err == nil || errors.As(err, &typed) {
		return err
	}
	return &Error{Code: CodeUnavailable, Op: op, Cause: err, Cure: cure}
}

// Problem is an Error on the wire.
type Problem struct {
	Code string `json:"code"`
	Why  string `json:"why"`
	Cure string `json:"cure,omitempty"`
}

// ProblemOf is an error as it is told on the wire; nil for none.
func ProblemOf(err error) *Problem {
	var typed *Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &typed):
		return &Problem{Code: CodeUnavailable, Why: err.Error(), Cure: "ask again"}
	}
	why := typed.Op
	if typed.Cause != nil {
		why += ": " + typed.Cause.Error()
	}
	return &Problem{Code: typed.Code, Why: why, Cure: typed.Cure}
}

// Err is the problem as an *Error of who asked for op; nil for none.
func (p *Problem) Err(op string) error {
	if p == nil {
		return nil
	}
	return &Error{Code: p.Code, Op: op, Cause: errors.New(p.Why), Cure: p.Cure}
}
