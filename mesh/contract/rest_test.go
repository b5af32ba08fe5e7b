package contract

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Guards against a contract that can't judge, or masks otherwise, once it has given
// up what it can make again; and against a failure to make it that stays.
func TestContractsThatRest(t *testing.T) {
	const schema = `{"required":["a"],"properties":{"a":{"x-lockstep-class":"uuid","type":"string"},"b":{"type":"array","prefixItems":[{"x-lockstep-class":"email","type":"string"}],"items":{"$ref":"#"}},` +
		`"c":{"x-lockstep-key-class":"login","additionalProperties":{"x-lockstep-class":"public"}}},"if":{"required":["b"]},"then":{"properties":{"d":{"x-lockstep-class":"public"}}},"else":{"properties":{"d":{"x-lockstep-class":"secret"}}}}`
	documents := []string{
		`{"a":"x"}`, `{"a":"x","d":"shown"}`, `{"a":"x","d":"other"}`, `{"a":"x","b":["a@b.de",{"a":"y"}],"d":"shown"}`, `{"a":"x","c":{"ada":1,"bob":2}}`,
		`{"a":"x","b":["a@b.de",{"a":"y","b":["c@d.de",{"a":"z","c":{"carol":3}}]}]}`, `{"b":[]}`,
	}
	b := &jsonschema.Bundle{Document: parse(t, schema)}
	var away error
	gathered := 0
	rests, err := Compile(b, Options{Gather: func() (*jsonschema.Bundle, error) { gathered++; return b, away }})
	if err != nil {
		t.Fatal(err)
	}
	stays, m := compile(t, schema, nil, Options{}), masker(t, testers(), "staging")
	rest := func() {
		rests.Rest()
		rests.Rest()
	}
	for range 2 {
		for _, document := range documents {
			want, wantStats, wantErr := stays.Mask(nil, []byte(document), m)
			rest()
			away = errors.New("busy")
			if got, _, err := rests.Mask(nil, []byte(document), m); err == nil && !bytes.Equal(got, want) {
				t.Errorf("%s: %s, want %s", document, got, want)
			}
			invalid := rests.Validate([]byte(`{}`))
			if fault := (*Fault)(nil); !errors.As(invalid, &fault) {
				t.Errorf("without its schema: %v", invalid)
			}
			away = nil
			got, stats, err := rests.Mask(nil, []byte(document), m)
			if !bytes.Equal(got, want) || stats != wantStats || (err == nil) != (wantErr == nil) {
				t.Errorf("%s: %s (%v, %v), want %s (%v, %v)", document, got, stats, err, want, wantStats, wantErr)
			}
			rest()
			if (rests.Validate([]byte(document)) == nil) != (stays.Validate([]byte(document)) == nil) {
				t.Errorf("%s is judged otherwise", document)
			}
		}
	}
	rest()
	before, size := gathered, rests.Size()
	for _, document := range documents[:4] { // all of them plain by now
		if _, _, err := rests.Mask(nil, []byte(document), m); err != nil {
			t.Error(err)
		}
	}
	if gathered != before || rests.Size() != size {
		t.Errorf("what is known was asked for again: gathered %d times, %d bytes, then %d", gathered-before, size, rests.Size())
	}
}

// Guards against masking by what holds for another contract: both refer to a document
// with alternatives, which has another number in each.
func TestContractsThatShare(t *testing.T) {
	common := &jsonschema.Bundle{Document: parse(t, `{"properties":{"kind":{"enum":["a","b"]}},"if":{"properties":{"kind":{"const":"a"}}},"then":{"properties":{"v":{"x-lockstep-class":"public"}}},`+
		`"else":{"properties":{"v":{"x-lockstep-class":"text","type":"string"}}}}`)}
	m := masker(t, testers(), "staging")
	for _, references := range []map[string]*jsonschema.Bundle{{"common": common}, {"aside": {Document: parse(t, `true`)}, "common": common}} {
		c, err := Compile(&jsonschema.Bundle{Document: parse(t, `{"properties":{"x":{"$ref":"common"},"y":{"$ref":"common"}}}`), References: references}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for document, want := range map[string]string{
			`{"x":{"kind":"a","v":"shown"},"y":{"kind":"b","v":"hidden"}}`: `{"x":{"kind":"a","v":"shown"},"y":{"kind":"b","v":"[redacted]"}}`,
			`{"y":{"kind":"a","v":1}}`:                                     `{"y":{"kind":"a","v":1}}`,
		} {
			sameMasked(t, c, []byte(document), m)
			if out, _, err := c.Mask(nil, []byte(document), m); err != nil || string(out) != want {
				t.Errorf("%s, %v, want %s", out, err, want)
			}
		}
		if n := c.For(m).Slow(); n > 0 {
			t.Errorf("%d documents were left to the slow engine", n)
		}
	}
}
