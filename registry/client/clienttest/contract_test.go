package clienttest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/client"
	"github.com/lockstep-mesh/lockstep/registry/client/clienttest"
	"github.com/lockstep-mesh/lockstep/registry/httpapi"
	"github.com/lockstep-mesh/lockstep/registry/nativeapi"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/presence"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// real serves a registry on a NATS server of its own.
func real(t *testing.T) string {
	t.Helper()
	js := natstest.Start(t).Connect()
	if err := store.Create(t.Context(), js, store.Options{}); err != nil {
		t.Fatal(err)
	}
	log, err := store.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.Open(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	book, err := presence.Open(t.Context(), js, presence.Options{Environment: "production"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(book.Close)
	native, err := nativeapi.New(r, nativeapi.WithPresence(book))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(native.Close)
	s := httptest.NewServer(native.Beside(httpapi.New(r)))
	t.Cleanup(s.Close)
	return s.URL
}

// Guards against a fake that answers otherwise than the registry does, and so
// against tests that pass over it and programs that then fail: the client does
// the same with both.
func TestContract(t *testing.T) {
	for name, start := range map[string]func(*testing.T) string{
		"registry": real,
		"fake":     func(t *testing.T) string { t.Helper(); return clienttest.New(t).URL },
	} {
		t.Run(name, func(t *testing.T) {
			url := start(t)
			contract(t, url)
			nativeContract(t, url)
		})
	}
}

func contract(t *testing.T, url string) {
	t.Helper()
	c, err := client.New(url, client.WithAttempts(1), client.WithAuthor("ada"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	code := func(want int) func(err error) {
		return func(err error) {
			t.Helper()
			if got := client.CodeOf(err); got != want {
				t.Errorf("%v, want %d", err, want)
			}
		}
	}
	const subject = "orders/new.order ä"
	first := client.Schema{Type: "JSON", Schema: `{"type":"object","properties":{"a":{"type":"string"}}}`}
	second := client.Schema{Type: "JSON", Schema: `{"type":"object","properties":{"a":{"type":"string"},"b":{}}}`}

	_, err = c.Latest(ctx, subject)
	code(40401)(err)
	_, err = c.Lookup(ctx, subject, first)
	code(40401)(err)
	v, err := c.Register(ctx, subject, first)
	if err != nil || v.Version != 1 || v.ID != 1 || v.Subject != subject || v.GUID == "" || v.Schema != first.Schema {
		t.Fatalf("registered as %+v, %v", v, err)
	}
	again := first
	again.Schema = strings.ReplaceAll(again.Schema, ":", ": ")
	if w, err := c.Register(ctx, subject, again); err != nil || w.Version != 1 || w.ID != 1 || w.GUID != v.GUID {
		t.Errorf("registered again as %+v, %v", w, err)
	}
	if w, err := c.Register(ctx, "copy", first); err != nil || w.Version != 1 || w.ID != 1 {
		t.Errorf("registered elsewhere as %+v, %v", w, err)
	}
	if w, err := c.Register(ctx, subject, second); err != nil || w.Version != 2 || w.ID != 2 {
		t.Errorf("the second: %+v, %v", w, err)
	}
	if got, err := c.Lookup(ctx, subject, first); err != nil || got.Version != 1 || got.Schema != first.Schema {
		t.Errorf("looked up as %+v, %v", got, err)
	}
	_, err = c.Lookup(ctx, subject, client.Schema{Type: "JSON", Schema: `{"type":"null"}`})
	code(40403)(err)
	if got, err := c.Latest(ctx, subject); err != nil || got.Version != 2 || got.Schema != second.Schema {
		t.Errorf("latest: %+v, %v", got, err)
	}
	_, err = c.Version(ctx, subject, "7")
	code(40402)(err)
	_, err = c.Version(ctx, subject, "seven")
	code(42202)(err)
	if got, err := c.SchemaByID(ctx, 2); err != nil || got.Schema != second.Schema || got.Type != "JSON" {
		t.Errorf("by id: %+v, %v", got, err)
	}
	_, err = c.SchemaByID(ctx, 77)
	code(40403)(err)
	_, err = c.Register(ctx, subject, client.Schema{Type: "JSON", Schema: `{`})
	code(42201)(err)
	if verdict, err := c.CheckCompatibility(ctx, subject, "latest", second); err != nil || !verdict.Compatible {
		t.Errorf("%+v, %v", verdict, err)
	}

	user := client.Schema{
		Type: "JSON", Schema: `{"$ref":"a.json"}`, References: []client.Reference{{Name: "a.json", Subject: subject, Version: 1}},
		Metadata: &client.Metadata{Tags: map[string][]string{"a": {"PII"}}, Properties: map[string]string{"owner": "shop"}},
	}
	if _, err := c.Register(ctx, "user", user); err != nil {
		t.Fatal(err)
	}
	got, err := c.Latest(ctx, "user")
	if err != nil || !slices.Equal(got.References, user.References) || got.Metadata == nil || got.Metadata.Properties["owner"] != "shop" {
		t.Errorf("%+v, %v", got, err)
	}
	user.References[0].Version = 9
	_, err = c.Register(ctx, "user", user)
	code(42201)(err)

	if subjects, err := c.Subjects(ctx); err != nil || !slices.Equal(subjects, []string{"copy", subject, "user"}) {
		t.Errorf("%q, %v", subjects, err)
	}
	code(40407)(c.DeleteVersion(ctx, "user", 1, true))
	if numbers, err := c.DeleteSubject(ctx, "user", false); err != nil || !slices.Equal(numbers, []int{1}) {
		t.Errorf("%v, %v", numbers, err)
	}
	_, err = c.DeleteSubject(ctx, "user", false)
	code(40404)(err)
	_, err = c.DeleteSubject(ctx, "copy", true)
	code(40405)(err)
	if _, err := c.DeleteSubject(ctx, "user", true); err != nil {
		t.Error(err)
	}
	_, err = c.DeleteSubject(ctx, "user", true)
	code(40401)(err)
	if err := c.DeleteVersion(ctx, subject, 1, false); err != nil {
		t.Error(err)
	}
	code(40406)(c.DeleteVersion(ctx, subject, 1, false))
	_, err = c.Version(ctx, subject, "1")
	code(40402)(err)
	if numbers, err := c.Versions(ctx, subject); err != nil || !slices.Equal(numbers, []int{2}) {
		t.Errorf("%v, %v", numbers, err)
	}

	for _, s := range []string{"", subject} {
		if level, err := c.Compatibility(ctx, s); err != nil || level != "BACKWARD" {
			t.Errorf("%q, %v", level, err)
		}
		if mode, err := c.Mode(ctx, s); err != nil || mode != "READWRITE" {
			t.Errorf("%q, %v", mode, err)
		}
	}
	if err := c.SetCompatibility(ctx, subject, "FULL_TRANSITIVE"); err != nil {
		t.Error(err)
	}
	if err := c.SetMode(ctx, subject, "IMPORT", true); err != nil {
		t.Error(err)
	}
	if level, err := c.Compatibility(ctx, subject); err != nil || level != "FULL_TRANSITIVE" {
		t.Errorf("%q, %v", level, err)
	}
	if mode, err := c.Mode(ctx, subject); err != nil || mode != "IMPORT" {
		t.Errorf("%q, %v", mode, err)
	}
}

// Guards against a fake that cannot fail as a registry does.
func TestRefusals(t *testing.T) {
	fake := clienttest.New(t)
	c, err := client.New(fake.URL, client.WithAttempts(2), client.WithAuthor("ada"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := client.Schema{Type: "JSON", Schema: `{}`}
	if _, err := c.Register(t.Context(), "a", s); err != nil {
		t.Fatal(err)
	}
	fake.Refuse("a", client.Error{Status: http.StatusConflict, Code: 409, Message: "type-removed at /a"})
	if _, err := c.Register(t.Context(), "a", s); client.CodeOf(err) != 409 || !strings.Contains(err.Error(), "type-removed") {
		t.Errorf("refused with %v", err)
	}
	if verdict, err := c.CheckCompatibility(t.Context(), "a", "latest", s); err != nil || verdict.Compatible || len(verdict.Messages) != 1 {
		t.Errorf("%+v, %v", verdict, err)
	}
	if _, err := c.Latest(t.Context(), "a"); err != nil {
		t.Errorf("reading: %v", err)
	}
	fake.Refuse("a", client.Error{})
	fake.Refuse("", client.Error{Status: http.StatusServiceUnavailable, Code: 50003, Message: "away"})
	before := len(fake.Requests())
	_, err = c.Subjects(t.Context())
	var failure *client.Error
	if !errors.As(err, &failure) || !failure.Temporary() || failure.Status != http.StatusServiceUnavailable {
		t.Errorf("away: %v", err)
	}
	if tried := len(fake.Requests()) - before; tried != 2 {
		t.Errorf("tried %d times", tried)
	}
	fake.Refuse("", client.Error{})
	if _, err := c.Subjects(t.Context()); err != nil {
		t.Error(err)
	}
	if authors := fake.Authors(); authors[0] != "ada" {
		t.Errorf("%q", authors)
	}
}

// nativeContract is the part of Lockstep's own API.
func nativeContract(t *testing.T, url string) {
	t.Helper()
	c, err := client.New(url, client.WithAttempts(1), client.WithAuthor("ada"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	expect := func(err error, name string) {
		t.Helper()
		if client.NameOf(err) != name {
			t.Errorf("%v, want %s", err, name)
		}
	}
	const subject = "life/of a.version"
	schema := client.Schema{Type: "JSON", Schema: `{"type":"object","properties":{"life":{}}}`}
	_, err = c.Consumers(ctx, subject)
	expect(err, "subject_not_found")
	expect(c.SetAbout(ctx, subject, client.About{Team: "x"}), "subject_not_found")
	expect(c.SetState(ctx, subject, 1, "active", ""), "subject_not_found")
	draft, err := c.RegisterDraft(ctx, subject, schema)
	if must(err); draft.Version != 1 || draft.ID == 0 || draft.GUID == "" || draft.Schema != schema.Schema {
		t.Errorf("the draft is %+v", draft)
	}
	if again, err := c.RegisterDraft(ctx, subject, schema); err != nil || again.Version != 1 || again.ID != draft.ID {
		t.Errorf("the draft again is %+v, %v", again, err)
	}
	if _, err := c.Latest(ctx, subject); client.CodeOf(err) != 40401 {
		t.Errorf("the latest beside a draft: %v", err)
	}
	expect(c.SetState(ctx, subject, 1, "retired", ""), "state_transition")
	expect(c.SetState(ctx, subject, 2, "active", ""), "version_not_found")
	must(c.SetState(ctx, subject, 1, "active", "it is good"))
	must(c.SetState(ctx, subject, 1, "active", ""))
	if v, err := c.Latest(ctx, subject); err != nil || v.Version != 1 {
		t.Errorf("the latest is %+v, %v", v, err)
	}
	must(c.SetState(ctx, subject, 1, "deprecated", ""))
	must(c.SetState(ctx, subject, 1, "retired", ""))
	must(c.SetAbout(ctx, subject, client.About{Team: "checkout", Contact: "#checkout"}))
	must(c.ReportConsumer(ctx, client.Consumer{Subject: subject, Name: "billing/eu", Version: 1, Environment: "staging"}))
	must(c.ReportConsumer(ctx, client.Consumer{Subject: subject, Name: "billing/eu", Version: 1, Environment: "staging"}))
	expect(c.ReportConsumer(ctx, client.Consumer{Subject: subject, Name: "billing/eu", Version: 9}), "version_not_found")
	if list, err := c.Consumers(ctx, subject); err != nil || len(list) != 1 || list[0].Name != "billing/eu" || list[0].Role != "consumer" || list[0].LastSeen.IsZero() {
		t.Errorf("consumers: %+v, %v", list, err)
	}
}
