package contract_test

import (
	"fmt"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// A schema with classes, an event that it refuses, and one that is masked for
// another environment.
func Example() {
	document, err := jsonschema.Parse([]byte(`{
		"type": "object",
		"required": ["login", "plan"],
		"properties": {
			"login": {"type": "string", "x-lockstep-class": "login"},
			"email": {"type": "string", "x-lockstep-class": "email"},
			"plan":  {"enum": ["free", "team"]}
		}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := contract.Compile(&jsonschema.Bundle{Document: document}, contract.Options{Subject: "customers.customer.registered", Version: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Validate([]byte(`{"login":"ada","plan":"gold"}`)))

	key, err := mask.NewKey([]byte("32 bytes that nobody else knows."))
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := mask.Policy{Classes: map[string]mask.Rule{
		"login": {Technique: mask.Token},
		"email": {Technique: mask.Drop},
	}}
	staging, err := mask.New("testers", policy, "staging", key)
	if err != nil {
		fmt.Println(err)
		return
	}
	masked, stats, err := c.Mask(nil, []byte(`{"login":"ada","email":"ada@example.org","plan":"team"}`), staging)
	fmt.Println(string(masked), stats.Changed(), err)

	// Output:
	// not valid under customers.customer.registered version 1: /plan: expected one of "free","team", found "gold" (enum)
	// {"login":"user-cfaytqy6cp6jw7yg","plan":"team"} 2 <nil>
}
