package check

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/compat"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/registry/sample"
)

// places knows in which file each schema of a domain stands. It is safe for
// concurrent use.
type places struct {
	domain Domain
	files  map[*jsonschema.Bundle]folder.File
}

func newPlaces(d Domain, files []folder.File) *places {
	p := &places{domain: d, files: make(map[*jsonschema.Bundle]folder.File, len(files))}
	for _, f := range files {
		p.files[f.Bundle] = f
	}
	return p
}

// findings are those of a verdict on a file and an earlier version. In a forward
// verdict the earlier version is the one that reads.
func (p *places) findings(f folder.File, v Version, verdict compat.Verdict, forward bool) []Finding {
	var out []Finding
	for _, found := range verdict.Findings {
		mine := found.ReaderPointer
		why := fmt.Sprintf("data of %s is not shown to be readable: %s", v.Label, found.Why)
		cure := found.Cure
		if forward {
			mine = p.keyword(f, found)
			why = fmt.Sprintf("%s is not shown to read the new data: %s", v.Label, found.Why)
			cure = "keep to what the earlier version admits, or bring its readers up to date first; seen from there: " + cure
		}
		finding := Finding{
			Severity: Failure, Rule: found.Rule, Result: found.Result.String(), Subject: f.Subject, Against: v.Label,
			Instance: found.Instance, Why: why, Cure: cure, Witness: compact(found.Witness),
		}
		finding.File, finding.Pointer, finding.Line, finding.Column = p.locate(f, mine)
		out = append(out, finding)
	}
	return out
}

// keyword is the place in the new schema that a forward finding is about: that of
// the keyword which the earlier version has, if the new one has it at all.
func (p *places) keyword(f folder.File, found compat.Finding) string {
	i := strings.LastIndexByte(found.ReaderPointer, '/')
	j := strings.LastIndexByte(found.WriterPointer, '#')
	if i < 0 || j < 0 {
		return found.WriterPointer
	}
	name, at := found.WriterPointer[:j], found.WriterPointer[j+1:]+found.ReaderPointer[i:]
	for _, candidate := range named(f.Bundle, name) {
		if _, there := jsonschema.Find(candidate.Document.Value(), at); there {
			return name + "#" + at
		}
	}
	return found.WriterPointer
}

// locate finds the file, and the place in it, of name#pointer as package compat
// writes it: the name is what the schema is referred to by on the way from f.
func (p *places) locate(f folder.File, place string) (file, pointer string, line, column int) {
	i := strings.LastIndexByte(place, '#')
	if i < 0 {
		return p.domain.file(f.Path), "", 1, 1 // a metaschema's
	}
	name, pointer := place[:i], place[i+1:]
	target := f
	for _, candidate := range named(f.Bundle, name) {
		if _, there := jsonschema.Find(candidate.Document.Value(), pointer); there {
			if known, ok := p.files[candidate]; ok {
				target = known
				break
			}
		}
	}
	for at := pointer; ; at = at[:strings.LastIndexByte(at, '/')] {
		if line, column, ok := jsonschema.Position(target.Document.Text(), at); ok {
			return p.domain.file(target.Path), pointer, line, column
		}
		if !strings.Contains(at, "/") {
			return p.domain.file(target.Path), pointer, 1, 1
		}
	}
}

// named are the schemas that are referred to by name below a schema, the nearest
// first; for the empty name, itself.
func named(root *jsonschema.Bundle, name string) []*jsonschema.Bundle {
	if name == "" {
		return []*jsonschema.Bundle{root}
	}
	var found []*jsonschema.Bundle
	seen := map[*jsonschema.Bundle]bool{root: true}
	for queue := []*jsonschema.Bundle{root}; len(queue) > 0; queue = queue[1:] {
		for _, as := range slices.Sorted(maps.Keys(queue[0].References)) {
			target := queue[0].References[as]
			if as == name {
				found = append(found, target)
			}
			if !seen[target] {
				seen[target] = true
				queue = append(queue, target)
			}
		}
	}
	return found
}

func compact(witness []byte) json.RawMessage {
	if len(witness) == 0 {
		return nil
	}
	return witness
}

func empty(err error) bool {
	var e *sample.Error
	return errors.As(err, &e) && e.Code == sample.CodeEmpty
}

// finish puts findings about one place together, orders and counts them.
func (r *run) finish() Report {
	type key struct {
		severity, rule, result, file, why string
		line, column                      int
	}
	report := r.report
	report.Findings = make([]Finding, 0, len(r.report.Findings))
	at := map[key]int{}
	for _, f := range r.report.Findings {
		k := key{f.Severity, f.Rule, f.Result, f.File, f.Why, f.Line, f.Column}
		i, ok := at[k]
		if !ok || f.Rule == RuleRemoved {
			at[k] = len(report.Findings)
			report.Findings = append(report.Findings, f)
			continue
		}
		first := &report.Findings[i]
		if f.Subject != first.Subject && !slices.Contains(first.Others, f.Subject) {
			first.Others = append(first.Others, f.Subject)
		}
	}
	slices.SortStableFunc(report.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Instance, b.Instance),
		)
	})
	for _, f := range report.Findings {
		if f.Severity == Failure {
			report.Errors++
		} else {
			report.Warnings++
		}
	}
	for _, c := range report.Subjects {
		if c.Versions > 0 {
			report.Compared++
		}
	}
	if report.Subjects == nil {
		report.Subjects = []Checked{}
	}
	return report
}
