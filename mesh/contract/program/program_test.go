package program_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// subject is a schema in all the engines that must agree.
type subject struct {
	linked       *jsonschema.Linked
	open, closed *program.Program
}

func newSubject(b *jsonschema.Bundle) (*subject, error) {
	linked, err := b.Link()
	if err != nil {
		return nil, err
	}
	return &subject{
		linked: linked,
		open:   program.Compile(linked, program.Options{Open: true, Explain: true}),
		closed: program.Compile(linked, program.Options{Explain: true}),
	}, nil
}

// reporter is a test of either kind.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// agree checks that all engines say the same of data, and returns v5's verdict.
func (s *subject) agree(t reporter, what string, data []byte) bool {
	t.Helper()
	value, err := strictjson.Decode(data, strictjson.Limits{})
	valid := err == nil && s.linked.Schema.Validate(value) == nil
	want := program.Invalid
	if valid {
		want = program.Valid
	}
	if got := s.open.Check(data); got != want {
		t.Errorf("%s: open: %s, want %s, for %s\n  under %s", what, got, want, shown(data), s.text())
	}
	if valid && undeclared([]*v5.Schema{s.linked.Schema}, value) {
		want = program.Invalid
	}
	if got := s.closed.Check(data); got != want && (got != program.Undecided || s.closed.Fast() || !valid) {
		t.Errorf("%s: closed: %s, want %s, for %s\n  under %s", what, got, want, shown(data), s.text())
	}
	if _, _, ok := s.closed.Rewrite(nil, data, keepingPlan(), nil, nil); ok != (want == program.Valid) && (ok || s.closed.Fast()) {
		t.Errorf("%s: rewritten: %t, want %s, for %s\n  under %s", what, ok, want, shown(data), s.text())
	}
	return valid
}

func (s *subject) text() string {
	origin, _ := s.linked.Locate(s.linked.Schema.Location)
	return shown(origin.Bundle.Document.Text())
}

func shown(data []byte) string {
	if len(data) > 2000 {
		return string(data[:2000]) + "…"
	}
	return string(data)
}

// v5Differs are the required cases of the official suite in which the reference
// validator itself says something else than the suite. Its verdict counts.
var v5Differs = []string{
	"dynamicRef.json: $dynamicRef skips over intermediate resources - direct reference", // in 2020-12
	"enum.json: empty enum", // in 2019-09 and 2020-12
}

// notRegistered are the files of the suite with schemas that the registry doesn't
// take: those with metaschemas of their own.
var notRegistered = []string{"vocabulary.json"}

// A verdict could differ from the reference validator's on some keyword of some
// draft: the official suite has a case for each.
func TestSuite(t *testing.T) {
	ran, skipped, fast := 0, 0, 0
	differs := map[string]bool{}
	for _, f := range suite(t) {
		for _, g := range f.groups {
			name := f.draft + "/" + f.name + ": " + g.Description
			b, err := suiteBundle(t, f, g.Schema)
			var s *subject
			if err == nil {
				s, err = newSubject(b)
			}
			if err != nil {
				skipped++
				if !f.optional && !slices.Contains(notRegistered, f.name) {
					t.Errorf("no such schema can be registered: %s: %v", name, err)
				}
				continue
			}
			if s.open.Fast() {
				fast++
			}
			for _, c := range g.Tests {
				ran++
				if s.agree(t, name+": "+c.Description, c.Data) != c.Valid && !f.optional {
					differs[f.name+": "+g.Description] = true
				}
			}
		}
	}
	t.Logf("%d tests ran; %d schemas are fast throughout; %d can't be registered", ran, fast, skipped)
	if got := slices.Sorted(maps.Keys(differs)); !slices.Equal(got, v5Differs) {
		t.Errorf("v5 differs from the required suite in\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(v5Differs, "\n\t"))
	}
}

// Real schemas and real documents could be judged differently than by the
// reference validator.
func TestGitHub(t *testing.T) {
	bundles := bundlesIn(t, corpus(t, "github-webhooks/schemas"))
	events := githubEvents(t, bundles)
	subjects := map[string]*subject{}
	valid := 0
	for _, e := range events {
		s := subjects[e.schema]
		if s == nil {
			var err error
			if s, err = newSubject(bundles[e.schema]); err != nil {
				t.Fatal(err)
			}
			subjects[e.schema] = s
			if !s.open.Fast() {
				t.Errorf("%s is not fast: %v", e.schema, s.open.Explain())
			}
		}
		if s.agree(t, e.name, e.text) {
			valid++
		}
	}
	if len(events) != 273 || valid != 271 {
		t.Errorf("%d of %d events are valid, want 271 of 273", valid, len(events))
	}
}
