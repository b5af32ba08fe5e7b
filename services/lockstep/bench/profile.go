package bench

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// profileFields is how many fields of a profile have a class that is masked.
const profileFields = 20

// profileField is one of them: its schema, without its class, and a value by a number.
type profileField struct {
	name, class, schema string
	value               func(i int) string
}

func textOf(format string) func(int) string {
	return func(i int) string { return fmt.Sprintf(format, i) }
}

// profile is an event about a person in which nearly everything is personal: what
// masking costs where little else is to be done.
var profile = []profileField{
	{"customer_id", "uuid", `{"type": "string", "format": "uuid"}`, textOf("0b9bd1c5-3d0e-4a1c-8f6e-7c1d2e%06x")},
	{"number", "id", `{"type": "string", "pattern": "^[0-9]{10}$"}`, textOf("4083%06d")},
	{"email", "email", `{"type": "string", "format": "email"}`, textOf("ada.lovelace%d@example.org")},
	{"name", "person-name", plainText, textOf("Ada Lovelace-%d")},
	{"recipient", "person-name", plainText, textOf("Grace Hopper-%d")},
	{"phone", "phone", plainText, textOf("+44207946%04d")},
	{"street", "address", plainText, textOf("%d Example Street")},
	{"line2", "address", plainText, textOf("Flat %d")},
	{"city", "address", plainText, textOf("London %d")},
	{"region", "address", plainText, textOf("Greater London %d")},
	{"postal_code", "address", plainText, textOf("EC%dA 1BB")},
	{"instructions", "text", plainText, textOf("Please ring twice, ask for number %d.")},
	{"note", "text", plainText, textOf("Called about invoice %d, is satisfied.")},
	{"login", "login", plainText, textOf("ada%d")},
	{"full_name", "name", plainText, textOf("lovelace/engine-%d")},
	{"company", "name", plainText, textOf("Lovelace & Sons %d")},
	{"url", "url", `{"type": "string", "format": "uri"}`, textOf("https://example.org/people/%d")},
	{"location", "location", plainText, textOf("51.5%03d,-0.1")},
	{"born", "date", `{"type": "string", "format": "date"}`, func(i int) string { return fmt.Sprintf("19%02d-%02d-%02d", 40+i%60, 1+i%12, 1+i%28) }},
	{"ip_address", "ip", `{"type": "string", "format": "ipv4"}`, func(i int) string { return fmt.Sprintf("10.%d.%d.7", i/200%200, i%200) }},
}

// profileRules are the techniques that people give such classes.
const profileRules = `      public: {technique: pass}
      uuid: {technique: token}
      id: {technique: fpe}
      email: {technique: token}
      person-name: {technique: synthetic}
      phone: {technique: token}
      address: {technique: token}
      text: {technique: redact}
      login: {technique: token}
      name: {technique: token}
      url: {technique: token}
      location: {technique: hash}
      date: {technique: truncate, to: month}
      ip: {technique: token}
`

// profiles compares masking profiles with what people write by hand.
func profiles() measurement {
	return measurement{
		name: "engine/mask-20", unit: perCore, better: higher, targets: []target{atLeast(8)},
		what: fmt.Sprintf("validate, mask and revalidate an event with %d classified fields, by seven techniques", profileFields), versus: byHandText + " + mask in maps + marshal",
		run: func(ctx context.Context, t *trial) error {
			return t.engine(ctx, profileDocuments, func() (governed, against onEach, err error) {
				masker, err := measuredPolicy(profileRules)
				if err != nil {
					return nil, nil, err
				}
				governed, against = maskingBy(masker)
				return governed, against, nil
			})
		},
	}
}

// profileDocuments are as many profiles as there are orders to measure with.
func profileDocuments() ([]document, error) {
	properties := map[string]any{
		"version": map[string]any{"type": "integer", "x-lockstep-class": "public"},
		"active":  map[string]any{"type": "boolean"},
		"plan":    map[string]any{"enum": []string{"free", "team", "company"}},
	}
	required := []string{"version"}
	for _, f := range profile {
		var schema map[string]any
		if err := json.Unmarshal([]byte(f.schema), &schema); err != nil {
			return nil, err
		}
		schema["x-lockstep-class"] = f.class
		properties[f.name], required = schema, append(required, f.name)
	}
	text, err := json.Marshal(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": properties, "required": required,
	})
	if err != nil {
		return nil, err
	}
	parsed, err := jsonschema.Parse(text)
	if err != nil {
		return nil, err
	}
	compiled, err := compile(&jsonschema.Bundle{Document: parsed}, contract.Options{Subject: "bench.profile.changed", Version: 1})
	if err != nil {
		return nil, err
	}
	documents := make([]document, pool)
	for i := range documents {
		event := map[string]any{"version": i, "active": i%2 == 0, "plan": "team"}
		for _, f := range profile {
			event[f.name] = f.value(i)
		}
		documents[i] = compiled
		if documents[i].data, err = json.Marshal(event); err != nil {
			return nil, err
		}
	}
	return documents, nil
}

// maskingBy are the two ways to validate and mask, ours by a masker.
func maskingBy(masker *mask.Masker) (governed, against onEach) {
	h := newByHand()
	var room []byte
	return func(d document) error {
			if err := d.contract.Validate(d.data); err != nil {
				return err
			}
			var err error
			room, _, err = d.contract.Mask(room[:0], d.data, masker)
			return err
		}, func(d document) error {
			_, err := h.mask(d.schema, d.data)
			return err
		}
}
