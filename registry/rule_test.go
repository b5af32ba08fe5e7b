package registry_test

import (
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
)

// A schema that a condition refuses would come into use all the same: registered
// at once, or as a draft first.
func TestRuleRefuses(t *testing.T) {
	refusal := &registry.Error{Code: registry.CodeNotClassified, Message: "no x"}
	r := create(t, natstest.Start(t).Connect(), registry.WithRule(func(_ string, b *jsonschema.Bundle, m *registry.Metadata) error {
		if len(m.TagsByPath()) > 0 || strings.Contains(string(b.Document.Text()), `"x"`) {
			return nil
		}
		return refusal
	}))
	good := registry.Schema{Type: registry.JSON, Text: `{"properties":{"x":{}}}`}
	bad := registry.Schema{Type: registry.JSON, Text: `{"properties":{"x1":{}}}`}
	if _, err := r.Register(t.Context(), "a.b.c", bad); registry.CodeOf(err) != registry.CodeNotClassified {
		t.Fatalf("registered: %v", err)
	}
	if _, err := r.Register(t.Context(), "a.b.c", good); err != nil {
		t.Fatal(err)
	}
	draft, err := r.RegisterDraft(t.Context(), "a.b.d", bad)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.SetState(t.Context(), "a.b.d", draft.Version, registry.Active, "", ""); registry.CodeOf(err) != registry.CodeNotClassified {
		t.Fatalf("the draft is in use: %v", err)
	}
	bad.Metadata = &registry.Metadata{Tags: map[string][]string{"**": {"PII"}}}
	if _, err := r.Register(t.Context(), "a.b.e", bad); err != nil {
		t.Errorf("the metadata is not seen: %v", err)
	}
}
