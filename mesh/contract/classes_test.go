package contract

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// What an overlay or a schema says of names in maps, of booleans and numbers, of
// whole subtrees, or under a condition, would count in one engine only, or in none.
func TestClassesInBothEngines(t *testing.T) {
	for _, test := range []struct {
		name, schema, overlay, document, want string // want: the document as an expression, or a code
		slow                                  bool   // as a whole left to the walker, or withheld
	}{
		{
			name: "keys by the property's name", schema: `{"properties":{"members":{"additionalProperties":{"x-lockstep-class":"public"}}}}`,
			overlay: "properties: {members: {keys: login}}", document: `{"members":{"octocat":1,"hubot":2}}`,
			want: `{"members":{"user-[0-9a-z]{16}":1,"user-[0-9a-z]{16}":2}}`,
		},
		{
			name: "keys by name, inherited by maps inside", schema: `{"x-lockstep-class":"public"}`,
			overlay: "properties: {members: {keys: login}}", document: `{"members":{"octocat":{"hubot":2}}}`,
			want: `{"members":{"user-[0-9a-z]{16}":{"user-[0-9a-z]{16}":2}}}`,
		},
		{
			name: "the schema's keys before those by name", schema: `{"properties":{"members":{"x-lockstep-key-class":"public","additionalProperties":{"x-lockstep-class":"public"}}}}`,
			overlay: "properties: {members: {keys: login}}", document: `{"members":{"en":1}}`, want: `{"members":{"en":1}}`,
		},
		{
			name: "more protective keys of around and by name", schema: `{"x-lockstep-key-class":"text","x-lockstep-class":"public"}`,
			overlay: "properties: {members: {keys: login}}", document: `{"members":{"octocat":1}}`, want: CodeUnclassifiedKey, slow: true,
		},
		{
			name: "a name in a map takes nothing from what the map's name says", schema: `{"properties":{"notes":{"type":"object"},"status":{"type":"string"}}}`,
			overlay: "properties: {notes: {class: login, keys: public}, status: internal, who: text}", document: `{"status":"open","notes":{"status":"ada","x":{"status":["bob"]},"who":"eve"}}`,
			want: `{"status":"open","notes":{"status":"user-[0-9a-z]{16}","x":{"status":\["user-[0-9a-z]{16}"\]},"who":"\[redacted\]"}}`,
		},
		{
			name: "nor does it under a condition", schema: `{"properties":{"notes":{"type":"object"}}}`,
			overlay: "properties: {notes: {class: login, keys: public}, text: {class: secret, when: {at: kind, in: [x]}, else: internal}, kind: public}", document: `{"notes":{"kind":"y","text":"ada"}}`,
			want: `{"notes":{"kind":"user-[0-9a-z]{16}","text":"user-[0-9a-z]{16}"}}`, slow: true,
		},
		{
			name: "numbers and booleans", schema: `{"properties":{"n":{"type":"number","x-lockstep-class":"id"},"i":{"type":"integer","minimum":-5,"x-lockstep-class":"id"},"b":{"type":"boolean","x-lockstep-class":"sensitive"},"r":{"type":"number","x-lockstep-class":"sensitive"}}}`,
			document: `{"n":1.5,"i":-3,"b":true,"r":7}`, want: `{"n":[0-9]+,"i":[0-9]+,"b":false,"r":0}`,
		},
		{
			name: "a whole subtree", schema: `{"x-lockstep-key-class":"public","properties":{"p":{"x-lockstep-class":"sensitive"}}}`,
			document: `{"p":{"a":"x","b":[1,true,null,{"c":"y"}]}}`, want: `{"p":{"a":"\[redacted\]","b":\[0,false,null,{"c":"\[redacted\]"}\]}}`,
		},
		{
			name: "a whole subtree is dropped", schema: `{"properties":{"p":{"x-lockstep-class":"secret"},"q":{"x-lockstep-class":"public"}}}`,
			document: ` { "p" : {"a":"x"} , "q" : [ 1 , 2 ] , "p2":1} `, want: CodeUndeclared, slow: true,
		},
		{
			name: "a whole subtree is dropped, spaced", schema: `{"properties":{"p":{"x-lockstep-class":"secret"},"q":{"x-lockstep-class":"public"},"r":{"x-lockstep-class":"secret"}}}`,
			document: ` { "p" : {"a":"x"} , "q" : [ 1 , 2 ] , "r":1} `, want: `{"q":\[1,2\]}`,
		},
		{
			name: "array items that are personal", schema: `{"properties":{"to":{"type":"array","items":{"type":"string","x-lockstep-class":"email"}}}}`,
			document: `{"to":["a@b.org", "A@B.org"]}`, want: `{"to":\["([0-9a-z]{16}@example\.[a-z]{3})","[0-9a-z]{16}@example\.[a-z]{3}"\]}`,
		},
		{
			name: "if and then", schema: `{"properties":{"type":{"enum":["User","Bot"]},"name":{"type":"string","x-lockstep-class":"public"}},"if":{"properties":{"type":{"const":"User"}}},"then":{"properties":{"name":{"x-lockstep-class":"person-name"}}}}`,
			document: `{"type":"User","name":"Ada"}`, want: `{"type":"User","name":"[A-Z][a-z]{9} [A-Z][a-z]{9}"}`,
		},
		{
			name: "if and else", schema: `{"properties":{"type":{"enum":["User","Bot"]},"name":{"type":"string","x-lockstep-class":"public"}},"if":{"properties":{"type":{"const":"User"}}},"then":{"properties":{"name":{"x-lockstep-class":"person-name"}}}}`,
			document: `{"type":"Bot","name":"Ada"}`, want: `{"type":"Bot","name":"Ada"}`,
		},
		{
			name: "a condition on what stands beside", schema: `{"properties":{"owner":{"properties":{"type":{"enum":["User","Bot"]},"name":{"type":"string"}}}}}`,
			overlay: "subjects: {shop.>: {/owner/name: {class: person-name, when: {at: type, in: [User]}, else: public}}}", document: `{"owner":{"name":"Ada","type":"Bot"}}`,
			want: `{"owner":{"name":"Ada","type":"Bot"}}`, slow: true,
		},
		{
			name: "a condition that holds", schema: `{"properties":{"owner":{"properties":{"type":{"enum":["User","Bot"]},"name":{"type":"string"}}}}}`,
			overlay: "subjects: {shop.>: {/owner/name: {class: person-name, when: {at: /owner/type, in: [User]}, else: public}}}", document: `{"owner":{"name":"Ada","type":"User"}}`,
			want: `{"owner":{"name":"[A-Z][a-z]{9} [A-Z][a-z]{9}","type":"User"}}`, slow: true,
		},
		{
			name: "a condition on what is absent", schema: `{"properties":{"owner":{"properties":{"type":{"enum":["User","Bot"]},"name":{"type":"string"}}}}}`,
			overlay: "properties: {name: {class: person-name, when: {at: type, in: [User]}, else: public}}", document: `{"owner":{"name":"Ada"}}`,
			want: `{"owner":{"name":"[A-Z][a-z]{9} [A-Z][a-z]{9}"}}`, slow: true,
		},
		{
			name: "a condition on a container", schema: `{"properties":{"owner":{"properties":{"kind":{"enum":["a","b"]},"deep":{"properties":{"name":{"type":"string"}}}}}}}`,
			overlay: "properties: {owner: {class: text, when: {at: /owner/kind, in: [a]}, else: internal}}", document: `{"owner":{"kind":"b","deep":{"name":"Ada"}}}`,
			want: `{"owner":{"kind":"b","deep":{"name":"Ada"}}}`, slow: true,
		},
		{
			name: "alternatives by type", schema: `{"properties":{"v":{"oneOf":[{"type":"string","x-lockstep-class":"login"},{"type":"integer","x-lockstep-class":"public"},{"type":"array","items":{"type":"string","x-lockstep-class":"text"}}]}}}`,
			document: `{"v":["x"]}`, want: `{"v":\["\[redacted\]"\]}`,
		},
		{
			name: "alternatives by a constant", schema: `{"properties":{"v":{"oneOf":[{"properties":{"k":{"const":"a"},"s":{"type":"string","x-lockstep-class":"login"}}},{"properties":{"k":{"const":"b"},"s":{"type":"string","x-lockstep-class":"public"}}}]},"w":{"type":"string","x-lockstep-class":"login"}}}`,
			document: `{"v":{"k":"b","s":"x"},"w":"y"}`, want: `{"v":{"k":"b","s":"x"},"w":"user-[0-9a-z]{16}"}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := Options{}
			if test.overlay != "" {
				o.Overlay = overlay(t, test.overlay)
			}
			c := compile(t, test.schema, nil, o)
			m := masker(t, testers(), "staging")
			if fast := sameMasked(t, c, []byte(test.document), m); fast == test.slow {
				t.Errorf("masked in a single pass: %v", fast)
			}
			if test.want[0] != '{' {
				if w := withheldAs(t, c, test.document, m); w.Code != test.want {
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

// A policy that is changed again and again would fill the memory with what the
// old ones were compiled to.
func TestMaskingsAreBounded(t *testing.T) {
	c := compile(t, `{"properties":{"a":{"type":"string","x-lockstep-class":"login"}}}`, nil, Options{})
	first := masker(t, testers(), "staging")
	made := c.For(first)
	if c.For(first) != made {
		t.Error("a masking is made twice")
	}
	for range maxMaskings + 5 {
		if _, _, err := c.Mask(nil, []byte(`{"a":"octocat"}`), masker(t, testers(), "staging")); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(*c.maskings.known.Load()); n != maxMaskings {
		t.Errorf("%d maskings are kept", n)
	}
	if out, _, err := made.Mask(nil, []byte(`{"a":"octocat"}`)); err != nil || len(out) == 0 {
		t.Error("a masking that was given up is of no use to who has it")
	}
}

// A masking that allocates for what passes, or more than its tokens, would be slow.
func TestMaskingAllocatesLittle(t *testing.T) {
	c := compile(t, orderSchema, nil, Options{})
	p := mask.Policy{Classes: map[string]mask.Rule{}}
	for _, class := range mask.Classes() {
		p.Classes[string(class)] = mask.Rule{Technique: mask.Redact}
	}
	p.Classes["public"], p.Classes["internal"] = mask.Rule{Technique: mask.Pass}, mask.Rule{Technique: mask.Pass}
	m := masker(t, p, "staging")
	room, _, err := c.Mask(nil, []byte(orderEvent), m)
	if err != nil {
		t.Fatal(err)
	}
	data := []byte(orderEvent)
	if n := testing.AllocsPerRun(100, func() { room, _, _ = c.Mask(room[:0], data, m) }); n > 1 {
		t.Errorf("%v allocations without tokens", n)
	}
}

// A technique that looks at the whole event would not be given it, or only what
// stands before its value, or not what is dropped.
func TestTechniquesThatNeedTheEvent(t *testing.T) {
	c := compile(t, `{"properties":{"note":{"type":"string","x-lockstep-class":"text"},"born":{"type":"string","format":"date","x-lockstep-class":"date"},"died":{"type":"string","format":"date","x-lockstep-class":"date"},
		"who":{"x-lockstep-class":"secret","properties":{"name":{"type":"string","x-lockstep-class":"person-name"}}},"id":{"type":"integer","x-lockstep-class":"id"}}}`, nil, Options{})
	p := testers()
	p.Classes["text"] = mask.Rule{Technique: mask.Scrub}
	p.Classes["date"] = mask.Rule{Technique: mask.DateShift, Days: 30, By: mask.ID}
	m := masker(t, p, "staging")
	mustMask := func(document string) (string, Stats) {
		t.Helper()
		sameMasked(t, c, []byte(document), m)
		out, stats, err := c.Mask(nil, []byte(document), m)
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		return string(out), stats
	}
	out, stats := mustMask(`{"note":"Zoe Quill called","born":"1990-03-01","died":"1990-03-03","who":{"name":"Zoe Quill"},"id":7}`)
	if strings.Contains(out, "Zoe") || strings.Contains(out, "1990-03-01") || strings.Contains(out, "who") || stats.Dropped != 1 {
		t.Errorf("%s, %+v", out, stats)
	}
	var first, second, other struct{ Born, Died string }
	again, _ := mustMask(`{"id":7,"born":"1990-03-01","died":"1990-03-03"}`)
	if json.Unmarshal([]byte(out), &first) != nil || json.Unmarshal([]byte(again), &second) != nil || first != second || first.Born >= first.Died {
		t.Errorf("%+v and %+v of one subject", first, second)
	}
	different := false
	for id := range 5 {
		out, _ := mustMask(fmt.Sprintf(`{"id":%d,"born":"1990-03-01","died":"1990-03-03"}`, 100+id))
		if json.Unmarshal([]byte(out), &other) != nil {
			t.Fatal(out)
		}
		different = different || other != first
	}
	if !different {
		t.Error("all subjects' dates are moved by the same")
	}
	if w := withheldAs(t, c, `{"born":"1990-03-01"}`, m); w.Pointer != "/born" {
		t.Errorf("without a subject: %v", w)
	}
}

// An identifier would have two tokens where one schema demands a pattern of it and another
// doesn't, though the overlay says that both are alike; or a technique that can't meet the
// pattern withhold what the schema lets it make.
func TestTokensLikeThoseOfAnotherPlace(t *testing.T) {
	const demanding, plain = `{"properties":{"locator":{"type":"string","pattern":"^[A-Z0-9]{6}$"}}}`, `{"properties":{"pnr":{"type":"string"},"trip":{"properties":{"ref":{"type":["string","integer"]}}}}}`
	o := Options{Overlay: overlay(t, `
properties: {locator: id, pnr: {class: id, pattern: "^[A-Z0-9]{6}$"}, ref: id}
subjects: {shop.>: {/trip/ref: {pattern: "^[A-Z0-9]{6}$"}}}
`)}
	m := masker(t, testers(), "staging")
	masked := func(schema, document string) string {
		out, _, err := compile(t, schema, nil, o).Mask(nil, []byte(document), m)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	token := strings.TrimSuffix(strings.TrimPrefix(masked(demanding, `{"locator":"SYB7RD"}`), `{"locator":`), "}")
	if got, want := masked(plain, `{"pnr":"SYB7RD","trip":{"ref":"SYB7RD"}}`), `{"pnr":`+token+`,"trip":{"ref":`+token+`}}`; got != want || len(token) != 8 {
		t.Errorf("%s, want %s", got, want)
	}
	if got := masked(plain, `{"trip":{"ref":4711}}`); strings.Contains(got, `"4711"`) || strings.Contains(got, `:4711`) {
		t.Errorf("%s", got)
	}
	p := testers()
	p.Classes["id"] = mask.Rule{Technique: mask.Encrypt}
	out, _, err := compile(t, plain, nil, o).Mask(nil, []byte(`{"pnr":"SYB7RD"}`), masker(t, p, "staging"))
	if err != nil || strings.Contains(string(out), "SYB7RD") {
		t.Errorf("%s, %v", out, err)
	}
}
