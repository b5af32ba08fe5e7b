package sample

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/registry/compat"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// The bounds of one sample.
const (
	maxValues = 20_000 // made on the way, those that were thrown away included
	maxDepth  = 60
	maxNested = 14 // of optional properties inside each other
	maxFinds  = 40 // searches for values that could not be guessed
)

// maker makes one document. It is used by one goroutine.
type maker struct {
	linked   *jsonschema.Linked
	finder   *compat.Finder
	optional bool
	unread   func(*v5.Schema, string) (*v5.Schema, error) // made when it is needed
	left     int
	held     int // strings that hold the value at hand
	finds    int
	made     int // values so far, to tell them apart
	// path are the schemas that the value at hand is inside of: an optional property
	// that leads back to one of them would never end.
	path map[*v5.Schema]bool
}

// value makes a value that is valid under all of the schemas; name is that of the
// property that it is for.
func (m *maker) value(schemas []*v5.Schema, name string, depth int) (any, bool) {
	if m.left--; m.left < 0 || depth > maxDepth {
		return nil, false
	}
	valid := func(v any) bool {
		return !slices.ContainsFunc(schemas, func(s *v5.Schema) bool { return !m.finder.Valid(s, v) })
	}
	all, ok := holding(nil, schemas...)
	if !ok {
		return nil, false
	}
	if v, ok := m.given(all, valid); ok {
		return v, true
	}
	if v, ok := m.choose(all, chosen{}, name, depth, valid); ok {
		return v, true
	}
	if m.finds++; m.finds > maxFinds {
		return nil, false
	}
	v, ok, _, _ := m.finder.Find(schemas...)
	return v, ok && valid(v)
}

// holding adds schemas with all that holds when they do; it is not ok if nothing can.
func holding(all []*v5.Schema, schemas ...*v5.Schema) ([]*v5.Schema, bool) {
	for queue := slices.Clone(schemas); len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if s == nil || slices.Contains(all, s) {
			continue
		}
		if s.Always != nil {
			if !*s.Always {
				return nil, false
			}
			continue
		}
		all = append(all, s)
		queue = append(append(queue, s.Ref, s.RecursiveRef, s.DynamicRef), s.AllOf...)
	}
	return all, true
}

// given is a value that the schemas name themselves.
func (m *maker) given(all []*v5.Schema, valid func(any) bool) (any, bool) {
	var candidates []any
	for _, s := range all {
		candidates = append(candidates, s.Constant...)
	}
	for _, s := range all {
		if examples, ok := m.linked.Keywords(s)["examples"].([]any); ok {
			candidates = append(candidates, examples...)
		}
	}
	for _, s := range all {
		if v, ok := m.linked.Keywords(s)["default"]; ok && v != nil && !hollow(v) {
			candidates = append(candidates, v)
		}
	}
	for _, s := range all {
		candidates = append(candidates, s.Enum...)
	}
	if i := slices.IndexFunc(candidates, valid); i >= 0 {
		return candidates[i], true
	}
	return nil, false
}

// hollow are the values that say nothing to a reader, though valid.
func hollow(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// chosen are the alternatives that were looked into.
type chosen map[*v5.Schema]bool

// choose goes through the alternatives of the schemas, the first one first, and
// makes a value where none is left.
func (m *maker) choose(all []*v5.Schema, done chosen, name string, depth int, valid func(any) bool) (any, bool) {
	for _, s := range all {
		ways := alternatives(s)
		if done[s] || len(ways) == 0 {
			continue
		}
		done := maps.Clone(done)
		done[s] = true
		for _, way := range ways {
			more, ok := holding(slices.Clip(all), way...)
			if !ok {
				continue
			}
			if len(way) > 0 {
				if v, ok := m.given(way, valid); ok {
					return v, true
				}
			}
			if v, ok := m.choose(more, done, name, depth, valid); ok {
				return v, true
			}
			if m.left < 0 {
				break
			}
		}
		return nil, false
	}
	return m.build(all, name, depth, valid)
}

// alternatives are the ways in which the choices of a schema can be made, null
// last. Its condition may hold or not; that is seen when the value is validated.
func alternatives(s *v5.Schema) [][]*v5.Schema {
	ways := [][]*v5.Schema{{}}
	for _, choice := range [][]*v5.Schema{s.OneOf, s.AnyOf} {
		if len(choice) == 0 {
			continue
		}
		branches := slices.Clone(choice)
		slices.SortStableFunc(branches, func(a, b *v5.Schema) int { return nullish(a) - nullish(b) })
		var more [][]*v5.Schema
		for _, way := range ways {
			for _, b := range branches {
				more = append(more, append(slices.Clip(way), b))
			}
		}
		ways = more
	}
	if s.If != nil {
		var more [][]*v5.Schema
		for _, way := range ways {
			more = append(more, append(slices.Clip(way), present(s.If, s.Then)...), append(slices.Clip(way), present(s.Else)...))
		}
		ways = more
	}
	if len(ways) == 1 && len(ways[0]) == 0 {
		return nil
	}
	return ways
}

func nullish(s *v5.Schema) int {
	if len(s.Types) == 1 && s.Types[0] == "null" {
		return 1
	}
	return 0
}

func present(schemas ...*v5.Schema) []*v5.Schema {
	return slices.DeleteFunc(schemas, func(s *v5.Schema) bool { return s == nil })
}

// build makes a value of the most telling type that the schemas leave.
func (m *maker) build(all []*v5.Schema, name string, depth int, valid func(any) bool) (any, bool) {
	if m.left--; m.left < 0 {
		return nil, false
	}
	for _, kind := range kindsOf(all, depth) {
		switch kind {
		case "object":
			for _, optional := range []bool{m.optional, false} {
				if v, ok := m.object(all, depth, optional); ok && valid(v) {
					return v, true
				}
				if !m.optional {
					break
				}
			}
		case "array":
			if v, ok := m.array(all, name, depth); ok && valid(v) {
				return v, true
			}
		case "string":
			for _, text := range append(m.contents(all, name, depth), m.texts(all, name)...) {
				if valid(text) {
					return text, true
				}
			}
		case "integer", "number":
			for _, number := range m.numbers(all, name, kind == "integer") {
				if valid(number) {
					return number, true
				}
			}
		case "boolean":
			for _, b := range []bool{true, false} {
				if valid(b) {
					return b, true
				}
			}
		case "null":
			if valid(nil) {
				return nil, true
			}
		}
	}
	return nil, false
}

// kindsOf are the types that the schemas leave, the most telling first: what their
// keywords are about comes before what they merely admit.
func kindsOf(all []*v5.Schema, depth int) []string {
	kinds := []string{"object", "string", "integer", "number", "array", "boolean", "null"}
	said := false
	for _, s := range all {
		if len(s.Types) == 0 {
			continue
		}
		said = true
		kinds = slices.DeleteFunc(kinds, func(k string) bool {
			return !slices.Contains(s.Types, k) && (k != "integer" || !slices.Contains(s.Types, "number"))
		})
	}
	about := map[string]bool{}
	for _, s := range all {
		about["object"] = about["object"] || len(s.Properties)+len(s.Required)+len(s.PatternProperties) > 0 || s.AdditionalProperties != nil ||
			s.PropertyNames != nil || s.MinProperties > 0 || s.UnevaluatedProperties != nil
		about["array"] = about["array"] || s.Items != nil || s.Items2020 != nil || len(s.PrefixItems) > 0 || s.MinItems > 0 || s.Contains != nil
		about["string"] = about["string"] || s.Pattern != nil || s.Format != "" || s.MinLength > 0
		about["number"] = about["number"] || s.Minimum != nil || s.Maximum != nil || s.MultipleOf != nil || s.ExclusiveMinimum != nil || s.ExclusiveMaximum != nil
	}
	if slices.ContainsFunc(all, func(s *v5.Schema) bool { return slices.Contains(s.Types, "number") }) {
		kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "integer" && slices.Contains(kinds, "number") })
	}
	rank := func(k string) int {
		switch {
		case about[k], k == "integer" && about["number"]:
			return 0
		case !said && depth > 0 && k == "object":
			return 2 // nothing is said of it: a text reads better than {}
		}
		return 1
	}
	slices.SortStableFunc(kinds, func(a, b string) int { return rank(a) - rank(b) })
	return kinds
}

// enter notes that what is made next is inside of a value of the schemas; the
// function that it returns ends that.
func (m *maker) enter(all []*v5.Schema) (leave func()) {
	var entered []*v5.Schema
	for _, s := range all {
		if !m.path[s] {
			m.path[s] = true
			entered = append(entered, s)
		}
	}
	return func() {
		for _, s := range entered {
			delete(m.path, s)
		}
	}
}

// object makes an object of the required properties, and of the optional ones.
func (m *maker) object(all []*v5.Schema, depth int, optional bool) (any, bool) {
	defer m.enter(all)()
	all = slices.Clone(all)
	object := map[string]any{}
	most := -1
	for _, s := range all {
		if s.MaxProperties >= 0 && (most < 0 || s.MaxProperties < most) {
			most = s.MaxProperties
		}
	}
	for done := map[string]bool{}; ; {
		name, must, more := next(all, object, done, optional && depth < maxNested && (most < 0 || len(object) < most))
		if !more {
			break
		}
		done[name] = true
		holds := under(all, name)
		if !must && m.leadsBack(holds) {
			continue
		}
		v, ok := m.value(holds, name, depth+1)
		if !ok && must {
			return nil, false
		}
		if !ok {
			continue
		}
		object[name] = v
		for _, sub := range dependent(all, name) {
			if all, ok = holding(all, sub); !ok {
				return nil, false
			}
		}
	}
	if optional || fewer(all, object) {
		m.another(all, object, most, depth)
	}
	return object, true
}

// next is the next property to be made: those that must be there first, then the
// declared ones by name.
func next(all []*v5.Schema, object map[string]any, done map[string]bool, optional bool) (name string, must, more bool) {
	var names []string
	for _, s := range all {
		names = append(names, s.Required...)
		for present := range object {
			names = append(names, s.DependentRequired[present]...)
			if list, ok := s.Dependencies[present].([]string); ok {
				names = append(names, list...)
			}
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if !done[name] {
			return name, true, true
		}
	}
	if !optional {
		return "", false, false
	}
	names = names[:0]
	for _, s := range all {
		names = slices.AppendSeq(names, maps.Keys(s.Properties))
	}
	slices.Sort(names)
	for _, name := range names {
		if !done[name] {
			return name, false, true
		}
	}
	return "", false, false
}

// under are the schemas that speak of a property.
func under(all []*v5.Schema, name string) []*v5.Schema {
	var out []*v5.Schema
	for _, s := range all {
		said := false
		if sub := s.Properties[name]; sub != nil {
			out, said = append(out, sub), true
		}
		for pattern, sub := range s.PatternProperties {
			if pattern.MatchString(name) {
				out, said = append(out, sub), true
			}
		}
		if rest, ok := s.AdditionalProperties.(*v5.Schema); ok && !said {
			out = append(out, rest)
		}
	}
	slices.SortStableFunc(out, func(a, b *v5.Schema) int { // a map's order is none
		return cmp.Compare(a.Location, b.Location)
	})
	return out
}

// leadsBack reports whether a value of the schemas would be inside of another one.
func (m *maker) leadsBack(schemas []*v5.Schema) bool {
	all, _ := holding(nil, schemas...)
	return slices.ContainsFunc(all, func(s *v5.Schema) bool { return m.path[s] })
}

// dependent are the schemas that hold because a property is there.
func dependent(all []*v5.Schema, name string) []*v5.Schema {
	var out []*v5.Schema
	for _, s := range all {
		if sub := s.DependentSchemas[name]; sub != nil {
			out = append(out, sub)
		}
		if sub, ok := s.Dependencies[name].(*v5.Schema); ok {
			out = append(out, sub)
		}
	}
	return out
}

func fewer(all []*v5.Schema, object map[string]any) bool {
	return slices.ContainsFunc(all, func(s *v5.Schema) bool { return s.MinProperties > len(object) })
}

// another adds properties that have no names of their own: one, to show what they
// are like, or as many as there have to be.
func (m *maker) another(all []*v5.Schema, object map[string]any, most, depth int) {
	open := slices.ContainsFunc(all, func(s *v5.Schema) bool {
		rest, _ := s.AdditionalProperties.(*v5.Schema)
		if s.AdditionalProperties == true {
			return fewer(all, object)
		}
		return rest != nil
	})
	patterned := slices.ContainsFunc(all, func(s *v5.Schema) bool { return len(s.PatternProperties) > 0 })
	if !open && !patterned {
		return
	}
	candidates := []string{"key", "a", "x-key", "1", "A", "en", "id"}
	for i := range 20 {
		candidates = append(candidates, "key"+strconv.Itoa(i+2))
	}
	added := false
	for _, name := range candidates {
		if _, there := object[name]; there || added && !fewer(all, object) || most >= 0 && len(object) >= most {
			continue
		}
		holds := under(all, name)
		if len(holds) == 0 && !open || m.leadsBack(holds) || !m.named(all, name) {
			continue
		}
		if v, ok := m.value(holds, name, depth+1); ok {
			object[name], added = v, true
		}
	}
}

// named reports whether a property may have the name.
func (m *maker) named(all []*v5.Schema, name string) bool {
	for _, s := range all {
		if s.PropertyNames != nil && !m.finder.Valid(s.PropertyNames, name) {
			return false
		}
		declared := s.Properties[name] != nil
		for pattern := range s.PatternProperties {
			declared = declared || pattern.MatchString(name)
		}
		if s.AdditionalProperties == false && !declared {
			return false
		}
	}
	return true
}

func integer(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }
