package folder

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Codes of problems. They are stable; the sentences are not.
const (
	CodeName       = "bad_name"   // a path that makes no subject
	CodeCollision  = "collision"  // two files of one subject
	CodeUnreadable = "unreadable" // the file system refuses it
	CodeEmpty      = "empty"      // a folder without schemas
	CodeSyntax     = "syntax"     // not strict JSON
	CodeSchema     = "schema"     // JSON, but no JSON Schema that can be used
	CodeReference  = "reference"  // a "$ref" that leads to no file, or to more than one
	CodeCircle     = "circle"     // files that refer to each other in a circle
	CodeRefused    = "refused"    // the registry did not take it
	CodeSkipped    = "skipped"    // it refers to one that was not registered
)

// Problem is one thing wrong with a folder of schemas.
type Problem struct {
	Code   string `json:"code"`
	File   string `json:"file"`             // relative to the folder; "." for the folder itself
	Line   int    `json:"line,omitempty"`   // from 1; 0 where the problem is not at a place in the file
	Column int    `json:"column,omitempty"` // from 1, in characters
	What   string `json:"what"`
	Why    string `json:"why,omitempty"`
	Cure   string `json:"cure,omitempty"`

	cause error
}

// Error is file:line:col: what: why (cure).
func (p Problem) Error() string {
	text := p.File
	if p.Line > 0 {
		text = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
	text += ": " + p.What
	if p.Why != "" {
		text += ": " + p.Why
	}
	if p.Cure != "" {
		text += " (" + p.Cure + ")"
	}
	return text
}

// Unwrap is the error beneath: the registry's, the file system's; nil where
// the problem is the file's own.
func (p Problem) Unwrap() error { return p.cause }

// Problems is every problem of one folder. It is the error type of Read and
// Push, and never empty there.
type Problems []Problem

// Error is one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lists the problems, so that errors.Is and errors.As look into each.
func (ps Problems) Unwrap() []error {
	list := make([]error, len(ps))
	for i, p := range ps {
		list[i] = p
	}
	return list
}

// Below is the problems with their files named from where dir is.
func (ps Problems) Below(dir string) Problems {
	placed := slices.Clone(ps)
	for i := range placed {
		placed[i].File = path.Join(dir, placed[i].File)
	}
	return placed
}

// sort orders problems by file and place.
func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
