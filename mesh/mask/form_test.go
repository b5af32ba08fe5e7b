package mask

import (
	"maps"
	"regexp"
	"testing"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/mask/automaton"
)

// What is said of a form's tokens is taken for granted where they are not judged
// any more: were it wrong, an invalid event would cross.
func TestTokensAreAsTheirFormSays(t *testing.T) {
	values := goldenValues()
	check := func(t *rapid.T, name string, f *form, bits *bitStream, text []byte) string {
		made := string(f.write(nil, bits, text))
		for _, c := range []byte(made) {
			if c < ' ' || c > '~' || c == '"' || c == '\\' {
				t.Fatalf("%s: %q is no string's content as it stands", name, made)
			}
		}
		if f.language != nil && (len(made) < f.min || len(made) > f.max || !f.language().Match([]byte(made))) {
			t.Fatalf("%s: %q is not within what is said of it", name, made)
		}
		return made
	}
	rapid.Check(t, func(t *rapid.T) {
		bits := newBitStream([32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed")))
		text := []byte(rapid.OneOf(rapid.Custom(func(t *rapid.T) string { return values[rapid.IntRange(0, len(values)-1).Draw(t, "value")].Text }), rapid.String()).Draw(t, "text"))
		for name, f := range forms {
			check(t, string(name), f, bits, text)
		}
		for name, f := range inventions {
			check(t, "invented "+string(name), f, bits, text)
		}
		for name, f := range formats {
			if invention := new(Masker).inventionFor("", name); invention != nil {
				if made, is := check(t, "invented "+name, invention, bits, text), v5.Formats[name]; is != nil && !is(made) {
					t.Fatalf("%q is invented, and no %s", made, name)
				}
			}
			made := check(t, name, f, bits, text)
			if is := v5.Formats[name]; name != "uri-template" && is != nil && !is(made) {
				t.Fatalf("%q is no %s", made, name)
			}
		}
	})
}

// A form's length and letters would be admitted where some token's are not.
func TestFormsThatFit(t *testing.T) {
	const uuid = `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`
	for _, test := range []struct {
		form  Form
		shape Shape
		want  bool
	}{
		{FormUUID, Shape{}, true},
		{FormUUID, Shape{Patterns: []string{uuid}}, true},
		{FormUUID, Shape{Patterns: []string{uuid, "8"}}, true},
		{FormUUID, Shape{Patterns: []string{uuid, "^0"}}, false},
		{FormUUID, Shape{Patterns: []string{"("}}, false},
		{FormUUID, Shape{MinLength: 36, MaxLength: 36}, true},
		{FormUUID, Shape{MaxLength: 35}, false},
		{FormUUID, Shape{MinLength: 37}, false},
		{FormEmail, Shape{MaxLength: 254, Patterns: []string{`^[^@\s]+@[^@\s]+$`}}, true},
		{FormEmail, Shape{Patterns: []string{`@example\.com$`}}, false},
		{FormPhone, Shape{Patterns: []string{`^\+[0-9]{7,15}$`}}, true},
		{FormPhone, Shape{Patterns: []string{`^\+[0-9]{7,14}$`}}, false},
		{FormAddress, Shape{MinLength: 1, MaxLength: 20}, false},
		{FormIBAN, Shape{}, true},
		{FormIBAN, Shape{MaxLength: 100}, false}, // nothing is said of it
	} {
		if got := test.shape.Compile().admitsForm(forms[test.form]); got != test.want {
			t.Errorf("%s under %+v: %t", test.form, test.shape, got)
		}
	}
	languages := maps.Clone(forms)
	for name, f := range inventions {
		languages["invented "+name] = f
	}
	for name, f := range languages {
		if f.language != nil && !f.language().Within(automaton.New(regexp.MustCompile(`^[ -~]{1,64}$`))) {
			t.Errorf("the language of %s has no automaton", name)
		}
	}
}

// Programs that read an amount from a string would find letters in a destination, or an
// amount would not join with the same one that is a number.
func TestAmountsInStringsStayNumbers(t *testing.T) {
	m := masker(t, tokens())
	for text, pattern := range map[string]string{
		"19.90": `^"[1-9][0-9]*\.[0-9]{2}"$`, "-0,5": `^"[1-9][0-9]*,[0-9]"$`, "4711": `^"[1-9][0-9]*"$`, "-7": `^"[1-9][0-9]*"$`, "123456789012.3456": `^"[1-9][0-9]{0,11}\.[0-9]{4}"$`,
		"1.000,50": `^"[0-9a-z]{26}"$`, "EUR 7": `^"[0-9a-z]{26}"$`, ".5": `^"[0-9a-z]{26}"$`, "5.": `^"[0-9a-z]{26}"$`, "1.23456": `^"[0-9a-z]{26}"$`,
	} {
		out, err := m.Replace(nil, Token, Amount, str(text), nil)
		if err != nil || !regexp.MustCompile(pattern).Match(out) {
			t.Errorf("%s: %s, %v", text, out, err)
		}
	}
	text, _ := m.Replace(nil, Token, Amount, str("4711"), nil)
	number, _ := m.Replace(nil, Token, Amount, num("4711"), nil)
	if string(text) != `"`+string(number)+`"` {
		t.Errorf("%s and %s don't join", text, number)
	}
}
