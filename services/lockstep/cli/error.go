package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Exit codes.
const (
	ExitOK        = 0
	ExitFailed    = 1  // what was asked for could not be done
	ExitUsage     = 2  // the arguments make no sense
	ExitFindings  = 3  // it was done, and found something wrong
	ExitUnhealthy = 10 // it was done, and what it looked at is unhealthy
)

// Codes of errors that are the command line's own.
const (
	CodeUsage       = "usage"
	CodeFailed      = "failed" // an error that names no code of its own
	CodeInterrupted = "interrupted"
	CodeFindings    = "findings"
	CodeUnhealthy   = "unhealthy"
)

// Error is how a command fails: what, where, why, and how to mend it.
type Error struct {
	Exit     int       // the process's exit code; 0 is ExitFailed
	Code     string    // stable, for programs
	What     string    // what could not be done
	Where    string    // on which file, address, subject; may be empty
	Why      string    // may be empty; Cause's text is taken then
	Cure     string    // what to do about it; may be empty
	Problems []Problem // where it is more than one thing
	Cause    error     // may be nil
	Partial  Answer    // what was done all the same; may be nil
}

// Problem is one of several things that are wrong.
type Problem struct {
	Code   string `json:"code,omitempty"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	What   string `json:"message"`
	Cure   string `json:"cure,omitempty"`
}

// place is file:line:col, as far as it is known, to stand before the problem.
func (p Problem) place() string {
	switch {
	case p.File == "":
		return ""
	case p.Line == 0:
		return p.File + ": "
	}
	return fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
}

// Error is the error in one line.
func (e *Error) Error() string {
	text := e.message()
	if e.Cure != "" {
		text += " (" + e.Cure + ")"
	}
	return text
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

func (e *Error) message() string {
	text := e.What
	if e.Where != "" {
		text += ": " + e.Where
	}
	if why := e.why(); why != "" {
		text += ": " + why
	}
	if len(e.Problems) > 0 {
		text += ": " + e.Problems[0].place() + e.Problems[0].What
	}
	if more := len(e.Problems) - 1; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// cure is what to do; of several problems, about the first.
func (e *Error) cure() string {
	if e.Cure == "" && len(e.Problems) > 0 {
		return e.Problems[0].Cure
	}
	return e.Cure
}

func (e *Error) why() string {
	if e.Why == "" && e.Cause != nil {
		return e.Cause.Error()
	}
	return e.Why
}

func (e *Error) exit() int {
	if e.Exit == 0 {
		return ExitFailed
	}
	return e.Exit
}

// Usage is the error of arguments that make no sense.
func Usage(format string, args ...any) *Error {
	return &Error{Exit: ExitUsage, Code: CodeUsage, What: fmt.Sprintf(format, args...), Cure: "see --help"}
}

// usage turns an error of the argument parser into ours.
func usage(err error) error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	what, _, _ := strings.Cut(err.Error(), "\n") // suggestions follow
	return &Error{Exit: ExitUsage, Code: CodeUsage, What: what, Cure: "see --help"}
}

// fail tells the error, once, and returns the exit code. In JSON and YAML it is
// the answer, unless there has been one.
func (a *App) fail(err error) int {
	e := explain(err)
	if a.format == Table && e.Partial != nil {
		if failed := a.Answer(e.Partial); failed != nil {
			fmt.Fprintln(a.Stderr, failed)
		}
	}
	if a.format == Table || a.answered {
		fmt.Fprint(a.Stderr, e.text())
		return e.exit()
	}
	if err := a.Answer(errorAnswer{Done: e.Partial, Error: errorBody{Code: e.Code, Message: e.message(), Cure: e.cure(), Problems: e.Problems}}); err != nil {
		fmt.Fprint(a.Stderr, e.text())
	}
	return e.exit()
}

// text is the error for people.
func (e *Error) text() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "error: %s\n", e.What)
	for _, p := range e.Problems {
		b.WriteString("  " + p.place() + indented(p.What))
		if p.Cure != "" {
			b.WriteString(" (" + p.Cure + ")")
		}
		b.WriteByte('\n')
	}
	for _, part := range [][2]string{{"where", e.Where}, {"why", e.why()}, {"cure", e.Cure}} {
		if part[1] != "" && (part[0] != "why" || len(e.Problems) == 0) {
			fmt.Fprintf(&b, "%7s: %s\n", part[0], indented(part[1]))
		}
	}
	return b.String()
}

func indented(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n         ")
}

type errorAnswer struct {
	Done  Answer    `json:"done,omitempty"`
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code     string    `json:"code"`
	Message  string    `json:"message"`
	Cure     string    `json:"cure"`
	Problems []Problem `json:"problems,omitempty"`
}

// Table is the error in a line; tables have errors on stderr.
func (e errorAnswer) Table(w io.Writer) { fmt.Fprintln(w, e.Error.Message) }
