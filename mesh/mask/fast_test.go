package mask

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Tokens would change for some texts, and joins break, because the quick way to
// a value's canonical form leads elsewhere than the simple one.
func FuzzCanonical(f *testing.F) {
	for _, text := range []string{
		"", " ", "Ada  Lovelace", "1234567  234567 ", "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\x7f@", "1234567\t12345678", "a b c d e f g h  i", " Svenja\u00a0 Öztürk\t", "ǅ İ K", "\xff\xfeA", "a\x00b\u2028c", "ADA@Example.ORG",
		"HTTPS://User@GitHub.COM:443/A?b#C", "http://[::1]/", "https://EXAMPLE.org", "https://a.b/%zz", "https://a.b:80x/", "x:/y", "HTTP://H/{a}",
		"https://a.b/ü", "h+t-p.1://A-B.c:8/", "1h://a", "https://a_b/", "https://a.b/ c", "//a/b", "https://A?B", "https://a.b/\x7f", "https://a%41/",
		"de89 3704-0044.0532", "5f2c1c1e-7a8d-4b7e-9d6a-2f8a1f0c9b11", "{5F2C1C1E-7A8D-4B7E-9D6A-2F8A1F0C9B11}", "------------------------------------",
		"192.168.7.9", " 0.0.0.0", "010.1.1.1", "256.1.1.1", "1.2.3", "1.2.3.4.5", "1..2.3", "1.2.3.", "1.2.3.4444", "0.00.0.0", "::ffff:1.2.3.4", "+49 (30) 901820", "0049 30", "-0", "-0.0", "1.50", "0.001", "1e3", "129.95", "-12345678901234567.8",
		"1234567890123456789", "1.", ".5", "00.5", "0.50E1", "999999999999999999.9", "-0.25",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, class := range Classes() {
			for _, kind := range []Kind{String, Number} {
				want := "x" + canonical(class, Value{Kind: kind, Text: text})
				if got := string(appendCanonical([]byte("x"), class, kind, []byte(text))); got != want {
					t.Fatalf("the %s %q of class %s becomes %q, and should become %q", kind, text, class, got, want)
				}
			}
		}
	})
}

// Tokens would change because their letters are taken from other bits.
func TestLettersAreBase32(t *testing.T) {
	encoding := base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)
	seed := sha256.Sum256([]byte("seed"))
	for n := range 49 {
		var random [30]byte
		size := (n*5 + 7) / 8
		newBitStream(seed).fill(random[:size])
		got, want := string(newBitStream(seed).letters(nil, n)), encoding.EncodeToString(random[:size])[:n]
		if got != want {
			t.Errorf("%d letters: %s, not %s", n, got, want)
		}
	}
}

// number draws a number as events have them.
func number(t *rapid.T, label string) string {
	return rapid.OneOf(
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?`), rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?`),
		rapid.SampledFrom([]string{"0", "-0", "0.00", "1152921504606846976", "1152921504606846977", "-0.000000000000000001", "0.1", "0.9"}),
	).Draw(t, label)
}

func rat(t *rapid.T, text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no number", text)
	}
	return r
}

// A number would be written, compared or judged otherwise in registers than
// exactly.
func TestFixedIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := number(t, "a"), number(t, "b")
		x, y := rat(t, a), rat(t, b)
		n, ok := parseFixed([]byte(a))
		m, fits := parseFixed([]byte(b))
		if short := len(strings.Trim(a, "-")) <= 16; short && !ok {
			t.Fatalf("%s is not read", a)
		}
		if !ok || !fits {
			return
		}
		if again, ok := fixedOf(x); !ok || again != n.trim() {
			t.Errorf("%s is %v, and of a fraction %v", a, n, again)
		}
		if got, want := string(n.append(nil)), string(appendNumber(nil, x)); got != want {
			t.Errorf("%s is written %s, not %s", a, got, want)
		}
		if got, want := string(n.appendRat(nil)), x.RatString(); got != want {
			t.Errorf("%s is the fraction %s, not %s", a, got, want)
		}
		if got, want := n.compare(m), x.Cmp(y); got != want {
			t.Errorf("%s to %s: %d, not %d", a, b, got, want)
		}
	})
}

// drawShape draws demands on a number.
func drawShape(t *rapid.T) *Shape {
	s := &Shape{Integer: rapid.IntRange(0, 3).Draw(t, "integer") == 0}
	for name, bound := range map[string]**big.Rat{"minimum": &s.Minimum, "maximum": &s.Maximum, "above": &s.Above, "below": &s.Below} {
		if rapid.IntRange(0, 2).Draw(t, "has "+name) == 0 {
			*bound = rat(t, rapid.OneOf(rapid.SampledFrom([]string{"0", "1", "10000000", "-5", "0.5", "9007199254740991"}), rapid.Custom(func(t *rapid.T) string { return number(t, name) })).Draw(t, name))
		}
	}
	if rapid.Bool().Draw(t, "steps") {
		s.MultipleOf = rat(t, rapid.SampledFrom([]string{"0.01", "1", "0.5", "3", "0.25", "0.3", "1/3", "-2", "100", "0"}).Draw(t, "step"))
	}
	return s
}

// A number's token would change, or one be made that the schema doesn't admit.
func TestGridMakesTheSameTokens(t *testing.T) {
	quick := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawShape(t)
		g := s.grid()
		if g == nil {
			return
		}
		quick++
		seed := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))
		want, ok := s.numberToken(newBitStream(seed))
		if got := string(g.token(newBitStream(seed)).append(nil)); !ok || got != string(appendNumber(nil, want)) {
			t.Fatalf("%+v: %s, not %v (%v)", s, got, want, ok)
		}
	})
	if quick == 0 {
		t.Error("no shape has been quick")
	}
}

// A number would be let through that the schema refuses.
func TestLimitsSayWhatTheShapeSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawShape(t)
		text := number(t, "n")
		n, ok := parseFixed([]byte(text))
		l := s.limits()
		if !ok || l == nil {
			return
		}
		if admitted, certain := l.admits(n); certain && admitted != s.admitsNumber(rat(t, text)) {
			t.Fatalf("%s under %+v: %v", text, s, admitted)
		}
	})
}

// Bucket and noise would give other numbers than they are documented to give.
func TestQuickNumbersEqualExactOnes(t *testing.T) {
	maskers := map[Technique][]*Masker{}
	for _, size := range []string{"10", "0.05", "3", "1000000", "2.5"} {
		maskers[Bucket] = append(maskers[Bucket], withRule(t, Amount, Bucket, Rule{Size: Decimal(size)}))
	}
	for _, percent := range []string{"5", "0.5", "100", "33.3"} {
		maskers[Noise] = append(maskers[Noise], withRule(t, Amount, Noise, Rule{Percent: Decimal(percent)}))
	}
	rapid.Check(t, func(t *rapid.T) {
		technique := rapid.SampledFrom([]Technique{Bucket, Noise}).Draw(t, "technique")
		m := rapid.SampledFrom(maskers[technique]).Draw(t, "masker")
		shape := drawShape(t)
		text := []byte(number(t, "n"))
		quick := m.Field(Amount, shape, false, Number)
		exact := m.field(technique, Amount, shape, Number) // one of its own: Field's are shared
		exact.limits = nil
		got, gotErr := quick.Append(nil, Number, text, nil)
		want, wantErr := exact.Append(nil, Number, text, nil)
		if (gotErr == nil) != (wantErr == nil) || gotErr == nil && !slices.Equal(got, want) {
			t.Fatalf("%s of %s under %+v: %s (%v), not %s (%v)", technique, text, shape, got, gotErr, want, wantErr)
		}
	})
}

// A value would keep its space, or lose what is none, and have another token.
func TestTrimmedIsTrimSpace(t *testing.T) {
	for _, text := range []string{"", " ", "a", " a", "a ", "a b", "\ta\n", "\x7fa\x7f", "\u00a0a\u00a0", "ä", "\u0085", "!", "~", "\xff", "a\xa0", " \x00"} {
		if got, want := trimmed([]byte(text)), bytes.TrimSpace([]byte(text)); !bytes.Equal(got, want) {
			t.Errorf("%q is trimmed to %q, not %q", text, got, want)
		}
	}
}
