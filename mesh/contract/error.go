package contract

import (
	"fmt"
	"strings"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// Violation is one demand that a document doesn't meet.
type Violation struct {
	Pointer       string `json:"pointer"`        // JSON pointer to the value in the document
	Keyword       string `json:"keyword"`        // the schema's keyword; or "json", "undeclared", "x-lockstep-key"
	SchemaPointer string `json:"schema_pointer"` // where the demand is written: reference name, '#', JSON pointer
	Expected      string `json:"expected"`       // what was demanded
	Found         string `json:"found"`          // what is there, shortened
}

// String is the violation in a few words.
func (v Violation) String() string {
	return fmt.Sprintf("%s: expected %s, found %s (%s)", v.place(), v.Expected, v.Found, v.Keyword)
}

func (v Violation) place() string {
	if v.Pointer == "" {
		return "the document"
	}
	return shorten(v.Pointer, 160)
}

// Keywords of violations that are no keywords of JSON Schema.
const (
	KeywordJSON       = "json"           // the text is not strict JSON
	KeywordUndeclared = "undeclared"     // a property that the schema neither declares nor admits
	KeywordKey        = "x-lockstep-key" // a part of the key is missing or can't be a subject's token
	KeywordEffort     = "effort"         // the document takes more work to judge than one may
)

// MaxViolations bounds how many violations one Invalid lists.
const MaxViolations = 100

// Invalid says why a document is not valid under a contract. It quotes values
// of the document (shortened), so it must not leave the document's environment.
type Invalid struct {
	Subject    string      `json:"subject"`
	Version    int         `json:"version"`
	Violations []Violation `json:"violations"`         // at least one; ordered by place, keyword, schema pointer
	Omitted    int         `json:"omitted,omitempty"`  // how many there are beyond those listed
	AtLeast    bool        `json:"at_least,omitempty"` // there may be more, which nobody looked for
	Cure       string      `json:"cure"`

	cause error
}

// Error is one sentence: the schema, the first violation, the places of the next
// few, and how many more there are.
func (e *Invalid) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "not valid under %s version %d: %s", e.Subject, e.Version, e.Violations[0])
	others := e.Violations[1:]
	for i, v := range others[:min(len(others), 3)] {
		b.WriteString([]string{"; also ", ", ", ", "}[i])
		fmt.Fprintf(&b, "%s (%s)", v.place(), v.Keyword)
	}
	if more := len(others) - 3 + e.Omitted; more > 0 {
		b.WriteString(", and ")
		if e.AtLeast {
			b.WriteString("at least ")
		}
		fmt.Fprintf(&b, "%d more", more)
	}
	return b.String()
}

// SyntaxError is what an Invalid wraps when the document is not strict JSON:
// errors.As finds it.
type SyntaxError = strictjson.Error

// Unwrap returns the *SyntaxError of a document that is no strict JSON.
func (e *Invalid) Unwrap() error { return e.cause }

// The codes of a Withheld. They are stable: programs may compare them.
const (
	CodeNotJSON         = "not_json"         // the document is not strict JSON
	CodeUndeclared      = "undeclared"       // a property that the schema neither declares nor admits
	CodeUnclassified    = "unclassified"     // a value without a class, of a type whose default is to withhold
	CodeUnclassifiedKey = "unclassified_key" // a name in a map without a class
	CodePolicy          = "policy"           // the policy withholds the class, or has no rule for it
	CodeUnknownClass    = "unknown_class"    // the schema gives a class that nobody knows
	CodeDropRequired    = "drop_required"    // the class is dropped, but the schema requires the property
	CodeContent         = "content"          // a string doesn't hold what it is said to
	CodeUnfit           = "unfit"            // nothing the technique can make fits the schema's demands
	CodeInvalidMasked   = "invalid_masked"   // the masked document is not valid under the schema
	CodeCostly          = "costly"           // finding out which schemas apply takes more work than one document may
	CodeFault           = "fault"            // something broke while masking
)

// Withheld says why a document must not leave its environment. It holds no
// value of the document, and of its names only those that the schema or the
// overlay knows: '*' stands for any other.
type Withheld struct {
	Code    string `json:"code"`            // one of the codes above
	Pointer string `json:"pointer"`         // where; '*' stands for a name that is data
	Class   string `json:"class,omitempty"` // the value's class, if it has one
	Why     string `json:"why"`             // what happened
	Cure    string `json:"cure"`            // what to do about it

	cause error
}

// Error is one sentence: where, the code, why and how to mend it.
func (w *Withheld) Error() string {
	pointer := w.Pointer
	if pointer == "" {
		pointer = "the document"
	}
	if w.Class != "" {
		pointer += " (class " + w.Class + ")"
	}
	return fmt.Sprintf("withheld (%s) at %s: %s; %s", w.Code, pointer, w.Why, w.Cure)
}

// Unwrap returns the error behind it, where there is one that holds no value.
func (w *Withheld) Unwrap() error { return w.cause }

// Fault is a defect of this program or of a library met while validating, not a
// fault of the document. Whoever gets it must refuse the document.
type Fault struct {
	Subject string
	Version int
	What    string
}

// Error says what broke.
func (f *Fault) Error() string {
	return fmt.Sprintf("validating under %s version %d broke down: %s; the event is refused: report this as a defect, with the schema", f.Subject, f.Version, f.What)
}
