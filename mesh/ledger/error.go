package ledger

import (
	"errors"
	"fmt"
	"strings"
)

// Codes of an Error. They are stable: programs may compare them.
const (
	CodeUnavailable = "unavailable" // a stream cannot be read or written now, or the origin does not answer
	CodeRequest     = "request"     // what was asked for makes no sense
	CodeNoDomain    = "no_domain"   // nothing of that origin and domain is verified here
	CodeBusy        = "busy"        // somebody else repairs, audits or undoes there
	CodeAppendOnly  = "append_only" // the domain's stream lets go of no message
	CodeChain       = "chain"       // what the origin says does not fit what it said before
	CodeNoRepair    = "no_repair"   // there is no such repair, or it is undone
	CodeBudget      = "budget"      // the origin has written again as much as it does in an hour
)

// Error says what could not be done for somebody who asked about the ledger.
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

// Err is the problem as an *Error; nil for none.
func (p *Problem) Err(op string) error {
	if p == nil {
		return nil
	}
	return &Error{Code: p.Code, Op: op, Cause: errors.New(p.Why), Cure: p.Cure}
}

// problemOf is an error as it is told on the wire.
func problemOf(err error) *Problem {
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

// failed is err as an *Error.
func failed(op string, err error) error {
	var typed *Error
	if err == nil || errors.As(err, &typed) {
		return err
	}
	return &Error{Code: CodeUnavailable, Op: op, Cause: err, Cure: "ask again: what was done is not done twice"}
}
