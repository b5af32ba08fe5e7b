package mask

import (
	"encoding/json"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/classify"
	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/coverage"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli/clitest"
)

// A script that reads what masking does would break on a changed key.
func TestGolden(t *testing.T) {
	around := "/customer"
	withheld := &contract.Withheld{Code: contract.CodeUnclassified, Pointer: "/odd", Why: "nobody classified it, and the policy withholds such", Cure: "classify it"}
	email := explained{coverage.Field{
		Place:     contract.Place{Pointer: "/customer/email", Kinds: []string{"string"}, Class: mask.Email, Rule: contract.Rule{Kind: contract.RuleProperty, Where: "overlay.yaml:3", Entry: "email"}, Format: "email", Required: true},
		Technique: mask.Token, Options: map[string]any{"as": "email"},
	}}
	fields := []explained{
		email,
		{coverage.Field{Place: contract.Place{Pointer: "/customer/id", Kinds: []string{"number"}, Class: mask.ID, Rule: contract.Rule{Kind: contract.RuleSchema, Where: "#/properties/customer", Entry: "x-lockstep-class", From: &around}}, Technique: mask.Pass}},
		{coverage.Field{Place: contract.Place{Pointer: "/labels/*", Names: true, Kinds: []string{"string"}, Class: mask.Internal, Rule: contract.Rule{Kind: contract.RuleSubject, Where: "overlay.yaml:9", Entry: "a.b /labels"}}, Technique: mask.Pass}},
		{coverage.Field{Place: contract.Place{Pointer: "/nick", Kinds: []string{"string"}, Class: mask.Name, Rule: contract.Rule{Kind: contract.RuleDefinition, Where: "overlay.yaml:5", Entry: "user.json /nick"}, Condition: "kind is team"}, Technique: mask.Token}},
		{coverage.Field{Place: contract.Place{Pointer: "/odd", Kinds: []string{"string"}, Rule: contract.Rule{Kind: contract.RuleNone}}, Technique: mask.Withhold, Withheld: withheld}},
	}
	techniques := map[mask.Technique]technique{mask.Pass: {What: "the value as it is", Keeps: "everything", Reveals: "everything"}, mask.Token: {What: "a token", Keeps: "equality", Reveals: "equality", Collides: "by chance"}, mask.Withhold: {What: "the whole event stays", Keeps: "nothing", Reveals: "that there is an event"}}
	e := explanation{
		Type: "shop.order.made", Subject: "shop.order", Version: 2, From: "production", To: "staging", Policy: "testers@0123", Key: key{ID: "k1", Source: "file:mask.key"},
		Fields: fields, Techniques: techniques, Repeats: map[string]string{"/tree/below": "/tree"}, Partial: []string{"/deep"}, whole: true,
	}
	clitest.Golden(t, "explain", e)
	e.whole, e.Fields, e.Repeats, e.Partial, e.Key = false, []explained{fields[0], fields[4]}, nil, nil, key{Note: "not asked for"}
	clitest.Golden(t, "field", e)
	p := preview{
		Type: "shop.order.made", Subject: "shop.order", Version: 2, From: "production", To: "staging", Policy: "testers@0123", Key: key{ID: "k1", Source: "file:mask.key"}, Event: "made from the schema", Crosses: true,
		Values: []previewed{
			{Pointer: "/email", Class: mask.Email, Technique: mask.Token, Type: "string", Length: 12, After: json.RawMessage(`"x@example.org"`)},
			{Pointer: "/gone", Class: mask.Text, Technique: mask.Drop, Type: "string", Length: 3},
			{Pointer: "/labels/*", Names: true, Class: mask.Internal, Technique: mask.Pass, Type: "string", Length: 4, After: json.RawMessage(`"blue"`)},
			{Pointer: "/n", Technique: mask.Pass, Type: "boolean", After: json.RawMessage(`true`)},
		}, Masked: json.RawMessage(`{"email":"x@example.org","labels":{"blue":1},"n":true}`),
	}
	clitest.Golden(t, "preview", p)
	p.Crosses, p.Masked, p.Withheld, p.Raw = false, nil, withheld, true
	p.Values = []previewed{{Pointer: "/odd", Technique: mask.Withhold, Type: "string", Length: 3, Before: json.RawMessage(`"abc"`), Withheld: withheld}}
	clitest.Golden(t, "preview-withheld", p)
	clitest.Golden(t, "coverage", coverageReport{Mesh: "mesh.yaml", Routes: []routeReport{
		{From: "production", To: "staging", Domain: "github", Policy: "testers@0123", Types: []typeReport{}, Classes: []classReport{}, Missing: "the schemas of github were not looked at"},
		{
			From: "production", To: "staging", Domain: "shop", Policy: "testers@0123", Classified: 2, Unclassified: 1, ByDefault: 1,
			Classes: []classReport{{Class: mask.Email, Technique: mask.Token, Fields: 1}, {Class: mask.Text, Technique: mask.Redact, Fields: 1}},
			Types: []typeReport{{
				Subject: "shop.order", Version: 2, Fields: 4, Classified: 2, Unclassified: 1, ByDefault: 1, Crosses: crossesNone, New: []string{"/odd"}, Partial: []string{""},
				Withheld: []withheldField{{Pointer: "/odd", Always: true, Code: withheld.Code, Why: withheld.Why, Cure: withheld.Cure}, {Pointer: "/m/*", Names: true, Code: contract.CodeUnclassifiedKey, Why: "names are data", Cure: "classify them"}},
			}},
		},
	}})
	s := suggestion{
		Domain: "shop", Types: 2, Events: 1, Skipped: []skipped{{"of shop.order that are not valid under its schema (the first: undeclared at \"/extra\")", 3}}, Proposals: []classify.Proposal{
			{Name: "email", Class: mask.Email, Confidence: 0.98, Evidence: []string{"it is called email", "3 of 3 samples have the syntax of an e-mail address"}, Places: 4, Example: "shop.order /email", Samples: 3},
			{Name: "odd", Class: mask.Text, Confidence: 0.1, Evidence: []string{"nothing tells what it holds"}, Others: []mask.Class{mask.Name}, Places: 1, Example: "shop.order /odd"},
		},
	}
	s.overlay = classify.Overlay(s.Proposals, s.about())
	clitest.Golden(t, "suggest", s)
	s.Out = "overlay.yaml"
	clitest.Golden(t, "suggest-out", s)
	clitest.Golden(t, "suggest-nothing", suggestion{Domain: "shop", Types: 1, Skipped: []skipped{}, Proposals: []classify.Proposal{}})
}

// Who mistypes a name would be told nothing, or of names that nobody meant.
func TestNear(t *testing.T) {
	names := []string{"orders.order.created", "orders.order.paid", "customers.customer.updated"}
	for name, want := range map[string]string{
		"orders.order.create": "did you mean orders.order.created?",
		"orders.order.pade":   "did you mean orders.order.paid?",
		"x":                   "there are customers.customer.updated, orders.order.created, orders.order.paid",
	} {
		if got := near(name, names); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := near("x", nil); got != "there are none" {
		t.Error(got)
	}
}
