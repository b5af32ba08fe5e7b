package clients

import (
	"errors"
	"slices"
	"testing"

	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry"
	"github.com/confluentinc/confluent-kafka-go/v2/schemaregistry/rest"
)

func confluent(t *testing.T) schemaregistry.Client {
	t.Helper()
	c, err := schemaregistry.NewClient(schemaregistry.NewConfigWithBasicAuthentication(address(t), "confluent", "none"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func code(err error) int {
	var e *rest.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// Guards against a registry that Confluent's own Go client cannot use.
func TestConfluentClient(t *testing.T) {
	c := confluent(t)
	name := subject(t, "confluent")
	one := schemaregistry.SchemaInfo{
		Schema: member(name, ""), SchemaType: "JSON",
		Metadata: &schemaregistry.Metadata{Properties: map[string]string{"major": "1"}, Tags: map[string][]string{"id": {"PII"}}},
		RuleSet:  &schemaregistry.RuleSet{DomainRules: []schemaregistry.Rule{{Name: "check", Kind: "CONDITION", Mode: "WRITE", Type: "CEL", Expr: "true"}}},
	}
	two := one
	two.Schema, two.Metadata = member(name, `,"note":{"type":"string"}`), &schemaregistry.Metadata{Properties: map[string]string{"major": "2"}}

	if contexts, err := c.GetAllContexts(); err != nil || !slices.Equal(contexts, []string{"."}) {
		t.Errorf("%v, %v", contexts, err)
	}
	if _, err := c.GetLatestSchemaMetadata(name); code(err) != 40401 {
		t.Errorf("%v", err)
	}
	id, err := c.Register(name, one, false)
	if err != nil || id == 0 {
		t.Fatalf("%d, %v", id, err)
	}
	full, err := c.RegisterFullResponse(name, two, true)
	if err != nil || full.ID == id || full.GUID == "" || full.Version != 2 {
		t.Errorf("%+v, %v", full, err)
	}
	if s, err := c.GetBySubjectAndID(name, id); err != nil || s.Schema != one.Schema || s.Metadata == nil || (s.RuleSet != nil) != whole() {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := c.GetByGUID(full.GUID); err != nil || s.SchemaType != "JSON" {
		t.Errorf("%+v, %v", s, err)
	}
	if places, err := c.GetSubjectsAndVersionsByID(id); err != nil || len(places) != 1 || places[0].Subject != name || places[0].Version != 1 {
		t.Errorf("%+v, %v", places, err)
	}
	if got, err := c.GetID(name, one, false); err != nil || got != id {
		t.Errorf("%d, %v", got, err)
	}
	if got, err := c.GetVersion(name, two, true); err != nil || got != 2 {
		t.Errorf("%d, %v", got, err)
	}
	if s, err := c.GetLatestSchemaMetadata(name); err != nil || s.Version != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := c.GetSchemaMetadata(name, 1); err != nil || s.ID != id || s.Subject != name {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := c.GetLatestWithMetadata(name, map[string]string{"major": "1"}, false); whole() && (err != nil || s.Version != 1) {
		t.Errorf("%+v, %v", s, err)
	}
	if versions, err := c.GetAllVersions(name); err != nil || !slices.Equal(versions, []int{1, 2}) {
		t.Errorf("%v, %v", versions, err)
	}
	if subjects, err := c.GetAllSubjects(); err != nil || !slices.Contains(subjects, name) {
		t.Errorf("%v, %v", subjects, err)
	}
	if ok, err := c.TestCompatibility(name, 1, two); err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
	if ok, err := c.TestSubjectCompatibility(name, schemaregistry.SchemaInfo{Schema: `{"type":"null"}`, SchemaType: "JSON"}); err != nil || ok {
		t.Errorf("%v, %v", ok, err)
	}
	if _, err := c.GetCompatibility(name); code(err) != 40408 {
		t.Errorf("%v", err)
	}
	if level, err := c.UpdateCompatibility(name, schemaregistry.Full); err != nil || level != schemaregistry.Full {
		t.Errorf("%v, %v", level, err)
	}
	if level, err := c.GetCompatibility(name); err != nil || level != schemaregistry.Full {
		t.Errorf("%v, %v", level, err)
	}
	if level, err := c.GetDefaultCompatibility(); err != nil || level != schemaregistry.Backward {
		t.Errorf("%v, %v", level, err)
	}
	update := schemaregistry.ServerConfig{CompatibilityUpdate: schemaregistry.Forward, CompatibilityGroup: "major", DefaultMetadata: one.Metadata}
	if _, err := c.UpdateConfig(name, update); err != nil {
		t.Error(err)
	}
	if config, err := c.GetConfig(name, true); err != nil || config.CompatibilityLevel != schemaregistry.Forward || config.CompatibilityGroup != "major" || config.DefaultMetadata == nil {
		t.Errorf("%+v, %v", config, err)
	}
	if _, err := c.GetDefaultConfig(); err != nil {
		t.Error(err)
	}
	if deleted, err := c.DeleteSubjectVersion(name, 1, false); err != nil || deleted != 1 {
		t.Errorf("%d, %v", deleted, err)
	}
	if s, err := c.GetSchemaMetadataIncludeDeleted(name, 1, true); err != nil || s.ID != id {
		t.Errorf("%+v, %v", s, err)
	}
	if version, err := c.GetVersionIncludeDeleted(name, one, false, true); err != nil || version != 1 {
		t.Errorf("%d, %v", version, err)
	}
	if deleted, err := c.DeleteSubject(name, false); err != nil || !slices.Equal(deleted, []int{2}) {
		t.Errorf("%v, %v", deleted, err)
	}
	if deleted, err := c.DeleteSubject(name, true); err != nil || !slices.Equal(deleted, []int{1, 2}) {
		t.Errorf("%v, %v", deleted, err)
	}
}
