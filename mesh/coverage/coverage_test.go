package coverage

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

func bundle(t *testing.T, schema string) *jsonschema.Bundle {
	t.Helper()
	document, err := jsonschema.Parse([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	return &jsonschema.Bundle{Document: document}
}

func compile(t *testing.T, schema string) *contract.Contract {
	t.Helper()
	c, err := contract.Compile(bundle(t, schema), contract.Options{Subject: "a.b.c"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func masker(t *testing.T, p mask.Policy) *mask.Masker {
	t.Helper()
	key, err := mask.NewKey([]byte("an origin's root key: 32 bytes !"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := mask.New("testers", p, "staging", key)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A report would say that a field crosses which keeps its event back, or the
// other way round: for each field, an event that has nothing else is masked.
func TestReportIsWhatMaskDoes(t *testing.T) {
	c := compile(t, `{"type":"object","properties":{
		"passed":{"type":"string","x-lockstep-class":"internal"},
		"tokened":{"type":"string","x-lockstep-class":"email"},
		"rounded":{"type":"number","x-lockstep-class":"amount"},
		"redacted":{"type":"string","x-lockstep-class":"text"},
		"narrow":{"type":"string","pattern":"^x{3}y$","minLength":9,"x-lockstep-class":"text"},
		"noRule":{"type":"string","x-lockstep-class":"secret"},
		"unknown":{"type":"string","x-lockstep-class":"mystery"},
		"dropped":{"type":"string","x-lockstep-class":"phone"},
		"kept":{"type":"object","required":["number"],"properties":{"number":{"type":"string","x-lockstep-class":"phone"}}},
		"gone":{"type":"object","x-lockstep-class":"phone","properties":{"in":{"type":"string","x-lockstep-class":"secret"}}},
		"held":{"type":"string","x-lockstep-content":"json","contentSchema":{"type":"object","properties":{"in":{"type":"string"}}}},
		"code":{"type":"string","pattern":"^[A-Z]{3}$","x-lockstep-class":"email"}, "begins":{"type":"string","pattern":"^cus_","x-lockstep-class":"email"},
		"patterned":{"type":"object","x-lockstep-key-class":"email","patternProperties":{"^(a|b)$":{"type":"boolean"}},"additionalProperties":false},
		"odd":{"type":"string","x-lockstep-content":"xml","x-lockstep-class":"internal"},
		"whole":{"type":"string","x-lockstep-content":"base64","x-lockstep-class":"phone"},
		"nobody":{"type":"string"}, "listed":{"enum":["a"]}, "flag":{"type":"boolean"},
		"map":{"type":"object","additionalProperties":{"type":"string","x-lockstep-class":"internal"}},
		"namedMap":{"type":"object","x-lockstep-key-class":"email","additionalProperties":{"type":"string","x-lockstep-class":"internal"}},
		"redactedMap":{"type":"object","x-lockstep-key-class":"text","additionalProperties":{"type":"string","x-lockstep-class":"internal"}}}}`)
	m := masker(t, mask.Policy{Classes: map[string]mask.Rule{
		"internal": {Technique: mask.Pass}, "email": {Technique: mask.Token}, "amount": {Technique: mask.Bucket, Size: "10"}, "text": {Technique: mask.Redact}, "phone": {Technique: mask.Drop},
	}})
	report, err := Of(c, m)
	if err != nil {
		t.Fatal(err)
	}
	withheld := map[string]string{}
	for _, f := range report.Withheld() {
		withheld[strings.Split(f.Pointer, "/")[1]] = f.Withheld.Code
	}
	for field, value := range map[string]string{
		"passed": `"a"`, "tokened": `"a@example.com"`, "rounded": `17`, "redacted": `"abc"`, "noRule": `"a"`, "unknown": `"a"`, "dropped": `"1"`, "kept": `{"number":"1"}`,
		"code": `"EUR"`, "begins": `"cus_1"`, "patterned": `{"a":true}`,
		"gone": `{"in":"a"}`, "held": `"{\"in\":\"a\"}"`, "odd": `"1"`, "whole": `"YQ=="`, "nobody": `"a"`, "listed": `"a"`, "flag": `true`, "map": `{"k":"v"}`, "namedMap": `{"k":"v"}`, "redactedMap": `{"k":"v"}`,
	} {
		var w *contract.Withheld
		_, _, err := c.Mask(nil, []byte(`{"`+field+`":`+value+`}`), m)
		code := ""
		if errors.As(err, &w) {
			code = w.Code
		} else if err != nil {
			t.Fatal(err)
		}
		if code != withheld[field] {
			t.Errorf("%s: withheld as %q, reported as %q", field, code, withheld[field])
		}
		delete(withheld, field)
	}
	if len(withheld) != 1 || withheld["narrow"] != contract.CodeUnfit {
		t.Errorf("reported, too: %v", withheld)
	}
	if report.Always() {
		t.Error("nothing is required, so some events cross")
	}
	if report.Classified != 20 || report.Unclassified != 3 || report.Enumerated != 1 || report.Boolean != 2 {
		t.Errorf("%d classified, %d not, %d listed, %d booleans", report.Classified, report.Unclassified, report.Enumerated, report.Boolean)
	}
	i := slices.IndexFunc(report.Fields, func(f Field) bool { return f.Pointer == "/rounded" })
	if options := report.Fields[i].Options; len(options) != 1 || options["size"] != json.Number("10") && options["size"] != "10" {
		t.Errorf("the options are %v", options)
	}
}

// A type none of whose events crosses would be reported as one that does.
func TestAlways(t *testing.T) {
	m := masker(t, mask.Policy{})
	for schema, want := range map[string]bool{
		`{"type":"object","required":["a"],"properties":{"a":{"type":"object","required":["b"],"properties":{"b":{"type":"string"}}}}}`:                                true,
		`{"type":"object","required":["a"],"properties":{"a":{"type":"object","properties":{"b":{"type":"string"}}}}}`:                                                 false,
		`{"type":"object","properties":{"a":{"type":"object","required":["b"],"properties":{"b":{"type":"string"}}}}}`:                                                 false,
		`{"oneOf":[{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}},{"type":"object","required":["f"],"properties":{"f":{"type":"boolean"}}}]}`: false,
		`{"type":"object","required":["a"],"properties":{"a":{"type":"array","items":{"type":"string"}}}}`:                                                             false,
	} {
		report, err := Of(compile(t, schema), m)
		if err != nil {
			t.Fatal(err)
		}
		if report.Always() != want || len(report.Withheld()) == 0 {
			t.Errorf("%s: always %v, withheld %d", schema, report.Always(), len(report.Withheld()))
		}
	}
}

// A field that came with a newer version would wait unnoticed for a class.
func TestAdded(t *testing.T) {
	older, err := compile(t, `{"properties":{"a":{"type":"string"}}}`).Classify()
	if err != nil {
		t.Fatal(err)
	}
	newer, err := compile(t, `{"properties":{"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"string","x-lockstep-class":"text"}}}`).Classify()
	if err != nil {
		t.Fatal(err)
	}
	if added := Added(older, newer); len(added) != 1 || added[0].Pointer != "/b" {
		t.Errorf("%v", added)
	}
}

// A domain that requires classes would get a schema without, or one be refused
// that has them.
func TestRule(t *testing.T) {
	overlay, err := mask.ParseOverlay("o.yaml", []byte("properties:\n  covered: text\n"))
	if err != nil {
		t.Fatal(err)
	}
	rule := Rule(func(domain string) (Requirement, bool) { return Requirement{Overlay: overlay}, domain == "strict" })
	bare := `{"type":"object","properties":{"covered":{"type":"string"},"bare":{"type":"string"},"map":{"type":"object","additionalProperties":{"type":"boolean"}}}}`
	for _, c := range []struct {
		subject, schema string
		tags            map[string][]string
		want            string
	}{
		{"strict.thing.made", bare, nil, "lacks them for /bare, /map/* (names)"},
		{"strict.thing.made", `{"properties":{}}`, nil, `say "type": "object"`},
		{"free.thing.made", bare, nil, ""},
		{"strict.common.thing", bare, nil, ""},
		{"strict.thing.made", `{"type":"object","properties":{"covered":{"type":"string"},"flag":{"type":"boolean"},"kind":{"enum":[1]}}}`, nil, ""},
		{"strict.thing.made", `{"type":"object","properties":{"bare":{"type":"string"}}}`, map[string][]string{"**.bare": {"PII"}}, ""},
	} {
		err := rule(c.subject, bundle(t, c.schema), &registry.Metadata{Tags: c.tags})
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.subject, err)
		case c.want != "" && (registry.CodeOf(err) != registry.CodeNotClassified || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.subject, err, c.want)
		}
	}
	places := make([]contract.Place, 12)
	for i := range places {
		places[i].Pointer = "/" + string(rune('a'+i))
	}
	if got := Names(places); !strings.HasSuffix(got, "/j and 2 more") {
		t.Error(got)
	}
}
