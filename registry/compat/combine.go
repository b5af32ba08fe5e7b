package compat

import (
	"fmt"
	"math/big"
	"slices"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// combined derives the keywords that apply schemas to the same value.
func (d *derivation) combined() {
	r := d.r
	for _, ref := range refs(r) {
		d.need(d.w, ref, d.at)
	}
	for _, sub := range r.AllOf {
		d.need(d.w, sub, d.at)
	}
	d.anyOf()
	d.oneOf()
	if r.Not != nil && !d.excludes(r.Not) {
		d.stop("not-changed", "not",
			"what matches a certain schema is refused now, and the old schema is not seen to refuse it", "leave not as it was, or away")
	}
	d.conditional()
}

func (d *derivation) anyOf() {
	if len(d.r.AnyOf) == 0 {
		return
	}
	for _, branch := range d.likely(d.r.AnyOf) {
		if d.can(d.w, branch, d.at) {
			return
		}
	}
	if len(d.r.AnyOf) == 1 {
		d.need(d.w, d.r.AnyOf[0], d.at)
		return
	}
	d.stop("any-of-unmatched", "anyOf",
		fmt.Sprintf("no branch of the new anyOf is seen to admit every %s that the old schema admits", d.w.kinds),
		"keep each old branch, and change one so that it only admits more")
	d.closest(d.r.AnyOf)
}

// likely are the branches without those that are plainly about other objects. All
// are if none is left, because then there may be no value to be admitted.
func (d *derivation) likely(branches []*v5.Schema) []*v5.Schema {
	if d.w.kinds != object {
		return branches
	}
	near := slices.DeleteFunc(slices.Clone(branches), func(s *v5.Schema) bool { return d.apart(d.w.all, s) })
	if len(near) == 0 {
		return branches
	}
	return near
}

// closest adds what stands in the way of the branch that is nearest to admitting
// everything, as a hint.
func (d *derivation) closest(branches []*v5.Schema) {
	if d.quiet > 0 {
		return
	}
	var best []Finding
	for _, branch := range d.likely(branches) {
		findings, _ := d.contains(d.w, branch, d.at)
		otherType := slices.ContainsFunc(findings, func(f Finding) bool {
			return f.Instance == d.at.instance && (f.Rule == ruleTypeRemoved || f.Rule == ruleValueRefused)
		})
		if !otherType && (best == nil || len(findings) < len(best)) {
			best = findings
		}
	}
	d.findings = append(d.findings, doubtful(best)...)
}

// doubtful findings say what may be refused, not what is.
func doubtful(findings []Finding) []Finding {
	out := slices.Clone(findings)
	for i := range out {
		out[i].Result = Undecided
	}
	return out
}

func (d *derivation) oneOf() {
	branches := d.r.OneOf
	if len(branches) == 0 {
		return
	}
	if d.implied(func(s *v5.Schema) bool { return d.sameSet(s.OneOf, branches) }) {
		return
	}
	overlap := -1
	for _, branch := range d.likely(branches) {
		if !d.can(d.w, branch, d.at) {
			continue
		}
		overlap = slices.IndexFunc(branches, func(other *v5.Schema) bool { return other != branch && !d.excludes(other) })
		// The same schema twice is never matched once.
		if first := slices.Index(branches, branch); slices.Contains(branches[first+1:], branch) {
			overlap = first
		}
		if overlap < 0 {
			return
		}
	}
	switch {
	case overlap >= 0:
		d.stop("one-of-overlap", "oneOf",
			fmt.Sprintf("what a branch of the new oneOf admits may match branch %d as well, and exactly one must", overlap),
			"tell the branches apart by a required property with a const, or use anyOf")
	case len(branches) == 1:
		d.need(d.w, branches[0], d.at)
	default:
		d.stop("one-of-unmatched", "oneOf",
			fmt.Sprintf("no branch of the new oneOf is seen to admit every %s that the old schema admits", d.w.kinds),
			"keep each old branch, and change one so that it only admits more")
		d.closest(branches)
	}
}

// conditional derives if, then and else: what matches if must match then, and
// what does not must match else.
func (d *derivation) conditional() {
	r := d.r
	if r.If == nil {
		return
	}
	if r.Then != nil {
		d.need(d.with(d.w, r.If), r.Then, d.at)
	}
	if r.Else != nil {
		d.need(d.without(d.w, r.If), r.Else, d.at)
	}
}

// excludes reports whether no value of the writer's matches s.
func (d *derivation) excludes(s *v5.Schema) bool {
	ok, low := d.disjoint(d.w, s, d.at)
	if ok {
		d.low = min(d.low, low)
	}
	return ok
}

// disjoint reports whether w and s have no value in common. It never assumes
// anything about itself; low is for the questions it asks.
func (c *check) disjoint(w *world, s *v5.Schema, at place) (yes bool, low int) {
	c.quiet++
	defer func() { c.quiet-- }()
	return c.disjointWithin(w, s, at, map[*v5.Schema]int{})
}

func (c *check) disjointWithin(w *world, s *v5.Schema, at place, seen map[*v5.Schema]int) (yes bool, low int) {
	low = noAssumption
	if c.exhausted() || seen[s] > 3 {
		return false, low
	}
	seen[s]++
	defer func() { seen[s]-- }()

	if s.Always != nil {
		return !*s.Always, low
	}
	if w.kinds == object && c.apart(w.all, s) {
		return true, low
	}
	for _, no := range w.none {
		if ok, l := c.admits(c.openWorld(s), no, at); ok {
			return true, l
		}
	}
	if s.Not != nil {
		if ok, l := c.admits(w, s.Not, at); ok {
			return true, l
		}
	}
	parts := slices.Concat(refs(s), s.AllOf)
	for _, part := range parts {
		if ok, l := c.disjointWithin(w, part, at, seen); ok {
			return true, l
		}
	}
	for _, branches := range [...][]*v5.Schema{s.AnyOf, s.OneOf} {
		all := len(branches) > 0
		l := noAssumption
		for _, branch := range branches {
			ok, bl := c.disjointWithin(w, branch, at, seen)
			if !ok {
				all = false
				break
			}
			l = min(l, bl)
		}
		if all {
			return true, l
		}
	}
	for _, k := range kinds {
		if w.kinds&k == 0 || c.impossible(c.only(w, k)) {
			continue
		}
		ok, l := c.disjointKind(c.only(w, k), s, at, seen)
		if !ok {
			return false, noAssumption
		}
		low = min(low, l)
	}
	return true, low
}

// disjointKind looks at the keywords of s itself, for values of one kind.
func (c *check) disjointKind(w *world, s *v5.Schema, at place, seen map[*v5.Schema]int) (yes bool, low int) {
	low = noAssumption
	if len(s.Types) > 0 && kindOf(s.Types)&w.kinds == 0 {
		return true, low
	}
	if values, finite := c.values(w); finite && !c.readerDynamic && !c.writerDynamic {
		return !slices.ContainsFunc(values, func(v any) bool {
			valid, ok := c.validates(s, v)
			return valid || !ok
		}), low
	}
	if values, listed := listedValues(s); listed && !c.readerDynamic && !c.writerDynamic {
		if !slices.ContainsFunc(values, func(v any) bool { return valueKind(v)&w.kinds != 0 && c.mayHold(w, v) }) {
			return true, low
		}
	}
	both := c.with(w, s)
	switch w.kinds { //nolint:exhaustive // other kinds have no bounds
	case number, text:
		return c.impossible(both), low
	case array:
		if c.impossible(both) {
			return true, low
		}
		atLeast, _ := c.itemCount(both)
		for i := range min(atLeast, tupleLength(both.all)+1) {
			subs, admitted := itemOf(s, i)
			child := c.item(w, i)
			if !admitted || child == nil {
				return true, low
			}
			for _, sub := range subs {
				if ok, l := c.disjointWithin(child, sub, at.at("*"), seen); ok {
					return true, l
				}
			}
		}
	case object:
		if c.impossible(both) {
			return true, low
		}
		for _, name := range sortedNames(c.required(both)) {
			subs, admitted := c.propertyOf(s, name)
			child := c.property(w, name)
			if !admitted || child == nil {
				return true, low
			}
			for _, sub := range subs {
				if ok, l := c.disjointWithin(child, sub, at.at(pointerToken(name)), seen); ok {
					return true, l
				}
			}
		}
	}
	return false, low
}

func listedValues(s *v5.Schema) ([]any, bool) {
	switch {
	case len(s.Constant) > 0:
		return s.Constant[:1], true
	case len(s.Enum) > 0:
		return s.Enum, true
	}
	return nil, false
}

const (
	ruleDynamic = "dynamic-reference"
	whyDynamic  = "the new schema has references whose target depends on the way to them"
	cureDynamic = "use $ref instead"
)

// unknown stops at keywords that no rule is about.
func (d *derivation) unknown() {
	r := d.r
	if dynamicTarget(r) {
		d.stop(ruleDynamic, "", whyDynamic, cureDynamic)
	}
	if r.RegexProperties {
		d.stop("unknown-keyword", "regexProperties", "the keyword has no rule", "remove it")
	}
	for name := range r.Extensions {
		d.stop("unknown-keyword", name, "the keyword has no rule", "remove it")
	}
}

// vacuous reports whether a schema is seen to admit everything.
func vacuous(s *v5.Schema) bool {
	if s.Always != nil {
		return *s.Always
	}
	return len(s.Types) == 0 && len(s.Constant) == 0 && len(s.Enum) == 0 &&
		s.Format == "" && s.ContentEncoding == "" && s.ContentMediaType == "" &&
		s.Ref == nil && s.RecursiveRef == nil && s.DynamicRef == nil &&
		s.Not == nil && len(s.AllOf) == 0 && len(s.AnyOf) == 0 && len(s.OneOf) == 0 && s.If == nil &&
		s.MinProperties < 0 && s.MaxProperties < 0 && len(s.Required) == 0 && len(s.Properties) == 0 &&
		s.PropertyNames == nil && !s.RegexProperties && len(s.PatternProperties) == 0 &&
		(s.AdditionalProperties == nil || s.AdditionalProperties == true) &&
		len(s.Dependencies) == 0 && len(s.DependentRequired) == 0 && len(s.DependentSchemas) == 0 &&
		s.UnevaluatedProperties == nil && s.MinItems < 0 && s.MaxItems < 0 && !s.UniqueItems &&
		s.Items == nil && len(s.PrefixItems) == 0 && s.Items2020 == nil && s.Contains == nil && s.UnevaluatedItems == nil &&
		s.MinLength < 0 && s.MaxLength < 0 && s.Pattern == nil && noBounds(s.Minimum, s.ExclusiveMinimum, s.Maximum, s.ExclusiveMaximum, s.MultipleOf) &&
		len(s.Extensions) == 0
}

func noBounds(bounds ...*big.Rat) bool {
	return !slices.ContainsFunc(bounds, func(b *big.Rat) bool { return b != nil })
}
