package contract

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// drawPolicy draws a policy: any technique for any class, some classes without one, any
// defaults. shows says that some of it may let a part of a value through.
func drawPolicy(t *rapid.T) (p mask.Policy, shows bool) {
	rules := []mask.Rule{
		{Technique: mask.Redact},
		{Technique: mask.Drop},
		{Technique: mask.Token},
		{Technique: mask.FPE, Alphabet: "alphanumeric"},
		{Technique: mask.Hash},
		{Technique: mask.Encrypt},
		{Technique: mask.Synthetic},
		{Technique: mask.Constant, Value: "7"},
		{Technique: mask.Withhold},
		{Technique: mask.Bucket, Size: "10"},
		{Technique: mask.Noise, Percent: "5"},
	}
	if shows = rapid.Bool().Draw(t, "shows"); shows {
		rules = append(rules, mask.Rule{Technique: mask.Pass}, mask.Rule{Technique: mask.Truncate, Length: 3}, mask.Rule{Technique: mask.Scrub},
			mask.Rule{Technique: mask.DateShift, Days: 30, By: mask.ID}, mask.Rule{Technique: mask.CEL, Expression: "type(value) == string ? token(value) : value"})
	}
	p.Classes = map[string]mask.Rule{}
	for _, class := range mask.Classes() {
		if class != mask.Secret && rapid.IntRange(0, 9).Draw(t, "has "+string(class)) > 0 {
			p.Classes[string(class)] = rapid.SampledFrom(rules).Draw(t, "rule of "+string(class))
		}
	}
	technique := func(name string, from ...mask.Technique) mask.Technique { return rapid.SampledFrom(from).Draw(t, name) }
	p.Defaults = mask.Defaults{
		String: technique("string", mask.Withhold, mask.Token, mask.Redact, mask.Drop), Number: technique("number", mask.Withhold, mask.Token, mask.Redact, mask.Drop),
		Boolean: technique("boolean", mask.Pass, mask.Redact, mask.Drop), Enum: technique("enum", mask.Pass, mask.Redact, mask.Drop), Key: technique("key", mask.Withhold, mask.Token),
	}
	if len(p.Classes) == 0 {
		p.Classes["email"] = mask.Rule{Technique: mask.Token}
	}
	return p, shows
}

// Guards against a policy that nobody has tried: whatever policy, schema and event are,
// the event crosses valid, the same each time, without anything of what is masked as a
// whole, and alike in both engines; or it is withheld, with a reason that shows nothing.
func TestAnyPolicy(t *testing.T) {
	parsedPerson := parse(t, person)
	drawn, crossed, withheld := 0, 0, map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		drawn++
		p, shows := drawPolicy(t)
		if problems := p.Validate(); len(problems) > 0 {
			t.Fatal(problems)
		}
		key, err := mask.NewKey([]byte("an origin's root key: 32 bytes !"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := mask.New("drawn", p, "staging", key)
		if err != nil {
			t.Fatal(err)
		}
		c, text, data := drawContract(t, parsedPerson)
		sameMasked(t, c, data, m)
		out, _, err := c.Mask(nil, data, m)
		var w *Withheld
		if errors.As(err, &w) {
			if w.Code == CodeFault || strings.Contains(w.Error(), canary) || w.Cure == "" {
				t.Fatalf("%v: of %s under %s", w, data, text)
			}
			withheld[w.Code]++
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		crossed++
		again, _, _ := c.Mask(nil, data, m)
		switch {
		case c.Validate(out) != nil:
			t.Fatalf("%s is not valid: %v", out, c.Validate(out))
		case !shows && reveals(out):
			t.Fatalf("%s shows a value of %s, under %+v", out, data, p)
		case !bytes.Equal(out, again):
			t.Fatalf("masked twice: %s and %s", out, again)
		}
	})
	// Of a few draws, as in short runs, each may go the same way.
	if drawn >= 100 && (crossed == 0 || len(withheld) == 0) {
		t.Errorf("%d crossed, and withheld were %v: this proves little", crossed, withheld)
	}
	t.Logf("%d crossed, withheld were %v", crossed, withheld)
}
