package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// comparison is the comparison of one place.
type comparison struct {
	*differ
	old, new *side
	pointer  string
}

func (d *differ) compare(c couple) {
	k := &comparison{d, sideOf(d.old, c.old), sideOf(d.new, c.new), c.pointer}
	switch {
	case k.old.never && k.new.never:
		return
	case k.new.never:
		k.add(ConstraintAdded, "", nil, raw(false), "no value is admitted any more")
		return
	case k.old.never:
		k.add(ConstraintRemoved, "", raw(false), k.new.written(c.new), "values are admitted where none was")
		return
	}
	k.types()
	k.values()
	k.numbers()
	k.properties()
	k.patterns()
	k.items()
	k.single()
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		k.alternatives(keyword)
	}
	k.dependencies()
	k.words()
}

// add tells of a change.
func (k *comparison) add(kind Kind, keyword string, old, new json.RawMessage, format string, args ...any) { //nolint:predeclared // the pair reads best so
	k.addAt(kind, keyword, k.old.at(keyword), k.new.at(keyword), old, new, format, args...)
}

func (k *comparison) addAt(kind Kind, keyword, oldAt, newAt string, old, new json.RawMessage, format string, args ...any) { //nolint:predeclared // as above
	k.changes = append(k.changes, Change{
		Kind: kind, Keyword: keyword, Pointer: k.pointer, OldPointer: oldAt, NewPointer: newAt,
		Old: old, New: new, Text: fmt.Sprintf(format, args...),
	})
}

// both tells of a keyword that only one side has; it reports whether both have it.
func (k *comparison) both(keyword string) bool {
	was, is := k.old.value(keyword), k.new.value(keyword)
	switch {
	case was == nil && is != nil:
		k.add(ConstraintAdded, keyword, nil, is, "%s is asked for now: %s", keyword, brief(is))
	case was != nil && is == nil:
		k.add(ConstraintRemoved, keyword, was, nil, "%s is asked for no more: it was %s", keyword, brief(was))
	}
	return was != nil && is != nil
}

// brief is a value in a sentence.
func brief(value json.RawMessage) string {
	const most = 80
	if runes := []rune(string(value)); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(value)
}

func (k *comparison) types() {
	if !k.both("type") {
		return
	}
	was, is := listOf(k.old.words["type"].value), listOf(k.new.words["type"].value)
	admits := func(types []string, t string) bool {
		return slices.Contains(types, t) || t == "integer" && slices.Contains(types, "number")
	}
	for _, t := range is {
		if !admits(was, t) {
			k.add(TypeAdded, "type", k.old.value("type"), k.new.value("type"), "it may be of type %s now", t)
		}
	}
	for _, t := range was {
		switch {
		case admits(is, t):
		case t == "number" && slices.Contains(is, "integer"):
			k.add(TypeRemoved, "type", k.old.value("type"), k.new.value("type"), "a number must be an integer now")
		default:
			k.add(TypeRemoved, "type", k.old.value("type"), k.new.value("type"), "it may no longer be of type %s", t)
		}
	}
}

func listOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// listed are the values of const or enum.
func (s *side) listed() (keyword string, values []any) {
	if c, ok := s.words["const"]; ok {
		return "const", []any{c.value}
	}
	if e, ok := s.words["enum"].value.([]any); ok {
		return "enum", e
	}
	return "", nil
}

func (k *comparison) values() {
	was, before := k.old.listed()
	is, after := k.new.listed()
	switch {
	case was == "" && is == "":
		return
	case was == "":
		k.add(ConstraintAdded, is, nil, k.new.value(is), "only these values are admitted now: %s", brief(k.new.value(is)))
		return
	case is == "":
		k.add(ConstraintRemoved, was, k.old.value(was), nil, "other values are admitted than %s", brief(k.old.value(was)))
		return
	}
	has := func(list []any, v any) bool {
		return slices.ContainsFunc(list, func(e any) bool { return equal(e, v) })
	}
	tell := func(kind Kind, v any, old, new json.RawMessage, text string) { //nolint:predeclared // as above
		k.addAt(kind, is, k.old.at(was), k.new.at(is), old, new, "%s %s", brief(raw(v)), text)
	}
	for _, v := range after {
		if !has(before, v) {
			tell(ValueAdded, v, nil, raw(v), "is a value now")
		}
	}
	for _, v := range before {
		if !has(after, v) {
			tell(ValueRemoved, v, raw(v), nil, "is no value any more")
		}
	}
}

// numbers compares the keywords that hold one plain value.
func (k *comparison) numbers() {
	for _, keyword := range slices.Sorted(maps.Keys(directed)) {
		if !k.both(keyword) {
			continue
		}
		was, is := k.old.words[keyword].value, k.new.words[keyword].value
		if equal(was, is) {
			continue
		}
		kind := ConstraintChanged
		if x, y := rational(was), rational(is); x != nil && y != nil {
			order := y.Cmp(x) * directed[keyword]
			if keyword == "multipleOf" && x.Sign() > 0 && y.Sign() > 0 {
				if y.Quo(y, x).IsInt() {
					order = 1
				} else if y.Inv(y).IsInt() {
					order = -1
				}
			}
			switch {
			case order > 0:
				kind = ConstraintTightened
			case order < 0:
				kind = ConstraintLoosened
			}
		}
		k.add(kind, keyword, k.old.value(keyword), k.new.value(keyword), "%s is %s and no longer %s", keyword, brief(k.new.value(keyword)), brief(k.old.value(keyword)))
	}
}

// words compares what is said to people, to masking, and to programs unknown.
func (k *comparison) words() {
	names := map[string]bool{}
	for _, s := range []*side{k.old, k.new} {
		for name := range s.words {
			names[name] = !known[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, isOld := k.old.words[name]
		is, isNew := k.new.words[name]
		if !names[name] || isOld && isNew && equal(was.value, is.value) {
			continue
		}
		kind := AnnotationChanged
		if classifications[name] {
			kind = ClassificationChanged
		}
		old, now := k.old.value(name), k.new.value(name)
		switch {
		case !isOld:
			k.add(kind, name, nil, now, "%s is new: %s", name, brief(now))
		case !isNew:
			k.add(kind, name, old, nil, "%s is gone: it was %s", name, brief(old))
		default:
			k.add(kind, name, old, now, "%s is %s and no longer %s", name, brief(now), brief(old))
		}
	}
}

// single compares the keywords that hold one schema.
func (k *comparison) single() {
	for _, keyword := range slices.Sorted(maps.Keys(schemaKeywords)) {
		open := keyword == "additionalProperties" || keyword == "unevaluatedProperties" || keyword == "unevaluatedItems"
		was, is := k.old.single(keyword), k.new.single(keyword)
		pointer := k.pointer
		if open {
			pointer += "/*"
		} else if keyword == "contains" {
			pointer += "/*"
		}
		if was != nil && is != nil && was.Always == nil && is.Always == nil {
			k.later(was, is, pointer)
			continue
		}
		old, now := k.old.value(keyword), k.new.value(keyword)
		if equal(k.old.words[keyword].value, k.new.words[keyword].value) {
			continue
		}
		switch {
		case open && allows(is) && old == nil:
			k.add(ConstraintLoosened, keyword, old, now, "others than the declared are expressly admitted now")
		case open && allows(was) && now == nil:
			k.add(ConstraintTightened, keyword, old, now, "others than the declared are not expressly admitted any more")
		case was == nil || is == nil:
			k.both(keyword)
		case keyword != "not" && (allows(is) || refuses(was)):
			k.add(ConstraintLoosened, keyword, old, now, "%s is %s and no longer %s", keyword, brief(now), brief(old))
		case keyword != "not" && (refuses(is) || allows(was)):
			k.add(ConstraintTightened, keyword, old, now, "%s is %s and no longer %s", keyword, brief(now), brief(old))
		default:
			k.add(ConstraintChanged, keyword, old, now, "%s is %s and no longer %s", keyword, brief(now), brief(old))
		}
	}
}

func allows(s *v5.Schema) bool  { return s != nil && s.Always != nil && *s.Always }
func refuses(s *v5.Schema) bool { return s != nil && s.Always != nil && !*s.Always }

// single is the schema that a keyword holds.
func (s *side) single(keyword string) *v5.Schema {
	w, ok := s.words[keyword]
	if !ok {
		return nil
	}
	switch keyword {
	case "not":
		return w.owner.Not
	case "if":
		return w.owner.If
	case "then":
		return w.owner.Then
	case "else":
		return w.owner.Else
	case "contains":
		return w.owner.Contains
	case "propertyNames":
		return w.owner.PropertyNames
	case "additionalProperties":
		return schemaOf(w.owner.AdditionalProperties)
	case "unevaluatedProperties":
		return w.owner.UnevaluatedProperties
	case "unevaluatedItems":
		return w.owner.UnevaluatedItems
	}
	return nil
}

// schemaOf is a schema that the library may hold as a boolean.
func schemaOf(v any) *v5.Schema {
	switch v := v.(type) {
	case bool:
		return &v5.Schema{Always: &v}
	case *v5.Schema:
		return v
	}
	return nil
}

func token(name string) string { return "/" + jsonschema.EscapeToken(name) }

// sentence joins what is there.
func sentence(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " ")
}
