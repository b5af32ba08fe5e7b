package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

const gatedMesh = `environments:
  solo:
    role: hub
    durability: interval
    listen: {nats: "127.0.0.1:0", registry: "127.0.0.1:0"}
domains:
  gated: {owner: team, origins: [solo]}
  opened: {owner: team, origins: [solo], write: open}
`

// solo is one environment with a gate, a registry and an application's connection.
type solo struct {
	js       jetstream.JetStream
	registry *client.Client
}

func startSolo(t *testing.T) solo {
	t.Helper()
	dir := t.TempDir()
	mesh := filepath.Join(dir, "mesh.yaml")
	if err := os.WriteFile(mesh, []byte(gatedMesh), 0o600); err != nil {
		t.Fatal(err)
	}
	_, at := serve(t, "solo", mesh, dir)
	nc := connect(t, at.NATS, at.Credentials)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(at.Registry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return solo{js, c}
}

// passes publishes a document and reports whether the gate let it in.
func (s solo) passes(ctx context.Context, t interface{ Fatalf(string, ...any) }, subject string, document []byte) bool {
	_, err := s.js.Publish(ctx, subject, document)
	var refused *jetstream.APIError
	if err != nil && !errors.As(err, &refused) {
		t.Fatalf("publish %s: %v", document, err)
	}
	return err == nil
}

// drawn is a schema that was drawn: its object schemas by the way that leads to
// them in a document, where * is the first item of an array.
type drawn struct {
	schema  map[string]any
	objects map[string]map[string]any
}

// drawObject draws the schema of an object.
func drawObject(t *rapid.T, at string, depth int, into *drawn) map[string]any {
	properties := map[string]any{}
	required := []any{}
	for i := range rapid.IntRange(1, 4).Draw(t, "properties") {
		name := string(rune('a' + i))
		kinds := []string{"string", "integer", "boolean", "nullable", "strings"}
		if depth > 0 {
			kinds = append(kinds, "object", "objects")
		}
		var sub map[string]any
		switch rapid.SampledFrom(kinds).Draw(t, "kind") {
		case "string":
			sub = map[string]any{"type": "string", "maxLength": 5}
		case "integer":
			sub = map[string]any{"type": "integer", "minimum": 0}
		case "boolean":
			sub = map[string]any{"type": "boolean"}
		case "nullable":
			sub = map[string]any{"type": []any{"string", "null"}}
		case "strings":
			sub = map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "maxItems": 3}
		case "object":
			sub = drawObject(t, at+"/"+name, depth-1, into)
		case "objects":
			sub = map[string]any{"type": "array", "items": drawObject(t, at+"/"+name+"/*", depth-1, into)}
		}
		properties[name] = sub
		if rapid.Bool().Draw(t, "required") {
			required = append(required, name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties, "required": required}
	into.objects[at] = schema
	return schema
}

// drawDocument draws a document that is valid under a drawn schema.
func drawDocument(t *rapid.T, schema map[string]any) any {
	switch schema["type"] {
	case "string":
		return rapid.StringMatching(`[a-z]{0,5}`).Draw(t, "string")
	case "integer":
		return rapid.IntRange(0, 1000).Draw(t, "integer")
	case "boolean":
		return rapid.Bool().Draw(t, "boolean")
	case "array":
		items := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			items = append(items, drawDocument(t, schema["items"].(map[string]any)))
		}
		return items
	case "object":
		object := map[string]any{}
		properties := schema["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if slices.Contains(schema["required"].([]any), any(name)) || rapid.Bool().Draw(t, "present") {
				object[name] = drawDocument(t, properties[name].(map[string]any))
			}
		}
		return object
	}
	if rapid.Bool().Draw(t, "null") {
		return nil
	}
	return "text"
}

// plant puts a member into the object at a place of a document; it reports whether
// the document has the place.
func plant(document any, at, name string, value any) bool {
	for token := range strings.SplitSeq(strings.TrimPrefix(at, "/"), "/") {
		if token == "" {
			break
		}
		switch v := document.(type) {
		case map[string]any:
			document = v[token]
		case []any:
			if len(v) == 0 {
				return false
			}
			document = v[0]
		}
	}
	object, ok := document.(map[string]any)
	if ok {
		object[name] = value
	}
	return ok
}

func text(t *rapid.T, v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// compiled is a schema as plain JSON Schema and as a contract behind a gate.
func compiled(t *rapid.T, schema []byte) (func([]byte) error, *contract.Contract) {
	document, err := jsonschema.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	b := &jsonschema.Bundle{Document: document}
	plain, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	closed, err := contract.Compile(b, contract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return func(data []byte) error {
		value, err := strictjson.Decode(data, strictjson.Limits{})
		if err != nil {
			return err
		}
		return plain.Validate(value)
	}, closed
}

// Guards the promise that the policy gated is sound: an optional field may be added
// because no document that passed the gate before holds anything under its name. If
// one did, and of another type, readers of the new version would refuse stored events.
func TestOptionalFieldUnderTheGate(t *testing.T) {
	s := startSolo(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	values := []any{nil, true, 7, "text", 1.5, []any{}, []any{1}, map[string]any{}, map[string]any{"a": "b"}}
	n, passed, smuggled := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		subject := fmt.Sprintf("gated.thing.s%d", n)
		d := &drawn{objects: map[string]map[string]any{}}
		d.schema = drawObject(t, "", 2, d)
		first := text(t, d.schema)
		if _, err := s.registry.Register(ctx, subject, client.Schema{Type: "JSON", Schema: string(first)}); err != nil {
			t.Fatalf("version 1: %v\n%s", err, first)
		}
		at := rapid.SampledFrom(slices.Sorted(maps.Keys(d.objects))).Draw(t, "place")
		var through [][]byte
		for range 6 {
			document := drawDocument(t, d.schema)
			hidden := rapid.Bool().Draw(t, "smuggle") && plant(document, at, "added", rapid.SampledFrom(values).Draw(t, "value"))
			data := text(t, document)
			switch ok := s.passes(ctx, t, subject, data); {
			case ok && hidden:
				t.Fatalf("the gate let an undeclared field in: %s\nunder %s", data, first)
			case !ok && !hidden:
				t.Fatalf("the gate refused a valid document: %s\nunder %s", data, first)
			case ok:
				through = append(through, data)
				passed++
			default:
				smuggled++
			}
		}
		// The same object with one optional field more is version 2.
		properties := d.objects[at]["properties"].(map[string]any)
		properties["added"] = rapid.SampledFrom([]any{
			map[string]any{"type": "string"},
			map[string]any{"type": "integer", "minimum": 10},
			map[string]any{"enum": []any{"x"}},
			map[string]any{"type": "object", "required": []any{"q"}, "properties": map[string]any{"q": map[string]any{}}},
		}).Draw(t, "added")
		second := text(t, d.schema)
		if _, err := s.registry.Register(ctx, subject, client.Schema{Type: "JSON", Schema: string(second)}); err != nil {
			t.Fatalf("version 2: %v\nfrom %s\nto   %s", err, first, second)
		}
		plain, closed := compiled(t, second)
		for _, data := range through {
			if err := plain(data); err != nil {
				t.Errorf("what passed under version 1 is refused by version 2: %v\n%s\nfrom %s\nto   %s", err, data, first, second)
			}
			if err := closed.Validate(data); err != nil {
				t.Errorf("what passed under version 1 is refused by the gate of version 2: %v\n%s", err, data)
			}
			if !s.passes(ctx, t, subject, data) {
				t.Errorf("what passed under version 1 does not pass under version 2: %s", data)
			}
		}
	})
	t.Logf("%d pairs of schemas: %d documents passed, %d with a smuggled field were refused", n, passed, smuggled)
	if passed == 0 || smuggled == 0 {
		t.Error("the test has tried only one half of what it is about")
	}
}

// Guards the other half: where the gate lets undeclared fields in, the same change
// breaks readers, and must be refused there.
func TestOptionalFieldWithoutTheGate(t *testing.T) {
	s := startSolo(t)
	const first = `{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}`
	const second = `{"type":"object","properties":{"id":{"type":"string"},"added":{"type":"string"}},"required":["id"]}`
	for subject, open := range map[string]bool{"gated.thing.made": false, "opened.thing.made": true} {
		if _, err := s.registry.Register(t.Context(), subject, client.Schema{Type: "JSON", Schema: first}); err != nil {
			t.Fatal(err)
		}
		if passes := s.passes(t.Context(), t, subject, []byte(`{"id":"1","added":7}`)); passes != open {
			t.Errorf("%s: an undeclared field passes: %v, want %v", subject, passes, open)
		}
		_, err := s.registry.Register(t.Context(), subject, client.Schema{Type: "JSON", Schema: second})
		if code := client.CodeOf(err); open != (code == 409) || !open && err != nil {
			t.Errorf("%s: version 2: %v", subject, err)
		}
	}
}
