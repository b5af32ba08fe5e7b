package automaton

import (
	"regexp"
	"testing"
	"unicode/utf8"
)

var patterns = []string{
	"", "^", "$", "^$", "$^", "a", "^a", "a$", "^a$", "^a*$", "a|b", "^(a|b)+c?$", "^[a-z]{2,4}$", "[^a-z]", "^.$", "(?s)^.$", "^\\S+@\\S+$",
	"^[0-9a-f]{8}-[0-9a-f]{4}$", "^\\+[0-9]{7,15}$", "^[A-Z]{3}-[0-9]{4}$", "(?i)straße", "(?i)^k$", "\\bab\\b", "(?m)^a$", "\\p{L}+", "^\\p{Greek}$", "ab.*ba",
	"(a|ab)(c|bcd)(d*)", "^a?b?c?$", "^a*a$", "^[a-b]{0,2}c?b$", "^[^a]+a$", "^é$", "^[a-z]+é?$", "^a{2,}b{0}c$", "^ab+$", "^(?i)a$", "^a{3}?$", "^[^\\S]$", "^[äa]b$", "^a+[^a]$", "^x-", "\\d{3}", "^[^@\\s]+@[^@\\s]+$", "\\x{10FFFF}", "^(?:a{0,50}){2}$", "a**", "(^a|b$)c?", "a$b", "a^b", "^^a$$", "[[:alpha:]]", "\\Aab\\z",
}

func checkPattern(t *testing.T, expr, text string) {
	t.Helper()
	compiled, err := regexp.Compile(expr)
	if err != nil || !utf8.ValidString(text) || len(expr) > 200 {
		return
	}
	if got, want := New(compiled).Match([]byte(text)), compiled.MatchString(text); got != want {
		t.Errorf("%q in %q: %t, want %t", expr, text, got, want)
	}
}

// An automaton could match other texts than its regular expression.
func TestPatterns(t *testing.T) {
	texts := []string{
		"", "a", "b", "ab", "abc", "aab", "abcd", "ba", "\n", "a\n", "\na", "ä", "é", "ß", "STRASSE", "straße", "STRAẞE", "k", "K", "\u212a", "abba", "ab ba", "x-y",
		"0b9bd1c5-3d0e", "+46701234567", "TEA-0042", "a@b", "a b@c", "Ω", "123", "\U0010FFFF", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "cab", "A", "\u2028",
	}
	for _, expr := range patterns {
		for _, text := range texts {
			checkPattern(t, expr, text)
		}
	}
	if p := New(regexp.MustCompile("^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")); p.next == nil {
		t.Error("the pattern of a UUID has no automaton")
	}
}

func FuzzPatterns(f *testing.F) {
	for _, expr := range patterns {
		f.Add(expr, "ab")
	}
	f.Fuzz(checkPattern)
}

// A sequence of a fixed number of characters would match a text of that length that
// has another one in it.
func TestFixedSequences(t *testing.T) {
	for _, expr := range []string{"^[0-9]{2}-[a-f]{2}$", "^a[^b]c$", "^[A-Z]{3}$", "^[^a]{2}$"} {
		for _, text := range []string{"12-ab", "12-ag", "1a-ab", "abc", "axc", "äc", "aäc", "ABC", "AB", "ABc", "bc", "ä", "bä", "ab", "\x7f\x00"} {
			checkPattern(t, expr, text)
		}
	}
}
