package topology

import (
	"fmt"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/topology/internal/strictyaml"
)

// Codes of problems. They are stable; the sentences are not.
const (
	CodeSyntax       = strictyaml.CodeSyntax     // not YAML, or YAML that this file does not use
	CodeUnknownKey   = strictyaml.CodeUnknownKey // a key that nothing reads
	CodeDuplicate    = strictyaml.CodeDuplicate  // declared twice
	CodeWrongType    = strictyaml.CodeWrongType  // a list where a text belongs, and the like
	CodeBadValue     = strictyaml.CodeBadValue   // not one of the choices; a bad address, size or duration
	CodeMissing      = strictyaml.CodeMissing    // a key that may not be left out
	CodeEmpty        = strictyaml.CodeEmpty      // a key or section without content
	CodeTooLarge     = strictyaml.CodeTooLarge   // larger or deeper than is read
	CodeUnreadable   = "unreadable"              // mesh.yaml, or a file or folder that it names, cannot be read
	CodeBadName      = "bad_name"                // the syntax of a name
	CodeReservedName = "reserved_name"           // a name that Lockstep needs itself
	CodeCollision    = "collision"               // two names that make one stream, two listeners on one address
	CodeUnknownName  = "unknown_name"            // no environment, domain or policy of this name
	CodeRole         = "role"                    // what a hub or a leaf cannot have, or a mesh without its one hub
	CodeNotOrigin    = "not_origin"              // a route that begins where the domain's events do not
	CodeNoLink       = "no_link"                 // a route between environments that do not meet
	CodeTwoRoutes    = "two_routes"              // two routes for the same events
	CodeCycle        = "cycle"                   // routes that carry a domain in a circle
	CodePolicy       = "policy"                  // a policy that says nothing, or nothing sound
	CodeOverlay      = "overlay"                 // in a masking overlay that the mesh names
	CodeNotAvailable = "not_available"           // part of the format, not yet of the program
	CodeUnused       = "unused"                  // a warning: declared, and used by nothing
)

// Problem is one thing wrong with a mesh.
type Problem struct {
	Code   string `json:"code"`
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`   // from 1; 0 where the problem is not at a place in the file
	Column int    `json:"column,omitempty"` // from 1, in characters
	What   string `json:"what"`
	Why    string `json:"why,omitempty"`
	Cure   string `json:"cure,omitempty"`

	cause error
}

// Error is file:line:col: what: why (cure).
func (p Problem) Error() string {
	place := p.File
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
	return place + ": " + sentence(p.What, p.Why, p.Cure)
}

// Unwrap is the error beneath, such as the file system's; nil where the
// problem is the file's own.
func (p Problem) Unwrap() error { return p.cause }

// Problems is every problem of one mesh, in the order of the file. It is the
// error type of this package's Load, LoadFS and Parse, and never empty there.
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

func sentence(what, why, cure string) string {
	text := what
	if why != "" {
		text += ": " + why
	}
	if cure != "" {
		text += " (" + cure + ")"
	}
	return text
}
