package node

import "strings"

// Code names a kind of failure; it is stable and fit for scripts.
type Code string

// The codes of this package's errors.
const (
	CodeConfig      Code = "config"      // the configuration cannot work
	CodeIdentity    Code = "identity"    // a key or credentials file cannot be read or written
	CodeListen      Code = "listen"      // an address cannot be listened on
	CodeServer      Code = "server"      // the NATS server did not start
	CodeStream      Code = "stream"      // a stream or consumer could not be brought into its declared shape
	CodeUnavailable Code = "unavailable" // the server did not answer in time
)

// Error says what failed, on what, why, and how to mend it.
type Error struct {
	Code  Code
	Op    string // what was attempted: "listen for clients"
	What  string // on what: an address, a path, a stream
	Cause error
	Cure  string
}

// Error is one line with all that is known.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("cannot " + e.Op)
	if e.What != "" {
		b.WriteString(" " + e.What)
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	if e.Cure != "" {
		b.WriteString(" (" + e.Cure + ")")
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }
