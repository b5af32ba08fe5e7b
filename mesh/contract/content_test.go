package contract

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// Guards against values that cross because they are written inside a string, and
// against a string that isn't what it is said to be crossing as it stands.
func TestContents(t *testing.T) {
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	quoted := func(text string) string { return fmt.Sprintf("%q", text) }
	const person = `{"type":"object","properties":{"email":{"type":"string","format":"email","x-lockstep-class":"email"},"n":{"type":"integer","x-lockstep-class":"public"},"gone":{"type":"string","x-lockstep-class":"secret"}}}`
	const own = `{"properties":{"p":{"type":"string","x-lockstep-content":"%s","contentSchema":` + person + `}}}`
	const foreign = `{"properties":{"p":{"type":"string"}}}`
	const token = `[0-9a-z]{16}@example\.[a-z]{3}`
	for _, test := range []struct {
		name, schema, overlay, text string
		want                        string // what the string holds afterwards, as an expression; or a code
		at                          string // where it is withheld
		encoded                     bool   // it is in base64 afterwards
		slow                        bool
	}{
		{name: "JSON by the schema", schema: fmt.Sprintf(own, "json"), text: `{"email": "ada@corp.test", "n": 1, "gone": "x"}`, want: `{"email":"` + token + `","n":1}`},
		{name: "base64 of JSON", schema: fmt.Sprintf(own, "base64-json"), text: b64(`{"email":"ada@corp.test"}`), want: `{"email":"` + token + `"}`, encoded: true},
		{name: "base64 of a text", schema: `{"properties":{"p":{"x-lockstep-content":"base64","x-lockstep-class":"email"}}}`, text: b64("ada@corp.test"), want: token, encoded: true},
		{name: "a text is redacted", schema: `{"properties":{"p":{"x-lockstep-content":"base64","x-lockstep-class":"text"}}}`, text: b64("about Ada"), want: `\[redacted\]`, encoded: true},
		{name: "the class holds inside", schema: `{"properties":{"p":{"x-lockstep-content":"json","x-lockstep-class":"login"}}}`, text: `["octocat","octocat",{}]`, want: `\["user-[0-9a-z]{16}","user-[0-9a-z]{16}",{}\]`},
		{name: "by the overlay", schema: foreign, overlay: "subjects: {shop.>: {/p: {content: json}, /p/email: email, /p/list/*/by: login, /p/list: public}}", text: `{"email":"ada@corp.test","list":[{"by":"ada"},3]}`, want: `{"email":"` + token + `","list":\[{"by":"user-[0-9a-z]{16}"},3\]}`},
		{name: "by the property's name", schema: foreign, overlay: "properties: {p: {content: base64-json}, email: email}", text: b64(`{"email":"ada@corp.test"}`), want: `{"email":"` + token + `"}`, encoded: true},
		{name: "JSON in JSON", schema: `{"properties":{"p":{"x-lockstep-content":"json","contentSchema":{"properties":{"q":{"type":"string","x-lockstep-content":"json","contentSchema":` + person + `}}}}}}`, text: `{"q":"{\"email\":\"ada@corp.test\"}"}`, want: `{"q":"{\\"email\\":\\"` + token + `\\"}"}`},
		{name: "one that refers to itself", schema: `{"$defs":{"d":{"properties":{"email":{"type":"string","x-lockstep-class":"email"},"p":{"$ref":"#/$defs/e"}}},"e":{"type":"string","x-lockstep-content":"json","contentSchema":{"$ref":"#/$defs/d"}}},"$ref":"#/$defs/d"}`, text: `{"email":"a@corp.test","p":"{}"}`, want: `{"email":"` + token + `","p":"{}"}`},
		{name: "dropped as a whole", schema: `{"properties":{"p":{"x-lockstep-content":"json","x-lockstep-class":"secret"}}}`, text: `not JSON`, want: ""},
		{name: "nothing is held", schema: fmt.Sprintf(own, "json"), text: ``, want: ``},
		{name: "no JSON", schema: fmt.Sprintf(own, "json"), text: `ada@corp.test`, want: CodeContent, at: "/p", slow: true},
		{name: "a name twice", schema: fmt.Sprintf(own, "json"), text: `{"email":"a@corp.test","email":"ada@corp.test"}`, want: CodeContent, at: "/p", slow: true},
		{name: "no base64", schema: fmt.Sprintf(own, "base64-json"), text: `{"email":"ada@corp.test"}`, want: CodeContent, at: "/p", slow: true},
		{name: "base64 in lines", schema: fmt.Sprintf(own, "base64-json"), text: b64(`{"n":`) + "\n" + b64(`1} `), want: CodeContent, at: "/p", slow: true},
		{name: "no text", schema: `{"properties":{"p":{"x-lockstep-content":"base64","x-lockstep-class":"text"}}}`, text: b64("\xff\xfe"), want: CodeContent, at: "/p", slow: true},
		{name: "unclassified inside", schema: foreign, overlay: "subjects: {shop.>: {/p: {content: json}, /p/a: public, /p/b/c: public}}", text: `{"a":1,"b":"Ada"}`, want: CodeUnclassified, at: "/p/b", slow: true},
		{name: "a name that nobody knows", schema: foreign, overlay: "subjects: {shop.>: {/p: {content: json, class: public}}}", text: `{"ada":1}`, want: CodeUnclassifiedKey, at: "/p/*", slow: true},
		{name: "undeclared inside", schema: fmt.Sprintf(own, "json"), text: `{"ada":1}`, want: CodeUndeclared, at: "/p/*", slow: true},
		{name: "another content", schema: fmt.Sprintf(own, "xml"), text: `{"n":1}`, want: CodeContent, at: "/p", slow: true},
		{name: "a schema that leads nowhere", schema: `{"properties":{"p":{"type":"string","x-lockstep-content":"json","contentSchema":{"$ref":"#/nowhere"}}}}`, text: `{"n":1}`, want: CodeContent, at: "/p", slow: true},
		{name: "two that contradict each other", schema: `{"properties":{"p":{"allOf":[{"x-lockstep-content":"json"},{"x-lockstep-content":"base64"}],"x-lockstep-class":"public"}}}`, text: `1`, want: CodeContent, at: "/p", slow: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := Options{}
			if test.overlay != "" {
				o.Overlay = overlay(t, test.overlay)
			}
			c, m := compile(t, test.schema, nil, o), masker(t, testers(), "staging")
			document := `{"p":` + quoted(test.text) + `}`
			if fast := sameMasked(t, c, []byte(document), m); fast == test.slow {
				t.Errorf("masked in a single pass: %v", fast)
			}
			traced, err := c.Trace([]byte(document), m)
			if err != nil {
				t.Fatal(err)
			}
			said := ""
			for _, one := range traced {
				if one.Withheld != nil {
					said = one.Withheld.Code + " " + one.Withheld.Pointer
				}
			}
			if test.at != "" {
				w := withheldAs(t, c, document, m)
				if w.Code != test.want || w.Pointer != test.at || strings.Contains(w.Error(), "ada") {
					t.Errorf("%v, want %s at %s", w, test.want, test.at)
				}
				if said != test.want+" "+test.at {
					t.Errorf("the trace says %q", said)
				}
				return
			}
			if said != "" {
				t.Errorf("the trace says %q", said)
			}
			out, _, err := c.Mask(nil, []byte(document), m)
			if err != nil {
				t.Fatal(err)
			}
			var masked struct{ P *string }
			if err := json.Unmarshal(out, &masked); err != nil {
				t.Fatal(err)
			}
			if masked.P == nil {
				if test.want != "" {
					t.Errorf("dropped: %s", out)
				}
				return
			}
			held := *masked.P
			if test.encoded {
				text, err := base64.StdEncoding.DecodeString(held)
				if err != nil {
					t.Fatal(err)
				}
				held = string(text)
			}
			if !regexp.MustCompile("^" + test.want + "$").MatchString(held) {
				t.Errorf("%s, want %s", held, test.want)
			}
		})
	}
}

// Guards against joins that break where a value stands inside a string: it has the
// Every event with a picture in it would be withheld: up to draft 7 a schema that says
// "base64" demands it, and of what is JSON that it is.
func TestStringsKeepTheEncodingThatTheSchemaDemands(t *testing.T) {
	for _, demand := range []string{`"contentEncoding":"base64","contentMediaType":"image/jpeg"`, `"contentEncoding":"base64","x-lockstep-content":"base64"`, `"contentMediaType":"application/json"`} {
		for _, class := range []mask.Class{mask.Text, mask.ID, mask.Name, mask.Login, mask.Email} {
			c := compile(t, fmt.Sprintf(`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"p":{"type":"string","x-lockstep-class":%q,%s}}}`, class, demand), nil, Options{})
			text := "WyJBZGEgTG92ZWxhY2UiXQ=="
			if !strings.Contains(demand, "base64") {
				text = `[\"Ada Lovelace\"]`
			}
			out, _, err := c.Mask(nil, []byte(`{"p":"`+text+`"}`), masker(t, testers(), "staging"))
			if err != nil {
				t.Errorf("%s as %s: %v", demand, class, err)
				continue
			}
			if err := c.Validate(out); err != nil || strings.Contains(string(out), "Ada") || strings.Contains(string(out), "QWRh") || strings.Contains(string(out), "FkYS") {
				t.Errorf("%s as %s: %s, %v", demand, class, out, err)
			}
		}
	}
}

// token that it has beside it.
func TestContentsJoin(t *testing.T) {
	c := compile(t, `{"properties":{"email":{"type":"string","x-lockstep-class":"email"},"p":{"type":"string","x-lockstep-content":"json"},"q":{"type":"string","x-lockstep-content":"base64","x-lockstep-class":"email"}}}`, nil,
		Options{Overlay: overlay(t, "subjects: {shop.>: {/p/email: email}}")})
	out, stats, err := c.Mask(nil, []byte(`{"email":"ada@corp.test","p":"{\"email\":\"Ada@corp.test\"}","q":"YWRhQGNvcnAudGVzdA=="}`), masker(t, testers(), "staging"))
	if err != nil {
		t.Fatal(err)
	}
	var masked struct{ Email, P, Q string }
	var inside struct{ Email string }
	if json.Unmarshal(out, &masked) != nil || json.Unmarshal([]byte(masked.P), &inside) != nil {
		t.Fatalf("%s", out)
	}
	q, err := base64.StdEncoding.DecodeString(masked.Q)
	if err != nil || inside.Email != masked.Email || string(q) != masked.Email || stats.Masked != 3 {
		t.Errorf("%s: %s, %s, %v", out, inside.Email, q, stats)
	}
}

// Guards against techniques that look at the whole event missing what strings hold:
// a date there has its subject's shift, and a text its names replaced.
func TestContentsAreCollected(t *testing.T) {
	p := testers()
	p.Classes["date"] = mask.Rule{Technique: mask.DateShift, Days: 30, By: mask.ID}
	p.Classes["text"] = mask.Rule{Technique: mask.Scrub}
	m := masker(t, p, "staging")
	c := compile(t, `{"properties":{"note":{"type":"string","x-lockstep-class":"text"},"born":{"type":"string","format":"date","x-lockstep-class":"date"},"p":{"type":"string","x-lockstep-content":"json","contentSchema":{
		"properties":{"id":{"type":"string","x-lockstep-class":"id"},"name":{"type":"string","x-lockstep-class":"person-name"},"born":{"type":"string","format":"date","x-lockstep-class":"date"}}}}}}`, nil, Options{})
	document := []byte(`{"note":"Grace Hopper called","born":"1906-12-09","p":"{\"id\":\"17\",\"name\":\"Grace Hopper\",\"born\":\"1906-12-09\"}"}`)
	sameMasked(t, c, document, m)
	out, _, err := c.Mask(nil, document, m)
	if err != nil {
		t.Fatal(err)
	}
	var masked struct{ Note, Born, P string }
	var inside struct{ Name, Born string }
	if json.Unmarshal(out, &masked) != nil || json.Unmarshal([]byte(masked.P), &inside) != nil {
		t.Fatalf("%s", out)
	}
	if strings.Contains(string(out), "Grace") || masked.Born != inside.Born || masked.Born == "1906-12-09" || masked.Note != inside.Name+" called" {
		t.Errorf("%s", out)
	}
}

// Guards against strings that hold each other without end, and against what they
// hold being missing from reports.
func TestContentsAreBounded(t *testing.T) {
	c := compile(t, `{"$ref":"#/$defs/d","$defs":{"d":{"properties":{"n":{"type":"integer","x-lockstep-class":"public"},"p":{"type":"string","x-lockstep-content":"json","contentSchema":{"$ref":"#/$defs/d"}}}}}}`, nil, Options{})
	m := masker(t, testers(), "staging")
	nested := func(depth int) string {
		document := `{"n":1}`
		for range depth {
			text, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			document = `{"p":` + string(text) + `}`
		}
		return document
	}
	if out, _, err := c.Mask(nil, []byte(nested(maxContents)), m); err != nil || string(out) != nested(maxContents) {
		t.Errorf("%s, %v", out, err)
	}
	if w := withheldAs(t, c, nested(maxContents+1), m); w.Code != CodeContent {
		t.Error(w)
	}
	found, err := c.Classify()
	if err != nil {
		t.Fatal(err)
	}
	pointers := map[string]mask.Class{}
	for _, p := range found.Places {
		pointers[p.Pointer] = p.Class
	}
	if pointers["/n"] != mask.Public || pointers["/p/n"] != mask.Public || len(found.Repeats) == 0 {
		t.Errorf("%+v", found)
	}
}
