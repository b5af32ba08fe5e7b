package contract

import (
	"errors"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// compile compiles a schema, with references by name.
func compile(t testing.TB, schema string, references map[string]string, o Options) *Contract {
	t.Helper()
	bundles := map[string]*jsonschema.Bundle{}
	for name, text := range references {
		bundles[name] = &jsonschema.Bundle{Document: parse(t, text), References: bundles}
	}
	if o.Subject == "" {
		o.Subject, o.Version = "shop.order.created", 3
	}
	c, err := Compile(&jsonschema.Bundle{Document: parse(t, schema), References: bundles}, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parse(t testing.TB, text string) *jsonschema.Document {
	t.Helper()
	d, err := jsonschema.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

func overlay(t testing.TB, yaml string) *mask.Overlay {
	t.Helper()
	o, err := mask.ParseOverlay("overlay.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// testers is a policy that uses every technique.
func testers() mask.Policy {
	p := mask.Policy{Classes: map[string]mask.Rule{}}
	for _, class := range mask.Classes() {
		p.Classes[string(class)] = mask.Rule{Technique: mask.Token}
	}
	for _, class := range []mask.Class{mask.Public, mask.Internal} {
		p.Classes[string(class)] = mask.Rule{Technique: mask.Pass}
	}
	for _, class := range []mask.Class{mask.Text, mask.Sensitive} {
		p.Classes[string(class)] = mask.Rule{Technique: mask.Redact}
	}
	p.Classes["secret"] = mask.Rule{Technique: mask.Drop}
	delete(p.Classes, "account") // withheld
	return p
}

func masker(t testing.TB, p mask.Policy, destination string) *mask.Masker {
	t.Helper()
	key, err := mask.NewKey([]byte("an origin's root key: 32 bytes !"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := mask.New("testers", p, destination, key)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func violations(t testing.TB, c *Contract, data string) []Violation {
	t.Helper()
	err := c.Validate([]byte(data))
	if err == nil {
		return nil
	}
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("%s: %#v", data, err)
	}
	return invalid.Violations
}
