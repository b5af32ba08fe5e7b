package mask

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// A mistake in a policy would be found only when events are withheld, or never.
func TestPolicyValidate(t *testing.T) {
	tests := []struct {
		name, yaml string
		paths      []string
	}{
		{"fine", "classes: {email: {technique: token}, text: {technique: redact, as: gone}, id: {technique: token, as: hex}}\ndefaults: {string: redact, key: token}", nil},
		{"no class", "defaults: {string: pass}", []string{"classes"}},
		{
			"all at once", "classes: {e-mail: {technique: token}, text: {technique: blur}, login: {technique: token, as: emial}, id: {technique: pass, as: hex}}\ndefaults: {string: mask, key: redact, boolean: token}",
			[]string{"classes.e-mail", "classes.id.as", "classes.login.as", "classes.text.technique", "defaults.boolean", "defaults.key", "defaults.string"},
		},
		{
			"options", `classes: {date: {technique: date-shift, days: 30, by: id}, amount: {technique: bucket, size: 0.5}, location: {technique: noise, percent: 5},
  name: {technique: truncate, length: 2}, ip: {technique: truncate, to: network}, sensitive: {technique: constant, value: 7}, id: {technique: fpe, alphabet: alphanumeric},
  internal: {technique: cel, expression: "value.size() > 3 ? token(value) : 'short'"}, text: {technique: scrub}, email: {technique: encrypt}, login: {technique: synthetic}, uuid: {technique: hash}}`, nil,
		},
		{
			"bad options", `classes: {date: {technique: date-shift, days: 4000, by: "e-mail"}, amount: {technique: bucket, size: -1}, location: {technique: noise, percent: 101},
  name: {technique: truncate}, ip: {technique: truncate, to: street, length: 1}, sensitive: {technique: constant}, id: {technique: fpe, alphabet: aba},
  internal: {technique: cel, expression: "nosuch + 1"}, text: {technique: scrub, days: 1}, email: {technique: encrypt, as: email, size: 1}, url: {technique: cel}, secret: {technique: noise, percent: 1}}`,
			[]string{
				"classes.amount.size", "classes.date.by", "classes.date.days", "classes.email.as", "classes.email.size", "classes.id.alphabet", "classes.internal.expression",
				"classes.ip.to", "classes.location.percent", "classes.name.length", "classes.secret.technique", "classes.sensitive.value", "classes.text.days", "classes.url.expression",
			},
		},
		{"secrets pass", "classes: {secret: {technique: pass}}", []string{"classes.secret.technique"}},
		{"no technique", "classes: {text: {}}", []string{"classes.text.technique"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var p Policy
			if err := yaml.UnmarshalWithOptions([]byte(test.yaml), &p, yaml.Strict()); err != nil {
				t.Fatal(err)
			}
			var paths []string
			for _, problem := range p.Validate() {
				paths = append(paths, problem.Path)
				if problem.What == "" || problem.Why == "" || problem.Cure == "" {
					t.Errorf("%+v is incomplete", problem)
				}
			}
			slices.Sort(paths)
			if !slices.Equal(paths, test.paths) {
				t.Errorf("problems at %q, want %q", paths, test.paths)
			}
			text, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			var again Policy
			if err := json.Unmarshal(text, &again); err != nil || len(again.Classes) != len(p.Classes) || again.Defaults != p.Defaults {
				t.Errorf("as JSON it is %s, %v", text, err)
			}
		})
	}
}

// What a policy doesn't say, or says wrongly, would let values through.
func TestDefaultDeny(t *testing.T) {
	m := masker(t, Policy{
		Classes: map[string]Rule{
			"email": {Technique: Token}, "nosuch": {Technique: Pass}, "text": {Technique: "pass "}, "login": {Technique: Token, As: "?"},
			"secret": {Technique: Pass}, "public": {Technique: Pass},
		},
		Defaults: Defaults{Number: "?", Key: Redact},
	})
	for class, want := range map[Class]Technique{
		Email: Token, Public: Pass, "nosuch": Withhold, Text: Withhold, Login: Withhold, Secret: Withhold, ID: Withhold, "": Withhold,
	} {
		if got := m.Technique(class); got != want {
			t.Errorf("class %q: %s, want %s", class, got, want)
		}
	}
	zero := masker(t, Policy{})
	for kind, want := range map[Kind]Technique{Null: Pass, Bool: Pass, Number: Withhold, String: Withhold} {
		if got := zero.Default(kind, false); got != want {
			t.Errorf("%v: %s, want %s", kind, got, want)
		}
	}
	if m.Default(Number, false) != Withhold || m.DefaultKey() != Withhold || zero.DefaultKey() != Withhold {
		t.Error("a wrong default lets values through")
	}
	if zero.Default(String, true) != Pass {
		t.Error("an enumerated value doesn't pass")
	}
	for _, args := range []struct {
		policy, destination string
		key                 Key
	}{{"", "d", testKey(t)}, {"p", "", testKey(t)}, {"p", "d", Key{}}} {
		if _, err := New(args.policy, Policy{}, args.destination, args.key); err == nil {
			t.Errorf("New(%+v) makes a masker", args)
		}
	}
}

// Of two classes for one value, the one that lets more through would count.
func TestMoreProtective(t *testing.T) {
	all := Classes()
	if all[0] != Public || all[len(all)-1] != Secret {
		t.Errorf("classes are ordered %v", all)
	}
	for i, a := range all {
		if a.Describe() == "" {
			t.Errorf("%s isn't described", a)
		}
		for _, b := range all[i:] {
			if MoreProtective(a, b) != b || MoreProtective(b, a) != b {
				t.Errorf("of %s and %s the first counts", a, b)
			}
		}
		if MoreProtective(a, "") != a || MoreProtective("", a) != a || MoreProtective(a, "nosuch") != "nosuch" || MoreProtective("nosuch", a) != "nosuch" {
			t.Errorf("%s with none or an unknown one", a)
		}
	}
}

// Somebody's tag would be disregarded.
func TestTagClass(t *testing.T) {
	for tag, want := range map[string]Class{
		"PII": Sensitive, "Email": Email, "PHONE_NUMBER": Phone, "lockstep:login": Login, "person-name": PersonName, "credit card": Account,
		"anything else": Sensitive, "lockstep:nosuch": "nosuch", "PUBLIC": Public,
	} {
		if got := TagClass(tag); got != want {
			t.Errorf("%q is %s, want %s", tag, got, want)
		}
	}
	for tag, class := range tags {
		if !class.Known() || tag != strings.ToLower(tag) {
			t.Errorf("tag %q is %q", tag, class)
		}
	}
}
