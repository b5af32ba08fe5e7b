package compat

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// object derives the keywords about objects.
func (d *derivation) object() {
	if d.w.kinds != object {
		return
	}
	d.requiredProperties()
	d.propertyCount()
	d.properties()
	d.propertyNames()
	d.dependencies()
}

func (d *derivation) requiredProperties() {
	has := d.required(d.w)
	for _, name := range d.r.Required {
		if has[name] {
			continue
		}
		child := d.property(d.w, name)
		why := fmt.Sprintf("the property %q is required now, and a document may lack it", name)
		if child == nil {
			why = fmt.Sprintf("the property %q is required now, and no old document has it", name)
		}
		d.refute("required-added", "required", why, fmt.Sprintf("make %q optional; a default in the reader's code can stand in for it", name))
	}
}

func (d *derivation) propertyCount() {
	low, high := lengths(d.w.all, func(s *v5.Schema) (int, int) { return s.MinProperties, s.MaxProperties })
	low = max(low, len(d.required(d.w)))
	if possible, finite := d.possibleNames(); finite && (high < 0 || len(possible) < high) {
		high = len(possible)
	}
	if d.r.MinProperties > low {
		d.refute("min-properties-raised", "minProperties",
			fmt.Sprintf("at least %d properties are asked for now, and a document may have %d", d.r.MinProperties, low),
			fmt.Sprintf("lower minProperties to %d", low))
	}
	if d.r.MaxProperties >= 0 && (high < 0 || high > d.r.MaxProperties) {
		d.refute("max-properties-lowered", "maxProperties",
			fmt.Sprintf("at most %d properties are admitted now, and a document may have %s", d.r.MaxProperties, orMore(high, d.r.MaxProperties)),
			"raise or remove maxProperties")
	}
}

func orMore(high, limit int) string {
	if high < 0 {
		return "any number"
	}
	return fmt.Sprint(max(high, limit+1))
}

// possibleNames are the names that an object of the writer's may use; finite is
// false if they cannot be listed.
func (d *derivation) possibleNames() (names []string, finite bool) {
	if len(d.others(d.w)) > 0 {
		return nil, false
	}
	for _, name := range d.namesOf(d.w.all, d.w.scope) {
		if child := d.property(d.w, name); child != nil && child.kinds != 0 {
			names = append(names, name)
		}
	}
	return names, true
}

// namesOf are the properties that schemas name, sorted.
func (d *derivation) namesOf(lists ...[]*v5.Schema) []string {
	names := map[string]bool{}
	for _, list := range lists {
		for _, s := range list {
			d.toil(toilLook * (1 + len(s.Properties) + len(s.Required)))
			for name := range s.Properties {
				names[name] = true
			}
			for _, name := range s.Required {
				names[name] = true
			}
		}
	}
	for _, name := range d.w.present {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// evaluated is what the reader's schema says about properties, with what
// unevaluatedProperties counts as said too.
type evaluated struct {
	// certain are the schemas whose properties count as evaluated in any case: r,
	// what it refers to, and its allOf.
	certain []*v5.Schema
	// rest is unevaluatedProperties, nil where it says nothing.
	rest *v5.Schema
}

func (d *derivation) evaluatedBy() evaluated {
	if d.r.UnevaluatedProperties == nil || d.r.AdditionalProperties != nil {
		return evaluated{}
	}
	certain := &world{kinds: anything}
	d.follow(certain, d.r)
	for _, s := range certain.all {
		if s != d.r && (s.AdditionalProperties != nil || s.UnevaluatedProperties != nil) {
			return evaluated{} // every property is evaluated there
		}
	}
	return evaluated{certain: certain.all, rest: d.r.UnevaluatedProperties}
}

func (e evaluated) named(name string) bool {
	for _, s := range e.certain {
		if _, ok := s.Properties[name]; ok {
			return true
		}
		for pattern := range s.PatternProperties {
			if pattern.MatchString(name) {
				return true
			}
		}
	}
	return false
}

func (e evaluated) pattern(pattern string) bool {
	for _, s := range e.certain {
		for p := range s.PatternProperties {
			if p.String() == pattern {
				return true
			}
		}
	}
	return false
}

// properties derives properties, patternProperties, additionalProperties and
// unevaluatedProperties: first for every name that either side mentions, then for
// all others at once.
func (d *derivation) properties() {
	r := d.r
	uneval := d.evaluatedBy()
	if len(r.Properties) == 0 && len(r.PatternProperties) == 0 && r.AdditionalProperties == nil && uneval.rest == nil {
		return
	}
	for _, name := range d.namesOf(d.w.all, d.w.scope, []*v5.Schema{r}, uneval.certain) {
		child := d.property(d.w, name)
		if child == nil || child.kinds == 0 {
			continue
		}
		at := d.at.at(pointerToken(name))
		named := false
		if sub, ok := r.Properties[name]; ok {
			named = true
			d.needProperty(child, sub, at, name)
		}
		for _, pattern := range d.patternsOf(r) {
			d.toil(toilLook + len(name))
			if pattern.MatchString(name) {
				named = true
				d.needProperty(child, r.PatternProperties[pattern], at, name)
			}
		}
		if !named {
			d.needAdditional(child, at, fmt.Sprintf("the property %q", name))
			if uneval.rest != nil && !uneval.named(name) {
				d.needUnevaluated(child, uneval.rest, at, fmt.Sprintf("the property %q", name))
			}
		}
	}
	d.otherProperties(uneval)
}

// otherProperties derives what the reader says about names that neither side
// mentions.
func (d *derivation) otherProperties(uneval evaluated) {
	others := d.others(d.w)
	at := d.at.at("*")
	// Whether a name is there that matches one pattern and another, or one and not
	// the other, is not known: what follows from it is in doubt.
	inDoubt := func(doubt bool, derive func()) {
		before := len(d.findings)
		derive()
		if doubt {
			copy(d.findings[before:], doubtful(d.findings[before:]))
		}
	}
	for _, pattern := range d.patternsOf(d.r) {
		sub := d.r.PatternProperties[pattern]
		if worlds := d.samePattern(pattern); worlds != nil {
			d.need(worlds, sub, at)
			continue
		}
		for _, other := range others {
			d.toil(toilLook)
			inDoubt(other.matches || len(others) > 1, func() {
				d.needProperty(other.world, sub, at, "matching "+pattern.String())
			})
		}
	}
	for _, other := range others {
		what := "a property that the old schema does not name"
		if other.matches {
			what = fmt.Sprintf("a property whose name matches %q", other.pattern)
		}
		// A name that matches a pattern which the reader has as well is no
		// additional property there.
		if !other.matches || !hasPattern(d.r, other.pattern) {
			inDoubt(other.matches && len(d.r.PatternProperties) > 0, func() { d.needAdditional(other.world, at, what) })
		}
		if uneval.rest != nil && (!other.matches || !uneval.pattern(other.pattern)) {
			d.needUnevaluated(other.world, uneval.rest, at, what)
		}
	}
}

// samePattern is what the writer may have put under names that match a pattern
// of the reader's, where the writer has that very pattern; nil where it has not.
func (d *derivation) samePattern(pattern *regexp.Regexp) *world {
	var all []*v5.Schema
	for _, s := range d.w.all {
		for _, p := range d.patternsOf(s) {
			d.toil(1)
			if p.String() == pattern.String() {
				all = append(all, s.PatternProperties[p])
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	for _, s := range d.w.all {
		if additional, ok := s.AdditionalProperties.(*v5.Schema); ok && len(s.PatternProperties) == 0 {
			all = append(all, additional)
		}
	}
	return d.inherit(d.world(all, d.restScope(d.w), d.w.closed), d.w, nothingOf)
}

func hasPattern(s *v5.Schema, pattern string) bool {
	for p := range s.PatternProperties {
		if p.String() == pattern {
			return true
		}
	}
	return false
}

// needProperty requires what the reader says about a property to be implied.
func (d *derivation) needProperty(child *world, sub *v5.Schema, at place, name string) {
	if len(child.all) > 0 || vacuous(sub) {
		d.need(child, sub, at)
		return
	}
	if d.can(child, sub, at) {
		return
	}
	d.findings = append(d.findings, d.finding(d.w, sub, at, Incompatible, "property-in-open-object", "",
		fmt.Sprintf("the new schema declares %s, and the old one is open there: a document may hold anything under it", quoteName(name)),
		"declare it without constraints, or close the old schema first (additionalProperties: false, and a gate that holds writers to it)")...)
}

func quoteName(name string) string {
	if strings.HasPrefix(name, "matching ") {
		return "properties " + name
	}
	return fmt.Sprintf("the property %q", name)
}

func (d *derivation) needAdditional(child *world, at place, what string) {
	switch additional := d.r.AdditionalProperties.(type) {
	case bool:
		if !additional && !d.nothing(child) {
			d.refute("property-refused", "additionalProperties",
				"a document may hold "+what+", and the new schema refuses it", "declare it in the new schema, or leave additionalProperties away")
		}
	case *v5.Schema:
		d.need(child, additional, at)
	}
}

func (d *derivation) needUnevaluated(child *world, rest *v5.Schema, at place, what string) {
	if rest.Always != nil && !*rest.Always {
		if !d.nothing(child) {
			d.stop("property-unevaluated", "unevaluatedProperties",
				"a document may hold "+what+", and it is not certain that the new schema evaluates it", "declare it in the new schema itself, or leave unevaluatedProperties away")
		}
		return
	}
	d.need(child, rest, at)
}

// nothing reports whether no value is left in a world.
func (d *derivation) nothing(w *world) bool {
	for _, k := range kinds {
		if w.kinds&k == 0 || d.impossible(d.only(w, k)) {
			continue
		}
		if values, finite := d.values(d.only(w, k)); finite && len(values) == 0 {
			continue
		}
		return false
	}
	return true
}

func (d *derivation) propertyNames() {
	r := d.r.PropertyNames
	if r == nil {
		return
	}
	var all []*v5.Schema
	for _, s := range d.w.all {
		if s.PropertyNames != nil {
			all = append(all, s.PropertyNames)
		}
	}
	if d.can(d.only(d.openWorld(all...), text), r, d.at) {
		return
	}
	names, finite := d.possibleNames()
	if !finite || d.readerDynamic {
		d.stop("property-names", "propertyNames",
			"the names of properties are constrained now, and the old schema does not list the names that a document may use", "leave propertyNames as it was")
		return
	}
	for _, name := range names {
		if valid, ok := d.validates(r, name); !ok || !valid {
			d.refute("property-names", "propertyNames",
				fmt.Sprintf("the new schema refuses the property name %q, and a document may use it", name), "admit the name")
		}
	}
}

func (d *derivation) dependencies() {
	requires := dependentRequired(d.r)
	for _, name := range slices.Sorted(maps.Keys(requires)) {
		if d.property(d.w, name) == nil {
			continue
		}
		has := d.required(d.having(d.w, name))
		for _, needed := range requires[name] {
			if !has[needed] {
				d.refute("dependency-added", dependencyKeyword(d.r, "dependentRequired"),
					fmt.Sprintf("%q is required now where %q is present, and a document may lack it", needed, name),
					fmt.Sprintf("make %q optional", needed))
			}
		}
	}
	for _, dep := range dependentSchemas(d.r) {
		if d.property(d.w, dep.name) != nil {
			d.need(d.having(d.w, dep.name), dep.schema, d.at)
		}
	}
}

func dependencyKeyword(s *v5.Schema, modern string) string {
	if len(s.Dependencies) > 0 {
		return "dependencies"
	}
	return modern
}

func pointerToken(name string) string { return jsonschema.EscapeToken(name) }
