package contract

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// agree compares the verdict of the single pass with the walker's, which has
// v5's.
func agree(t interface {
	Helper()
	Fatalf(string, ...any)
}, c *Contract, data []byte,
) {
	t.Helper()
	if found, err := reference(c, data); c.program.Valid(data) && (err != nil || len(found.violations) > 0) {
		t.Fatalf("the single pass admits what the walker refuses (%v, %v): %s", found.violations, err, data)
	}
}

// reference is the walker's verdict, which has the library's.
func reference(c *Contract, data []byte) (findings, error) {
	w := c.slow().(*walker)
	value, err := strictjson.Decode(data, c.options.Limits)
	if err != nil {
		return findings{}, err
	}
	if err := w.linked.Schema.Validate(value); err != nil {
		return findings{}, err
	}
	return w.validate(data, program.Undecided)
}

// mutate changes one place of a document: another type, a missing or an added
// property, an altered text.
func mutate(value any, random *rand.Rand) any {
	switch v := value.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		if len(names) == 0 || random.IntN(8) == 0 {
			v["added"] = nil
			return v
		}
		slices.Sort(names)
		name := names[random.IntN(len(names))]
		if random.IntN(6) == 0 {
			delete(v, name)
		} else {
			v[name] = mutate(v[name], random)
		}
		return v
	case []any:
		if len(v) == 0 || random.IntN(6) == 0 {
			return append(v, 1)
		}
		i := random.IntN(len(v))
		v[i] = mutate(v[i], random)
		return v
	case string:
		return []any{v + "x", "", 7, nil, true}[random.IntN(5)]
	default:
		return []any{"text", -1.5, nil, false, map[string]any{}, []any{}}[random.IntN(6)]
	}
}

// An event that the reference validator refuses would be stored, because the
// single pass sees less than it does.
func TestSinglePassAdmitsNothingMore(t *testing.T) {
	t.Run("GitHub", func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		for _, e := range github(t, nil, false) {
			agree(t, e.contract, e.data)
			for range 8 {
				var value any
				if err := json.Unmarshal(e.data, &value); err != nil {
					t.Fatal(err)
				}
				for range 1 + random.IntN(3) {
					value = mutate(value, random)
				}
				data, err := json.Marshal(value)
				if err != nil {
					t.Fatal(err)
				}
				agree(t, e.contract, data)
				agree(t, e.contract, e.data[:random.IntN(len(e.data))])
			}
		}
	})
	t.Run("drawn", func(t *testing.T) {
		person := parse(t, person)
		rapid.Check(t, func(t *rapid.T) {
			drawn, another := drawObject(t, 3, "root"), drawObject(t, 3, "root")
			drawn.schema["$schema"] = jsonschema.Draft7.URL()
			text, err := json.Marshal(drawn.schema)
			if err != nil {
				t.Fatal(err)
			}
			document, err := jsonschema.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Compile(&jsonschema.Bundle{Document: document, References: map[string]*jsonschema.Bundle{"person.json": {Document: person}}}, Options{Subject: "s", Open: rapid.Bool().Draw(t, "open")})
			if err != nil {
				t.Fatal(err)
			}
			for _, value := range []any{drawn.value(t), another.value(t), mutate(drawn.value(t), rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))} {
				data, err := json.Marshal(value)
				if err != nil {
					t.Fatal(err)
				}
				agree(t, c, data)
			}
		})
	})
}
