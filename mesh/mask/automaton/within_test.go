package automaton

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// A token would be taken for one that the schema's pattern admits, though it
// isn't.
func TestWithin(t *testing.T) {
	for _, test := range []struct {
		pattern, other string
		want           bool
	}{
		{"^[0-9]{4}$", "^[0-9]+$", true},
		{"^[0-9]+$", "^[0-9]{4}$", false},
		{"^[0-9]{4}$", "[0-9]{3}", true},
		{"^[0-9]{4}$", "^[0-9a-f]{4,}$", true},
		{"^a(b|c)$", "^(ab|ac|ad)$", true},
		{"^a(b|c)$", "^(ab|ad)$", false},
		{"^a$", "^(?i)A$", true},
		{"^a*$", "^a+$", false},
		{"^a+$", "^a*$", true},
		{"^ä$", "^[^a]$", true},
		{"^[^a]$", "^ä$", false},
		{"^$", "^$", true},
		{"^a$", "", true},
		{"^a$", "b|^", true},
		{"a", "a", true},
		{"a", "^a", false},
		{"^a$", `\ba\b`, false},
		{`^[a-z]{2}@example\.(?:com|org)$`, `^[^@\s]+@[^@\s]+$`, true},
		{`^[a-z ]{2}@example\.(?:com|org)$`, `^[^@\s]+@[^@\s]+$`, false},
	} {
		if got := New(regexp.MustCompile(test.pattern)).Within(New(regexp.MustCompile(test.other))); got != test.want {
			t.Errorf("%s within %s: %t", test.pattern, test.other, got)
		}
	}
}

// The same, for expressions that nobody thought of.
func TestWithinMeansThatTheOtherMatches(t *testing.T) {
	atom := rapid.SampledFrom([]string{"a", "b", "[ab]", "[^a]", ".", "ä", "[a-z]", "(a|bc)", "(?:ab)", "\\d"})
	expression := rapid.Custom(func(t *rapid.T) string {
		e := ""
		for range rapid.IntRange(0, 4).Draw(t, "atoms") {
			e += atom.Draw(t, "atom") + rapid.SampledFrom([]string{"", "", "*", "+", "?", "{2}", "{1,3}"}).Draw(t, "times")
		}
		return rapid.SampledFrom([]string{"^", ""}).Draw(t, "begin") + "(?:" + e + ")" + rapid.SampledFrom([]string{"$", ""}).Draw(t, "end")
	})
	text := rapid.StringOfN(rapid.SampledFrom([]rune("abcä1\n")), 0, 6, -1)
	drawn, within := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		drawn++
		p, other := regexp.MustCompile(expression.Draw(t, "pattern")), regexp.MustCompile(expression.Draw(t, "other"))
		if !New(p).Within(New(other)) {
			return
		}
		within++
		for range 50 {
			if text := text.Draw(t, "text"); p.MatchString(text) && !other.MatchString(text) {
				t.Fatalf("%q matches %s, which should be within %s", text, p, other)
			}
		}
	})
	if drawn >= 100 && within == 0 { // of a few draws, as in short runs, none may be
		t.Error("no pattern has been within another")
	}
}
