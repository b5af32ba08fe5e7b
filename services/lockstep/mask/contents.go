package mask

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// contents puts into the strings of a sample what the overlay says that they hold, of
// which its schema knows nothing: JSON with the members that the overlay names.
func contents(c *contract.Contract, data []byte) ([]byte, error) {
	found, err := c.Classify()
	if err != nil {
		return nil, err
	}
	document, err := strictjson.Decode(data, strictjson.Limits{})
	if err != nil {
		return nil, err
	}
	changed := false
	for _, p := range found.Places {
		if !p.Content.Known() || p.Pointer == "" {
			continue
		}
		var inside any
		for _, in := range found.Places {
			if rest, ok := strings.CutPrefix(in.Pointer, p.Pointer+"/"); ok && !in.Names {
				inside = with(inside, strings.Split(rest, "/"), in)
			}
		}
		if inside == nil {
			inside = map[string]any{}
		}
		change(document, strings.Split(p.Pointer[1:], "/"), func(text string) string {
			if held, _, ok := p.Content.Decode(text); ok && (!p.Content.JSON() || json.Valid(held)) {
				return text
			}
			written, err := json.Marshal(inside)
			if err != nil {
				return text // it is made of what JSON has
			}
			changed = true
			return p.Content.Encode(written)
		})
	}
	if !changed {
		return data, nil
	}
	return json.Marshal(document)
}

// with adds a value for a place to what is made of others.
func with(value any, tokens []string, p contract.Place) any {
	if len(tokens) == 0 {
		switch {
		case slices.Contains(p.Kinds, "string"):
			return "text"
		case slices.Contains(p.Kinds, "number"):
			return json.Number("1")
		}
		return true
	}
	if tokens[0] == "*" {
		if _, isMap := value.(map[string]any); isMap {
			return value // its other names, which nobody lists
		}
		items, isArray := value.([]any)
		if value != nil && !isArray && len(tokens) == 1 {
			return value // it may as well be an array of anything
		}
		var item any
		if len(items) > 0 {
			item = items[0]
		}
		return []any{with(item, tokens[1:], p)}
	}
	members, ok := value.(map[string]any)
	if !ok {
		members = map[string]any{}
	}
	name := jsonschema.UnescapeToken(tokens[0])
	members[name] = with(members[name], tokens[1:], p)
	return members
}

// change changes the strings at a place of a document.
func change(value any, tokens []string, to func(string) string) {
	set := func(member any, store func(any)) {
		if text, ok := member.(string); ok && len(tokens) == 1 && text != "" {
			store(to(text))
		} else if len(tokens) > 1 {
			change(member, tokens[1:], to)
		}
	}
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if tokens[0] == "*" || name == jsonschema.UnescapeToken(tokens[0]) {
				set(member, func(made any) { value[name] = made })
			}
		}
	case []any:
		for i, item := range value {
			if tokens[0] == "*" {
				set(item, func(made any) { value[i] = made })
			}
		}
	}
}
