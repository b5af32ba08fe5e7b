package clients

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
)

func franz(t *testing.T) *sr.Client {
	t.Helper()
	c, err := sr.NewClient(sr.URLs(address(t)), sr.BasicAuth("franz", "none"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused checks a failure's code, and that the client knows it by its name.
func refused(t *testing.T, err error, want *sr.Error) {
	t.Helper()
	var response *sr.ResponseError
	if !errors.As(err, &response) || response.ErrorCode != want.Code || !errors.Is(response.SchemaError(), want) {
		t.Errorf("%v, want %d %s", err, want.Code, want.Name)
	}
}

// Guards against a registry that franz-go's client, as it is, cannot use: each
// of its calls, as far as it has to do with JSON schemas.
func TestFranzSchemas(t *testing.T) {
	c, ctx := franz(t), t.Context()
	name := subject(t, "franz")
	one := sr.Schema{Schema: member(name, ""), Type: sr.TypeJSON}
	two := sr.Schema{Schema: member(name, `,"note":{"type":"string"}`), Type: sr.TypeJSON}

	types, err := c.SupportedTypes(ctx)
	if err != nil || !slices.Contains(types, sr.TypeJSON) {
		t.Errorf("types: %v, %v", types, err)
	}
	if contexts, err := c.Contexts(ctx); err != nil || !slices.Equal(contexts, []string{"."}) {
		t.Errorf("contexts: %v, %v", contexts, err)
	}
	refused(t, c.DeleteContext(ctx, ":.:"), sr.ErrContextNotEmpty)

	_, err = c.SchemaByVersion(ctx, name, -1)
	refused(t, err, sr.ErrSubjectNotFound)
	first, err := c.CreateSchema(ctx, name, one)
	if err != nil || first.Subject != name || first.Version != 1 || first.ID == 0 || first.GUID == "" {
		t.Fatalf("created %+v, %v", first, err)
	}
	if again, err := c.CreateSchema(ctx, name, one); err != nil || again.ID != first.ID || again.Version != 1 {
		t.Errorf("created again: %+v, %v", again, err)
	}
	secondID, err := c.RegisterSchema(ctx, name, two, -1, -1)
	if err != nil || secondID == first.ID {
		t.Fatalf("registered as %d, %v", secondID, err)
	}
	if subjects, err := c.Subjects(sr.WithParams(ctx, sr.SubjectPrefix(name))); err != nil || !slices.Equal(subjects, []string{name}) {
		t.Errorf("subjects: %v, %v", subjects, err)
	}
	if versions, err := c.SubjectVersions(ctx, name); err != nil || !slices.Equal(versions, []int{1, 2}) {
		t.Errorf("versions: %v, %v", versions, err)
	}
	if s, err := c.SchemaByID(ctx, first.ID); err != nil || s.Schema != one.Schema || s.Type != sr.TypeJSON {
		t.Errorf("by id: %+v, %v", s, err)
	}
	if text, err := c.SchemaTextByID(ctx, first.ID); err != nil || text != one.Schema {
		t.Errorf("text by id: %s, %v", text, err)
	}
	if s, err := c.SchemaByGUID(ctx, first.GUID); err != nil || s.Schema.Schema != one.Schema {
		t.Errorf("by guid: %+v, %v", s, err)
	}
	if ids, err := c.SchemaIDsByGUID(ctx, first.GUID); err != nil || len(ids) != 1 || ids[0].ID != first.ID || ids[0].Context != "." {
		t.Errorf("ids by guid: %+v, %v", ids, err)
	}
	if subjects, err := c.SubjectsByID(ctx, first.ID); err != nil || !slices.Equal(subjects, []string{name}) {
		t.Errorf("subjects by id: %v, %v", subjects, err)
	}
	if versions, err := c.SchemaVersionsByID(ctx, first.ID); err != nil || !slices.Equal(versions, []sr.SubjectVersion{{Subject: name, Version: 1}}) {
		t.Errorf("versions by id: %v, %v", versions, err)
	}
	if s, err := c.SchemaByVersion(ctx, name, -1); err != nil || s.Version != 2 || s.ID != secondID || s.Schema.Schema != two.Schema {
		t.Errorf("latest: %+v, %v", s, err)
	}
	if text, err := c.SchemaTextByVersion(ctx, name, 1); err != nil || text != one.Schema {
		t.Errorf("text by version: %s, %v", text, err)
	}
	if all, err := c.AllSchemas(sr.WithParams(ctx, sr.SubjectPrefix(name), sr.LatestOnly)); err != nil || len(all) != 1 || all[0].Version != 2 {
		t.Errorf("all schemas: %+v, %v", all, err)
	}
	if all, err := c.Schemas(ctx, name); err != nil || len(all) != 2 {
		t.Errorf("schemas: %+v, %v", all, err)
	}
	if s, err := c.LookupSchema(ctx, name, one); err != nil || s.Version != 1 || s.ID != first.ID {
		t.Errorf("looked up: %+v, %v", s, err)
	}
	_, err = c.LookupSchema(ctx, name, sr.Schema{Schema: `{"type":"null"}`, Type: sr.TypeJSON})
	refused(t, err, sr.ErrSchemaNotFound)
	_, err = c.CreateSchema(ctx, name, sr.Schema{Schema: `{"type":"arrow"}`, Type: sr.TypeJSON})
	refused(t, err, sr.ErrInvalidSchema)
	_, err = c.SchemaByVersion(ctx, name, 9)
	refused(t, err, sr.ErrVersionNotFound)
	_, err = c.SchemaByID(ctx, 1<<30)
	refused(t, err, sr.ErrSchemaNotFound)
	if s, err := c.CreateSchema(sr.WithParams(ctx, sr.Normalize), name, sr.Schema{Schema: " " + two.Schema, Type: sr.TypeJSON}); err != nil || s.ID != secondID {
		t.Errorf("normalized: %+v, %v", s, err)
	}
	// In the default context, by its name.
	inContext, err := sr.NewClient(sr.URLs(address(t)), sr.DefaultParams(sr.ContextPrefix(":.:")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inContext.SubjectVersions(ctx, name); err != nil {
		t.Errorf("in the default context: %v", err)
	}
}

func TestFranzReferencesAndDeleting(t *testing.T) {
	c, ctx := franz(t), t.Context()
	name := subject(t, "deleted")
	used, err := c.CreateSchema(ctx, name, sr.Schema{Schema: member(name, ""), Type: sr.TypeJSON})
	if err != nil {
		t.Fatal(err)
	}
	user, err := c.CreateSchema(ctx, name+".user", sr.Schema{
		Schema: `{"title":"` + name + `","$ref":"member.json"}`, Type: sr.TypeJSON,
		References: []sr.SchemaReference{{Name: "member.json", Subject: name, Version: 1}},
	})
	if err != nil || len(user.References) != 1 {
		t.Fatalf("%+v, %v", user, err)
	}
	if users, err := c.SchemaReferences(ctx, name, 1); err != nil || len(users) != 1 || users[0].Subject != name+".user" {
		t.Errorf("references: %+v, %v", users, err)
	}
	if usages, err := c.SchemaUsagesByID(ctx, used.ID); err != nil || len(usages) != 1 || usages[0].Subject != name {
		t.Errorf("usages: %+v, %v", usages, err)
	}
	refused(t, c.DeleteSchema(ctx, name, 1, sr.SoftDelete), sr.ErrReferenceExists)
	refused(t, c.DeleteSchema(ctx, name+".user", 1, sr.HardDelete), sr.ErrSchemaVersionNotSoftDeleted)
	_, err = c.DeleteSubject(ctx, name+".user", sr.HardDelete)
	refused(t, err, sr.ErrSubjectNotSoftDeleted)
	if numbers, err := c.DeleteSubject(ctx, name+".user", sr.SoftDelete); err != nil || !slices.Equal(numbers, []int{1}) {
		t.Errorf("deleted %v, %v", numbers, err)
	}
	_, err = c.DeleteSubject(ctx, name+".user", sr.SoftDelete)
	refused(t, err, sr.ErrSubjectSoftDeleted)
	if subjects, err := c.Subjects(sr.WithParams(ctx, sr.DeletedOnly, sr.SubjectPrefix(name))); err != nil || !slices.Equal(subjects, []string{name + ".user"}) {
		t.Errorf("deleted: %v, %v", subjects, err)
	}
	if s, err := c.SchemaByVersion(sr.WithParams(ctx, sr.ShowDeleted), name+".user", 1); err != nil || s.ID != user.ID {
		t.Errorf("shown: %+v, %v", s, err)
	}
	again, err := c.CreateSchema(ctx, name+".user", user.Schema)
	if err != nil || again.ID != user.ID || again.Version != 2 {
		t.Errorf("registered again: %+v, %v", again, err)
	}
	if err := c.DeleteSchema(ctx, name+".user", 2, sr.SoftDelete); err != nil {
		t.Error(err)
	}
	refused(t, c.DeleteSchema(ctx, name+".user", 2, sr.SoftDelete), sr.ErrSchemaVersionSoftDeleted)
	if err := c.DeleteSchema(ctx, name+".user", 2, sr.HardDelete); err != nil {
		t.Error(err)
	}
	if numbers, err := c.DeleteSubject(ctx, name+".user", sr.HardDelete); err != nil || !slices.Equal(numbers, []int{1}) {
		t.Errorf("deleted for good: %v, %v", numbers, err)
	}
}

func TestFranzSettings(t *testing.T) {
	c, ctx := franz(t), t.Context()
	name := subject(t, "settings")
	one := sr.Schema{Schema: member(name, ""), Type: sr.TypeJSON}
	if _, err := c.CreateSchema(ctx, name, one); err != nil {
		t.Fatal(err)
	}
	level := func(ctx context.Context, of string) (sr.CompatibilityLevel, error) {
		result := c.Compatibility(ctx, of)[0]
		return result.Level, result.Err
	}
	_, err := level(ctx, name)
	refused(t, err, sr.ErrSubjectLevelCompatibilityNotConfigured)
	if l, err := level(sr.WithParams(ctx, sr.DefaultToGlobal), name); err != nil || l != sr.CompatBackward {
		t.Errorf("%v, %v", l, err)
	}
	metadata := &sr.SchemaMetadata{Properties: map[string]string{"owner": "conformance"}, Tags: map[string][]string{"id": {"PII"}}}
	rules := &sr.SchemaRuleSet{DomainRules: []sr.SchemaRule{{Name: "check", Kind: sr.SchemaRuleKindCondition, Mode: sr.SchemaRuleModeWrite, Type: "CEL", Expr: "true"}}}
	for _, l := range []sr.CompatibilityLevel{sr.CompatNone, sr.CompatBackward, sr.CompatBackwardTransitive, sr.CompatForward, sr.CompatForwardTransitive, sr.CompatFull, sr.CompatFullTransitive} {
		set := c.SetCompatibility(ctx, sr.SetCompatibility{Level: l, Normalize: true, Group: "major", DefaultMetadata: metadata, OverrideRuleSet: rules}, name)[0]
		if set.Err != nil || set.Level != l {
			t.Errorf("set %v: %+v", l, set)
		}
		got := c.Compatibility(ctx, name)[0]
		if got.Err != nil || got.Level != l || got.Group != "major" || !got.Normalize || got.DefaultMetadata == nil || (got.DefaultMetadata.Properties["owner"] == "conformance") != whole() || (got.OverrideRuleSet != nil) != whole() {
			t.Errorf("%v: %+v", l, got)
		}
	}
	required := sr.Schema{Schema: `{"title":"` + name + `","type":"object","properties":{"id":{"type":"string"}},"required":["id"]}`, Type: sr.TypeJSON}
	if result, err := c.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), name, -1, required); err != nil || result.Is || len(result.Messages) == 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if result, err := c.CheckCompatibility(ctx, name, -2, one); err != nil || !result.Is {
		t.Errorf("%+v, %v", result, err)
	}
	if reset := c.ResetCompatibility(ctx, name)[0]; reset.Err != nil || reset.Level != sr.CompatFullTransitive {
		t.Errorf("reset: %+v", reset)
	}
	_, err = c.CreateSchema(ctx, name, required)
	refused(t, err, sr.ErrIncompatibleSchema)

	mode := func(r sr.ModeResult) (sr.Mode, error) { return r.Mode, r.Err }
	_, err = mode(c.Mode(ctx, name)[0])
	refused(t, err, sr.ErrSubjectLevelModeNotConfigured)
	if m, err := mode(c.Mode(ctx)[0]); err != nil || m != sr.ModeReadWrite {
		t.Errorf("%v, %v", m, err)
	}
	if m, err := mode(c.SetMode(ctx, sr.ModeReadOnly, name)[0]); err != nil || m != sr.ModeReadOnly {
		t.Errorf("%v, %v", m, err)
	}
	_, err = c.CreateSchema(ctx, name, sr.Schema{Schema: member(name, `,"a":{}`), Type: sr.TypeJSON})
	refused(t, err, sr.ErrOperationNotPermitted)
	_, err = mode(c.SetMode(ctx, sr.ModeImport, name)[0])
	refused(t, err, sr.ErrOperationNotPermitted)
	if m, err := mode(c.ResetMode(ctx, name)[0]); err != nil || m != sr.ModeReadOnly {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := mode(c.SetMode(sr.WithParams(ctx, sr.Force), sr.ModeImport, name+".in")[0]); err != nil {
		t.Fatal(err)
	}
	text := sr.Schema{Schema: member(name+".in", ""), Type: sr.TypeJSON, SchemaMetadata: metadata, SchemaRuleSet: rules}
	const far = 1_000_000
	free := far + int(subjectNumber(name)%far)
	imported, err := c.CreateSchemaWithIDAndVersion(ctx, name+".in", text, free, 5)
	if err != nil || imported.ID != free || imported.Version != 5 || imported.SchemaMetadata == nil || imported.SchemaMetadata.Tags["id"][0] != "PII" {
		t.Errorf("imported as %+v, %v", imported, err)
	}
	c.ResetMode(ctx, name+".in")
}

// subjectNumber is a number that follows from a subject's name.
func subjectNumber(name string) (n uint32) {
	for _, c := range []byte(name) {
		n = n*31 + uint32(c)
	}
	return n
}
