package contract

import (
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// A field that somebody has tagged would cross, or the tag would undo what an
// overlay or the schema says.
func TestTagsClassify(t *testing.T) {
	document, err := jsonschema.Parse([]byte(`{"type":"object","properties":{
		"ssn":{"type":"string"}, "mail":{"type":"string","x-lockstep-class":"email"}, "open":{"type":"string","x-lockstep-class":"public"},
		"person":{"type":"object","properties":{"ssn":{"type":"string"},"name":{"type":"string"},"free":{"type":"string","x-lockstep-class":"internal"}}},
		"lines":{"type":"array","items":{"type":"object","properties":{"price":{"type":"number"},"ssn":{"type":"string"}}}},
		"marked":{"type":"string"}, "other":{"type":"string"}, "phones":{"type":"array","items":{"type":"string"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := mask.ParseOverlay("o.yaml", []byte("subjects:\n  a.b.c:\n    /marked: public\n"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := CompileTagged(&jsonschema.Bundle{Document: document}, Options{Subject: "a.b.c", Overlay: overlay}, map[string][]string{
		"**.ssn": {"SSN"}, "$.person": {"PII"}, "lines.price": {"AMOUNT"}, "**.marked": {"SECRET"}, "*.mail": {"PUBLIC"}, "ope?": {"EMAIL", "PHONE"}, "**.phones": {"PHONE"},
	})
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Classify()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]mask.Class{
		"/ssn": mask.Account, "/person/ssn": mask.Account, "/lines/*/ssn": mask.Account, "/person/name": mask.Sensitive, "/person/free": mask.Internal,
		"/lines/*/price": mask.Amount, "/marked": mask.Public, "/mail": mask.Email, "/open": mask.Email, "/other": "", "/phones/*": mask.Phone,
	}
	got := map[string]Place{}
	for _, p := range found.Places {
		got[p.Pointer] = p
	}
	for pointer, class := range want {
		if got[pointer].Class != class {
			t.Errorf("%s: %q by %+v, want %q", pointer, got[pointer].Class, got[pointer].Rule, class)
		}
	}
	if rule := got["/ssn"].Rule; rule.Entry != "metadata.tags **.ssn" || rule.Where != "" {
		t.Errorf("the rule is told as %+v", rule)
	}
	masked, _, err := c.Mask(nil, []byte(`{"ssn":"078-05-1120"}`), masker(t, testersWith("account"), "staging"))
	if err != nil || string(masked) == `{"ssn":"078-05-1120"}` {
		t.Errorf("%s, %v", masked, err)
	}
}

func testersWith(class string) mask.Policy {
	p := testers()
	p.Classes[class] = mask.Rule{Technique: mask.Token}
	return p
}

// A path would match another place than its author meant.
func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"**.a", "$.a", true},
		{"**.a", "$.b.a", true},
		{"**.a", "$.ba", false},
		{"*.a", "$.a", true},
		{"*.a", "$.b.a", false},
		{"$.b.*", "$.b.cd", true},
		{"$.b.*", "$.b.c.d", false},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"", "", true},
		{"", "a", false},
		{"**", "a.b", true},
		{"a", "", false},
	} {
		if got := globbed(c.pattern, c.text); got != c.want {
			t.Errorf("%q and %q: %v", c.pattern, c.text, got)
		}
	}
}
