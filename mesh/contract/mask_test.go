package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// withheldAs masks a document that must be withheld.
func withheldAs(t testing.TB, c *Contract, data string, m *mask.Masker) *Withheld {
	t.Helper()
	dst := make([]byte, 2, 1000)
	out, stats, err := c.Mask(dst, []byte(data), m)
	var w *Withheld
	if !errors.As(err, &w) {
		t.Fatalf("%s gives %s, %v", data, out, err)
	}
	if len(out) != 2 || stats != (Stats{}) || !bytes.Equal(dst[:cap(dst)], make([]byte, 1000)) {
		t.Errorf("%s: something of what was withheld is left: %q, %v", data, bytes.TrimRight(dst[:cap(dst)], "\x00"), stats)
	}
	if w.Code == "" || w.Why == "" || w.Cure == "" {
		t.Errorf("%s: %+v", data, w)
	}
	return w
}

// A field would get another class than its owner, or the operator, meant.
func TestClassPrecedence(t *testing.T) {
	schema := `{
		"properties": {
			"own": {"type":"string","x-lockstep-class":"login"},
			"tagged": {"type":"string","confluent:tags":["EMAIL","PUBLIC"]},
			"both": {"type":"string","x-lockstep-class":"public","confluent:tags":["PII"]},
			"sibling": {"$ref":"person.json#/properties/name","x-lockstep-class":"text"},
			"person": {"$ref":"person.json"},
			"all": {"allOf":[{"type":"string","x-lockstep-class":"public"},{"x-lockstep-class":"email"},{}]},
			"one": {"oneOf":[{"type":"string","format":"uuid","pattern":"^.{36}$","x-lockstep-class":"uuid"},{"type":"string","maxLength":10,"x-lockstep-class":"text"},{"type":"integer","x-lockstep-class":"public"}]},
			"tree": {"x-lockstep-class":"text","properties":{"a":{"type":"string"},"b":{"type":"string","x-lockstep-class":"public"},"email":{"type":"string"},"deep":{"items":{"properties":{"c":{},"login":{}}}}}},
			"plain": {"type":"string"},
			"email": {"type":"string"},
			"list": {"items":{"type":"string"}},
			"pair": {"prefixItems":[{"x-lockstep-class":"public"},{"x-lockstep-class":"login"}],"items":{"x-lockstep-class":"text"}},
			"has": {"items":{"x-lockstep-class":"public"},"contains":{"pattern":"@","x-lockstep-class":"email"}}
		}
	}`
	refs := map[string]string{"person.json": `{"properties":{"name":{"type":"string","x-lockstep-class":"person-name"},"nick":{"type":"string"},"login":{"type":"string"}}}`}
	o := overlay(t, `
properties:
  login: login
  email: email
  own: text
  list: login
  c: secret
definitions:
  person.json: {class: text}
  person.json#/properties/name: email
subjects:
  shop.order.created:
    /person/nick: public
    /all: public
    /list/1: public
    /list/*: login
  shop.>:
    /person/nick: secret
    /tagged: public
    /plain: internal
`)
	person, login, email, uuid := `"[A-Z][a-z]{9} [A-Z][a-z]{9}"`, `"user-[a-z0-9]{16}"`, `"[a-z0-9]{16}@example.(com|org|net)"`, `"[0-9a-f-]{36}"`
	redacted := `"\[redacted\]"`
	tests := []struct{ name, document, without, with string }{
		{"its own class", `{"own":"x"}`, login, login},
		{"Confluent's tags, the most protective", `{"tagged":"x"}`, email, `"x"`},
		{"a class before tags", `{"both":"x"}`, `"x"`, `"x"`},
		{"beside $ref, over a class behind it", `{"sibling":"x"}`, redacted, email},
		{"behind $ref", `{"person":{"name":"x"}}`, person, person},
		{"a whole definition, from the overlay", `{"person":{"login":"x"}}`, "", redacted},
		{"an exact subject before a wildcard and a definition", `{"person":{"nick":"x"}}`, "", `"x"`},
		{"several: the most protective", `{"all":"x"}`, email, `"x"`},
		{"the alternative that holds", `{"one":"123e4567-e89b-12d3-a456-426614174000"}`, uuid, uuid},
		{"another alternative", `{"one":"short"}`, redacted, redacted},
		{"and for another type", `{"one":7}`, `7`, `7`},
		{"inherited", `{"tree":{"a":"x"}}`, redacted, redacted},
		{"own before inherited", `{"tree":{"b":"x"}}`, `"x"`, `"x"`},
		{"inherited and by name: the more protective", `{"tree":{"email":"x"}}`, redacted, redacted},
		{"inherited and by name, deep", `{"tree":{"deep":[{"login":"x"}]}}`, redacted, redacted},
		{"unclassified", `{"plain":"x"}`, "", `"x"`},
		{"by name", `{"email":"x"}`, "", email},
		{"items: literal index before wildcard", `{"list":["a","b"]}`, "", login + `,"b"`},
		{"items by position", `{"pair":["a","b","c"]}`, `"a",` + login + "," + redacted, `"a",` + login + "," + redacted},
		{"items that contains applies to", `{"has":["a","b@c"]}`, `"a",` + email, `"a",` + email},
	}
	m := masker(t, testers(), "staging")
	for _, test := range tests {
		for i, want := range []string{test.without, test.with} {
			o := []*mask.Overlay{nil, o}[i]
			c := compile(t, schema, refs, Options{Overlay: o})
			out, _, err := c.Mask(nil, []byte(test.document), m)
			if want == "" {
				var w *Withheld
				if !errors.As(err, &w) || w.Code != CodeUnclassified {
					t.Errorf("%s: %s, %v", test.name, out, err)
				}
				continue
			}
			if err != nil || !regexp.MustCompile(`[:[{]`+want+`[]}]+$`).Match(out) {
				t.Errorf("%s (overlay: %v): %s, %v; want %s", test.name, o != nil, out, err, want)
			}
		}
	}
	c := compile(t, schema, refs, Options{Overlay: o})
	if out, stats, err := c.Mask(nil, []byte(`{"tree":{"deep":[{"c":"x"},{}]}}`), m); err != nil || string(out) != `{"tree":{"deep":[{},{}]}}` || stats.Dropped != 1 {
		t.Errorf("%s, %+v, %v: by name, and more protective than inherited", out, stats, err)
	}
}

// What passes would be changed, or what is masked be out of place.
func TestMaskKeepsTheRest(t *testing.T) {
	schema := `{"x-lockstep-class":"public","properties":{
		"z":{},"a":{},"n":{"properties":{"z":{},"b":{},"a":{}}},"s":{"x-lockstep-class":"secret"},"t":{"x-lockstep-class":"text"},
		"list":{"items":{"properties":{"s":{"x-lockstep-class":"secret"},"k":{}}}},
		"secrets":{"items":{"x-lockstep-class":"secret"}},"gone":{"x-lockstep-class":"secret","properties":{"p":{"x-lockstep-class":"public"}}},
		"ids":{"items":{"type":"integer","x-lockstep-class":"id"}},"nothing":{"x-lockstep-class":"email"}}}`
	c, m := compile(t, schema, nil, Options{}), masker(t, testers(), "staging")
	out, stats, err := c.Mask([]byte("before"), []byte(` {
		"z" : [ 1.50 , -0 , 1E+2, 12345678901234567890.10 ], "s": {"x":[1,2]}, "a":"caf\u00e9 \/ \ud83d\ude00",
		"n" : {"z":null,"b":true,"a":false}, "t":"some text", "list":[{"s":1,"k":2},{"k":3,"s":4},{"s":5}],
		"secrets":[1,2], "gone":{"p":1}, "nothing":null, "ids":[]
	} `), m)
	want := `before{"z":[1.50,-0,1E+2,12345678901234567890.10],"a":"caf\u00e9 \/ \ud83d\ude00","n":{"z":null,"b":true,"a":false},` +
		`"t":"[redacted]","list":[{"k":2},{"k":3},{}],"secrets":[],"nothing":null,"ids":[]}`
	if err != nil || string(out) != want {
		t.Errorf("%v\n got %s\nwant %s", err, out, want)
	}
	if want := (Stats{Redacted: 1, Dropped: 7, Passed: 11}); stats != want || stats.Changed() != 8 {
		t.Errorf("%+v, want %+v", stats, want)
	}
}

// Every event with two tags, roles or allergies would be withheld where the schema wants
// them to differ: what is redacted is the same in all of them.
func TestRedactedItemsDifferWhereTheSchemaWantsThemTo(t *testing.T) {
	for _, test := range []struct{ items, document string }{
		{`{"type":"string","x-lockstep-class":"text"}`, `["Ada","Grace","Lise"]`},
		{`{"type":"string","x-lockstep-class":"text","maxLength":7}`, `["Ada","Grace","Lise"]`},
		{`{"type":"string","x-lockstep-class":"text","format":"email"}`, `["Ada@x.test","Grace@x.test","Lise@x.test"]`},
		{`{"type":"string","x-lockstep-class":"text","pattern":"^#[A-Za-z]{4,20}$"}`, `["#Adaaa","#Grace","#Lise"]`},
		{`{"x-lockstep-class":"text","enum":["Ada","Grace","Lise","x"]}`, `["Grace","Ada","Lise"]`},
		{`{"type":"integer","x-lockstep-class":"text","maximum":9}`, `[1,7,3]`},
		{`{"type":"number","x-lockstep-class":"text","multipleOf":0.5,"minimum":10}`, `[17.5,11,10.5]`},
		{`{"properties":{"of":{"items":{"x-lockstep-class":"text"}},"so":{"const":true}}}`, `[{"of":["Ada"],"so":true},{"of":["Grace"]},{"of":["Lise"]},{"so":true}]`},
		{`{"items":{"x-lockstep-class":"text"},"uniqueItems":true}`, `[["Ada","Grace"],["Grace","Lise"]]`},
	} {
		c := compile(t, `{"properties":{"p":{"uniqueItems":true,"items":`+test.items+`}}}`, nil, Options{})
		out, stats, err := c.Mask(nil, []byte(`{"p":`+test.document+`}`), masker(t, testers(), "staging"))
		if err != nil {
			t.Errorf("%s: %v", test.items, err)
			continue
		}
		again, _, err := c.Mask(nil, []byte(`{"p":`+test.document+`}`), masker(t, testers(), "staging"))
		if err != nil || !bytes.Equal(out, again) || c.Validate(out) != nil || stats.Redacted < 3 || stats.Masked > 0 {
			t.Errorf("%s: %s, then %s, %+v, %v", test.items, out, again, stats, err)
		}
		for _, name := range []string{"Ada", "Grace", "Lise", "17.5"} {
			if bytes.Contains(out, []byte(name)) && !strings.Contains(test.items, "enum") {
				t.Errorf("%s: %s", test.items, out)
			}
		}
	}
	c := compile(t, `{"properties":{"p":{"uniqueItems":true,"items":{"x-lockstep-class":"text","enum":["a","b","c"]}},"q":{"uniqueItems":true,"items":{"type":"boolean","x-lockstep-class":"text"}}}}`, nil, Options{})
	if w := withheldAs(t, c, `{"q":[true,false]}`, masker(t, testers(), "staging")); w.Code != CodeUnfit {
		t.Errorf("%+v", w)
	}
}

// A name in a map, which is data, would cross as it is.
func TestNamesInMaps(t *testing.T) {
	m := masker(t, testers(), "staging")
	type test struct {
		name, schema, document, want string // want: the document, or a code
		overlay                      string
	}
	for _, test := range []test{
		{name: "declared names are no data", schema: `{"properties":{"a":{"x-lockstep-class":"public"}},"additionalProperties":true}`, document: `{"a":1}`, want: `{"a":1}`},
		{name: "no class", schema: `{"additionalProperties":{"x-lockstep-class":"public"}}`, document: `{"octocat":1}`, want: CodeUnclassifiedKey},
		{name: "under a pattern", schema: `{"patternProperties":{"^o":{"x-lockstep-class":"public"}}}`, document: `{"octocat":1}`, want: CodeUnclassifiedKey},
		{name: "in a free place", schema: `{"x-lockstep-class":"public"}`, document: `{"octocat":1}`, want: CodeUnclassifiedKey},
		{name: "classified", schema: `{"x-lockstep-key-class":"login","additionalProperties":{"x-lockstep-class":"public"}}`, document: `{"octocat":1}`, want: `{"user-[0-9a-z]{16}":1}`},
		{name: "classified as public", schema: `{"x-lockstep-key-class":"public","additionalProperties":{"x-lockstep-class":"public"}}`, document: `{"octocat":1}`, want: `{"octocat":1}`},
		{name: "by propertyNames", schema: `{"propertyNames":{"x-lockstep-class":"email"},"additionalProperties":{"x-lockstep-class":"public"}}`, document: `{"octocat":1}`, want: `{"[0-9a-z]{16}@example.(com|org|net)":1}`},
		{name: "enumerated", schema: `{"propertyNames":{"enum":["en","de"]},"additionalProperties":{"x-lockstep-class":"public"}}`, document: `{"en":1}`, want: `{"en":1}`},
		{name: "redacted names would collide", schema: `{"x-lockstep-key-class":"text","additionalProperties":{"x-lockstep-class":"public"}}`, document: `{"octocat":1}`, want: CodeUnclassifiedKey},
		{name: "unknown class", schema: `{"x-lockstep-key-class":"logins","additionalProperties":{"x-lockstep-class":"public"}}`, document: `{"octocat":1}`, want: CodeUnknownClass},
		{name: "inherited by maps inside", schema: `{"x-lockstep-key-class":"login","x-lockstep-class":"public"}`, document: `{"octocat":{"octocat":1}}`, want: `{"(user-[0-9a-z]{16})":{"user-[0-9a-z]{16}":1}}`},
		{name: "in a map, but named by the overlay", schema: `{}`, document: `{"login":"x","m":{"known":1,"octocat":2}}`, want: `{"login":"user-[0-9a-z]{16}","m":{"known":1,"name-[0-9a-z]{16}":2}}`, overlay: "properties: {login: login}\nsubjects:\n  shop.order.created:\n    /m: {class: public, keys: name}\n    /m/known: public\n"},
		{name: "two names, one token", schema: `{"x-lockstep-key-class":"login","additionalProperties":{"x-lockstep-class":"public"}}`, document: `{"octocat":1,"Octocat":2}`, want: CodeInvalidMasked},
		{name: "by a pattern", schema: `{"x-lockstep-key-class":"login","patternProperties":{"^[a-z]{7}$":{"x-lockstep-class":"public"}},"additionalProperties":false}`, document: `{"octocat":1}`, want: `{"[a-z]{7}":1}`},
		{name: "by the pattern that admits it", schema: `{"x-lockstep-key-class":"login","patternProperties":{"^s_[0-9]+$":{"type":"string","x-lockstep-class":"public"},"^o":{"type":"integer","x-lockstep-class":"public"}},"additionalProperties":false}`, document: `{"octocat":1}`, want: `{"o[0-9a-z]{16}":1}`},
		{name: "by a pattern for all names", schema: `{"x-lockstep-key-class":"login","propertyNames":{"$ref":"#/$defs/n"},"$defs":{"n":{"pattern":"^:[a-z_]+:$","maxLength":20}},"additionalProperties":{"x-lockstep-class":"public"}}`, document: `{":octocat:":1}`, want: `{":[a-z_]{12,18}:":1}`},
		{name: "patterns that admit few", schema: `{"x-lockstep-key-class":"login","patternProperties":{"^octo(cat|dog)$":{"x-lockstep-class":"public"}},"additionalProperties":false}`, document: `{"octocat":1}`, want: CodeUnfit},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := Options{}
			if test.overlay != "" {
				o.Overlay = overlay(t, test.overlay)
			}
			c := compile(t, test.schema, nil, o)
			if test.want[0] != '{' {
				w := withheldAs(t, c, test.document, m)
				if w.Code != test.want || strings.Contains(strings.ToLower(w.Error()), "octocat") {
					t.Errorf("%v, want %s", w, test.want)
				}
				return
			}
			out, _, err := c.Mask(nil, []byte(test.document), m)
			if err != nil || !regexp.MustCompile("^"+test.want+"$").Match(out) {
				t.Errorf("%s, %v; want %s", out, err, test.want)
			}
		})
	}
}

// Every event with a map by e-mail address would be withheld under a policy that makes
// something else of addresses than tokens; or a name would differ from the same value.
func TestNamesInMapsAreGivenByTheirClassesTechnique(t *testing.T) {
	c := compile(t, `{"properties":{"who":{"type":"string","x-lockstep-class":"email"},"by":{"type":"object","x-lockstep-key-class":"email","additionalProperties":{"type":"integer","x-lockstep-class":"public"}}}}`, nil, Options{})
	const document = `{"who":"ada@corp.test","by":{"ada@corp.test":1,"grace@corp.test":2}}`
	for _, technique := range []mask.Technique{mask.Token, mask.Hash, mask.Synthetic, mask.Encrypt} {
		p := testers()
		p.Classes["email"] = mask.Rule{Technique: technique}
		m := masker(t, p, "staging")
		sameMasked(t, c, []byte(document), m)
		out, stats, err := c.Mask(nil, []byte(document), m)
		var masked struct {
			Who string
			By  map[string]int
		}
		if err != nil || json.Unmarshal(out, &masked) != nil {
			t.Errorf("%s: %s, %v", technique, out, err)
			continue
		}
		if masked.By[masked.Who] != 1 || len(masked.By) != 2 || strings.Contains(string(out), "corp.test") || stats.Masked != 3 {
			t.Errorf("%s: %s, %+v", technique, out, stats)
		}
		traced, err := c.Trace([]byte(document), m)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range traced {
			if one.Withheld != nil || one.Names && !bytes.Contains(out, one.Masked) {
				t.Errorf("%s: %+v", technique, one)
			}
		}
	}
	for _, technique := range []mask.Technique{mask.Redact, mask.Drop, mask.Constant} {
		p := testers()
		p.Classes["email"] = mask.Rule{Technique: technique}
		if technique == mask.Constant {
			p.Classes["email"] = mask.Rule{Technique: technique, Value: mask.Literal("x")}
		}
		if w := withheldAs(t, c, document, masker(t, p, "staging")); w.Code != CodeUnclassifiedKey {
			t.Errorf("%s: %+v", technique, w)
		}
	}
}

// An event would cross though nobody said how, or though masking it failed.
func TestWithheld(t *testing.T) {
	schema := `{"x-lockstep-class":"public","properties":{
		"unclassified":{"x-lockstep-class":"public","properties":{}},
		"account":{"x-lockstep-class":"account"},"odd":{"x-lockstep-class":"e-mail"},"unreadable":{"x-lockstep-class":["email"]},
		"secret":{"x-lockstep-class":"secret"},"tuple":{"prefixItems":[{"x-lockstep-class":"secret"}]},
		"short":{"x-lockstep-class":"login","maxLength":2},"few":{"x-lockstep-class":"id","type":"integer","maximum":9,"minimum":0},
		"inner":{"properties":{"secret":{"x-lockstep-class":"secret"}},"required":["secret"]},
		"mail":{"x-lockstep-class":"email","not":{"pattern":"example"}},
		"atleast":{"items":{"x-lockstep-class":"secret"},"minItems":1}}}`
	m := masker(t, testers(), "staging")
	for _, test := range []struct{ name, document, code, pointer string }{
		{"undeclared", `{"classified":{},"octocat":"octocat"}`, CodeUndeclared, "/*"},
		{"a class that the policy doesn't name", `{"account":"octocat"}`, CodePolicy, "/account"},
		{"even null", `{"account":null}`, CodePolicy, "/account"},
		{"a class that nobody knows", `{"odd":"octocat"}`, CodeUnknownClass, "/odd"},
		{"a class that is no text", `{"unreadable":"octocat"}`, CodeUnknownClass, "/unreadable"},
		{"required", `{"inner":{"secret":"octocat"}}`, CodeDropRequired, "/inner/secret"},
		{"dropped from a tuple", `{"tuple":["octocat"]}`, CodeDropRequired, "/tuple/0"},
		{"no room for a token", `{"short":"oc"}`, CodeUnfit, "/short"},
		{"no room for a number", `{"few":7}`, CodeUnfit, "/few"},
		{"a token that the schema refuses", `{"mail":"octocat"}`, CodeInvalidMasked, "/mail"},
		{"too few items left", `{"atleast":["octocat"]}`, CodeInvalidMasked, "/atleast"},
		{"no JSON", `{"secret":"octocat"`, CodeNotJSON, ""},
		{"duplicate names", `{"secret":"octocat","\u0073ecret":"octocat"}`, CodeNotJSON, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := withheldAs(t, compile(t, schema, nil, Options{}), test.document, m)
			if w.Code != test.code || w.Pointer != test.pointer {
				t.Errorf("%v, want %s at %q", w, test.code, test.pointer)
			}
			if strings.Contains(w.Error(), "octocat") {
				t.Errorf("the reason shows the value: %v", w)
			}
		})
	}
	if w := withheldAs(t, compile(t, `{"x-lockstep-class":"secret"}`, nil, Options{}), `{"a":1}`, m); w.Code != CodeDropRequired {
		t.Error(w)
	}
	if w := withheldAs(t, compile(t, schema, nil, Options{}), `{}`, nil); w.Code != CodePolicy {
		t.Error(w)
	}
	broken := &Masking{masker: m, contract: &Contract{options: Options{Gather: func() (*jsonschema.Bundle, error) { panic("octocat") }}}}
	var w *Withheld
	if out, _, err := broken.Mask(nil, []byte(`"octocat"`)); !errors.As(err, &w) || w.Code != CodeFault || strings.Contains(w.Error(), "octocat") {
		t.Errorf("%s, %v", out, err)
	}
}

// A type whose default is to withhold would cross unclassified, or one whose
// default is to pass be withheld.
func TestDefaults(t *testing.T) {
	c := compile(t, `{"properties":{"s":{"type":"string"},"n":{"type":"number"},"b":{"type":"boolean"},"u":{"type":"null"},"e":{"enum":["x",1]},"c":{"const":"y"}}}`, nil, Options{})
	m := masker(t, testers(), "staging")
	if out, stats, err := c.Mask(nil, []byte(`{"b":true,"u":null,"e":"x","c":"y"}`), m); err != nil || stats.Passed != 4 {
		t.Errorf("%s, %v, %v", out, stats, err)
	}
	for _, document := range []string{`{"s":"x"}`, `{"s":""}`, `{"n":1}`} {
		if w := withheldAs(t, c, document, m); w.Code != CodeUnclassified {
			t.Errorf("%s: %v", document, w)
		}
	}
	p := testers()
	p.Defaults = mask.Defaults{String: mask.Redact, Number: mask.Token, Boolean: mask.Withhold, Null: mask.Drop, Enum: mask.Redact}
	m = masker(t, p, "staging")
	if out, _, err := c.Mask(nil, []byte(`{"s":"octocat","n":7,"u":null,"e":1,"c":"y"}`), m); err != nil ||
		!regexp.MustCompile(`^{"s":"\[redacted\]","n":[0-9]{10,16},"e":1,"c":"y"}$`).Match(out) {
		t.Errorf("%s, %v", out, err)
	}
	if w := withheldAs(t, c, `{"b":true}`, m); w.Code != CodeUnclassified {
		t.Error(w)
	}
}

// An undeclared field of an open domain would cross because of a class meant
// for others, or not even when it was classified.
func TestOpenContract(t *testing.T) {
	schema := `{"properties":{"a":{"x-lockstep-class":"public"}}}`
	m := masker(t, testers(), "staging")
	if w := withheldAs(t, compile(t, schema, nil, Options{Open: true}), `{"a":1,"octocat":true}`, m); w.Code != CodeUndeclared || w.Pointer != "/*" {
		t.Error(w)
	}
	named := Options{Open: true, Overlay: overlay(t, "properties: {extra: login}")}
	if out, _, err := compile(t, schema, nil, named).Mask(nil, []byte(`{"extra":"octocat"}`), m); err != nil || !regexp.MustCompile(`^{"extra":"user-`).Match(out) {
		t.Errorf("%s, %v", out, err)
	}
	keyed := Options{Open: true, Overlay: overlay(t, "subjects: {shop.order.created: {class: text, keys: login}}")}
	if out, _, err := compile(t, schema, nil, keyed).Mask(nil, []byte(`{"octocat":"octocat","x":{"y":1}}`), m); err != nil || strings.Contains(string(out), "octocat") {
		t.Errorf("%s, %v", out, err)
	}
	closed := keyed
	closed.Open = false
	if w := withheldAs(t, compile(t, schema, nil, closed), `{"octocat":"octocat"}`, m); w.Code != CodeUndeclared {
		t.Error(w)
	}
}

// Several routes that mask at once would see each other's events.
func TestMaskConcurrently(t *testing.T) {
	c := compile(t, `{"properties":{"a":{"x-lockstep-class":"login"},"next":{"$ref":"#"},"o":{"oneOf":[{"type":"string","x-lockstep-class":"email"},{"type":"null"}]}}}`, nil, Options{})
	m := masker(t, testers(), "staging")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			document := []byte(strings.Repeat(`{"a":"`+strings.Repeat("x", i+1)+`","o":"a@b","next":`, i+1) + `{"o":null}` + strings.Repeat("}", i+1))
			var first []byte
			for range 50 {
				if err := c.Validate(document); err != nil {
					t.Error(err)
				}
				out, _, err := c.Mask(nil, document, m)
				if first == nil {
					first = out
				}
				if err != nil || !bytes.Equal(out, first) {
					t.Errorf("%s, %v", out, err)
				}
			}
		})
	}
	wg.Wait()
}
