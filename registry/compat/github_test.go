package compat

import (
	"encoding/json"
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

var allFlag = flag.Bool("all", false, "change all of the GitHub schemas, and not one of thirty")

// edit is a change to one object schema whose answer is known.
type edit struct {
	name   string
	gated  Result
	strict Result
	apply  func(at map[string]any) bool // false where it does not apply
}

func properties(at map[string]any) (map[string]any, []string) {
	p, _ := at["properties"].(map[string]any)
	return p, slices.Sorted(maps.Keys(p))
}

// one applies a change to the first property of a kind.
func oneProperty(kind string, change func(at map[string]any, name string, p map[string]any) bool) func(map[string]any) bool {
	return func(at map[string]any) bool {
		all, names := properties(at)
		for _, name := range names {
			p, ok := all[name].(map[string]any)
			if ok && p["type"] == kind && p["enum"] == nil && p["const"] == nil && change(at, name, p) {
				return true
			}
		}
		return false
	}
}

var edits = []edit{
	{"another description", yes, yes, func(at map[string]any) bool { at["description"] = "changed"; return true }},
	{"required property added", no, no, func(at map[string]any) bool {
		p, _ := properties(at)
		p["lockstep_new"] = map[string]any{"type": "string"}
		list, _ := at["required"].([]any)
		at["required"] = append(slices.Clone(list), "lockstep_new")
		return true
	}},
	{"optional property added", yes, maybe /* depends: see known */, func(at map[string]any) bool {
		p, _ := properties(at)
		p["lockstep_new"] = map[string]any{"type": "string"}
		return true
	}},
	{"property removed", maybe, maybe, func(at map[string]any) bool {
		p, names := properties(at)
		delete(p, names[0])
		list, _ := at["required"].([]any)
		list = slices.DeleteFunc(slices.Clone(list), func(v any) bool { return v == any(names[0]) })
		if at["required"] = list; len(list) == 0 {
			delete(at, "required")
		}
		return len(p) > 0
	}},
	{"string becomes integer", no, no, oneProperty("string", func(_ map[string]any, _ string, p map[string]any) bool {
		p["type"] = "integer"
		return true
	})},
	{"integer becomes string", no, no, oneProperty("integer", func(_ map[string]any, _ string, p map[string]any) bool {
		p["type"] = "string"
		return true
	})},
	{"integer becomes number", yes, yes, oneProperty("integer", func(_ map[string]any, _ string, p map[string]any) bool {
		p["type"] = "number"
		return true
	})},
	{"null admitted", yes, yes, oneProperty("string", func(_ map[string]any, _ string, p map[string]any) bool {
		p["type"] = []any{"string", "null"}
		return true
	})},
	{"shorter strings", no, no, oneProperty("string", func(_ map[string]any, _ string, p map[string]any) bool {
		p["maxLength"] = json.Number("3")
		return p["pattern"] == nil
	})},
	{"pattern added", no, no, oneProperty("string", func(_ map[string]any, _ string, p map[string]any) bool {
		p["pattern"] = "^zz+$"
		return true
	})},
	{"minimum added", no, no, oneProperty("integer", func(_ map[string]any, _ string, p map[string]any) bool {
		p["minimum"] = json.Number("7")
		return true
	})},
	{"property made optional", yes, yes, func(at map[string]any) bool {
		list, _ := at["required"].([]any)
		if len(list) < 2 {
			return false
		}
		at["required"] = list[1:]
		return true
	}},
	{"enum widened", yes, yes, enumEdit(func(list []any) []any { return append(slices.Clone(list), "lockstep") })},
	{"enum narrowed", no, no, enumEdit(func(list []any) []any { return list[:len(list)-1] })},
	{"value refused by not", no, no, oneProperty("boolean", func(_ map[string]any, _ string, p map[string]any) bool {
		p["not"] = map[string]any{"const": true}
		return true
	})},
	{"alternative added", yes, yes, oneProperty("string", func(at map[string]any, name string, p map[string]any) bool {
		at["properties"].(map[string]any)[name] = map[string]any{"anyOf": []any{p, map[string]any{"type": "integer"}}}
		return true
	})},
	{"alternative in place", no, no, oneProperty("string", func(at map[string]any, name string, p map[string]any) bool {
		at["properties"].(map[string]any)[name] = map[string]any{"oneOf": []any{map[string]any{"type": "null"}, map[string]any{"type": "integer"}}}
		return true
	})},
}

func enumEdit(change func([]any) []any) func(map[string]any) bool {
	return func(at map[string]any) bool {
		all, names := properties(at)
		for _, name := range names {
			p, _ := all[name].(map[string]any)
			if list, ok := p["enum"].([]any); ok && len(list) > 1 && p["type"] == "string" {
				p["enum"] = change(list)
				return true
			}
		}
		return false
	}
}

// plainObjects are pointers, as lists of tokens, to the objects that a document
// holds in any case that their parents do, with nothing else said about them.
func plainObjects(at map[string]any, path []string) [][]string {
	for key := range at {
		if !slices.Contains([]string{"$schema", "$id", "type", "properties", "required", "additionalProperties", "title", "description", "tsAdditionalProperties", "definitions"}, key) {
			return nil
		}
	}
	p, names := properties(at)
	if len(p) == 0 || at["type"] != "object" {
		return nil
	}
	out := [][]string{path}
	for _, name := range names {
		if sub, ok := p[name].(map[string]any); ok {
			out = append(out, plainObjects(sub, append(slices.Clone(path), "properties", name))...)
		}
	}
	return out
}

// admitsNothing is a schema that no document satisfies: it asks for a location, and
// that refuses by additionalProperties what all of its branches require. Whatever is
// changed there is compatible.
const admitsNothing = "secret_scanning_alert_location/created.schema.json"

func TestAdmitsNothing(t *testing.T) {
	// Guards against a search that cannot tell that there is nothing to be found.
	if v := Check(parse(t, []byte(`false`)), github(t)[admitsNothing], Strict); v.Result != Compatible {
		t.Errorf("got %s", v)
	}
}

func TestGitHubChanges(t *testing.T) {
	// Guards against wrong or missing verdicts on everyday changes to real schemas,
	// each with an answer that is known.
	bundles := github(t)
	right, undecided, total := 0, 0, 0
	slowest := time.Duration(0)
	byEdit := map[string]int{}
	for i, name := range slices.Sorted(maps.Keys(bundles)) {
		if i%30 != 0 && !*allFlag || testing.Short() && i > 60 {
			continue
		}
		b := bundles[name]
		root, ok := b.Document.Value().(map[string]any)
		if !ok {
			continue
		}
		if name == admitsNothing {
			continue
		}
		places := plainObjects(root, nil)
		if len(places) > 2 {
			places = [][]string{places[0], places[len(places)-1]}
		}
		for _, path := range places {
			for _, e := range edits {
				applied, closed := false, false
				next := changed(t, b, bundles, func(s map[string]any) {
					at := s
					for _, token := range path {
						at = at[token].(map[string]any)
					}
					closed = at["additionalProperties"] == false
					if applied = e.apply(at); !applied {
						clear(s)
					}
				})
				if !applied {
					continue
				}
				for _, policy := range []Policy{Gated, Strict} {
					want := e.gated
					if policy == Strict {
						want = e.strict
					}
					switch {
					case e.name == "optional property added" && policy == Strict:
						want = no
						if closed {
							want = yes
						}
					case e.name == "property removed":
						want = yes
						if closed {
							want = no
						}
					}
					start := time.Now()
					v := Check(next, b, policy)
					slowest = max(slowest, time.Since(start))
					total++
					switch v.Result {
					case want:
						right++
					case Undecided:
						undecided++
						byEdit[e.name]++
					default:
						t.Errorf("%s at /%s, %s, %s: got %s, want %s", name, strings.Join(path, "/"), e.name, policy, v, want)
					}
					r, _ := next.Compile()
					w, _ := b.Compile()
					if problem := witnessed(v, w, r, policy); problem != "" {
						t.Errorf("%s at /%s, %s: %s", name, strings.Join(path, "/"), e.name, problem)
					}
				}
			}
		}
	}
	t.Logf("%d changes: %d decided rightly, %d undecided %v; slowest %s", total, right, undecided, byEdit, slowest)
	if right*100 < total*95 {
		t.Errorf("only %d of %d are decided rightly", right, total)
	}
}
