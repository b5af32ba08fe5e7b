package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Format is a form of the answer.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// Set reads a format; it makes Format a flag.
func (f *Format) Set(text string) error {
	if !slices.Contains([]Format{Table, JSON, YAML}, Format(text)) {
		return fmt.Errorf("%q is none of table, json, yaml", text)
	}
	*f = Format(text)
	return nil
}

// String is the format's name.
func (f *Format) String() string { return string(*f) }

// Type names the flag's type in help.
func (f *Format) Type() string { return "format" }

// Answer is what a command has to say. Its exported fields are its JSON and
// YAML; Table writes it for people.
type Answer interface{ Table(w io.Writer) }

// Format is the format that the user wants.
func (a *App) Format() Format { return a.format }

// Answer writes v to stdout in the user's format.
func (a *App) Answer(v Answer) error {
	text, err := Render(v, a.format, "  ")
	if err != nil {
		return err
	}
	return a.write(text)
}

// Line writes one of many answers: in JSON one line, in YAML one document.
func (a *App) Line(v Answer) error {
	text, err := Render(v, a.format, "")
	if err != nil {
		return err
	}
	if a.format == YAML {
		text = append([]byte("---\n"), text...)
	}
	return a.write(text)
}

func (a *App) write(text []byte) error {
	a.answered = true
	if _, err := a.Stdout.Write(text); err != nil {
		return &Error{Code: "output", What: "the answer could not be written to stdout", Cause: err}
	}
	return nil
}

// Render writes v in a format; indent is that of JSON, empty for one line.
func Render(v Answer, format Format, indent string) ([]byte, error) {
	var b bytes.Buffer
	if format == Table {
		v.Table(&b)
		return b.Bytes(), nil
	}
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, &Error{Code: "output", What: "the answer could not be written as JSON", Cause: err}
	}
	if format == JSON {
		return b.Bytes(), nil
	}
	text, err := toYAML(b.Bytes())
	if err != nil {
		return nil, &Error{Code: "output", What: "the answer could not be written as YAML", Cause: err}
	}
	return text, nil
}

// Columns writes rows under a heading, aligned. Cells are told apart by their
// place, so that an empty one stays.
func Columns(w io.Writer, heading []string, rows [][]string) {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	upper := make([]string, len(heading))
	for i, h := range heading {
		upper[i] = strings.ToUpper(h)
	}
	fmt.Fprintln(t, strings.Join(upper, "\t"))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = OneLine(cell)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	_ = t.Flush() // a buffer takes everything
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// Fields writes names and values, one pair a line.
func Fields(w io.Writer, pairs ...[2]string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, p := range pairs {
		fmt.Fprintf(t, "%s\t%s\n", p[0], OneLine(p[1]))
	}
	_ = t.Flush() // what fails here is for w's owner to see
}

// OneLine keeps control characters of somebody's data away from a terminal.
func OneLine(cell string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 {
			return ' '
		}
		return c
	}, cell)
}
