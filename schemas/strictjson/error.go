package strictjson

import "fmt"

// The codes of an Error. They are stable: programs may compare them.
const (
	CodeDuplicateName = "duplicate_name"
	CodeInvalidUTF8   = "invalid_utf8"
	CodeTrailingData  = "trailing_data"
	CodeTooDeep       = "too_deep"
	CodeTooLarge      = "too_large"
	CodeNumberRange   = "number_range"
	CodeSyntax        = "syntax"
	CodeEmpty         = "empty"
)

// Error says why a text is not strict JSON. It quotes names of the document
// (in Pointer), and never its values.
type Error struct {
	Code    string // one of the Code constants
	Offset  int64  // bytes from the beginning, at or just before the problem
	Pointer string // JSON pointer to the value that holds the problem; shortened in its middle when very long
	Problem string // what is wrong
	Cure    string // what to do about it

	cause error
}

// Error says where, what and how to mend it, in one line.
func (e *Error) Error() string {
	if e.Pointer == "" {
		return fmt.Sprintf("not strict JSON (%s) at byte %d: %s; %s", e.Code, e.Offset, e.Problem, e.Cure)
	}
	return fmt.Sprintf("not strict JSON (%s) at byte %d, %s: %s; %s", e.Code, e.Offset, e.Pointer, e.Problem, e.Cure)
}

// Unwrap returns the decoder's own error, where there is one.
func (e *Error) Unwrap() error { return e.cause }

// maxPointer bounds the pointer that an Error carries: names come from the
// document, and errors travel in headers.
const maxPointer = 256

// shorten cuts the middle out of a pointer that is too long to be shown.
func shorten(pointer string) string {
	if len(pointer) <= maxPointer {
		return pointer
	}
	runes := []rune(pointer)
	if len(runes) <= maxPointer {
		return pointer
	}
	const keep = maxPointer/2 - 2
	return string(runes[:keep]) + "…" + string(runes[len(runes)-keep:])
}
