// Package check compares a folder of schemas with what was there before: a git
// revision of it, or what a registry holds. It is what `lockstep schema check`
// does.
//
// What is compared with what, and where in which file a finding stands, belongs
// here. The verdict on two schemas is package compat's, the command's flags and
// its exit code are package schema's.
package check

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lockstep-mesh/lockstep/mesh/coverage"
	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/compat"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/registry/sample"
)

// Severities.
const (
	Failure = "error"
	Warning = "warning"
)

// Rules of findings that are not package compat's nor package folder's.
const (
	RuleRemoved    = "subject-removed" // events of this type could not be published any more
	RuleNoDocument = "no-document"     // nothing is valid under the schema
	RuleUnusable   = "unusable-schema" // an earlier version cannot be compiled
	RuleClass      = "unclassified"    // a field has no masking class
)

// Finding is one thing wrong with the schemas.
type Finding struct {
	Severity string `json:"severity"`
	Rule     string `json:"rule"`
	// Result is incompatible or undecided; empty where nothing was compared.
	Result  string `json:"result,omitempty"`
	File    string `json:"file"`             // relative to the folder that is checked
	Line    int    `json:"line,omitempty"`   // from 1; 0 where it is not about a place in the file
	Column  int    `json:"column,omitempty"` // from 1, in characters
	Pointer string `json:"pointer,omitempty"`
	// Subject is the first that it concerns, Others are those that share the place.
	Subject string   `json:"subject,omitempty"`
	Others  []string `json:"other_subjects,omitempty"`
	// Against is the version that it is compared with.
	Against  string          `json:"against,omitempty"`
	Instance string          `json:"instance,omitempty"` // the place in a document
	Why      string          `json:"why"`
	Cure     string          `json:"cure,omitempty"`
	Witness  json.RawMessage `json:"witness,omitempty"` // a document that shows it
}

// Domain is one domain's folder.
type Domain struct {
	Name string
	Path string // of its folder, from the one that is checked; "." for that one itself
	FS   fs.FS  // nil where there is no folder any more
}

// Version is what a subject was before.
type Version struct {
	Label  string // "main", "version 3"
	Bundle *jsonschema.Bundle
}

// Baseline is what files are compared with. Its errors are for the user.
type Baseline interface {
	// Label names it in sentences.
	Label() string
	// Subjects are a domain's subjects, in any order. Where complete, one that has no file
	// any more has been removed.
	Subjects(ctx context.Context, domain Domain) (names []string, complete bool, err error)
	// Versions are a subject's versions, newest first, all of them or only the newest.
	Versions(ctx context.Context, domain Domain, subject string, all bool) ([]Version, error)
	// Level is the level configured for a subject, and the policy; empty where none is.
	Level(ctx context.Context, subject string) (registry.Level, string, error)
}

// Options say how to compare.
type Options struct {
	Level    registry.Level                            // for all; empty: as the baseline says
	Policy   func(domain string) (compat.Policy, bool) // for a domain; not ok: as the baseline says
	Baseline Baseline                                  // nil: nothing is compared
	// Classes says of a domain whether all fields need masking classes, and what
	// overlay gives some; nil: of no domain.
	Classes func(domain string) (coverage.Requirement, bool)
}

// Checked is one subject that was looked at.
type Checked struct {
	Domain  string `json:"-"`
	Subject string `json:"subject"`
	File    string `json:"file"`
	// Level and Policy say how it was compared; empty where there was nothing to
	// compare with.
	Level    registry.Level `json:"level,omitempty"`
	Policy   string         `json:"policy,omitempty"`
	Versions int            `json:"versions"` // how many it was compared with
}

// Report is the outcome.
type Report struct {
	Against  string    `json:"against,omitempty"`
	Subjects []Checked `json:"subjects"`
	Findings []Finding `json:"findings"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Compared int       `json:"compared"` // subjects that there was something to compare with
}

// Run checks the domains. What is wrong with the schemas is in the report; an
// error is something that keeps them from being checked.
func Run(ctx context.Context, domains []Domain, o Options) (Report, error) {
	r := &run{options: o}
	if o.Baseline != nil {
		r.report.Against = o.Baseline.Label()
	}
	for _, d := range domains {
		if d.FS == nil {
			if err := r.domain(ctx, d, nil); err != nil {
				return Report{}, err
			}
			continue
		}
		files, err := folder.Read(d.Name, d.FS)
		if problems, ok := err.(folder.Problems); ok { //nolint:errorlint // it is Read's error type
			for _, p := range problems {
				r.report.Findings = append(r.report.Findings, Finding{
					Severity: Failure, Rule: p.Code, File: d.file(p.File), Line: p.Line, Column: p.Column, Why: joined(p.What, p.Why), Cure: p.Cure,
				})
			}
			continue
		} else if err != nil {
			return Report{}, err
		}
		if err := r.domain(ctx, d, files); err != nil {
			return Report{}, err
		}
	}
	return r.finish(), nil
}

func joined(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}

// file is a file of the domain's folder, from the folder that is checked.
func (d Domain) file(name string) string {
	if d.Path == "." {
		return name
	}
	if name == "." {
		return d.Path
	}
	return d.Path + "/" + name
}

// run is one check.
type run struct {
	options Options
	report  Report
}

// domain checks the files of a domain.
func (r *run) domain(ctx context.Context, d Domain, files []folder.File) error {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b folder.File) int { return strings.Compare(a.Subject, b.Subject) })
	p := newPlaces(d, files)
	checked := make([]Checked, len(files))
	findings := make([][]Finding, len(files)+1)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * runtime.GOMAXPROCS(0)) // some wait for a registry
	for i, f := range files {
		group.Go(func() error {
			c, found, err := r.file(ctx, d, p, f)
			checked[i], findings[i] = c, found
			return err
		})
	}
	group.Go(func() (err error) {
		findings[len(files)], err = r.removed(ctx, d, files)
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	r.report.Subjects = append(r.report.Subjects, checked...)
	r.report.Findings = append(r.report.Findings, slices.Concat(findings...)...)
	return nil
}

// file checks one file.
func (r *run) file(ctx context.Context, d Domain, p *places, f folder.File) (Checked, []Finding, error) {
	c := Checked{Domain: d.Name, Subject: f.Subject, File: d.file(f.Path)}
	var findings []Finding
	if _, err := sample.Minimal(f.Bundle); empty(err) {
		findings = append(findings, Finding{
			Severity: Warning, Rule: RuleNoDocument, File: c.File, Line: 1, Column: 1, Subject: f.Subject,
			Why: "no document is valid under the schema, so that every event would be refused", Cure: "remove what contradicts itself in it",
		})
	}
	missing, err := r.unclassified(d, p, f)
	if err != nil {
		return c, nil, err
	}
	findings = append(findings, missing...)
	if r.options.Baseline == nil {
		return c, findings, nil
	}
	level, policy, err := r.terms(ctx, d, f.Subject)
	if err != nil {
		return c, nil, err
	}
	l := levelOf(level)
	if !l.backward && !l.forward {
		return c, findings, nil
	}
	versions, err := r.options.Baseline.Versions(ctx, d, f.Subject, l.all)
	if err != nil {
		return c, nil, err
	}
	if len(versions) == 0 {
		return c, findings, nil
	}
	c.Level, c.Policy, c.Versions = level, policy.String(), len(versions)
	for _, v := range versions {
		if ctx.Err() != nil {
			return c, nil, ctx.Err()
		}
		if l.backward {
			findings = append(findings, p.findings(f, v, compat.Check(f.Bundle, v.Bundle, policy), false)...)
		}
		if l.forward {
			findings = append(findings, p.findings(f, v, compat.Check(v.Bundle, f.Bundle, policy), true)...)
		}
	}
	return c, findings, nil
}

// unclassified are the fields of a file without a masking class, where the domain
// requires one of all, each at its place in the schema.
func (r *run) unclassified(d Domain, p *places, f folder.File) ([]Finding, error) {
	if r.options.Classes == nil {
		return nil, nil
	}
	requirement, ok := r.options.Classes(d.Name)
	if !ok {
		return nil, nil
	}
	missing, err := coverage.Missing(f.Subject, f.Bundle, requirement.Overlay, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.file(f.Path), err)
	}
	var findings []Finding
	for _, place := range missing {
		found := Finding{
			Severity: Failure, Rule: RuleClass, Subject: f.Subject, Instance: place.Pointer,
			Why: fmt.Sprintf("%q has no masking class, and the domain requires one for every field", place.Pointer), Cure: "give it an x-lockstep-class, or a class in the domain's overlay",
		}
		if place.Names {
			found.Why = fmt.Sprintf("the names in the map %q have no masking class, and the domain requires one", strings.TrimSuffix(place.Pointer, "/*"))
			found.Cure = "give the map an x-lockstep-key-class, or keys in the domain's overlay"
		}
		found.File, found.Pointer, found.Line, found.Column = p.locate(f, place.Schema)
		if place.Schema == "" {
			found.File, found.Line, found.Column = d.file(f.Path), 1, 1
		}
		findings = append(findings, found)
	}
	return findings, nil
}

// terms are the level and the policy of a subject.
func (r *run) terms(ctx context.Context, d Domain, subject string) (registry.Level, compat.Policy, error) {
	level := r.options.Level
	policy, given := compat.Gated, false
	if r.options.Policy != nil {
		policy, given = r.options.Policy(d.Name)
	}
	if level != "" && given {
		return level, policy, nil
	}
	configured, name, err := r.options.Baseline.Level(ctx, subject)
	if err != nil {
		return "", 0, err
	}
	if level == "" {
		level = configured
	}
	if !given {
		if policy, err = Policy(name); err != nil {
			return "", 0, fmt.Errorf("the configuration of subject %s: %w", subject, err)
		}
	}
	return level, policy, nil
}

// Policy is a policy by its name, in any case; empty is gated.
func Policy(name string) (compat.Policy, error) {
	for _, p := range []compat.Policy{compat.Gated, compat.Strict, compat.Lenient} {
		if strings.EqualFold(name, p.String()) || name == "" {
			return p, nil
		}
	}
	return 0, fmt.Errorf("%q is none of gated, strict, lenient", name)
}

// Level is a level by its name, in any case and with - for _.
func Level(name string) (registry.Level, error) {
	levels := []registry.Level{
		registry.None, registry.Backward, registry.BackwardTransitive, registry.Forward, registry.ForwardTransitive, registry.Full, registry.FullTransitive,
	}
	for _, l := range levels {
		if strings.EqualFold(strings.ReplaceAll(name, "-", "_"), string(l)) {
			return l, nil
		}
	}
	return "", fmt.Errorf("%q is no level of compatibility; there are %v", name, levels)
}

type directions struct{ backward, forward, all bool }

func levelOf(l registry.Level) directions {
	name := string(l)
	full := strings.HasPrefix(name, string(registry.Full))
	return directions{
		backward: full || strings.HasPrefix(name, string(registry.Backward)),
		forward:  full || strings.HasPrefix(name, string(registry.Forward)),
		all:      strings.HasSuffix(name, "_TRANSITIVE"),
	}
}

// removed are findings about subjects that have no file any more. One that another
// subject of the files stands in for has to be readable there.
func (r *run) removed(ctx context.Context, d Domain, files []folder.File) ([]Finding, error) {
	if r.options.Baseline == nil {
		return nil, nil
	}
	names, complete, err := r.options.Baseline.Subjects(ctx, d)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var findings []Finding
	for _, name := range names {
		has := func(subject string) bool {
			return slices.ContainsFunc(files, func(f folder.File) bool { return f.Subject == subject })
		}
		if has(name) || strings.HasPrefix(name, d.Name+".common.") {
			continue // what others refer to is compared with them
		}
		level, _, err := r.terms(ctx, d, name)
		if err != nil {
			return nil, err
		}
		if level == registry.None {
			continue
		}
		f := Finding{
			Severity: Failure, Rule: RuleRemoved, File: d.file("."), Subject: name, Against: r.options.Baseline.Label(),
			Why:  fmt.Sprintf("the subject %s has no file any more: events of this type could not be published", name),
			Cure: "keep the file; or, once nobody publishes such events any more, delete the subject and check with --compatibility NONE",
		}
		if !complete {
			f.Severity, f.Why, f.Cure = Warning, fmt.Sprintf("the registry holds the subject %s, and there is no file for it", name), "add its file, or delete the subject in the registry"
		}
		if whole := name[:strings.LastIndexByte(name, '.')]; strings.Count(name, ".") == 2 && has(whole) {
			if f, err = r.standIn(ctx, d, files, name, whole, f); err != nil {
				return nil, err
			} else if f.Rule == "" {
				continue
			}
		}
		findings = append(findings, f)
	}
	return findings, nil
}

// standIn judges the removal of an action's schema where there is one of the whole
// entity, which will be the contract then.
func (r *run) standIn(ctx context.Context, d Domain, files []folder.File, name, whole string, f Finding) (Finding, error) {
	versions, err := r.options.Baseline.Versions(ctx, d, name, false)
	if err != nil || len(versions) == 0 {
		return Finding{}, err
	}
	_, policy, err := r.terms(ctx, d, name)
	if err != nil {
		return Finding{}, err
	}
	at := slices.IndexFunc(files, func(f folder.File) bool { return f.Subject == whole })
	verdict := compat.Check(files[at].Bundle, versions[0].Bundle, policy)
	if verdict.Result == compat.Compatible {
		return Finding{}, nil
	}
	f.File, f.Line, f.Column = d.file(files[at].Path), 1, 1
	f.Result, f.Witness = verdict.Result.String(), verdict.Witness
	f.Why = fmt.Sprintf("the subject %s has no file any more, and %s, which stands in for it, does not read its events: %s", name, whole, verdict.Findings[0].Why)
	return f, nil
}
