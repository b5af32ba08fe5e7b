package custody

import (
	"errors"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// Codes of an Error, beside those of mask.KeyError and mask.Refusal. They are
// stable: programs may compare them.
const (
	CodeMissing     = "key_missing"   // the key is not where it was, and events were masked with it
	CodeChanged     = "key_changed"   // there is another key than the one that events were masked with
	CodeExists      = "key_exists"    // there is a key, and none is to be made
	CodeSource      = "key_elsewhere" // the keys are kept by somebody else, who must do it
	CodeOverlap     = "key_overlap"   // the key was promised to be kept for longer
	CodeRequest     = "request"       // what was asked for makes no sense
	CodeUnavailable = "unavailable"   // the environment, or a stream of it, does not answer
	CodeAudit       = "audit"         // what was asked for cannot be recorded, and so is not done
)

// Error says what could not be done with keys. It holds nothing of a key, nor of
// a value.
type Error struct {
	Code  string `json:"code"`
	Op    string `json:"op"` // what was attempted
	Why   string `json:"why"`
	Cure  string `json:"cure,omitempty"`
	cause error
}

// Error says what failed, why, and how to mend it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op + ": " + e.Why)
	if e.Cure != "" {
		b.WriteString("; " + e.Cure)
	}
	return b.String()
}

// Unwrap is the cause; nil for an error that another process answered with.
func (e *Error) Unwrap() error { return e.cause }

// errorOf makes an Error of any error.
func errorOf(op string, err error) *Error {
	var (
		ours    *Error
		key     *mask.KeyError
		refusal *mask.Refusal
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &key):
		why := key.Why
		if key.Path != "" {
			why = key.Path + ": " + why
		}
		return &Error{Code: key.Code, Op: op, Why: why, Cure: key.Cure, cause: err}
	case errors.As(err, &refusal):
		return &Error{Code: refusal.Code, Op: op, Why: refusal.Why, Cure: refusal.Cure, cause: err}
	}
	return &Error{Code: CodeUnavailable, Op: op, Why: err.Error(), Cure: "try again; `lockstep status` shows how the environment fares", cause: err}
}
