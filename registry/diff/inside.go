package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

func (s *side) requires(name string) bool {
	return slices.Contains(listOf(s.words["required"].value), name)
}

func (s *side) properties() map[string]*v5.Schema {
	if w, ok := s.words["properties"]; ok {
		return w.owner.Properties
	}
	return nil
}

// properties compares the declared properties, and which of them are required.
func (k *comparison) properties() {
	was, is := k.old.properties(), k.new.properties()
	names := map[string]bool{}
	for _, list := range []map[string]*v5.Schema{was, is} {
		for name := range list {
			names[name] = true
		}
	}
	for _, s := range []*side{k.old, k.new} {
		for _, name := range listOf(s.words["required"].value) {
			names[name] = true
		}
	}
	parent := k.pointer
	defer func() { k.pointer = parent }()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, now := was[name], is[name]
		k.pointer = parent + token(name)
		must, musted := k.new.requires(name), k.old.requires(name)
		oldAt, newAt := k.old.at("properties")+propertyToken(old, name), k.new.at("properties")+propertyToken(now, name)
		switch {
		case old == nil && now != nil:
			k.addAt(PropertyAdded, "properties", oldAt, newAt, nil, k.new.written(now), "%s", sentence("the property", strconv.Quote(name), "is new, and", optional(must)))
		case old != nil && now == nil:
			k.addAt(PropertyRemoved, "properties", oldAt, newAt, k.old.written(old), nil, "the property %q is no longer declared; it was %s", name, optional(musted))
		}
		if old != nil && now != nil {
			k.later(old, now, k.pointer)
		}
		if (old == nil) != (now == nil) {
			continue // said with it
		}
		switch {
		case must && !musted:
			k.add(PropertyRequired, "required", nil, raw(name), "the property %q must be there now", name)
		case musted && !must:
			k.add(PropertyOptional, "required", raw(name), nil, "the property %q may be absent now", name)
		}
	}
}

func propertyToken(s *v5.Schema, name string) string {
	if s == nil {
		return ""
	}
	return token(name)
}

func optional(required bool) string {
	if required {
		return "required"
	}
	return "optional"
}

// patterns compares the properties that are named by patterns.
func (k *comparison) patterns() {
	of := func(s *side) map[string]*v5.Schema {
		out := map[string]*v5.Schema{}
		if w, ok := s.words["patternProperties"]; ok {
			for pattern, sub := range w.owner.PatternProperties {
				out[pattern.String()] = sub
			}
		}
		return out
	}
	k.named("patternProperties", of(k.old), of(k.new), "/*", "the rule for properties that match %q")
}

// named compares schemas that have names of their own.
func (k *comparison) named(keyword string, was, is map[string]*v5.Schema, below, what string) {
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, now := was[name], is[name]
		text := fmt.Sprintf(what, name)
		switch {
		case old == nil:
			k.addAt(ConstraintAdded, keyword, k.old.at(keyword), k.new.at(keyword)+token(name), nil, k.new.written(now), "%s is new", text)
		case now == nil:
			k.addAt(ConstraintRemoved, keyword, k.old.at(keyword)+token(name), k.new.at(keyword), k.old.written(old), nil, "%s is gone", text)
		default:
			k.later(old, now, k.pointer+below)
		}
	}
}

// listing is what is said of an array's items, in any draft's way.
type listing struct {
	first   []*v5.Schema
	keyword string // that holds rest
	rest    *v5.Schema
}

func (s *side) listing() listing {
	l := listing{keyword: "items"}
	if w, ok := s.words["prefixItems"]; ok {
		l.first = w.owner.PrefixItems
	}
	w, ok := s.words["items"]
	if !ok {
		return l
	}
	if w.owner.Items2020 != nil {
		l.rest = w.owner.Items2020
		return l
	}
	if tuple, ok := w.owner.Items.([]*v5.Schema); ok {
		l.first, l.keyword = tuple, "additionalItems"
		if more, ok := s.words["additionalItems"]; ok {
			l.rest = schemaOf(more.owner.AdditionalItems)
		}
		return l
	}
	l.rest = schemaOf(w.owner.Items)
	return l
}

// items compares arrays.
func (k *comparison) items() {
	was, is := k.old.listing(), k.new.listing()
	for i := range max(len(was.first), len(is.first)) {
		at := k.pointer + token(strconv.Itoa(i))
		switch {
		case i < len(was.first) && i < len(is.first):
			k.later(was.first[i], is.first[i], at)
		case i < len(is.first) && was.rest != nil && was.rest.Always == nil:
			k.later(was.rest, is.first[i], at)
		case i < len(was.first) && is.rest != nil && is.rest.Always == nil:
			k.later(was.first[i], is.rest, at)
		case i < len(is.first) && refuses(was.rest):
			k.addAt(ConstraintRemoved, "items", k.old.at(was.keyword), k.new.place(is.first[i]), raw(false), k.new.written(is.first[i]), "item %d is admitted now", i)
		case i < len(was.first) && refuses(is.rest):
			k.addAt(ConstraintAdded, "items", k.old.place(was.first[i]), k.new.at(is.keyword), k.old.written(was.first[i]), raw(false), "item %d is not admitted any more", i)
		case i < len(is.first):
			k.addAt(ConstraintAdded, "items", k.old.at("items"), k.new.place(is.first[i]), nil, k.new.written(is.first[i]), "item %d has a schema now", i)
		default:
			k.addAt(ConstraintRemoved, "items", k.old.place(was.first[i]), k.new.at("items"), k.old.written(was.first[i]), nil, "item %d has no schema any more", i)
		}
	}
	switch {
	case was.rest == nil && is.rest == nil:
	case was.rest == nil:
		k.addAt(ConstraintAdded, is.keyword, k.old.at(was.keyword), k.new.at(is.keyword), nil, k.new.written(is.rest), "its items have a schema now")
	case is.rest == nil:
		k.addAt(ConstraintRemoved, was.keyword, k.old.at(was.keyword), k.new.at(is.keyword), k.old.written(was.rest), nil, "its items have no schema any more")
	case was.rest.Always == nil && is.rest.Always == nil:
		k.later(was.rest, is.rest, k.pointer+"/*")
	case was.rest.Always != nil && is.rest.Always != nil && *was.rest.Always == *is.rest.Always:
	default:
		kind := ConstraintTightened
		if refuses(was.rest) || allows(is.rest) {
			kind = ConstraintLoosened
		}
		old, now := k.old.written(was.rest), k.new.written(is.rest)
		k.addAt(kind, is.keyword, k.old.at(was.keyword), k.new.at(is.keyword), old, now, "its further items are %s and no longer %s", brief(now), brief(old))
	}
}

// branches are the schemas of allOf, anyOf or oneOf.
func (s *side) branches(keyword string) []*v5.Schema {
	var out []*v5.Schema
	if w, ok := s.words[keyword]; ok {
		switch keyword {
		case "allOf":
			out = w.owner.AllOf
		case "anyOf":
			out = w.owner.AnyOf
		case "oneOf":
			out = w.owner.OneOf
		}
	}
	return out
}

// alternatives compares lists of schemas, whatever their order.
func (k *comparison) alternatives(keyword string) {
	was, is := k.old.branches(keyword), k.new.branches(keyword)
	if keyword == "allOf" {
		// What the one refers to is compared with what the other does; where only one
		// refers to anything beyond its keywords, that is like one more of allOf.
		switch old, now := k.old.rest, k.new.rest; {
		case old != nil && now != nil:
			k.later(old, now, k.pointer)
		case old != nil:
			was = append(slices.Clip(was), old)
		case now != nil:
			is = append(slices.Clip(is), now)
		}
	}
	if len(was) == 0 && len(is) == 0 {
		return
	}
	if len(was) == 0 || len(is) == 0 {
		list := func(s *side, branches []*v5.Schema) json.RawMessage {
			if len(branches) == 0 {
				return nil
			}
			texts := make([]json.RawMessage, len(branches))
			for i, b := range branches {
				texts[i] = s.written(b)
			}
			return raw(texts)
		}
		if len(was) == 0 {
			k.add(ConstraintAdded, keyword, nil, list(k.new, is), "%s is asked for now, of %d schemas", keyword, len(is))
		} else {
			k.add(ConstraintRemoved, keyword, list(k.old, was), nil, "%s is asked for no more; it was of %d schemas", keyword, len(was))
		}
		return
	}
	partner := k.match(was, is)
	taken := map[*v5.Schema]bool{}
	for _, old := range was {
		if now := partner[old]; now != nil {
			taken[now] = true
			k.later(old, now, k.pointer)
			continue
		}
		k.addAt(AlternativeRemoved, keyword, k.old.place(old), k.new.at(keyword), k.old.written(old), nil, "%s has one schema less: %s", keyword, brief(k.old.written(old)))
	}
	for _, now := range is {
		if !taken[now] {
			k.addAt(AlternativeAdded, keyword, k.old.at(keyword), k.new.place(now), nil, k.new.written(now), "%s has one schema more: %s", keyword, brief(k.new.written(now)))
		}
	}
}

// match finds for each schema of was the one that it has become, if any: what is
// written alike first, then what goes by the same name, then what is of one type.
func (k *comparison) match(was, is []*v5.Schema) map[*v5.Schema]*v5.Schema {
	partner, taken := map[*v5.Schema]*v5.Schema{}, map[*v5.Schema]bool{}
	for _, label := range []func(*side, *v5.Schema) string{
		func(s *side, b *v5.Schema) string { return string(s.written(b)) },
		nameOf,
		func(s *side, b *v5.Schema) string { return string(sideOf(s.linked, b).value("type")) },
	} {
		for _, old := range was {
			if partner[old] != nil {
				continue
			}
			name := label(k.old, old)
			i := slices.IndexFunc(is, func(now *v5.Schema) bool { return !taken[now] && name != "" && label(k.new, now) == name })
			if i >= 0 {
				partner[old], taken[is[i]] = is[i], true
			}
		}
	}
	return partner
}

// nameOf is what an alternative is known by: the values that its constant
// properties have, its reference, or its title.
func nameOf(s *side, branch *v5.Schema) string {
	keywords := s.linked.Keywords(branch)
	if ref, ok := keywords["$ref"].(string); ok {
		return ref
	}
	in := sideOf(s.linked, branch)
	constants := map[string]any{}
	for name, sub := range in.properties() {
		if c, ok := s.linked.Keywords(sub)["const"]; ok {
			constants[name] = c
		}
	}
	if len(constants) > 0 {
		return string(raw(constants))
	}
	title, _ := keywords["title"].(string)
	return title
}

// dependencies compares what a property asks of its neighbours.
func (k *comparison) dependencies() {
	was, wasLists := k.old.dependencies()
	is, isLists := k.new.dependencies()
	k.named("dependentSchemas", was, is, "", "what the presence of %q asks for")
	names := maps.Clone(wasLists)
	maps.Copy(names, isLists)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, after := wasLists[name], isLists[name]
		for _, other := range after {
			if !slices.Contains(before, other) {
				k.add(ConstraintAdded, "dependentRequired", nil, raw(after), "where %q is, %q must be there now", name, other)
			}
		}
		for _, other := range before {
			if !slices.Contains(after, other) {
				k.add(ConstraintRemoved, "dependentRequired", raw(before), nil, "where %q is, %q may be absent now", name, other)
			}
		}
	}
}

// dependencies are those of any draft.
func (s *side) dependencies() (schemas map[string]*v5.Schema, lists map[string][]string) {
	schemas, lists = map[string]*v5.Schema{}, map[string][]string{}
	if w, ok := s.words["dependentSchemas"]; ok {
		maps.Copy(schemas, w.owner.DependentSchemas)
	}
	if w, ok := s.words["dependentRequired"]; ok {
		maps.Copy(lists, w.owner.DependentRequired)
	}
	if w, ok := s.words["dependencies"]; ok {
		for name, v := range w.owner.Dependencies {
			switch v := v.(type) {
			case *v5.Schema:
				schemas[name] = v
			case []string:
				lists[name] = v
			}
		}
	}
	return schemas, lists
}
