package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/registry/compat"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// pair is a question to package compat.
type pair struct {
	reader, writer string // identities
	policy         compat.Policy
}

// Comparison is one verdict on a schema beside a version of a subject.
type Comparison struct {
	Version int
	// Forward says which way it goes: the version reads what the schema admits.
	// Otherwise the schema reads what the version admits.
	Forward bool
	Verdict compat.Verdict
}

// Findings says in sentences what keeps the two from being compatible, each with
// the way that it is about; none if they are.
func (c Comparison) Findings() []string {
	lines := make([]string, len(c.Verdict.Findings))
	for i, f := range c.Verdict.Findings {
		way := "data of version %d is not shown to be readable: %s"
		if c.Forward {
			way = "version %d is not shown to read the new data: %s"
		}
		lines[i] = fmt.Sprintf(way, c.Version, f) + witness(f.Witness)
	}
	return lines
}

// maxWitness bounds the witness in a sentence, in bytes. The native API gives it
// whole.
const maxWitness = 1000

// witness is the document that shows a finding, in words.
func witness(document []byte) string {
	var line bytes.Buffer
	if len(document) == 0 || json.Compact(&line, document) != nil {
		return ""
	}
	if line.Len() > maxWitness {
		return fmt.Sprintf("; a document of %d bytes shows it", line.Len())
	}
	return "; witness: " + line.String()
}

// IncompatibleError carries the verdicts of a refused change that are not
// "compatible".
type IncompatibleError struct{ Comparisons []Comparison }

// Error is the verdicts' findings.
func (e *IncompatibleError) Error() string {
	var lines []string
	for _, c := range e.Comparisons {
		lines = append(lines, c.Findings()...)
	}
	return strings.Join(lines, "; ")
}

// Check compares s with one version of subject as the subject's level has it,
// changing nothing.
func (r *Registry) Check(subject string, version int, s Schema) (compat.Verdict, error) {
	comparisons, err := r.CheckVersion(subject, version, s)
	if err != nil {
		return compat.Verdict{}, err
	}
	sum := compat.Verdict{Result: compat.Compatible}
	for _, c := range comparisons {
		if c.Verdict.Result == compat.Incompatible || sum.Result == compat.Compatible {
			sum.Result = c.Verdict.Result
		}
		sum.Findings = append(sum.Findings, c.Verdict.Findings...)
	}
	return sum, nil
}

// CheckVersion compares s with one version of subject as the subject's level
// has it: once for each direction that it asks for.
func (r *Registry) CheckVersion(subject string, version int, s Schema) ([]Comparison, error) {
	old, ok := r.Version(subject, version)
	if !ok || old.Deleted {
		return nil, r.missing(subject, version)
	}
	config := r.Effective(subject)
	s, bundle, err := r.candidate(subject, s, config)
	if err != nil {
		return nil, err
	}
	return r.compare(subject, s, bundle, []Version{old}, config)
}

// CheckNext compares s with all versions of subject that it would be compared
// with if it were registered; newest first.
func (r *Registry) CheckNext(subject string, s Schema) ([]Comparison, error) {
	config := r.Effective(subject)
	s, bundle, err := r.candidate(subject, s, config)
	if err != nil {
		return nil, err
	}
	return r.compare(subject, s, bundle, r.predecessors(subject, s, config), config)
}

func (r *Registry) candidate(subject string, s Schema, config Config) (Schema, *jsonschema.Bundle, error) {
	if _, err := TypeOf(s.Type); err != nil {
		return s, nil, err
	}
	s, err := r.complete(s, config)
	if err != nil {
		return s, nil, err
	}
	s = r.embellish(subject, s, config)
	bundle, err := r.usable(s)
	return s, bundle, err
}

// predecessors are the versions that a new one of the subject is compared with,
// newest first.
func (r *Registry) predecessors(subject string, s Schema, config Config) []Version {
	var versions []Version
	for _, v := range slices.Backward(r.Versions(subject)) {
		if config.Group != "" && v.Metadata.property(config.Group) != s.Metadata.property(config.Group) {
			continue
		}
		versions = append(versions, v)
		if !config.Level.transitive() {
			break
		}
	}
	return versions
}

func (r *Registry) compare(subject string, s Schema, bundle *jsonschema.Bundle, versions []Version, config Config) ([]Comparison, error) {
	var comparisons []Comparison
	policy, guid := r.policyFor(subject, config), identity(s)
	for _, old := range versions {
		if !config.Level.backward() && !config.Level.forward() {
			break
		}
		other, err := r.known(old)
		if err != nil {
			return nil, err
		}
		if config.Level.backward() {
			verdict, err := r.verdict(bundle, other, pair{reader: guid, writer: old.GUID, policy: policy})
			if err != nil {
				return nil, err
			}
			comparisons = append(comparisons, Comparison{Version: old.Version, Verdict: verdict})
		}
		if config.Level.forward() {
			verdict, err := r.verdict(other, bundle, pair{reader: old.GUID, writer: guid, policy: policy})
			if err != nil {
				return nil, err
			}
			comparisons = append(comparisons, Comparison{Version: old.Version, Forward: true, Verdict: verdict})
		}
	}
	return comparisons, nil
}

// verdict asks package compat, once for the same question.
func (r *Registry) verdict(reader, writer *jsonschema.Bundle, p pair) (compat.Verdict, error) {
	if v, ok := r.verdicts.get(p); ok {
		return v, nil
	}
	if p.reader == p.writer {
		return compat.Verdict{Result: compat.Compatible}, nil
	}
	to, err := r.link(p.reader, reader)
	if err != nil {
		return compat.Verdict{}, err
	}
	from, err := r.link(p.writer, writer)
	if err != nil {
		return compat.Verdict{}, err
	}
	var v compat.Verdict
	done := false
	if size := to.Bytes() + from.Bytes(); size < largeText && !r.effort.spend(size, func() { v, done = compat.CheckQuickly(to, from, p.policy) }) {
		return tooBusy(), nil
	}
	if !done && !r.effort.spend(largeText, func() { v = compat.CheckLinked(to, from, p.policy) }) {
		return tooBusy(), nil
	}
	r.verdicts.put(p, v, sizeOfVerdict(v))
	return v, nil
}

// sizeOfVerdict is about the memory that a verdict takes, in bytes.
func sizeOfVerdict(v compat.Verdict) int {
	size := 200 + len(v.Witness)
	for _, f := range v.Findings {
		size += 200 + len(f.ReaderPointer) + len(f.WriterPointer) + len(f.Instance) + len(f.Why) + len(f.Cure) + len(f.Witness)
	}
	return size
}

// compatible is nil when s may follow the subject's versions.
func (r *Registry) compatible(subject string, s Schema, bundle *jsonschema.Bundle, config Config) error {
	for _, old := range r.predecessors(subject, s, config) {
		comparisons, err := r.compare(subject, s, bundle, []Version{old}, config)
		if err != nil {
			return err
		}
		comparisons = slices.DeleteFunc(comparisons, func(c Comparison) bool { return c.Verdict.Result == compat.Compatible })
		if len(comparisons) > 0 {
			return &Error{
				Code:    CodeIncompatible,
				Message: fmt.Sprintf("schema being registered is incompatible with version %d of subject %q", old.Version, subject),
				Cause:   &IncompatibleError{Comparisons: comparisons},
				Cure:    "change the schema as the findings say, or register it under a new subject",
			}
		}
	}
	return nil
}
