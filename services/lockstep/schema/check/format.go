package check

import (
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// Below is the report with its files named from where dir is.
func (r Report) Below(dir string) Report {
	r.Findings, r.Subjects = slices.Clone(r.Findings), slices.Clone(r.Subjects)
	for i := range r.Findings {
		r.Findings[i].File = path.Join(dir, r.Findings[i].File)
	}
	for i := range r.Subjects {
		r.Subjects[i].File = path.Join(dir, r.Subjects[i].File)
	}
	return r
}

// place is file:line:col, as far as it is known.
func (f Finding) place() string {
	if f.Line == 0 {
		return f.File
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

// about is the finding after its place: what it concerns, and everything that
// helps to mend it, a line each.
func (f Finding) about() []string {
	var lines []string
	if f.Subject != "" {
		line := "of " + f.Subject
		if f.Instance != "" {
			line += " at " + f.Instance
		}
		lines = append(lines, line+others(f.Others))
	}
	if f.Cure != "" {
		lines = append(lines, "cure: "+f.Cure)
	}
	if len(f.Witness) > 0 {
		lines = append(lines, "witness: "+string(f.Witness))
	}
	return lines
}

// others names the first of several subjects.
func others(names []string) string {
	const most = 3
	switch n := len(names); {
	case n == 0:
		return ""
	case n <= most:
		return ", and of " + strings.Join(names, ", ")
	default:
		return fmt.Sprintf(", and of %s and %d more", strings.Join(names[:most], ", "), n-most)
	}
}

// kind is severity and rule, and whether it is proven.
func (f Finding) kind() string {
	if f.Result == "" {
		return f.Rule
	}
	return f.Rule + " (" + f.Result + ")"
}

// Table writes the report for people.
func (r Report) Table(w io.Writer) {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s: %s: %s: %s\n", f.place(), f.Severity, f.kind(), cli.OneLine(f.Why))
		for _, line := range f.about() {
			fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(line, "\n", "\n    "))
		}
	}
	if len(r.Findings) > 0 {
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, r.Sum())
}

// Sum is the report in a line.
func (r Report) Sum() string {
	text := counted(len(r.Subjects), "schema") + " checked"
	if r.Against != "" {
		text += fmt.Sprintf(", %d compared with %s", r.Compared, r.Against)
		if how := r.terms(); how != "" {
			text += " (" + how + ")"
		}
	}
	return fmt.Sprintf("%s: %s, %s", text, counted(r.Errors, "error"), counted(r.Warnings, "warning"))
}

// terms are the levels and policies under which subjects were compared.
func (r Report) terms() string {
	var all []string
	for _, c := range r.Subjects {
		if text := string(c.Level) + ", " + c.Policy; c.Versions > 0 && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

var (
	commandData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// GitHub writes the findings as workflow commands, which GitHub shows beside the
// lines of the change.
func (r Report) GitHub(w io.Writer) error {
	for _, f := range r.Findings {
		properties := "file=" + commandProperty.Replace(f.File)
		if f.Line > 0 {
			properties += fmt.Sprintf(",line=%d,col=%d", f.Line, f.Column)
		}
		text := strings.Join(append([]string{f.Why}, f.about()...), "\n")
		if _, err := fmt.Fprintf(w, "::%s %s,title=%s::%s\n", f.Severity, properties, commandProperty.Replace(f.kind()), commandData.Replace(text)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, r.Sum())
	return err
}

// The elements of a JUnit report.
type (
	suites struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Suites   []suite  `xml:"testsuite"`
	}
	suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	testcase struct {
		Class    string    `xml:"classname,attr"`
		Name     string    `xml:"name,attr"`
		File     string    `xml:"file,attr,omitempty"`
		Failures []failure `xml:"failure"`
		Out      string    `xml:"system-out,omitempty"` // warnings
	}
	failure struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the report as JUnit's XML: a test case for each subject, and for each
// file with findings that belong to no subject.
func (r Report) JUnit(w io.Writer) error {
	all := suites{Name: "lockstep schema check"}
	domains := map[string]int{}
	cases := map[string][2]int{} // by subject or file
	add := func(domain, name, file string) [2]int {
		s, ok := domains[domain]
		if !ok {
			s = len(all.Suites)
			domains[domain] = s
			all.Suites = append(all.Suites, suite{Name: domain})
		}
		all.Suites[s].Cases = append(all.Suites[s].Cases, testcase{Class: domain, Name: name, File: file})
		cases[name] = [2]int{s, len(all.Suites[s].Cases) - 1}
		return cases[name]
	}
	for _, c := range r.Subjects {
		add(c.Domain, c.Subject, c.File)
	}
	for _, f := range r.Findings {
		text := strings.Join(append([]string{f.place() + ": " + f.Why}, f.about()...), "\n")
		for _, name := range append([]string{f.Subject}, f.Others...) {
			domain, _, _ := strings.Cut(name, ".")
			if name == "" {
				name, domain = f.File, "files"
			}
			at, ok := cases[name]
			if !ok {
				at = add(domain, name, f.File)
			}
			c := &all.Suites[at[0]].Cases[at[1]]
			if f.Severity == Failure {
				c.Failures = append(c.Failures, failure{Type: f.Rule, Message: f.Why, Text: text})
			} else {
				c.Out += f.Severity + ": " + text + "\n"
			}
		}
	}
	for i := range all.Suites {
		s := &all.Suites[i]
		s.Tests = len(s.Cases)
		for _, c := range s.Cases {
			if len(c.Failures) > 0 {
				s.Failures++
			}
		}
		all.Tests += s.Tests
		all.Failures += s.Failures
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
