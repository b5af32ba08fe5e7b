package registry_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

func object(properties ...string) registry.Schema {
	var fields []string
	for _, p := range properties {
		fields = append(fields, fmt.Sprintf(`%q:{"type":"string"}`, p))
	}
	return registry.Schema{Type: registry.JSON, Text: `{"type":"object","properties":{` + strings.Join(fields, ",") + `}}`, Author: "ada"}
}

func numbers(versions []registry.Version) []int {
	var out []int
	for _, v := range versions {
		out = append(out, v.Version)
	}
	return out
}

// Guards against events that are admitted under a draft or a retired version, a
// client that is told to write under one, and a version in use that is hidden.
func TestStates(t *testing.T) {
	js := natstest.Start(t).Connect()
	r, ctx := create(t, js), t.Context()
	expect := func(when string, admitting, versions []int, latest int) {
		t.Helper()
		v, _ := r.Latest("s")
		if a, all := numbers(r.Admitting("s")), numbers(r.Versions("s")); !slices.Equal(a, admitting) || !slices.Equal(all, versions) || v.Version != latest {
			t.Errorf("%s: admitting %v of %v, latest %d; want %v of %v, %d", when, a, all, v.Version, admitting, versions, latest)
		}
	}
	register := func(s registry.Schema) registry.Version {
		t.Helper()
		v, err := r.Register(ctx, "s", s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	set := func(number int, to registry.State) {
		t.Helper()
		if v, err := r.SetState(ctx, "s", number, to, "because", "ada"); err != nil || v.State != to || v.StateReason != "because" || v.Since().Before(v.At) {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	draft, err := r.RegisterDraft(ctx, "s", object("a"))
	if err != nil || draft.State != registry.Draft || draft.Version != 1 {
		t.Fatalf("%+v, %v", draft, err)
	}
	expect("a draft", nil, nil, 0)
	if again, err := r.RegisterDraft(ctx, "s", object("a")); err != nil || again.Version != 1 {
		t.Errorf("the same draft again: %+v, %v", again, err)
	}
	if got := r.ByID(draft.ID); len(got) != 1 || len(r.Subjects()) != 0 || len(r.AllSubjects()) != 1 {
		t.Errorf("the draft by its id: %v; subjects %v", got, r.Subjects())
	}
	set(1, registry.Active)
	expect("the draft is activated", []int{1}, []int{1}, 1)
	if v := register(object("a")); v.Version != 1 {
		t.Errorf("registering what was a draft again makes version %d", v.Version)
	}
	if v := register(object("a", "b")); v.Version != 2 {
		t.Errorf("the next version is %d", v.Version)
	}
	set(1, registry.Deprecated)
	expect("deprecated", []int{2, 1}, []int{1, 2}, 2)
	set(2, registry.Deprecated)
	set(1, registry.Active)
	expect("the older is active, the newer deprecated", []int{1, 2}, []int{1, 2}, 2)
	set(2, registry.Retired)
	expect("the newer is retired", []int{1}, []int{1, 2}, 1)
	set(1, registry.Retired)
	expect("all are retired", nil, []int{1, 2}, 2)
	set(1, registry.Deprecated)
	expect("one is back", []int{1}, []int{1, 2}, 1)

	// A version after a draft keeps the draft where it is, and the draft has to be made anew.
	if d, err := r.RegisterDraft(ctx, "s", object("a", "b", "c")); err != nil || d.Version != 3 {
		t.Fatalf("%+v, %v", d, err)
	}
	register(object("a", "b", "d"))
	expect("a version after the draft", []int{4, 1}, []int{1, 2, 4}, 4)
	if v, ok := r.Version("s", 3); !ok || v.State != registry.Draft || !strings.Contains(v.Schema, `"c"`) {
		t.Errorf("the draft became %+v", v)
	}
	for _, c := range []struct {
		name   string
		number int
		to     registry.State
		code   registry.Code
	}{
		{"an overtaken draft", 3, registry.Active, registry.CodeStateTransition},
		{"a draft to deprecated", 3, registry.Deprecated, registry.CodeStateTransition},
		{"a draft to retired", 3, registry.Retired, registry.CodeStateTransition},
		{"active to draft", 4, registry.Draft, registry.CodeStateTransition},
		{"retired to active", 2, registry.Active, registry.CodeStateTransition},
		{"no such state", 4, "gone", registry.CodeInvalidState},
		{"no such version", 9, registry.Active, registry.CodeVersionNotFound},
	} {
		if _, err := r.SetState(ctx, "s", c.number, c.to, "", ""); registry.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %d", c.name, err, c.code)
		}
	}
	if _, err := r.SetState(ctx, "s", 4, registry.Active, strings.Repeat("x", 1001), ""); registry.CodeOf(err) != registry.CodeInvalidAbout {
		t.Errorf("a long reason: %v", err)
	}

	// Activation asks what registration asks.
	bad, err := r.RegisterDraft(ctx, "s", registry.Schema{Type: registry.JSON, Text: `{"type":"object","required":["z"],"properties":{"z":{"type":"string"}}}`})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.SetState(ctx, "s", bad.Version, registry.Active, "", ""); registry.CodeOf(err) != registry.CodeIncompatible {
		t.Errorf("an incompatible draft: %v", err)
	}
	if err := r.DeleteVersion(ctx, "s", bad.Version, false, ""); err != nil {
		t.Errorf("deleting a draft: %v", err)
	}
	if _, err := r.SetState(ctx, "s", bad.Version, registry.Active, "", ""); registry.CodeOf(err) != registry.CodeVersionSoftDeleted {
		t.Errorf("a deleted draft: %v", err)
	}

	// Another instance sees the same, also from the beginning.
	other := openOn(t, js)
	if a, b := picture(r, []string{"s"}), picture(other, []string{"s"}); a != b {
		t.Errorf("replayed it is\n%s\nand not\n%s", b, a)
	}
	if a, b := fmt.Sprint(r.Changes(0, 1000)), fmt.Sprint(other.Changes(0, 1000)); a != b || len(r.Changes(0, 1000)) != int(r.Revision()) {
		t.Errorf("replayed, the changes are\n%s\nand not\n%s", b, a)
	}
}

// Guards against a draft that hides a live version behind it, or is deleted with
// the wrong words.
func TestDraftOnly(t *testing.T) {
	r, ctx := create(t, natstest.Start(t).Connect()), t.Context()
	if _, err := r.RegisterDraft(ctx, "s", object("a")); err != nil {
		t.Fatal(err)
	}
	if v, err := r.Register(ctx, "s", object("a")); err != nil || v.Version != 2 || v.ID != 1 || v.State != registry.Active {
		t.Errorf("registering a draft's schema: %+v, %v", v, err)
	}
	if _, err := r.SetState(ctx, "s", 1, registry.Active, "", ""); registry.CodeOf(err) != registry.CodeStateTransition {
		t.Errorf("activating a draft that is a version already: %v", err)
	}
	if _, err := r.RegisterDraft(ctx, "t", object("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.DeleteSubject(ctx, "t", true, ""); registry.CodeOf(err) != registry.CodeSubjectNotSoftDeleted {
		t.Errorf("deleting a draft for good at once: %v", err)
	}
	if got, err := r.DeleteSubject(ctx, "t", false, ""); err != nil || !slices.Equal(got, []int{1}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := r.DeleteSubject(ctx, "t", false, ""); registry.CodeOf(err) != registry.CodeSubjectSoftDeleted {
		t.Errorf("deleting twice: %v", err)
	}
}

// Guards against a history without author or order, and against owner and reasons
// that leave their environment.
func TestHistoryAndAbout(t *testing.T) {
	js := natstest.Start(t).Connect()
	r, ctx := create(t, js), t.Context()
	if err := r.SetAbout(ctx, "s", registry.About{Team: "checkout"}, "ada"); registry.CodeOf(err) != registry.CodeSubjectNotFound {
		t.Errorf("about nothing: %v", err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.Register(ctx, "s", object("a"))
	must(err)
	_, err = r.Register(ctx, "other", object("b"))
	must(err)
	must(r.SetAbout(ctx, "s", registry.About{Team: "checkout", Contact: "ada@example.com", Description: "Orders.\nAll of them."}, "grace"))
	must(r.SetAbout(ctx, "s", registry.About{Team: "checkout", Contact: "ada@example.com", Description: "Orders.\nAll of them."}, "nobody"))
	_, err = r.SetState(ctx, "s", 1, registry.Deprecated, "said by ada", "linus")
	must(err)
	_, err = r.SetConfig(ctx, "s", "ada", func(c registry.Config) registry.Config { c.Level = registry.Full; return c })
	must(err)
	must(r.SetMode(ctx, "s", registry.ReadOnly, false, "ada"))
	if err := r.SetAbout(ctx, "s", registry.About{}, ""); registry.CodeOf(err) != registry.CodeNotPermitted {
		t.Errorf("changing what is read only: %v", err)
	}
	must(r.SetMode(ctx, "s", registry.ReadWrite, false, "ada"))
	_, err = r.DeleteSubject(ctx, "s", false, "ada")
	must(err)
	if about, ok := r.About("s"); ok {
		t.Errorf("a deleted subject is still %+v", about)
	}
	var told []string
	for _, c := range r.History("s") {
		told = append(told, fmt.Sprint(c.Revision, " ", c.Author, ": ", c))
	}
	want := []string{
		`1 ada: version 1 of subject "s" was registered under id 1`,
		`3 grace: owner and description of subject "s" were set`,
		`4 linus: version 1 of subject "s" became deprecated: said by ada`,
		`5 ada: the configuration of subject "s" was set, its compatibility level being "FULL"`,
		`6 ada: the mode of subject "s" was set to READONLY`,
		`7 ada: the mode of subject "s" was set to READWRITE`,
		`8 ada: versions [1] of subject "s" were deleted softly`,
	}
	if !slices.Equal(told, want) {
		t.Errorf("the history is\n%s\nand not\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
	log, err := store.Open(ctx, js)
	must(err)
	crossed := 0
	reading, stop := context.WithCancel(ctx)
	defer stop()
	err = log.Tail(reading, store.Position{}, store.Reader{Deliver: func(e store.Entry) error {
		_, _, data, err := registry.Redacted(e)
		if text := string(data); strings.Contains(text, "ada") || strings.Contains(text, "checkout") || strings.Contains(text, "Orders") {
			t.Errorf("this would cross: %s", data)
		}
		if crossed++; crossed == 8 {
			stop()
		}
		return err
	}})
	if reading.Err() == nil {
		t.Error(err)
	}
}

// Guards against a record that says more than is understood, and is taken for less.
func TestUnknownRecords(t *testing.T) {
	for _, c := range []struct{ name, record, says string }{
		{"a field", `{"format":1,"kind":"config","subject":"s","at":"2026-01-02T03:04:05Z","config":{"compatibilityLevel":"FULL","quorum":2}}`, "quorum"},
		{"a field at the top", `{"format":1,"kind":"mode","subject":"s","at":"2026-01-02T03:04:05Z","mode":"READONLY","until":"2027"}`, "until"},
		{"a kind", `{"format":1,"kind":"lease","subject":"s","at":"2026-01-02T03:04:05Z"}`, `kind "lease"`},
		{"a kind with a field", `{"format":1,"kind":"lease","subject":"s","holder":"x"}`, `kind "lease"`},
		{"a format", `{"format":2,"kind":"mode","subject":"s","how":[]}`, "format 2"},
		{"a state", `{"format":1,"kind":"state","subject":"s","version":1,"state":"frozen"}`, `state "frozen"`},
		{"two records", `{"format":1,"kind":"mode","subject":"s","mode":"READONLY"} {}`, "follows"},
		{"no JSON", `{"format":1`, "no JSON"},
		{"a state of nothing", `{"format":1,"kind":"state","subject":"s","version":1,"state":"active"}`, "state"},
	} {
		t.Run(c.name, func(t *testing.T) {
			js := natstest.Start(t).Connect()
			if err := store.Create(t.Context(), js, store.Options{}); err != nil {
				t.Fatal(err)
			}
			log, err := store.Open(t.Context(), js)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := log.Append(t.Context(), store.Position{}, store.Subject("x", "s"), []byte(c.record)); err != nil {
				t.Fatal(err)
			}
			r, err := registry.Open(t.Context(), log)
			if err == nil {
				r.Close()
				t.Fatal("it was taken in")
			}
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "record 1 of the registry's log") {
				t.Errorf("it says %v, want a mention of %q", err, c.says)
			}
		})
	}
}
