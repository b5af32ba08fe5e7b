package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// failer is what tests and rapid's have in common.
type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// sameMasked masks data in both ways, and reports whether the single pass did
// not leave the document to the walker. What was found out about masking must do
// with another engine than that which found it out, so some of them are given up.
func sameMasked(t failer, c *Contract, data []byte, m *mask.Masker) (fast bool) {
	t.Helper()
	g := c.For(m)
	if len(data)%4 == 0 {
		c.walker.Store(nil)
	}
	before := []byte("before")
	out, counts, fast := g.rewrite(before, data)
	var stats Stats
	want, err := c.slow().mask([]byte("before"), data, g, &stats, false)
	if fast {
		var found findings
		var invalid error
		if err == nil {
			found, invalid = reference(c, want[len(before):])
		}
		switch {
		case err != nil:
			t.Fatalf("the single pass lets through what the walker withholds (%v): %s\nfrom %s", err, out, data)
		case !bytes.Equal(out, want) || counts != stats:
			t.Fatalf("of %s\nthe single pass makes %s (%+v)\nthe walker          %s (%+v)", data, out, counts, want, stats)
		case invalid != nil || len(found.violations) > 0:
			t.Fatalf("not valid (%v, %v): %s\nfrom %s", found.violations, invalid, out, data)
		}
	}
	if !fast && err == nil {
		if found, _ := c.slow().validate(want[len(before):], c.program.Check(want[len(before):])); slices.ContainsFunc(found.violations, func(v Violation) bool { return v.Keyword == "uniqueItems" }) {
			stats = Stats{}
			want, err = c.slow().mask([]byte("before"), data, g, &stats, true)
		}
	}
	// What a caller sees is the walker's verdict either way.
	whole, wholeStats, wholeErr := g.Mask([]byte("before"), data)
	switch {
	case wholeErr == nil && (err != nil || !bytes.Equal(whole, want) || wholeStats != stats):
		t.Fatalf("Mask makes %s (%+v)\nthe walker %s (%+v, %v)", whole, wholeStats, want, stats, err)
	case wholeErr != nil && err != nil:
		var got, wanted *Withheld
		if !errors.As(wholeErr, &got) || !errors.As(err, &wanted) || got.Code != wanted.Code || got.Pointer != wanted.Pointer || got.Class != wanted.Class {
			t.Fatalf("withheld: %v, want %v", wholeErr, err)
		}
	}
	return fast
}

// policies are several ways to treat the classes.
func policies(t testing.TB) []*mask.Masker {
	t.Helper()
	all := func(technique mask.Technique) mask.Policy {
		p := testers()
		for class := range p.Classes {
			p.Classes[class] = mask.Rule{Technique: technique}
		}
		p.Classes["account"] = mask.Rule{Technique: technique}
		p.Defaults = mask.Defaults{String: mask.Token, Number: mask.Token, Key: mask.Token}
		return p
	}
	dropping, redacting := all(mask.Drop), all(mask.Redact)
	dropping.Classes["public"] = mask.Rule{Technique: mask.Pass}
	dropping.Defaults = mask.Defaults{String: mask.Drop, Number: mask.Drop, Null: mask.Drop, Boolean: mask.Drop, Enum: mask.Drop, Key: mask.Pass}
	redacting.Defaults = mask.Defaults{String: mask.Redact, Number: mask.Redact, Boolean: mask.Redact, Enum: mask.Redact, Key: mask.Token}
	var maskers []*mask.Masker
	looking := all(mask.Token)
	looking.Classes["text"], looking.Classes["date"] = mask.Rule{Technique: mask.Scrub}, mask.Rule{Technique: mask.CEL, Expression: "token(string(value))"}
	looking.Classes["internal"] = mask.Rule{Technique: mask.CEL, Expression: "has(event.action) ? value : value"}
	looking.Classes["secret"] = mask.Rule{Technique: mask.Drop}
	shifting := all(mask.Pass)
	shifting.Classes["date"], shifting.Classes["internal"] = mask.Rule{Technique: mask.DateShift, Days: 30, By: "login"}, mask.Rule{Technique: mask.DateShift, Days: 30, By: "id"}
	for _, p := range []mask.Policy{testers(), all(mask.Token), all(mask.Pass), dropping, redacting, looking, shifting} {
		maskers = append(maskers, masker(t, p, "staging"))
	}
	return maskers
}

// githubOverlay is the overlay that ships for the GitHub schemas.
func githubOverlay(t testing.TB) *mask.Overlay {
	t.Helper()
	o, err := readGitHubOverlay()
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no overlay for the GitHub schemas in the tree")
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

var readGitHubOverlay = sync.OnceValues(func() (*mask.Overlay, error) {
	text, err := os.ReadFile("../../schemas/github/overlay.yaml")
	if err != nil {
		return nil, err
	}
	return mask.ParseOverlay("overlay.yaml", text)
})

// A real event would be masked differently in the single pass, or most of them
// be left to the walker.
func TestSinglePassMasksGitHub(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	maskers := policies(t)
	p := testers()
	p.Classes["secret"], p.Classes["account"] = mask.Rule{Technique: mask.Redact}, mask.Rule{Technique: mask.Redact}
	maskers[0] = masker(t, p, "staging")
	fast, all := 0, 0
	for _, e := range github(t, githubOverlay(t), false) {
		if !knownInvalid[e.name] {
			all++
			if sameMasked(t, e.contract, e.data, maskers[0]) {
				fast++
			} else {
				t.Log(e.name)
			}
		}
		sameMasked(t, e.contract, e.data, maskers[1+random.IntN(len(maskers)-1)])
		var value any
		if err := json.Unmarshal(e.data, &value); err != nil {
			t.Fatal(err)
		}
		data, err := json.MarshalIndent(mutate(value, random), "\t", " ")
		if err != nil {
			t.Fatal(err)
		}
		sameMasked(t, e.contract, data, maskers[random.IntN(len(maskers))])
	}
	if t.Logf("%d of %d events in one pass", fast, all); fast < all*9/10 {
		t.Errorf("%d of %d events are masked in one pass", fast, all)
	}
}

// A schema, an overlay, a policy or a document would be treated differently in
// the single pass.
func TestSinglePassMasksDrawn(t *testing.T) {
	person := parse(t, person)
	maskers := policies(t)
	overlays := []*mask.Overlay{
		nil, overlay(t, "properties: {m0: secret, login: {class: name, keys: id}, m3: text}"),
		overlay(t, "subjects: {s: {/m1: email, /m2/*: {class: id, keys: login}, '': public}}\ndefinitions: {person.json: {/email: secret}}"),
		overlay(t, "properties: {m1: {class: login, when: {at: kind, in: [root, a]}, else: public}}\nsubjects: {s: {/m2: {class: text, when: {at: /kind, in: [b]}}}}"),
	}
	rapid.Check(t, func(t *rapid.T) {
		drawn, another := drawObject(t, 3, "root"), drawObject(t, 3, "root")
		drawn.schema["$schema"] = jsonschema.Draft7.URL()
		text, err := json.Marshal(drawn.schema)
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Compile(&jsonschema.Bundle{Document: document, References: map[string]*jsonschema.Bundle{"person.json": {Document: person}}},
			Options{Subject: "s", Open: rapid.Bool().Draw(t, "open"), Overlay: rapid.SampledFrom(overlays).Draw(t, "overlay")})
		if err != nil {
			t.Fatal(err)
		}
		m := rapid.SampledFrom(maskers).Draw(t, "masker")
		for _, value := range []any{drawn.value(t), another.value(t), mutate(drawn.value(t), rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))} {
			data, err := json.Marshal(value)
			if rapid.Bool().Draw(t, "spaced") {
				data, err = json.MarshalIndent(value, " ", "\t")
			}
			if err != nil {
				t.Fatal(err)
			}
			sameMasked(t, c, data, m)
		}
	})
}

// A hostile document would be masked differently in the single pass.
func FuzzSinglePassMasks(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"b":["x",[1,"y"]],"xq":"m@n"}}`, `[1,"ab",null,2]`, `{"k":"a","l":{"":1e400}}`, ` { "a" : 1 , "b":-0.10,"c" : [ ] } `, `{"a":{"a":{"a":{}}}}`,
		`{"b":[ "x" , 1 ],"c":1}`, `{"c":1 , "\u0061":{"c":[1]} , "xé":"é\n"}`, `{"c":1,"c":2}`, `{"a":1,"b":2,"c":3,"d":4}`, `["a",1]`, `"text"`,
	} {
		f.Add([]byte(seed))
	}
	contracts := fuzzContracts(f)
	for _, schema := range []string{
		`{"x-lockstep-class":"public","properties":{"a":{"x-lockstep-class":"secret"},"b":{"items":{"x-lockstep-class":"secret"},"uniqueItems":true},"c":{"x-lockstep-class":"secret"},"d":{"x-lockstep-class":"login"}},"additionalProperties":{"x-lockstep-class":"text"},"minProperties":1,"x-lockstep-key-class":"login"}`,
		`{"anyOf":[{"type":"string","x-lockstep-class":"login"},{"type":"array","items":{"x-lockstep-class":"id"},"uniqueItems":true},{"type":"object","additionalProperties":{"$ref":"#"},"x-lockstep-key-class":"id"},{"type":["number","null"],"x-lockstep-class":"amount"}]}`,
		`{"oneOf":[{"properties":{"a":{"const":1},"b":{"x-lockstep-class":"login"}},"required":["a"]},{"properties":{"a":{"not":{"const":1}},"b":{"x-lockstep-class":"public"}}}],"x-lockstep-class":"internal"}`,
	} {
		contracts = append(contracts, compile(f, schema, nil, Options{}))
	}
	maskers := policies(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, c := range contracts {
			for _, m := range maskers {
				sameMasked(t, c, data, m)
			}
		}
	})
}

// An event would have one key where it is read quickly, and another, or none,
// where it is decoded.
func FuzzKeyTokens(f *testing.F) {
	for _, seed := range []string{
		`{"a":"x","b":{"c/d":[1,{"e":true}]}}`, ` { "b" : {"c/d":[0, {"\u0065" : 1.50 } ] } , "a":"\u00e9. *" }`, `{"a":"","b":{}}`, `{"a":1,"a":2}`, `{"a":null}`, `[]`,
		`{"a":"x","b":{"c/d":{"1":{"e":"y"}}}}`, `{"a":"x","b":{"c/d":[1,{"e":true}]}}x`, `{"b":{"c/d":[1,{"e":"\"%>"}]},"a":{},"c":1}`, `{"a":"\n","b":{"c/d":[1,{"e":-1e3}]}}`,
	} {
		f.Add([]byte(seed))
	}
	c := compile(f, `{"x-lockstep-key":["/a","/b/c~1d/1/e"]}`, nil, Options{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := strictjson.Decode(data, c.options.Limits); err != nil {
			return
		}
		tokens, want := c.KeyTokens(data)
		quick, ok := c.quickKey([]byte("subject"), data)
		if ok != (want == nil) && len(data) < 100 { // what is deep or large may be left to decoding
			t.Fatalf("%s: quick is %v, decoded %q, %v", data, ok, tokens, want)
		}
		if whole := "subject." + strings.Join(tokens, "."); ok && string(quick) != whole {
			t.Fatalf("%s: %s, want %s", data, quick, whole)
		}
		if appended, err := c.AppendKey([]byte("subject"), data); want == nil && (err != nil || string(appended) != "subject."+strings.Join(tokens, ".")) || want != nil && err == nil {
			t.Fatalf("%s: %s, %v, want %q, %v", data, appended, err, tokens, want)
		}
	})
}

// The gate would decode each event to find its key.
func TestKeysAreQuick(t *testing.T) {
	c := compile(t, orderSchema, nil, Options{})
	data, room := []byte(orderEvent), make([]byte, 0, 100)
	key, err := c.AppendKey(room, data)
	if err != nil || string(key) != ".5f2c1c1e-7a8d-4b7e-9d6a-2f8a1f0c9b11" {
		t.Fatalf("%q, %v", key, err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = c.AppendKey(room, data) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
