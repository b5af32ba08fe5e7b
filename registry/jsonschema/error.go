package jsonschema

import "fmt"

// The codes of an Error. They are stable: programs may compare them.
const (
	CodeNotJSON             = "not_json"             // the text is not strict JSON
	CodeNotASchema          = "not_a_schema"         // JSON, but neither an object nor a boolean
	CodeUnknownDraft        = "unknown_draft"        // "$schema" names no draft that is understood
	CodeInvalidSchema       = "invalid_schema"       // the draft's metaschema refuses it
	CodeInvalidPattern      = "invalid_pattern"      // a regular expression doesn't compile
	CodeUnresolvedReference = "unresolved_reference" // a "$ref" leads nowhere
	CodeTooManyReferences   = "too_many_references"  // more schemas hang together than MaxBundles
	CodeTooLarge            = "too_large"            // the schemas that hang together are too large to compile
	CodeLoop                = "loop"                 // a schema that applies itself to the same value
)

// Error says why a text is no usable schema.
type Error struct {
	Code    string // one of the Code constants
	Name    string // the reference name of the document it stands in; empty for the document itself
	Pointer string // JSON pointer into that document; empty for its root
	Problem string // what is wrong
	Cure    string // what to do about it

	cause error
}

// Error says where, what and how to mend it, in one line.
func (e *Error) Error() string {
	place := e.Name
	if e.Name == "" || e.Pointer != "" {
		place += "#" + e.Pointer
	}
	return fmt.Sprintf("schema %s (%s): %s; %s", place, e.Code, e.Problem, e.Cure)
}

// Unwrap returns the error behind it, where there is one.
func (e *Error) Unwrap() error { return e.cause }
