package mask

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

func masker(t testing.TB, p Policy) *Masker { t.Helper(); return maskerFor(t, p, "staging") }

func maskerFor(t testing.TB, p Policy, destination string) *Masker {
	t.Helper()
	m, err := New("test", p, destination, testKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// tokens is a policy that makes a token of every class.
func tokens() Policy {
	p := Policy{Classes: map[string]Rule{}}
	for _, class := range Classes() {
		p.Classes[string(class)] = Rule{Technique: Token}
	}
	return p
}

func str(text string) Value { return Value{String, text} }
func num(text string) Value { return Value{Number, text} }

func replace(t testing.TB, m *Masker, technique Technique, class Class, v Value, s *Shape) string {
	t.Helper()
	out, err := m.Replace(nil, technique, class, v, s)
	if err != nil {
		t.Fatalf("%s of %s %v: %v", technique, class, v, err)
	}
	return string(out)
}

func text(t testing.TB, out string) string {
	t.Helper()
	var s string
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("%s is no string: %v", out, err)
	}
	return s
}

// A token would not be what it stands for: staging's software would reject it,
// or it would be a real person's address.
func TestTokensKeepTheirForm(t *testing.T) {
	m := masker(t, tokens())
	docs := []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32"),
	}
	safeHost := func(host string) bool {
		return regexp.MustCompile(`^([a-z0-9]+\.)?example\.(com|org|net)$`).MatchString(host)
	}
	checks := map[Class]func(token, value string) bool{
		Email: func(token, _ string) bool {
			a, err := mail.ParseAddress(token)
			_, host, _ := strings.Cut(token, "@")
			return err == nil && a.Address == token && safeHost(host)
		},
		URL: func(token, _ string) bool {
			u, err := url.Parse(token)
			return err == nil && u.Scheme == "https" && safeHost(u.Host) && !strings.ContainsAny(token, "{}")
		},
		IP: func(token, value string) bool {
			a, err := netip.ParseAddr(token)
			in := false
			for _, p := range docs {
				in = in || p.Contains(a)
			}
			return err == nil && in && a.Is6() == strings.Contains(value, ":")
		},
		UUID: func(token, _ string) bool {
			return regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(token)
		},
		Login: func(token, _ string) bool { return regexp.MustCompile(`^user-[0-9a-z]{16}$`).MatchString(token) },
		Name:  func(token, _ string) bool { return regexp.MustCompile(`^name-[0-9a-z]{16}$`).MatchString(token) },
		PersonName: func(token, _ string) bool {
			return regexp.MustCompile(`^[A-Z][a-z]{9} [A-Z][a-z]{9}$`).MatchString(token)
		},
		Phone: func(token, value string) bool {
			want := `^\+999[0-9]{11}$`
			if strings.HasPrefix(value, "+49") {
				want = `^\+49000[0-9]{9}$`
			}
			return regexp.MustCompile(want).MatchString(token)
		},
		Address: func(token, _ string) bool {
			return regexp.MustCompile(`^[0-9]{1,3} [A-Z][a-z]{9} Street$`).MatchString(token)
		},
		Date: func(token, _ string) bool { return regexp.MustCompile(`^20|^19`).MatchString(token) },
		ID:   func(token, _ string) bool { return regexp.MustCompile(`^[0-9a-z]{26}$`).MatchString(token) },
	}
	values := map[Class][]string{
		Email: {"ada@example.org", "x"}, URL: {"https://api.github.com/users/x{/y}", "?"}, IP: {"8.8.8.8", "2001:4860::1"},
		UUID: {"123e4567-e89b-12d3-a456-426614174000"}, Login: {"octocat"}, PersonName: {"Ada Lovelace"}, Phone: {"+49 30 1234", "030 1234", "+61 2 1234 5678", "+999 1234567"},
		Address: {"1 Main Street"}, Date: {"1990-01-01T00:00:00Z"}, ID: {"c-1"}, Name: {"Hello-World"},
	}
	for class, check := range checks {
		for _, value := range values[class] {
			if token := text(t, replace(t, m, Token, class, str(value), nil)); !check(token, value) {
				t.Errorf("%s %q has token %q", class, value, token)
			}
		}
	}
	for _, form := range Forms() {
		p := Policy{Classes: map[string]Rule{"id": {Technique: Token, As: string(form)}}}
		if len(p.Validate()) > 0 || replace(t, masker(t, p), Token, ID, str("x"), nil) == "" {
			t.Errorf("form %s", form)
		}
	}
}

// Joins would break, or the same value be recognised in two destinations.
func TestTokensJoin(t *testing.T) {
	staging, testing_ := masker(t, tokens()), maskerFor(t, tokens(), "testing")
	other, err := NewKey([]byte("another key of the same origin!!"))
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := New("test", tokens(), "staging", other)
	if err != nil {
		t.Fatal(err)
	}
	again := masker(t, Policy{Classes: map[string]Rule{"email": {Technique: Token}, "login": {Technique: Token}, "id": {Technique: Token}}})
	rapid.Check(t, func(t *rapid.T) {
		class := rapid.SampledFrom([]Class{Email, Login, ID, PersonName, URL, UUID, Text, ""}).Draw(t, "class")
		value := rapid.StringN(1, 40, 200).Draw(t, "value")
		another := rapid.StringN(1, 40, 200).Draw(t, "another")
		one := func(m *Masker, v string) string {
			out, err := m.Replace(nil, Token, class, str(v), nil)
			if err != nil {
				t.Fatal(err)
			}
			return string(out)
		}
		token := one(staging, value)
		if token != one(staging, value) {
			t.Fatalf("%q has two tokens", value)
		}
		if same := canonical(class, str(value)) == canonical(class, str(another)); same != (token == one(staging, another)) {
			t.Fatalf("%q and %q: equal is %v", value, another, same)
		}
		if token == one(testing_, value) || token == one(rotated, value) {
			t.Fatalf("%q has one token under two keys", value)
		}
	})
	for _, class := range []Class{Email, Login, ID} {
		if replace(t, staging, Token, class, str("v"), nil) != replace(t, again, Token, class, str("v"), nil) {
			t.Errorf("the token of a %s depends on the rest of the policy", class)
		}
	}
	for _, test := range []struct {
		class Class
		a, b  Value
	}{
		{Email, str("Ada@Example.ORG "), str("ada@example.org")},
		{Login, str("Codertocat"), str("codertocat")},
		{PersonName, str("Ada  Lovelace"), str("ada lovelace")},
		{Phone, str("+49 (30) 12-34"), str("0049301234")},
		{UUID, str("{123E4567-E89B-12D3-A456-426614174000}"), str("123e4567-e89b-12d3-a456-426614174000")},
		{IP, str("2001:0db8::0001"), str("2001:db8::1")},
		{URL, str("HTTPS://API.example.com/A"), str("https://api.example.com/A")},
		{Account, str("DE89 3704"), str("de893704")},
		{ID, num("1.0"), num("10e-1")},
		{ID, num("-0"), num("0")},
		{ID, num("12345678901234567890123"), num("1.2345678901234567890123e22")},
	} {
		if replace(t, staging, Token, test.class, test.a, nil) != replace(t, staging, Token, test.class, test.b, nil) {
			t.Errorf("%s: %v and %v have different tokens", test.class, test.a, test.b)
		}
	}
	if replace(t, staging, Token, URL, str("https://a/B"), nil) == replace(t, staging, Token, URL, str("https://a/b"), nil) {
		t.Error("URLs that differ in their path have one token")
	}
}

// A destination's tokens would tell something about another's: half of all
// bits differ between unrelated tokens, within what chance gives.
func TestDestinationsAreUnrelated(t *testing.T) {
	a, b := masker(t, tokens()), maskerFor(t, tokens(), "edge-berlin")
	const n = 2000
	differ := 0
	for i := range n {
		x, y := a.digest("login", fmt.Sprint(i)), b.digest("login", fmt.Sprint(i))
		for j := range x {
			differ += bits.OnesCount8(x[j] ^ y[j])
		}
	}
	mean, sigma := float64(n*128), math.Sqrt(n*256)/2
	if d := math.Abs(float64(differ) - mean); d > 5*sigma {
		t.Errorf("%d of %d bits differ: %f sigma off a half", differ, n*256, d/sigma)
	}
	// ("ab", "c") and ("a", "bc") would share a key if destination and class ran together.
	if maskerFor(t, tokens(), "ab").digest("c", "v") == maskerFor(t, tokens(), "a").digest("bc", "v") {
		t.Error("destination and class run together")
	}
}

// The many values of a class would collide, and records of several people merge.
func TestTokensAreDistinct(t *testing.T) {
	m := masker(t, tokens())
	for _, class := range []Class{Email, Login, PersonName, URL, UUID, ID, Name} {
		seen := map[string]int{}
		for i := range 20_000 {
			token := replace(t, m, Token, class, str(fmt.Sprint(i)), nil)
			if j, ok := seen[token]; ok {
				t.Fatalf("%s: %d and %d have one token", class, i, j)
			}
			seen[token] = i
		}
	}
}

// shapeSchema draws a shape with the JSON Schema that says the same.
func shapeSchema(t *rapid.T) (*Shape, map[string]any, Kind) {
	s, schema := &Shape{}, map[string]any{"$schema": jsonschema.Draft7.URL()}
	if rapid.Bool().Draw(t, "string") {
		schema["type"] = "string"
		switch rapid.IntRange(0, 3).Draw(t, "demand") {
		case 0:
			s.Format = rapid.SampledFrom([]string{
				"date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "iri", "uri-reference",
				"iri-reference", "uri-template", "uuid", "regex", "json-pointer", "relative-json-pointer",
			}).Draw(t, "format")
			schema["format"] = s.Format
		case 1:
			pattern := rapid.SampledFrom([]string{
				`^ord_[a-z0-9]{12}$`, `^[A-Z]{3}-\d{6}$`, `^cus_[0-9A-HJKMNP-TV-Z]{26}$`, `^(foo|bar|baz)-[[:xdigit:]]+$`, `^\S+@\S+\.\S+$`,
				`^[^\s"]{8,}$`, `^[a-z]+(-[a-z]+)*$`, `\d{10}`, `^(?i)abc[0-9]{8}$`, `^.{5,20}$`, `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}Z$`, `^[α-ω]{9}$`,
			}).Draw(t, "pattern")
			s.Patterns, schema["pattern"] = []string{pattern}, pattern
		case 2:
			s.MinLength = rapid.IntRange(0, 50).Draw(t, "min")
			s.MaxLength = rapid.IntRange(max(4, s.MinLength), 60).Draw(t, "max")
			schema["minLength"], schema["maxLength"] = s.MinLength, s.MaxLength
		}
		s.Compile()
		return s, schema, String
	}
	schema["type"] = "number"
	if s.Integer = rapid.Bool().Draw(t, "integer"); s.Integer {
		schema["type"] = "integer"
	}
	bound := func(name, keyword string) *big.Rat {
		if !rapid.Bool().Draw(t, "has "+name) {
			return nil
		}
		text := rapid.SampledFrom([]string{"-1e15", "-100000000", "-2.5", "0", "1", "0.1", "99.5", "2000000", "1e12", "1e20"}).Draw(t, name)
		schema[keyword] = json.Number(text)
		r, _ := new(big.Rat).SetString(text)
		return r
	}
	s.Minimum, s.Maximum = bound("minimum", "minimum"), bound("maximum", "maximum")
	s.Above, s.Below = bound("above", "exclusiveMinimum"), bound("below", "exclusiveMaximum")
	if rapid.Bool().Draw(t, "has step") {
		step := rapid.SampledFrom([]string{"1", "0.01", "5", "0.25", "3"}).Draw(t, "step")
		s.MultipleOf, _ = new(big.Rat).SetString(step)
		schema["multipleOf"] = json.Number(step)
	}
	s.Compile()
	return s, schema, Number
}

// What was masked would not be valid under its schema, and be withheld though
// there is room; or be valid only because it was left as it is.
func TestReplacementsFitTheShape(t *testing.T) {
	m := masker(t, tokens())
	drawn, made := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		drawn++
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
		technique := rapid.SampledFrom([]Technique{Token, Redact}).Draw(t, "technique")
		class := rapid.SampledFrom(Classes()).Draw(t, "class")
		v := num("4711")
		if kind == String {
			v = str("some value")
		}
		out, err := m.Replace([]byte("x"), technique, class, v, s)
		if err != nil {
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Code != CodeUnfit || strings.Contains(err.Error(), v.Text) {
				t.Fatalf("%v", err)
			}
			if kind == String {
				t.Fatalf("%s: %s: %v", document, class, err)
			}
			return
		}
		value, err := strictjson.Decode(out[1:], strictjson.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if err := compiled.Validate(value); err != nil {
			t.Fatalf("%s under %s: %v", out[1:], document, err)
		}
		if string(out[1:]) == v.Text || string(out[1:]) == `"`+v.Text+`"` {
			t.Fatalf("%s was left as it is", out)
		}
		made++
	})
	if made*2 < drawn {
		t.Errorf("only %d of %d values were made", made, drawn)
	}
}

// Numbers would lose their type or their exactness, or what can't be hidden
// would be shown.
func TestNumbersAndTheRest(t *testing.T) {
	m := masker(t, tokens())
	for i := range 1000 {
		token := replace(t, m, Token, ID, num(fmt.Sprint(i)), &Shape{Integer: true})
		n, ok := new(big.Int).SetString(token, 10)
		if !ok || n.Sign() <= 0 || n.BitLen() > 53 {
			t.Fatalf("%d has token %s", i, token)
		}
	}
	rat := func(s string) *big.Rat { r, _ := new(big.Rat).SetString(s); return r }
	narrow := &Shape{Integer: true, Minimum: rat("1"), Maximum: rat("1000")}
	if out, err := m.Replace(nil, Token, ID, num("5"), narrow); err == nil {
		t.Errorf("a token among 1000: %s", out)
	}
	if got := replace(t, m, Redact, ID, num("5"), narrow); got != "1" {
		t.Errorf("redacted to %s", got)
	}
	if got := replace(t, m, Token, Location, num("52.5"), &Shape{Minimum: rat("-90"), Maximum: rat("90")}); !strings.Contains(got, ".") {
		t.Errorf("a latitude becomes %s", got)
	}
	for _, test := range []struct {
		technique Technique
		v         Value
		s         *Shape
		want      string
	}{
		{Token, Value{Bool, "true"}, nil, "false"},
		{Redact, Value{Bool, "true"}, nil, "false"},
		{Redact, Value{Bool, "true"}, &Shape{Enum: []string{"true"}}, "true"},
		{Token, Value{Kind: Null}, nil, "null"},
		{Token, str(""), nil, `""`},
		{Redact, str("x"), nil, `"[redacted]"`},
		{Redact, str("x"), &Shape{MaxLength: 3}, `"[re"`},
		{Redact, str("x"), &Shape{MinLength: 12}, `"[redacted]xx"`},
		{Redact, str("x"), &Shape{Enum: []string{"1", `"a"`, `"b"`}}, `"a"`},
		{Redact, num("7"), nil, "0"},
		{Redact, num("7"), &Shape{Maximum: rat("-2.5")}, "-2.5"},
		{Redact, num("7"), &Shape{Above: rat("0"), MultipleOf: rat("0.01")}, "0.01"},
	} {
		if got := replace(t, m, test.technique, Text, test.v, test.s); got != test.want {
			t.Errorf("%s of %v under %+v is %s, want %s", test.technique, test.v, test.s, got, test.want)
		}
	}
	if got := replace(t, masker(t, Policy{Classes: map[string]Rule{"text": {Technique: Redact, As: "«gone»"}}}), Redact, Text, str("x"), nil); got != `"«gone»"` {
		t.Errorf("redacted to %s", got)
	}
	for _, technique := range []Technique{Pass, Drop, Withhold, "blur", ""} {
		if out, err := m.Replace(nil, technique, Text, str("x"), nil); err == nil {
			t.Errorf("%s makes %s", technique, out)
		}
	}
	if out, err := m.Replace(nil, Token, ID, str("x"), (&Shape{Patterns: []string{`^[ab]$`}}).Compile()); err == nil {
		t.Errorf("a token of one bit: %s", out)
	}
	for _, technique := range []Technique{Token, Redact} {
		if out, err := m.Replace(nil, technique, ID, str("x"), &Shape{MinLength: 1 << 40}); err == nil {
			t.Errorf("%s of %d bytes", technique, len(out))
		}
	}
	if out, err := m.Replace(nil, Token, ID, str("x"), (&Shape{Patterns: []string{`^a`, `^b`}}).Compile()); err == nil {
		t.Errorf("a token for patterns that exclude each other: %s", out)
	}
}

// Every event whose schema demands only how an identifier begins would be withheld.
func TestTokensBeyondAPattern(t *testing.T) {
	m := masker(t, tokens())
	for pattern, want := range map[string]string{
		`^cus_`: `^cus_[0-9a-z]{16}$`, `^ch_[a-z]?`: `^ch_[a-z]?[0-9a-z]{16}$`, `-eu$`: `^[0-9a-z]{16}-eu$`, `PAT`: `^PAT[0-9a-z]{16}$`, `^(in|out)_`: `^(in|out)_[0-9a-z]{16}$`,
	} {
		shape := (&Shape{Patterns: []string{pattern}, MaxLength: 40}).Compile()
		a, b := text(t, replace(t, m, Token, ID, str("cus_1"), shape)), text(t, replace(t, m, Token, ID, str("cus_2"), shape))
		if !regexp.MustCompile(want).MatchString(a) || a == b {
			t.Errorf("%s: %s and %s, want %s", pattern, a, b, want)
		}
	}
	for _, shape := range []*Shape{{Patterns: []string{`^cus_`}, MaxLength: 7}, {Patterns: []string{`^[A-Z]{3}$`}}, {Patterns: []string{`^a`, `b$`}}} {
		if out, err := m.Replace(nil, Token, ID, str("cus_1"), shape.Compile()); err == nil {
			t.Errorf("%v: %s", shape.Patterns, out)
		}
	}
}

// A map would have nowhere to show a place, where the schema doesn't bound coordinates.
func TestCoordinatesLieOnTheMap(t *testing.T) {
	m := masker(t, tokens())
	for _, value := range []string{"52.520008", "-13.404954", "13"} {
		for _, shape := range []*Shape{nil, {Minimum: big.NewRat(-180, 1), Maximum: big.NewRat(180, 1)}} {
			n, ok := new(big.Rat).SetString(replace(t, m, Token, Location, num(value), shape))
			if !ok || n.Cmp(big.NewRat(180, 1)) > 0 || n.Cmp(big.NewRat(-180, 1)) < 0 || shape == nil && n.Cmp(big.NewRat(90, 1)) > 0 {
				t.Errorf("%s: %v", value, n)
			}
		}
	}
	if out := replace(t, m, Token, Location, num("52520008"), &Shape{Integer: true}); strings.Contains(out, ".") {
		t.Errorf("%s is no integer", out)
	}
}

// Who reads a field of days as days would fail in a destination, where the schema names
// no format, and it would not join with one where it does.
func TestDaysStayDays(t *testing.T) {
	m := masker(t, tokens())
	asDay := replace(t, m, Token, Date, str("1990-05-17"), &Shape{Format: "date"})
	if free := replace(t, m, Token, Date, str("1990-05-17"), nil); free != asDay {
		t.Errorf("%s where the schema says that it is a date, and else %s", asDay, free)
	}
	for value, want := range map[string]string{
		"17.05.1990": `^"[0-3][0-9]\.[01][0-9]\.(19|20)[0-9]{2}"$`, "1990-05-17T08:00:00Z": `T[0-9:]{8}Z"$`, "May 1990": `T[0-9:]{8}Z"$`, "17/05/1990": `T[0-9:]{8}Z"$`, "1990.05.17": `T[0-9:]{8}Z"$`,
	} {
		if out := replace(t, m, Token, Date, str(value), nil); !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s: %s", value, out)
		}
	}
	if out := replace(t, m, Token, Date, str("1990-05-17"), &Shape{Format: "date-time"}); !strings.HasSuffix(out, `Z"`) {
		t.Errorf("%s is no date-time", out)
	}
}

// An identifier that one service writes as a number and another as a string would not
// join any more, and who reads the string as a number would fail.
func TestNumbersWrittenAsStrings(t *testing.T) {
	m := masker(t, tokens())
	for _, text := range []string{"90605680", "0", "7", "999999999999999"} {
		asNumber, asString := replace(t, m, Token, ID, num(text), nil), replace(t, m, Token, ID, str(text), nil)
		if asString != `"`+asNumber+`"` {
			t.Errorf("%s: %s and %s", text, asNumber, asString)
		}
	}
	opaque := regexp.MustCompile(`^"[0-9a-z]{26}"$`)
	for _, text := range []string{"007", "-7", "1e3", "1234567890123456", "12 34"} {
		if out := replace(t, m, Token, ID, str(text), nil); !opaque.MatchString(out) {
			t.Errorf("%s: %s", text, out)
		}
	}
	short := (&Shape{MaxLength: 10, Patterns: []string{"^[0-9]+$"}}).Compile()
	if out := replace(t, m, Token, ID, str("90605680"), short); !regexp.MustCompile(`^"[0-9]{1,10}"$`).MatchString(out) {
		t.Errorf("where there is little room: %s", out)
	}
}

// Ids in headers would cross as they are, or no longer join.
func TestHeaders(t *testing.T) {
	m, other := masker(t, Policy{}), maskerFor(t, Policy{}, "testing")
	if a, b := m.MessageID("order-1"), m.MessageID("order-1"); a != b || a == m.MessageID("order-2") || a == other.MessageID("order-1") ||
		len(a) != 26 || m.MessageID("") != "" {
		t.Errorf("message ids %s, %s", a, b)
	}
	if m.Token("login", "Octocat") != m.Token("login", "octocat") || m.Token("login", "x") == m.Token("email", "x") ||
		m.Token("route.key", "x") == m.Token("id", "x") || strings.Contains(m.Token("id", "a.b"), ".") {
		t.Error("tokens for subjects")
	}
	if token, err := m.KeyToken(Login, "octocat", nil); err != nil || token != text(t, replace(t, m, Token, Login, str("Octocat"), nil)) {
		t.Error("a name and a value of one class don't join")
	}
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	masked, ok := m.TraceParent(parent)
	sibling, _ := m.TraceParent("00-4bf92f3577b34da6a3ce929d0e0e4736-aaaaaaaaaaaaaaaa-00")
	if !ok || !regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`).MatchString(masked) || strings.Contains(masked, "4bf92f35") {
		t.Errorf("traceparent %s", masked)
	}
	if masked[:35] != sibling[:35] || masked[36:52] == sibling[36:52] || !strings.HasSuffix(sibling, "-00") {
		t.Errorf("the trace falls apart: %s, %s", masked, sibling)
	}
	for _, bad := range []string{
		"", "octocat", parent + "-x", "01" + parent[2:], strings.ToUpper(parent), "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", parent[:54] + "x",
	} {
		if masked, ok := m.TraceParent(bad); ok || masked != "" {
			t.Errorf("%q becomes %q", bad, masked)
		}
	}
	if !strings.HasPrefix(m.Policy(), "test@") || m.Policy() == masker(t, tokens()).Policy() || m.Destination() != "staging" || m.KeyID() != testKey(t).ID() {
		t.Error(m)
	}
}

// Tokens would change from one release to the next, and with them every join:
// these are fixed for ever.
func TestTokensAreStable(t *testing.T) {
	m := masker(t, tokens())
	for _, test := range []struct {
		class Class
		v     Value
		want  string
	}{
		{Email, str("ada@example.org"), `"16kp4d4hqgsp3kb5@example.net"`},
		{Login, str("octocat"), `"user-8wbfqd4xenw5tbbm"`},
		{PersonName, str("Ada Lovelace"), `"Nupuszalil Jozurjurul"`},
		{URL, str("https://github.com/octocat"), `"https://example.com/yjceywyp2pmxqxhv"`},
		{Phone, str("+49301234"), `"+49000112206949"`},
		{UUID, str("123e4567-e89b-12d3-a456-426614174000"), `"fd9112b1-34a1-80a4-8850-390362470c1d"`},
		{ID, num("42"), `6108689825889513`},
		{Text, str("x"), `"vrt5eg7a4a8b4gj776m67asrnv"`},
	} {
		if got := replace(t, m, Token, test.class, test.v, nil); got != test.want {
			t.Errorf("{%s, %v, `%s`},", test.class, test.v, got)
		}
	}
}

func BenchmarkReplace(b *testing.B) {
	m := masker(b, tokens())
	for _, bench := range []struct {
		name  string
		class Class
		v     Value
		s     *Shape
	}{
		{"email", Email, str("ada.lovelace@example.org"), nil},
		{"person-name", PersonName, str("Ada Lovelace"), nil},
		{"uuid", UUID, str("123e4567-e89b-12d3-a456-426614174000"), nil},
		{"integer", ID, num("4711"), nil},
		{"pattern", ID, str("ord_0123456789ab"), (&Shape{Patterns: []string{`^ord_[a-z0-9]{12}$`}}).Compile()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = m.Replace(dst[:0], Token, bench.class, bench.v, bench.s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
