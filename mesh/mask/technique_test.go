package mask

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/mask/internal/known"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// sampleRules is a rule for each technique that makes a value.
func sampleRules() map[Technique]Rule {
	return map[Technique]Rule{
		Redact: {}, Token: {}, FPE: {Alphabet: "alphanumeric"}, DateShift: {Days: 30, By: ID}, Bucket: {Size: "10"}, Noise: {Percent: "5"},
		Truncate: {Length: 3}, Hash: {}, Encrypt: {}, Synthetic: {}, Constant: {Value: "7"}, CEL: {Expression: "type(value) == string ? token(value) : value"}, Scrub: {},
	}
}

func makingTechniques() []Technique {
	return slices.DeleteFunc(Techniques(), func(t Technique) bool { return makerOf(t) == nil })
}

// withRule is a masker whose policy has one rule.
func withRule(t testing.TB, class Class, technique Technique, r Rule) *Masker {
	t.Helper()
	r.Technique = technique
	p := Policy{Classes: map[string]Rule{string(class): r}}
	if problems := p.Validate(); len(problems) > 0 {
		t.Fatal(problems)
	}
	return masker(t, p)
}

func apply(t testing.TB, m *Masker, class Class, v Value, s *Shape, e *Event) (string, error) {
	t.Helper()
	out, err := m.Field(class, s, false, v.Kind).Append([]byte("x"), v.Kind, []byte(v.Text), e)
	if err != nil {
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Why == "" || refusal.Cure == "" || len(v.Text) > 5 && strings.Contains(err.Error(), v.Text) {
			t.Fatalf("%s of %v: %v", m.Technique(class), v, err)
		}
		return "", err
	}
	return string(out[1:]), nil
}

func must(t testing.TB, m *Masker, class Class, v Value, s *Shape, e *Event) string {
	t.Helper()
	out, err := apply(t, m, class, v, s, e)
	if err != nil {
		t.Fatalf("%s of %v: %v", m.Technique(class), v, err)
	}
	return out
}

func subject(id string) *Event {
	e := &Event{Document: map[string]any{"id": id}}
	e.Add(ID, id)
	return e
}

// A technique would be added without anybody knowing what it shows.
func TestTechniquesSayWhatTheyDo(t *testing.T) {
	samples := sampleRules()
	for _, technique := range Techniques() {
		if technique.Describe() == "" || technique.Keeps() == "" || technique.Reveals() == "" || technique.Collides() == "" || !technique.Known() {
			t.Errorf("%s doesn't say what it does", technique)
		}
		r, makes := samples[technique]
		if (makerOf(technique) != nil) != makes || techniqueInfos[technique].makes != makes {
			t.Errorf("%s: makes a value %v", technique, makes)
		}
		if !makes {
			continue
		}
		m := withRule(t, Internal, technique, r)
		f := m.Field(Internal, nil, false, String)
		if f.Technique() != technique || f.NeedsEvent() != technique.NeedsEvent() || f.Class() != Internal {
			t.Errorf("%s: a field says %s, %v", technique, f.Technique(), f.NeedsEvent())
		}
		for _, option := range technique.Options() {
			r := Rule{Technique: technique}
			for _, problem := range r.validate(Internal) {
				if problem.Path == "."+option && slices.Contains(Rule{Technique: technique}.options(), option) {
					t.Errorf("%s: %v", technique, problem)
				}
			}
		}
	}
	if Technique("blur").Known() || Technique("blur").Describe() != "" {
		t.Error("blur is a technique")
	}
	for technique, reversible := range map[Technique]bool{FPE: true, Encrypt: true, Token: false, Hash: false, Synthetic: false} {
		if technique.Reversible() != reversible || technique.Bijective() != reversible {
			t.Errorf("%s is reversible: %v", technique, technique.Reversible())
		}
	}
}

// What was masked would not be valid under its schema, or a technique would
// panic, or give another result the next time.
func TestEveryTechniqueFitsTheShape(t *testing.T) {
	maskers := map[Technique]*Masker{}
	for technique, r := range sampleRules() {
		maskers[technique] = withRule(t, Internal, technique, r)
	}
	made := map[Technique]int{}
	rapid.Check(t, func(t *rapid.T) {
		s, schema, kind := shapeSchema(t)
		document, err := json.Marshal(schema)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jsonschema.Parse(document)
		if err != nil {
			t.Fatal(err)
		}
		compiled, err := (&jsonschema.Bundle{Document: parsed}).Compile()
		if err != nil {
			t.Fatal(err)
		}
		v := num(rapid.StringMatching(`-?[1-9][0-9]{0,17}(\.[0-9]{1,4})?`).Draw(t, "number"))
		if kind == String {
			v = str(rapid.OneOf(
				rapid.StringMatching(`[A-Za-z0-9]{6,20}`), rapid.StringMatching(`(19|20)[0-9]{2}-0[1-9]-1[0-9](T10:00:00Z)?`), rapid.StringN(1, 30, 90),
				rapid.StringMatching(`[1-9][0-9]{2,6}(\.[0-9]{2})?`), rapid.Just("write to ada@example.org or +49 30 901820"),
			).Draw(t, "text"))
		}
		technique := rapid.SampledFrom(makingTechniques()).Draw(t, "technique")
		out, err := maskers[technique].Field(Internal, s, false, kind).Append(nil, kind, []byte(v.Text), subject("c-1"))
		again, errAgain := maskers[technique].Field(Internal, s, false, kind).Append(nil, kind, []byte(v.Text), subject("c-1"))
		if (err == nil) != (errAgain == nil) || err == nil && !bytes.Equal(out, again) {
			t.Fatalf("%s: once %s, %v, then %s, %v", technique, out, err, again, errAgain)
		}
		if err != nil {
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Code == CodeFault {
				t.Fatal(err)
			}
			return
		}
		value, err := strictjson.Decode(out, strictjson.Limits{})
		if err != nil {
			t.Fatalf("%s: %q: %v", technique, out, err)
		}
		if err := compiled.Validate(value); err != nil {
			t.Fatalf("%s: %q under %s: %v", technique, out, document, err)
		}
		made[technique]++
	})
	t.Logf("made %v", made)
}

// Two customers would become one, or a number lose its length, sign or place in
// the schema's range.
func TestFPEIsABijection(t *testing.T) {
	digits := withRule(t, ID, FPE, Rule{})
	letters := withRule(t, ID, FPE, Rule{Alphabet: "alphanumeric"})
	rapid.Check(t, func(t *rapid.T) {
		seen := map[string]string{}
		for _, text := range rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Za-z0-9]{3}[ -]?[A-Za-z0-9]{3}`), 2, 30, rapid.ID[string]).Draw(t, "texts") {
			out := must(inRapid(t), letters, ID, str(text), nil, nil)
			if other, twice := seen[out]; twice {
				t.Fatalf("%q and %q are %s", text, other, out)
			}
			seen[out] = text
			if back, err := letters.RevealFPE(ID, nil, String, out[1:len(out)-1]); err != nil || back != text {
				t.Fatalf("%q is revealed as %q, %v", text, back, err)
			}
			if len(out) != len(text)+2 || strings.IndexAny(out[1:], " -") != strings.IndexAny(text, " -") {
				t.Fatalf("%q becomes %s", text, out)
			}
		}
		seen = map[string]string{}
		s := &Shape{Integer: true, Minimum: big.NewRat(2_000_000, 1), Maximum: big.NewRat(9_500_000, 1)}
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(2_000_000, 9_500_000), 2, 30, rapid.ID[int]).Draw(t, "numbers") {
			out := must(inRapid(t), digits, ID, num(fmt.Sprint(n)), s, nil)
			if other, twice := seen[out]; twice {
				t.Fatalf("%d and %s are %s", n, other, out)
			}
			seen[out] = fmt.Sprint(n)
			if m, ok := new(big.Rat).SetString(out); !ok || !s.admitsNumber(m) {
				t.Fatalf("%d becomes %s", n, out)
			}
			if back, err := digits.RevealFPE(ID, s, Number, out); err != nil || back != fmt.Sprint(n) {
				t.Fatalf("%d is revealed as %s, %v", n, back, err)
			}
		}
	})
	for _, m := range []*Masker{withRule(t, ID, Token, Rule{}), withRule(t, Name, FPE, Rule{})} {
		if back, err := m.RevealFPE(ID, nil, String, "1234567"); err == nil {
			t.Errorf("%s reveals %s", m, back)
		}
	}
	if back, err := digits.RevealFPE(ID, nil, String, "1234567x"); err == nil || strings.Contains(err.Error(), "1234567") {
		t.Errorf("%s, %v", back, err)
	}
	if out := must(t, digits, ID, num("-12345678"), nil, nil); !regexp.MustCompile(`^-[1-9][0-9]{7}$`).MatchString(out) {
		t.Errorf("a negative number becomes %s", out)
	}
	for _, v := range []Value{str("12345"), str("1234567x"), num("12345"), num("1234567.5"), str("Müller 1234567"), {Bool, "true"}} {
		if out, err := apply(t, digits, ID, v, nil, nil); err == nil {
			t.Errorf("%v becomes %s", v, out)
		}
	}
	hexadecimal := withRule(t, ID, FPE, Rule{Alphabet: "hex"})
	if out := must(t, hexadecimal, ID, num("1234567"), nil, nil); !known.Digits(out) {
		t.Errorf("a number becomes %s", out)
	}
	if out, err := apply(t, digits, ID, num("2000001"), &Shape{Minimum: big.NewRat(2_000_000, 1), Maximum: big.NewRat(2_000_100, 1)}, nil); err == nil {
		t.Errorf("one of 100 becomes %s", out)
	}
}

// inRapid lets a property test use what takes a testing.TB.
func inRapid(t *rapid.T) testing.TB { return rapidTB{t: t} }

type rapidTB struct {
	testing.TB
	t *rapid.T
}

func (r rapidTB) Helper()                           {}
func (r rapidTB) Fatal(args ...any)                 { r.t.Fatal(args...) }
func (r rapidTB) Fatalf(format string, args ...any) { r.t.Fatalf(format, args...) }

// An expression would see less or more than it should, give what the schema
// doesn't admit, run for ever, or quote the event when it fails.
func TestCEL(t *testing.T) {
	event := &Event{Document: map[string]any{
		"type": "User", "amount": json.Number("12.5"), "n": json.Number("3"), "tags": []any{"a", "b"}, "nested": map[string]any{"x": true},
	}}
	for _, test := range []struct {
		expression string
		v          Value
		want       string // empty for a refusal
	}{
		{`event.type == "User" ? "person" : value`, str("Ada"), `"person"`},
		{`value.lowerAscii().substring(0, 1) + "…"`, str("Ada"), `"a…"`},
		{`event.nested.x ? event.n + value : 0`, num("4"), "7"},
		{`double(value) * event.amount`, num("2"), "25"},
		{`!value`, Value{Bool, "true"}, "false"},
		{`event.tags.exists(t, t == "b")`, Value{Bool, "true"}, "true"},
		{`event.nosuch`, str("x"), ""},
		{`value + 1`, str("x"), ""},
		{`event.n`, str("x"), ""},
		{`1.0 / 0.0`, num("1"), ""},
		{`[1,2,3].map(a, [1,2,3].map(b, [1,2,3].map(c, [1,2,3].map(d, [1,2,3].map(e, [1,2,3].map(f, [1,2,3].map(g, [1,2,3].map(h, [1,2,3].map(i, [1,2,3].map(j, 1)))))))))).size()`, num("1"), ""},
	} {
		out, err := apply(t, withRule(t, Internal, CEL, Rule{Expression: test.expression}), Internal, test.v, nil, event)
		if out != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s of %v: %s, %v, want %s", test.expression, test.v, out, err, test.want)
		}
	}
	m := withRule(t, ID, CEL, Rule{Expression: "token(value)"})
	if got := text(t, must(t, m, ID, str("c-1"), nil, event)); got != m.Token("id", "c-1") {
		t.Errorf("token(value) is %s", got)
	}
	for _, bad := range []string{"[1]", "{'a': 1}", "value +", "timestamp('2024-01-01T00:00:00Z')", strings.Repeat("1+", 5000) + "1"} {
		if problems := (Rule{Technique: CEL, Expression: bad}).validate(Internal); len(problems) != 1 || problems[0].Path != ".expression" {
			t.Errorf("%.20s: %v", bad, problems)
		}
	}
}

// What is personal would stay in a text because it stands there in another
// case, next to something else, or without its surname.
func TestScrub(t *testing.T) {
	p := tokens()
	p.Classes["text"] = Rule{Technique: Scrub}
	p.Classes["secret"] = Rule{Technique: Drop}
	p.Classes["internal"] = Rule{Technique: Pass}
	m := masker(t, p)
	e := &Event{}
	for class, value := range map[Class]string{
		PersonName: "Ada Lovelace", Email: "ada@example.org", Secret: "hunter2!", ID: "c-4711", Internal: "shipped", Amount: "12", Login: "al",
		Text: "the whole text",
	} {
		e.Add(class, value)
	}
	const given = "Dear ADA (Mrs lovelace), Ada@example.org is also ada.l@example.com; order c-4711 shipped, password hunter2! Call +49 30 901820, " +
		"pay DE89 3704 0044 0532 0130 00 or 4111-1111-1111-1111 via https://shop.example/u?x=1. From 192.168.7.9, 123e4567-e89b-12d3-a456-426614174000. al, Adamant, 12"
	out := text(t, must(t, m, Text, str(given), nil, e))
	for _, raw := range []string{
		"ada (", "lovelace", "ada@example.org", "ada.l@", "c-4711", "hunter2", "901820", "3704", "4111", "shop.example", "192.168", "123e4567",
	} {
		if strings.Contains(strings.ToLower(out), raw) {
			t.Errorf("%q stays in %s", raw, out)
		}
	}
	for _, kept := range []string{"Dear ", "shipped", "Adamant, 12", redactedText, text(t, must(t, m, Email, str("ada@example.org"), nil, nil)), m.Token("id", "c-4711")} {
		if !strings.Contains(out, kept) {
			t.Errorf("%q is missing in %s", kept, out)
		}
	}
	if out := must(t, m, Text, str("nothing to find here"), nil, e); out != `"nothing to find here"` {
		t.Errorf("it becomes %s", out)
	}
	if out := must(t, m, Text, str("write to ada@example.org"), &Shape{MaxLength: 12}, e); out != `"[redacted]"` {
		t.Errorf("too long, it becomes %s", out)
	}
	if out := must(t, m, Text, num("4711"), nil, e); out != "0" {
		t.Errorf("a number becomes %s", out)
	}
	rapid.Check(t, func(t *rapid.T) {
		var e Event
		value := rapid.StringN(7, 20, 60).Draw(t, "value")
		e.Add(Sensitive, value)
		around := rapid.StringN(0, 20, 60)
		out := must(inRapid(t), m, Text, str(around.Draw(t, "before")+value+around.Draw(t, "after")), nil, &e)
		if trimmed := strings.TrimSpace(value); len([]rune(trimmed)) >= longKnown && strings.Contains(out, trimmed) {
			t.Fatalf("%q stays in %s", value, out)
		}
	})
}

// What is synthetic would be the same for everybody, differ for one, or not look real.
func TestSynthetic(t *testing.T) {
	p := tokens()
	for name := range p.Classes {
		p.Classes[name] = Rule{Technique: Synthetic}
	}
	m, other := masker(t, p), maskerFor(t, p, "testing")
	for class, want := range map[Class]string{
		PersonName: `^[A-Z][a-z]+ [A-Z]\. [A-Z][a-z]+$`, Name: `^[A-Z][a-z]+ [A-Z][a-z]+ [A-Za-z]+$`, Email: `^[a-z]+\.[a-z]+[0-9]{6}@example\.(com|org|net)$`,
		Address: `^[0-9]+ [A-Z][a-z]+ [A-Z][a-z]+, [A-Z][a-z]+$`, Login: `^[a-z]+\.[a-z]+[0-9]{6}$`, URL: `^https://example\.(com|org|net)/[a-z]+\.[a-z]+[0-9]{6}$`,
		Phone: `^\+999[0-9]{11}$`, ID: `^[0-9a-z]{26}$`,
	} {
		seen := map[string]bool{}
		for i := range 500 {
			v := str(fmt.Sprint("value ", i))
			out := text(t, must(t, m, class, v, nil, nil))
			if !regexp.MustCompile(want).MatchString(out) {
				t.Fatalf("%s: %s", class, out)
			}
			if out == text(t, must(t, other, class, v, nil, nil)) {
				t.Errorf("%s: %s in both destinations", class, out)
			}
			seen[out] = true
		}
		if len(seen) < 498 {
			t.Errorf("%s: only %d of 500", class, len(seen))
		}
	}
	count := func(words []string) float64 { return float64(len(words)) }
	for what, bits := range map[string]float64{
		"people": math.Log2(count(firstNames) * 26 * count(roots) * count(endings)), "companies": math.Log2(count(roots) * count(endings) * count(trades) * count(companies)),
	} {
		if want := map[string]float64{"people": 23.8, "companies": 20}[what]; bits < want { // Keeps states the odds
			t.Errorf("names of %s have %.1f bits", what, bits)
		}
	}
	if a, b := must(t, m, PersonName, str("Ada  Lovelace"), nil, nil), must(t, m, PersonName, str("ada lovelace"), nil, nil); a != b {
		t.Errorf("%s and %s", a, b)
	}
	if out := text(t, must(t, m, PersonName, str("Ada"), &Shape{Format: "email"}, nil)); !strings.Contains(out, "@") {
		t.Errorf("an address becomes %s", out)
	}
	if out := text(t, must(t, m, PersonName, str("Ada"), &Shape{MaxLength: 5}, nil)); len(out) > 5 {
		t.Errorf("short: %s", out)
	}
}

// Account numbers would be somebody's, or be refused by staging's software.
func TestAccountTokens(t *testing.T) {
	m := masker(t, tokens())
	for value, want := range map[string]string{
		"DE89 3704 0044 0532 0130 00": `^DE[0-9]{2}0[0-9]{17}$`, "GB29NWBK60161331926819": `^ZZ[0-9]{20}$`, "NO9386011117947": `^ZZ[0-9]{13}$`,
		"4111 1111 1111 1111": `^9999[0-9]{12}$`, "378282246310005": `^9999[0-9]{11}$`, "078-05-1120": `^[0-9a-z]{26}$`, "DE00 3704 0044 0532 0130 00": `^[0-9a-z]{26}$`,
	} {
		out := text(t, must(t, m, Account, str(value), nil, nil))
		if !regexp.MustCompile(want).MatchString(out) || out[0] == '9' && !known.Card(out) || len(want) < 24 && out[0] > '9' && !known.IBAN(out) {
			t.Errorf("%s becomes %s", value, out)
		}
		if compact := text(t, must(t, m, Account, str(strings.ToLower(strings.ReplaceAll(value, " ", ""))), nil, nil)); compact != out {
			t.Errorf("%s becomes %s, and without spaces %s", value, out, compact)
		}
	}
}

// One key's tokens would tell something of another's: of each technique, the
// characters of two destinations' results agree no more than by chance.
func TestTechniquesAreUnrelatedAcrossDestinations(t *testing.T) {
	for _, technique := range []Technique{Token, Hash, Encrypt, FPE} {
		r := sampleRules()[technique]
		r.Technique = technique
		p := Policy{Classes: map[string]Rule{"id": r}}
		a, b := masker(t, p), maskerFor(t, p, "testing")
		same, all, counts := 0, 0, map[byte]int{}
		for i := range 500 {
			v := str(fmt.Sprintf("customer%08d", i))
			x, y := text(t, must(t, a, ID, v, nil, nil)), text(t, must(t, b, ID, v, nil, nil))
			for j := range x {
				counts[x[j]]++
				all++
				if x[j] == y[j] {
					same++
				}
			}
		}
		k := float64(len(counts))
		mean := float64(all) / k
		if d := math.Abs(float64(same)-mean) / math.Sqrt(mean); d > 5 {
			t.Errorf("%s: %d of %d characters agree, %.0f are chance: %.1f sigma", technique, same, all, mean, d)
		}
		if technique == Encrypt {
			continue // the last character of base64url has fewer values
		}
		chi := 0.0
		for _, n := range counts {
			chi += (float64(n) - mean) * (float64(n) - mean) / mean
		}
		if limit := k + 5*math.Sqrt(2*k); chi > limit {
			t.Errorf("%s: characters aren't evenly spread: chi square %.0f of %.0f", technique, chi, limit)
		}
	}
}

// A defect in a technique would end the route, or say what it found.
func TestFaultIsARefusal(t *testing.T) {
	f := masker(t, tokens()).Field(Email, nil, false, String)
	f.make = func(_ *Field, _ *Scratch, _, text []byte, _ *Event) ([]byte, error) { panic(string(text)) }
	out, err := f.Append([]byte("x"), String, []byte("ada@example.org"), nil)
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Code != CodeFault || strings.Contains(err.Error(), "ada") || string(out) != "x" {
		t.Errorf("%s, %v", out, err)
	}
}

// A number of a few bytes would take up the memory that it has digits, or equal
// ones that are written in two ways have two tokens.
func TestCanonicalNumbers(t *testing.T) {
	for _, equal := range [][]string{
		{"1e1000000000", "10e999999999", "0.1e1000000001", "1.000e1000000000"},
		{"-25e-5000", "-2.5e-4999", "-0.0025E-4996"},
		{"0e999999999", "0.0e-999999999", "0", "-0.0"},
		{"12.5", "125e-1", "1.25E1"},
		{"1." + strings.Repeat("0", 500), "1"},
		{"10e400", "1e401", "0.1e402"},
		{"1e400", "10e399"},
	} {
		for _, text := range equal[1:] {
			if a, b := canonicalNumber(equal[0]), canonicalNumber(text); a != b {
				t.Errorf("%.20s is %.30s, and %.20s is %.30s", equal[0], a, text, b)
			}
		}
		if canonicalNumber(equal[0]) == canonicalNumber("7e7777") {
			t.Errorf("%s is like another number", equal[0])
		}
	}
}
