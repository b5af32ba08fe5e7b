package compat

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

const (
	ruleTypeRemoved  = "type-removed"
	ruleValueRefused = "value-refused"
)

// kind derives type.
func (d *derivation) kind() {
	if len(d.r.Types) == 0 {
		return
	}
	if kindOf(d.r.Types)&d.w.kinds == 0 {
		d.refute(ruleTypeRemoved, "type",
			fmt.Sprintf("a document may hold %s here, and the new schema admits %s only", d.w.kinds, strings.Join(d.r.Types, " or ")),
			fmt.Sprintf("keep %s among the types", d.w.kinds))
		d.findings[len(d.findings)-1].kinds = d.w.kinds
		return
	}
	if d.w.kinds == number && !slices.Contains(d.r.Types, "number") && !integral(d.w) {
		d.refute("type-narrowed", "type", "a document may hold a fraction here, and the new schema admits integers only", "keep type number")
	}
}

// enumeration derives const and enum for values that cannot be listed.
func (d *derivation) enumeration() {
	if len(d.r.Constant) > 0 || len(d.r.Enum) > 0 {
		keyword := "enum"
		if len(d.r.Constant) > 0 {
			keyword = "const"
		}
		d.refute("enum-added", keyword,
			fmt.Sprintf("only certain values are admitted now, and a document may hold any %s here", d.w.kinds), "leave the list of values away")
	}
}

// containsValues puts each value to the reader's schema.
func (c *check) containsValues(w *world, values []any, r *v5.Schema, at place) []Finding {
	if len(values) == 0 {
		return nil
	}
	if c.readerDynamic && (r != c.reader || at.depth > 0) {
		return c.finding(w, r, at, Undecided, ruleDynamic, "", whyDynamic, cureDynamic)
	}
	var refused []string
	for _, v := range values {
		if !c.charge(v, r) {
			return c.tooComplex(w, r, at)
		}
		valid, ok := c.validates(r, v)
		if !ok {
			return c.finding(w, r, at, Undecided, "value-not-validated", "", "the validator cannot take the value "+sample(v), "remove the value")
		}
		if !valid {
			refused = append(refused, sample(v))
		}
	}
	if len(refused) == 0 {
		return nil
	}
	const shown = 5
	why := strings.Join(refused[:min(shown, len(refused))], ", ")
	if len(refused) > shown {
		why += fmt.Sprintf(" and %d more", len(refused)-shown)
	}
	return c.finding(w, r, at, Incompatible, ruleValueRefused, "",
		"a document may hold "+why+" here, and the new schema refuses it", "keep admitting what the old schema lists")
}

// wholeKind reports whether the values are all that there are of w's kind.
func wholeKind(w *world, values []any) bool {
	return w.kinds == null && len(values) == 1 || w.kinds == boolean && len(values) == 2
}

func sample(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "a value"
	}
	const most = 80
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "…"
	}
	return string(text)
}

// numbers derives the keywords about numbers.
func (d *derivation) numbers() {
	if d.w.kinds != number {
		return
	}
	in, r := interval(d.w), d.r
	if m := r.Minimum; m != nil && (in.low == nil || in.low.Cmp(m) < 0) {
		d.refute("minimum-raised", "minimum", "numbers below "+decimal(m)+" are refused now, and a document may hold "+below(in), "lower the minimum or remove it")
	}
	if m := r.ExclusiveMinimum; m != nil && (in.low == nil || in.low.Cmp(m) < 0 || in.low.Cmp(m) == 0 && !in.lowOpen) {
		d.refute("minimum-raised", "exclusiveMinimum", "numbers up to "+decimal(m)+" are refused now, and a document may hold "+below(in), "lower the minimum or remove it")
	}
	if m := r.Maximum; m != nil && (in.high == nil || in.high.Cmp(m) > 0) {
		d.refute("maximum-lowered", "maximum", "numbers above "+decimal(m)+" are refused now, and a document may hold "+above(in), "raise the maximum or remove it")
	}
	if m := r.ExclusiveMaximum; m != nil && (in.high == nil || in.high.Cmp(m) > 0 || in.high.Cmp(m) == 0 && !in.highOpen) {
		d.refute("maximum-lowered", "exclusiveMaximum", "numbers from "+decimal(m)+" are refused now, and a document may hold "+above(in), "raise the maximum or remove it")
	}
	if m := r.MultipleOf; m != nil && !d.multiples(m) {
		d.refute("multiple-of-added", "multipleOf", "only multiples of "+decimal(m)+" are admitted now, and a document may hold others", "leave multipleOf as it was")
	}
}

// multiples reports whether all numbers of the writer's are multiples of m.
func (d *derivation) multiples(m *big.Rat) bool {
	divides := func(base *big.Rat) bool { return new(big.Rat).Quo(base, m).IsInt() }
	for _, s := range d.w.all {
		if s.MultipleOf != nil && divides(s.MultipleOf) {
			return true
		}
	}
	return integral(d.w) && divides(big.NewRat(1, 1))
}

func decimal(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(12), "0")
}

func below(s span) string {
	if s.low == nil {
		return "any"
	}
	return "numbers from " + decimal(s.low)
}

func above(s span) string {
	if s.high == nil {
		return "any"
	}
	return "numbers up to " + decimal(s.high)
}

// strings derives the keywords about strings.
func (d *derivation) strings() {
	if d.w.kinds != text {
		return
	}
	r := d.r
	low, high := lengths(d.w.all, func(s *v5.Schema) (int, int) { return s.MinLength, s.MaxLength })
	if r.MinLength > low {
		d.refute("min-length-raised", "minLength",
			fmt.Sprintf("strings have at least %d characters now, and a document may hold one of %d", r.MinLength, low), fmt.Sprintf("lower minLength to %d", low))
	}
	if r.MaxLength >= 0 && (high < 0 || high > r.MaxLength) {
		d.refute("max-length-lowered", "maxLength",
			fmt.Sprintf("strings have at most %d characters now, and a document may hold one of %s", r.MaxLength, orMore(high, r.MaxLength)), "raise maxLength or remove it")
	}
	if r.Pattern != nil && !d.implied(func(s *v5.Schema) bool { return s.Pattern != nil && s.Pattern.String() == r.Pattern.String() }) && !matchesAll(r.Pattern.String()) {
		d.stop("pattern-changed", "pattern",
			fmt.Sprintf("strings must match %q now, and the old schema is not seen to imply it", r.Pattern), "leave the pattern as it was, or away")
	}
	if assertedFormat(r) && !d.implied(func(s *v5.Schema) bool { return assertedFormat(s) && s.Format == r.Format }) {
		d.refute("format-added", "format",
			fmt.Sprintf("strings must be of format %q now, and a document may hold others", r.Format), "leave the format as it was, or away")
	}
	if assertedContent(r) && !d.implied(func(s *v5.Schema) bool { return assertedContent(s) && d.sameContent(s, r) }) {
		d.stop("content-changed", "contentMediaType",
			"what a string encodes is checked now, and the old schema is not seen to imply it", "leave contentEncoding and contentMediaType as they were")
	}
}

func (d *derivation) implied(by func(*v5.Schema) bool) bool {
	return slices.ContainsFunc(d.w.all, by)
}

// matchesAll reports whether a pattern, searched for, is found in every string.
func matchesAll(pattern string) bool {
	return pattern == "" || pattern == "^" || pattern == ".*" || pattern == "^.*"
}

// assertedFormat reports whether a schema's format is checked and not only noted:
// the library does so up to draft-07, and its wrong check of uri-template is
// replaced by none.
func assertedFormat(s *v5.Schema) bool {
	if s.Format == "" || s.Format == "uri-template" || modern(s) {
		return false
	}
	_, known := v5.Formats[s.Format]
	return known
}

// assertedContent reports whether a schema's contentEncoding or contentMediaType
// is checked: the library knows few of them.
func assertedContent(s *v5.Schema) bool {
	_, decoded := v5.Decoders[s.ContentEncoding]
	_, typed := v5.MediaTypes[s.ContentMediaType]
	return (decoded || typed) && !modern(s)
}

// modern says that a schema is of a draft after draft-07.
func modern(s *v5.Schema) bool { return s.Draft == v5.Draft2019 || s.Draft == v5.Draft2020 }
