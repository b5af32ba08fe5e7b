package contract

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// The bounds on the work that goes into saying why a document is not valid.
const (
	// maxExplained is up to how many steps jsonschema v5 collects all that is wrong.
	// Each may end in an error of some kilobytes.
	maxExplained = 20_000
	// maxReasons is how many schemas are applied to values beyond that.
	maxReasons = 200_000
)

// findings is what is wrong with a document.
type findings struct {
	violations []Violation
	more       bool // there may be others, which nobody looked for
	costly     bool // there is no verdict: it would take too much work
}

// reasons says why a document is not valid where the library would take too
// long, or too much memory, for that. It goes through document and schema
// itself, has the library judge one schema and one value at a time, without
// what is inside, and stops when there are enough violations.
type reasons struct {
	walker   *walker
	findings findings
	left     int
	effort   program.Effort // for alternatives
	unsure   []Violation    // the first alternatives that could not be afforded
}

// reasons collects what is wrong with a document that is known to be not valid,
// or to have an undeclared property.
func (w *walker) reasons(value any, size int) findings {
	r := &reasons{walker: w, left: maxReasons, effort: program.NewEffort(program.MaxEffort(size))}
	r.at(w.graph.root, value, "")
	if len(r.findings.violations) == 0 {
		r.findings.violations = r.unsure
	}
	sortViolations(r.findings.violations)
	r.findings.violations = slices.Compact(r.findings.violations)
	return r.findings
}

func (r *reasons) full() bool {
	full := len(r.findings.violations) > MaxViolations || r.left <= 0
	r.findings.more = r.findings.more || full
	return full
}

// at collects how value violates n.
func (r *reasons) at(n *node, value any, pointer string) {
	if r.left--; n == nil || n == free || r.full() {
		return
	}
	r.shallow(n, value, pointer)
	for _, e := range n.always {
		r.at(e.to, value, pointer)
	}
	for _, c := range n.choices {
		r.choice(n, c, value, pointer)
	}
	for _, b := range n.branches {
		r.branch(b, value, pointer)
	}
	switch value := value.(type) {
	case map[string]any:
		for _, name := range sortedNames(value) {
			at := pointer + "/" + jsonschema.EscapeToken(name)
			r.at(n.properties[name], value[name], at)
			if _, by := n.admits(name); len(by) > 0 {
				for _, sub := range by {
					r.at(sub, value[name], at)
				}
			}
			if r.full() {
				return
			}
		}
	case []any:
		for i, item := range value {
			if r.full() {
				return
			}
			at := pointer + "/" + strconv.Itoa(i)
			if i < len(n.tuple) {
				r.at(n.tuple[i], item, at)
			} else {
				r.at(n.items, item, at)
			}
		}
	}
}

// shallow collects how value itself violates n, regardless of what is inside.
func (r *reasons) shallow(n *node, value any, pointer string) {
	var invalid *v5.ValidationError
	if err := shallowOf(n.schema).Validate(value); !errors.As(err, &invalid) {
		return
	}
	e := &explainer{linked: r.walker.linked, document: value, limit: MaxViolations + 1 - len(r.findings.violations)}
	e.descend(invalid)
	r.findings.more = r.findings.more || e.more
	for _, v := range e.violations {
		v.Pointer = pointer + v.Pointer
		r.findings.violations = append(r.findings.violations, v)
	}
}

// shallowOf is s without what it says of the insides of a value, and without
// the other schemas that it applies to the value.
func shallowOf(s *v5.Schema) *v5.Schema {
	shallow := *s // with the fields that only the library can set
	shallow.Ref, shallow.RecursiveRef, shallow.DynamicRef = nil, nil, nil
	shallow.Not, shallow.AllOf, shallow.AnyOf, shallow.OneOf, shallow.If, shallow.Then, shallow.Else = nil, nil, nil, nil, nil, nil, nil
	if _, isSchema := s.AdditionalProperties.(*v5.Schema); isSchema || s.AdditionalProperties == nil {
		shallow.AdditionalProperties, shallow.Properties, shallow.PatternProperties = nil, nil, nil
	} else { // names count
		shallow.Properties = make(map[string]*v5.Schema, len(s.Properties))
		for name := range s.Properties {
			shallow.Properties[name] = anything
		}
		shallow.PatternProperties = nil
		for pattern := range s.PatternProperties {
			if shallow.PatternProperties == nil {
				shallow.PatternProperties = make(map[*regexp.Regexp]*v5.Schema, len(s.PatternProperties))
			}
			shallow.PatternProperties[pattern] = anything
		}
	}
	shallow.Dependencies, shallow.DependentSchemas = nil, nil
	for name, others := range s.Dependencies {
		if names, ok := others.([]string); ok {
			if shallow.Dependencies == nil {
				shallow.Dependencies = map[string]any{}
			}
			shallow.Dependencies[name] = names
		}
	}
	shallow.UnevaluatedProperties, shallow.UnevaluatedItems, shallow.Contains = nil, nil, nil
	shallow.PrefixItems, shallow.Items2020 = nil, nil
	if list, ok := s.Items.([]*v5.Schema); ok {
		shallow.Items = slices.Repeat([]*v5.Schema{anything}, len(list))
		if _, ok := s.AdditionalItems.(*v5.Schema); ok {
			shallow.AdditionalItems = nil
		}
	} else {
		shallow.Items = nil
	}
	return &shallow
}

var always = true

// anything admits every value.
var anything = &v5.Schema{Always: &always}

// choice collects why none of several alternatives holds: what the only one
// that can have been meant says or, if there are several, that there are.
func (r *reasons) choice(n *node, c choice, value any, pointer string) {
	var meant []*node
	for _, alternative := range c.alternatives {
		if !refuted(alternative, value, maxRefuted) {
			meant = append(meant, alternative)
		}
	}
	if len(meant) == 1 {
		r.at(meant[0], value, pointer)
		return
	}
	keyword := "anyOf"
	if c.one {
		keyword = "oneOf"
	}
	violation := Violation{
		Pointer: pointer, Keyword: keyword, SchemaPointer: n.origin + "/" + keyword,
		Expected: "a value that one of " + strconv.Itoa(len(c.alternatives)) + " alternatives admits", Found: show(value),
	}
	if types, only := typesOf(c.alternatives); len(meant) == 0 && only {
		violation.Expected = types
	}
	holding := 0
	for _, alternative := range meant {
		if r.effort.Valid(alternative.schema, value) {
			holding++
		}
		if r.effort.Over() {
			if len(r.unsure) == 0 {
				r.unsure = []Violation{violation}
			}
			return
		}
	}
	if holding == 0 || c.one && holding > 1 {
		r.findings.violations = append(r.findings.violations, violation)
	}
}

// typesOf says which types alternatives are for, if that is all that each says
// at once.
func typesOf(alternatives []*node) (names string, only bool) {
	var types []string
	for _, n := range alternatives {
		if len(n.schema.Types) == 0 {
			return "", false
		}
		for _, t := range n.schema.Types {
			types = append(types, withArticle(t))
		}
	}
	slices.SortStableFunc(types, func(a, b string) int { return compareBools(a == "null", b == "null") })
	return strings.Join(unique(types), " or "), true
}

// branch collects how value violates what a branch applies to it.
func (r *reasons) branch(b branch, value any, pointer string) {
	switch {
	case b.when == nil:
		if object, ok := value.(map[string]any); ok {
			if _, has := object[b.name]; has {
				r.at(b.then, value, pointer)
			}
		}
	case b.then == b.when: // "if" itself, or what a dynamic reference may mean
	case r.effort.Valid(b.when.schema, value):
		r.at(b.then, value, pointer)
	case !r.effort.Over():
		r.at(b.otherwise, value, pointer)
	}
}

// unexplained is for a document that is not valid though nobody can say why at
// a reasonable price.
func unexplained(value any) Violation {
	return Violation{
		Keyword: KeywordEffort, SchemaPointer: "#", Expected: "a document that is valid under the schema",
		Found: strings.TrimSpace(show(value) + " that is not; where would take too long to find out"),
	}
}
