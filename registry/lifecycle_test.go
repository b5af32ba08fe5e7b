package registry_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// create makes the stream and opens a view of it.
func create(t testing.TB, js jetstream.JetStream, options ...registry.Option) *registry.Registry {
	t.Helper()
	if err := store.Create(t.Context(), js, store.Options{}); err != nil {
		t.Fatal(err)
	}
	log, err := store.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.Open(t.Context(), log, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// picture is everything that a view answers, as text.
func picture(r *registry.Registry, subjects []string) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Subjects(), r.AllSubjects(), r.MaxID(), r.Revision())
	for id := range r.MaxID() + 1 {
		for _, v := range r.ByID(id) {
			fmt.Fprintln(&b, id, v.Subject, v.Version, v.Deleted)
		}
	}
	for _, s := range append([]string{""}, subjects...) {
		config, configured := r.Config(s)
		mode, set := r.Mode(s)
		fmt.Fprintln(&b, s, config.Level, configured, r.Effective(s).Level, mode, set, r.EffectiveMode(s), len(r.Versions(s)))
		for _, v := range r.AllVersions(s) {
			fmt.Fprintf(&b, "%+v %v\n", v, r.Users(s, v.Version))
		}
	}
	return b.String()
}

// Guards against a view that, replayed, is not the one that was there, against
// an id or a number that is given twice whatever is deleted and imported between,
// and against a version that refers to nothing.
func TestAnyHistory(t *testing.T) {
	js := natstest.Start(t).Connect()
	one, two := create(t, js), openOn(t, js)
	subjects := []string{"a", "b", "c/d", "é*.>"}
	ids, numbers := map[int]string{}, map[string]string{}
	refused := map[registry.Code]int{}
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			r := rapid.SampledFrom([]*registry.Registry{one, two}).Draw(rt, "instance")
			subject := rapid.SampledFrom(subjects).Draw(rt, "subject")
			number := rapid.IntRange(1, 30).Draw(rt, "number")
			var err error
			switch rapid.IntRange(0, 12).Draw(rt, "operation") {
			case 0, 1, 2:
				s := registry.Schema{Type: registry.JSON, Text: fmt.Sprintf(`{"enum":[%d]}`, rapid.IntRange(0, 40).Draw(rt, "schema"))}
				if rapid.Bool().Draw(rt, "refers") {
					s.Text = `{"$ref":"x"}`
					s.References = []registry.Reference{{Name: "x", Subject: rapid.SampledFrom(subjects).Draw(rt, "to"), Version: number}}
				}
				var v registry.Version
				v, err = r.Register(t.Context(), subject, s)
				if err == nil {
					given(rt, ids, numbers, v)
				}
			case 3:
				s := registry.Schema{Type: registry.JSON, Text: fmt.Sprintf(`{"enum":[%d]}`, number), ID: 100 + rand.N(400), Version: number}
				var v registry.Version
				v, err = r.Register(t.Context(), subject, s)
				if err == nil {
					given(rt, ids, numbers, v)
				}
			case 4, 5:
				permanent := rapid.Bool().Draw(rt, "permanent")
				err = r.DeleteVersion(t.Context(), subject, number, permanent, "")
				if v, ok := r.Version(subject, number); err == nil && (ok == permanent || ok && !v.Deleted) {
					rt.Errorf("deleted, and there: %+v", v)
				}
			case 6:
				_, err = r.DeleteSubject(t.Context(), subject, rapid.Bool().Draw(rt, "permanent"), "")
			case 7:
				level := rapid.SampledFrom([]registry.Level{registry.None, registry.None, registry.Backward, registry.FullTransitive, "NONSENSE"}).Draw(rt, "level")
				_, err = r.SetConfig(t.Context(), subject, "", func(c registry.Config) registry.Config {
					c.Level = level
					return c
				})
			case 8:
				err = r.SetMode(t.Context(), subject, rapid.SampledFrom([]registry.Mode{registry.ReadOnly, registry.Import, registry.ReadWrite}).Draw(rt, "mode"), true, "")
			case 9:
				var v registry.Version
				v, err = r.RegisterDraft(t.Context(), subject, registry.Schema{Type: registry.JSON, Text: fmt.Sprintf(`{"enum":[%d]}`, rapid.IntRange(0, 40).Draw(rt, "draft"))})
				if err == nil {
					given(rt, ids, numbers, v)
				}
			case 10, 11:
				_, err = r.SetState(t.Context(), subject, number, rapid.SampledFrom(registry.States).Draw(rt, "state"), "", "")
			default:
				if rapid.Bool().Draw(rt, "mode") {
					_, err = r.DeleteMode(t.Context(), subject, "")
				} else {
					_, err = r.DeleteConfig(t.Context(), subject, "")
				}
			}
			if err != nil {
				code := registry.CodeOf(err)
				if refused[code]++; code == 0 || code >= 50000 {
					rt.Fatalf("refused with %d: %v", code, err)
				}
			}
		}
		for _, r := range []*registry.Registry{one, two} {
			if err := r.Wait(t.Context(), max(one.Revision(), two.Revision())); err != nil {
				rt.Fatal(err)
			}
			for _, s := range subjects {
				for _, v := range r.AllVersions(s) {
					if _, err := r.Bundle(v); err != nil {
						rt.Errorf("%s version %d: %v", s, v.Version, err)
					}
				}
			}
		}
		if a, b := picture(one, subjects), picture(two, subjects); a != b {
			rt.Errorf("two views differ:\n%s\n%s", a, b)
		}
	})
	t.Logf("%d records; refused: %v", one.Revision(), refused)
	if a, b := picture(one, subjects), picture(openOn(t, js), subjects); a != b {
		t.Errorf("replayed, the view is another one:\n%s\n%s", a, b)
	}
}

// given remembers what an id and a number stand for.
func given(t *rapid.T, ids map[int]string, numbers map[string]string, v registry.Version) {
	place := fmt.Sprintf("%s@%d", v.Subject, v.Version)
	if guid, ok := ids[v.ID]; ok && guid != v.GUID {
		t.Errorf("id %d stands for two schemas", v.ID)
	}
	if guid, ok := numbers[place]; ok && guid != v.GUID {
		t.Errorf("%s stands for two schemas", place)
	}
	ids[v.ID], numbers[place] = v.GUID, v.GUID
}

// Guards against a level that compares too little, or the wrong way round.
func TestLevels(t *testing.T) {
	js := natstest.Start(t).Connect()
	r := create(t, js)
	object := func(properties, required string) string {
		return fmt.Sprintf(`{"type":"object","properties":{%s},"required":[%s],"additionalProperties":false}`, properties, required)
	}
	a, ab := object(`"a":{}`, ``), object(`"a":{},"b":{}`, ``)
	abRequired := object(`"a":{},"b":{}`, `"b"`)
	for _, c := range []struct {
		level    registry.Level
		versions []string
		next     string
		allowed  bool
	}{
		{registry.None, []string{a}, `{"type":"string"}`, true},
		{registry.Backward, []string{a}, ab, true},
		{registry.Backward, []string{ab}, a, false},
		{registry.Backward, []string{a, ab}, abRequired, false},
		{registry.Forward, []string{ab}, a, true},
		{registry.Forward, []string{a}, ab, false},
		{registry.Forward, []string{ab}, abRequired, true},
		{registry.Full, []string{ab}, a, false},
		{registry.Full, []string{a}, ab, false},
		{registry.Full, []string{a}, object(`"a":{}`, ``) + " ", true},
		// Only the newest, or all of them: the oldest reads nothing of the next.
		{registry.Forward, []string{a, abRequired, ab}, object(`"b":{}`, ``), true},
		{registry.ForwardTransitive, []string{a, abRequired, ab}, object(`"b":{}`, ``), false},
		{registry.Backward, []string{ab, a}, object(`"a":{}`, ``) + "\n", true},
		{registry.BackwardTransitive, []string{ab, `{"const":{"a":1}}`}, object(`"a":{"title":"A"}`, ``), false},
		{registry.Backward, []string{ab, `{"const":{"a":1}}`}, object(`"a":{"title":"A"}`, ``), true},
		{registry.FullTransitive, []string{a, a + " "}, object(`"a":{"title":"A"}`, ``), true},
	} {
		subject := fmt.Sprintf("%s.%d", c.level, r.Revision())
		set := func(level registry.Level) {
			if _, err := r.SetConfig(t.Context(), subject, "", func(registry.Config) registry.Config { return registry.Config{Level: level} }); err != nil {
				t.Fatal(err)
			}
		}
		set(registry.None)
		for _, text := range c.versions {
			if _, err := r.Register(t.Context(), subject, registry.Schema{Type: registry.JSON, Text: text}); err != nil {
				t.Fatal(err)
			}
		}
		set(c.level)
		next := registry.Schema{Type: registry.JSON, Text: c.next}
		comparisons, err := r.CheckNext(subject, next)
		if err != nil {
			t.Fatal(err)
		}
		compatible := !slices.ContainsFunc(comparisons, func(c registry.Comparison) bool { return len(c.Verdict.Findings) > 0 })
		_, err = r.Register(t.Context(), subject, next)
		if c.allowed != (err == nil) || c.allowed != compatible {
			t.Errorf("%s after %v, %s: %v; checked: %v", c.level, c.versions, c.next, err, comparisons)
		}
		var incompatible *registry.IncompatibleError
		if !c.allowed && (registry.CodeOf(err) != registry.CodeIncompatible || !errors.As(err, &incompatible) || len(incompatible.Comparisons[0].Verdict.Findings) == 0) {
			t.Errorf("%s: refused without a finding: %v", subject, err)
		}
	}
}

// Guards against a log of an older version that cannot be read any more, and a
// record of a later one that is passed over.
func TestRecordsOfOtherVersions(t *testing.T) {
	js := natstest.Start(t).Connect()
	r := create(t, js)
	log, err := store.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	at, err := log.Append(t.Context(), store.Position{}, "registry.version.a",
		[]byte(`{"format":1,"kind":"version","subject":"a","version":1,"id":1,"guid":"g","type":"JSON","schema":"{}","at":"2026-01-02T03:04:05Z","author":"ada"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if v, ok := r.Latest("a"); !ok || v.ID != 1 || v.Author != "ada" || v.Schema != "{}" {
		t.Errorf("read as %+v", v)
	}
	if _, err := log.Append(t.Context(), at, "registry.wish.a", []byte(`{"format":1,"kind":"wish","subject":"a"}`)); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "update it") || r.Err() == nil {
		t.Errorf("a record that is not known was passed over: %v", err)
	}
	if _, ok := r.Latest("a"); !ok {
		t.Error("what was known is not answered any more")
	}
	if _, err := r.Register(t.Context(), "b", registry.Schema{Type: registry.JSON, Text: "{}"}); registry.CodeOf(err) != registry.CodeStore {
		t.Errorf("a write on a view that has ended: %v", err)
	}
}
