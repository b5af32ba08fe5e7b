package compat

import (
	"encoding/json"
	"fmt"
	"testing"
)

// variants is a schema with n kinds of objects, told apart by a constant, that
// all hold the same large object.
func variants(n int, shared map[string]any) map[string]any {
	var branches []any
	for i := range n {
		branches = append(branches, map[string]any{
			"type": "object", "required": []any{"action", "subject"},
			"properties": map[string]any{
				"action":  map[string]any{"type": "string", "const": fmt.Sprintf("action-%d", i)},
				"subject": map[string]any{"$ref": "#/definitions/shared"},
			},
		})
	}
	return map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#", "oneOf": branches,
		"definitions": map[string]any{"shared": shared},
	}
}

func TestManyVariants(t *testing.T) {
	// Guards against comparing each variant of a oneOf with all the others, when a
	// constant tells them apart: real families have thirty of them.
	properties := map[string]any{}
	var required []any
	for i := range 40 {
		name := fmt.Sprintf("p%02d", i)
		properties[name] = map[string]any{"anyOf": []any{map[string]any{"type": "string"}, map[string]any{"type": "null"}}}
		required = append(required, name)
	}
	object := func(change func(map[string]any)) map[string]any {
		s := map[string]any{"type": "object", "properties": map[string]any{}, "required": required}
		for name, p := range properties {
			s["properties"].(map[string]any)[name] = p
		}
		change(s)
		return s
	}
	parsed := func(s map[string]any) []byte {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	old := parse(t, parsed(variants(30, object(func(map[string]any) {}))))
	for _, c := range []struct {
		name   string
		change func(map[string]any)
		more   int
		want   Result
	}{
		{"a property becomes optional", func(s map[string]any) { s["required"] = required[1:] }, 0, Compatible},
		{"a variant more", func(map[string]any) {}, 1, Compatible},
		{"a variant less", func(map[string]any) {}, -1, Incompatible},
		{"a property more is required", func(s map[string]any) {
			s["properties"].(map[string]any)["q"] = map[string]any{"type": "string"}
			s["required"] = append([]any{"q"}, required...)
		}, 0, Incompatible},
	} {
		t.Run(c.name, func(t *testing.T) {
			next := parse(t, parsed(variants(30+c.more, object(c.change))))
			if v := Check(next, old, Gated); v.Result != c.want {
				t.Errorf("got %s, want %s", v, c.want)
			}
		})
	}
}
