package sample

import (
	"reflect"
	"slices"
	"strconv"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// array makes an array: of all items that have schemas of their own, of what it has
// to contain, and of one more that shows what the others are like.
func (m *maker) array(all []*v5.Schema, name string, depth int) (any, bool) {
	defer m.enter(all)()
	low, high, tuple := 0, -1, 0
	var contains []*v5.Schema // one for each item that there has to be
	unique := false
	for _, s := range all {
		low = max(low, s.MinItems)
		if s.MaxItems >= 0 && (high < 0 || s.MaxItems < high) {
			high = s.MaxItems
		}
		tuple = max(tuple, len(s.PrefixItems))
		if items, ok := s.Items.([]*v5.Schema); ok {
			tuple = max(tuple, len(items))
		}
		if s.Contains != nil {
			for range min(max(s.MinContains, 0), 100) {
				contains = append(contains, s.Contains)
			}
		}
		unique = unique || s.UniqueItems
	}
	count := max(low, tuple, len(contains), 1)
	if high >= 0 {
		count = min(count, high)
	}
	const most = 1000
	if count > most || low > count {
		return nil, false
	}
	items := []any{}
	for i := range count {
		holds := itemsAt(all, i)
		if i < len(contains) {
			holds = append(holds, contains[i])
		}
		if i >= low && i >= len(contains) && (m.leadsBack(holds) || depth >= maxNested) {
			break
		}
		v, ok := m.value(holds, name, depth+1)
		if ok && unique {
			v, ok = m.distinct(v, items, holds, name)
		}
		if !ok {
			if i >= low && i >= len(contains) {
				break
			}
			return nil, false
		}
		items = append(items, v)
	}
	return items, true
}

// itemsAt are the schemas that speak of item i.
func itemsAt(all []*v5.Schema, i int) []*v5.Schema {
	var out []*v5.Schema
	for _, s := range all {
		switch items := s.Items.(type) {
		case *v5.Schema:
			out = append(out, items)
		case []*v5.Schema:
			if i < len(items) {
				out = append(out, items[i])
			} else if rest, ok := s.AdditionalItems.(*v5.Schema); ok {
				out = append(out, rest)
			}
		}
		if i < len(s.PrefixItems) {
			out = append(out, s.PrefixItems[i])
		} else if s.Items2020 != nil {
			out = append(out, s.Items2020)
		}
	}
	return out
}

// distinct changes a value until it is none of those that are there.
func (m *maker) distinct(v any, items []any, holds []*v5.Schema, name string) (any, bool) {
	fits := func(v any) bool {
		return !slices.ContainsFunc(items, func(other any) bool { return reflect.DeepEqual(v, other) }) &&
			!slices.ContainsFunc(holds, func(s *v5.Schema) bool { return !m.finder.Valid(s, v) })
	}
	if fits(v) {
		return v, true
	}
	all, _ := holding(nil, holds...)
	var candidates []any
	for _, s := range all {
		candidates = append(candidates, s.Enum...)
		if examples, ok := m.linked.Keywords(s)["examples"].([]any); ok {
			candidates = append(candidates, examples...)
		}
	}
	text := name
	if text == "" {
		text = "text"
	}
	for i := range 2 + len(items) {
		candidates = append(candidates, text+"-"+strconv.Itoa(i+2), integer(int64(i+2)))
	}
	for _, other := range m.texts(all, name) {
		candidates = append(candidates, other)
	}
	for _, number := range m.numbers(all, name, false) {
		candidates = append(candidates, number)
	}
	candidates = append(candidates, true, false, nil, map[string]any{}, []any{})
	if i := slices.IndexFunc(candidates, fits); i >= 0 {
		return candidates[i], true
	}
	return nil, false
}
