package mask

import (
	"flag"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenValues are values of all kinds, some of them in several ways to write them.
func goldenValues() []Value {
	return []Value{
		str("Ada  Lovelace "), str("ada lovelace"), str("Žofie Öztürk"), str("Ada@Example.org"), str("octocat"), str("+49 30 901820"), str("0049 30901820"),
		str("+61 2 5550 1234"), str("030 901820"), str("5F2C1C1E-7A8D-4B7E-9D6A-2F8A1F0C9B11"), str("5f2c1c1e-7a8d-4b7e-9d6a-2f8a1f0c9b11"), str("192.0.2.9"),
		str("2001:DB8::1"), str("https://EXAMPLE.org/Ada?b=c"), str("https://api.github.com/repos/Codertocat/Hello-World/git/commits{/sha}"),
		str("DE89 3704 0044 0532 0130 00"), str("GB29NWBK60161331926819"), str("4111 1111 1111 1111"), str("1990-05-17"), str("2026-03-02T08:00:00.250+01:00"),
		str("\"\\\u2028"), str(strings.Repeat("a long text. ", 12)), num("4711"), num("129.95"), num("-0.5"), num("1e3"), num("12345678901234567890"),
		{Bool, "true"},
	}
}

// A token would change with a version of Lockstep, so that nothing made before
// can be joined with what is made after, or verified against it.
func TestMaskedValuesStay(t *testing.T) {
	var b strings.Builder
	say := func(m *Masker, title string, class Class, s *Shape) {
		fmt.Fprintf(&b, "# %s\n", title)
		for _, v := range goldenValues() {
			e := subject("cus_0123456789")
			e.Add(PersonName, "Ada Lovelace")
			out, err := apply(t, m, class, v, s, e)
			if err != nil {
				out = "refused"
			}
			fmt.Fprintf(&b, "%s %.40q: %s\n", v.Kind, v.Text, out)
		}
	}
	m := masker(t, tokens())
	for _, class := range Classes() {
		say(m, "token of "+string(class), class, nil)
	}
	shapes := map[string]*Shape{
		"pattern": {Patterns: []string{"^[a-z]{6}_[0-9]{9}$"}}, "uuid by pattern": {Patterns: []string{"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"}},
		"short": {MaxLength: 7}, "long": {MinLength: 60}, "range": {Minimum: big.NewRat(-5, 1), Maximum: big.NewRat(9_000_000, 1), MultipleOf: big.NewRat(1, 100)},
		"steps": {Above: big.NewRat(0, 1), MultipleOf: big.NewRat(1, 3)}, "enum": {Enum: []string{`"a"`, `"b"`, `3`, `true`}}, "integer": {Integer: true, Minimum: big.NewRat(1, 1)},
	}
	for _, format := range slices.Sorted(maps.Keys(formats)) {
		shapes["format "+format] = &Shape{Format: format}
	}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		say(m, "token of id, "+name, ID, shapes[name].Compile())
	}
	rules := sampleRules()
	for _, technique := range slices.Sorted(maps.Keys(rules)) {
		if technique != Token {
			say(withRule(t, PersonName, technique, rules[technique]), string(technique), PersonName, nil)
		}
	}
	for _, to := range slices.Sorted(maps.Keys(precisions)) {
		say(withRule(t, Date, Truncate, Rule{To: to}), "truncate to "+to, Date, nil)
	}
	key, err := m.KeyToken(Login, "Octocat", nil)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "# others\n%s\n%s\n%s\n%s\n", m.Token("email", "Ada@example.org"), m.Token("orders.key", "17"), m.MessageID("m-1"), key)
	trace, _ := m.TraceParent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	fmt.Fprintln(&b, trace)
	path := filepath.Join("testdata", "values.golden")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old, lines := strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")
	if len(old) != len(lines) {
		t.Fatalf("%d lines, not %d", len(lines), len(old))
	}
	for i := range lines {
		if lines[i] != old[i] {
			t.Errorf("%s:%d: now it is %s, not %s", path, i+1, lines[i], old[i])
		}
	}
}
