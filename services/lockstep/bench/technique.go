package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// techniqueFields is how many fields of an event a technique is applied to.
const techniqueFields = 20

// techniqueCase is a technique with a value that it suits.
type techniqueCase struct {
	technique string
	class     string
	options   string // of the rule, as mesh.yaml has them, each after a comma
	schema    string // of the field, without its class
	value     string // JSON
}

const plainText = `{"type": "string"}`

func techniqueCases() []techniqueCase {
	return []techniqueCase{
		{"redact", "text", "", plainText, `"Please ring twice, ask for Ada."`},
		{"drop", "text", "", plainText, `"Please ring twice, ask for Ada."`},
		{"token", "email", "", `{"type": "string", "format": "email"}`, `"ada.lovelace@example.org"`},
		{"fpe", "account", "", plainText, `"4111 1111 1111 1111"`},
		{"date-shift", "date", ", days: 30, by: id", `{"type": "string", "format": "date"}`, `"1985-12-10"`},
		{"bucket", "amount", ", size: 10", `{"type": "number"}`, `129.95`},
		{"noise", "amount", ", percent: 5", `{"type": "number"}`, `129.95`},
		{"truncate", "date", ", to: month", plainText, `"1985-12-10"`},
		{"hash", "id", "", plainText, `"cus_8f3k2m9x1a"`},
		{"encrypt", "text", "", plainText, `"Please ring twice, ask for Ada."`},
		{"synthetic", "person-name", "", plainText, `"Ada Lovelace"`},
		{"constant", "name", ", value: unknown", plainText, `"Lovelace & Sons"`},
		{"cel", "name", `, expression: "value.size() > 3 ? 'long' : 'short'"`, plainText, `"Lovelace & Sons"`},
		{"scrub", "text", "", plainText, `"Please ring twice, ask for Ada, ada.lovelace@example.org."`},
	}
}

// techniques are what each masking technique costs.
func techniques() []measurement {
	var list []measurement
	for _, c := range techniqueCases() {
		list = append(list, measurement{
			name: "engine/techniques-" + c.technique, unit: micros, better: lower,
			what:   fmt.Sprintf("processor time to mask an event with %d fields of class %s by %s; of a field, the difference divided by %[1]d", techniqueFields, c.class, c.technique),
			versus: "letting the same fields pass",
			run:    func(ctx context.Context, t *trial) error { return t.technique(ctx, c) },
		})
	}
	return list
}

func (t *trial) technique(ctx context.Context, c techniqueCase) error {
	compiled, data, err := c.event()
	if err != nil {
		return err
	}
	masker, err := c.masker("{technique: " + c.technique + c.options + "}")
	if err != nil {
		return err
	}
	pass, err := c.masker("{technique: pass}")
	if err != nil {
		return err
	}
	documents := []document{{data: data, contract: compiled}}
	by := func(m *mask.Masker) side {
		var room []byte
		mask := through(documents, func(d document) (err error) {
			room, _, err = d.contract.Mask(room[:0], d.data, m)
			return err
		})
		return func(ctx context.Context, d time.Duration) (sample, error) {
			s, err := mask(ctx, d)
			s.value = 1e6 / s.value // a rate, so far
			return s, err
		}
	}
	return t.compare(ctx, by(masker), by(pass))
}

// event is a schema with so many fields of the class, and a document of it. Its
// first field says whom it is about.
func (c techniqueCase) event() (*contract.Contract, []byte, error) {
	properties := map[string]any{"subject": map[string]any{"type": "string", "x-lockstep-class": "id"}}
	fields := []string{`"subject":"cus_8f3k2m9x1a"`}
	for i := range techniqueFields {
		var field map[string]any
		if err := json.Unmarshal([]byte(c.schema), &field); err != nil {
			return nil, nil, err
		}
		field["x-lockstep-class"] = c.class
		name := fmt.Sprintf("field%02d", i)
		properties[name] = field
		fields = append(fields, fmt.Sprintf("%q:%s", name, c.value))
	}
	text, err := json.Marshal(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": properties,
	})
	if err != nil {
		return nil, nil, err
	}
	parsed, err := jsonschema.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	compiled, err := contract.Compile(&jsonschema.Bundle{Document: parsed}, contract.Options{Subject: "bench.technique.measured", Version: 1})
	return compiled, []byte("{" + strings.Join(fields, ",") + "}"), err
}

// masker masks the class by a rule, which is read as mesh.yaml's are. Whom an
// event is about passes, but where that is the class.
func (c techniqueCase) masker(rule string) (*mask.Masker, error) {
	subject := "      id: {technique: pass}\n"
	if c.class == "id" {
		subject = ""
	}
	return measuredPolicy(subject + "      " + c.class + ": " + rule + "\n")
}

// measuredPolicy is a policy of those rules, with a key of its own.
func measuredPolicy(rules string) (*mask.Masker, error) {
	mesh, err := topology.Parse("measured.yaml", []byte(`environments:
  production: {role: hub, listen: {nats: "127.0.0.1:0", leaf: "127.0.0.1:0"}}
  staging: {role: leaf, hub: production, listen: {nats: "127.0.0.1:0"}}
domains:
  bench: {owner: bench, origins: [production]}
routes:
  - {from: production, to: staging, domains: [bench], policy: measured}
policies:
  measured:
    classes:
`+rules))
	if err != nil {
		return nil, err
	}
	p, _ := mesh.Policy("measured")
	key, err := mask.GenerateKey()
	if err != nil {
		return nil, err
	}
	return mask.New(p.Name, p.Policy, destination, key)
}
