package route

import (
	"fmt"
	"strings"
)

// Codes of an Error. They are stable: programs may compare them.
const (
	CodeUnavailable = "unavailable" // a stream cannot be read or written now
	CodeNotRunning  = "not_running" // the route does not run
	CodeRequest     = "request"     // what was asked for makes no sense
	CodeNoRoute     = "no_route"    // there is no such route here
	CodeBudget      = "budget"      // the destination has had as much written again as it may for now
	CodeAudit       = "audit"       // it cannot be recorded who asks
	CodeDamaged     = "damaged"     // the egress stream is not what its own ledger says
)

// Error says what a route could not do for somebody who asked it.
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
