package fpe

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	base36 = "0123456789abcdefghijklmnopqrstuvwxyz"
	base64 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/"
)

type vector struct{ name, alphabet, key, tweak, plain, out string }

func (v vector) check(t *testing.T) {
	t.Helper()
	key, err := hex.DecodeString(v.key)
	if err != nil {
		t.Fatal(err)
	}
	tweak, err := hex.DecodeString(v.tweak)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(key, len(v.alphabet))
	if err != nil {
		t.Fatal(err)
	}
	x := numerals(v.alphabet, v.plain)
	if err := c.Encrypt(x, tweak); err != nil || text(v.alphabet, x) != v.out {
		t.Errorf("%s: encrypted to %s, %v, want %s", v.name, text(v.alphabet, x), err, v.out)
	}
	x = numerals(v.alphabet, v.out)
	if err := c.Decrypt(x, tweak); err != nil || text(v.alphabet, x) != v.plain {
		t.Errorf("%s: decrypted to %s, %v, want %s", v.name, text(v.alphabet, x), err, v.plain)
	}
}

func numerals(alphabet, text string) []uint16 {
	x := make([]uint16, len(text))
	for i := range text {
		x[i] = uint16(strings.IndexByte(alphabet, text[i]))
	}
	return x
}

func text(alphabet string, x []uint16) string {
	var b strings.Builder
	for _, n := range x {
		b.WriteByte(alphabet[n])
	}
	return b.String()
}

// It would be some other cipher, of which nobody has proved anything: the nine
// samples that NIST publishes with SP 800-38G.
func TestSamples(t *testing.T) {
	const key128 = "2B7E151628AED2A6ABF7158809CF4F3C"
	const key192 = key128 + "EF4359D8D580AA4F"
	const key256 = key192 + "7F036D6F04FC6A94"
	const tweak, tweak36 = "39383736353433323130", "3737373770717273373737"
	for i, v := range []vector{
		{"", base36[:10], key128, "", "0123456789", "2433477484"},
		{"", base36[:10], key128, tweak, "0123456789", "6124200773"},
		{"", base36, key128, tweak36, "0123456789abcdefghi", "a9tv40mll9kdu509eum"},
		{"", base36[:10], key192, "", "0123456789", "2830668132"},
		{"", base36[:10], key192, tweak, "0123456789", "2496655549"},
		{"", base36, key192, tweak36, "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"},
		{"", base36[:10], key256, "", "0123456789", "6657667009"},
		{"", base36[:10], key256, tweak, "0123456789", "1001623463"},
		{"", base36, key256, tweak36, "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"},
	} {
		v.name = fmt.Sprintf("sample %d", i+1)
		v.check(t)
	}
}

// The samples are short: long values, other radices and tweaks would go wrong.
func TestACVP(t *testing.T) {
	data, err := os.ReadFile("testdata/acvp-ff1.txt")
	if err != nil {
		t.Fatal(err)
	}
	alphabets := map[string]string{"10": base36[:10], "26": base36[10:], "64": base64}
	n := 0
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) != 6 || alphabets[f[1]] == "" {
			t.Fatalf("case %q", line)
		}
		vector{"case " + f[0], alphabets[f[1]], f[2], strings.Trim(f[3], "-"), f[4], f[5]}.check(t)
		n++
	}
	if n != 450 {
		t.Errorf("%d cases", n)
	}
}

// Two values would become one, or a value could not be told from its cipher
// text; and the fast path would be another cipher than the general one.
func TestBijection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		radix := rapid.OneOf(rapid.IntRange(2, 70), rapid.SampledFrom([]int{256, 1000, 65535, 65536})).Draw(t, "radix")
		c, err := New(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"), radix)
		if err != nil {
			t.Fatal(err)
		}
		tweak := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "tweak")
		numeral := rapid.Uint16Range(0, uint16(radix-1))
		length := c.MinLength() + rapid.IntRange(0, 40).Draw(t, "more")
		a := rapid.SliceOfN(numeral, length, length).Draw(t, "a")
		b := slices.Clone(a)
		at := rapid.IntRange(0, length-1).Draw(t, "at")
		b[at] = uint16((int(b[at]) + 1) % radix)
		x, y := slices.Clone(a), slices.Clone(b)
		if c.Encrypt(x, tweak) != nil || c.Encrypt(y, tweak) != nil {
			t.Fatal("not encrypted")
		}
		if slices.Equal(x, y) {
			t.Fatal("two values have one cipher text")
		}
		if high, ok := power(c.radix, length-length/2); ok && high > 1 {
			z := slices.Clone(a)
			r := new(room)
			c.prefix(r, length, length/2, len(tweak))
			c.large(r, z, length/2, tweak, false)
			if !slices.Equal(x, z) {
				t.Fatal("two ways give two results")
			}
		}
		if c.Decrypt(x, tweak) != nil || !slices.Equal(x, a) {
			t.Fatal("not decrypted")
		}
	})
}

// Few possible values would be encrypted, and looked up in a table.
func TestSmallDomainsAreRefused(t *testing.T) {
	key := make([]byte, 32)
	for radix, least := range map[int]int{2: 20, 10: 6, 26: 5, 36: 4, 64: 4, 1000: 2, 65536: 2} {
		c, err := New(key, radix)
		if err != nil {
			t.Fatal(err)
		}
		if c.MinLength() != least {
			t.Errorf("radix %d: at least %d, want %d", radix, c.MinLength(), least)
		}
		if c.Encrypt(make([]uint16, least), nil) != nil || c.Encrypt(make([]uint16, least-1), nil) == nil {
			t.Errorf("radix %d", radix)
		}
	}
	c, _ := New(key, 10)
	if c.Encrypt([]uint16{1, 2, 3, 4, 5, 10}, nil) == nil || c.Encrypt(make([]uint16, MaxLength+1), nil) == nil || c.Encrypt(make([]uint16, 9), make([]byte, maxTweak+1)) == nil {
		t.Error("what is outside the limits is encrypted")
	}
	for radix, size := range map[int]int{1: 32, 65537: 32, 10: 31} {
		if _, err := New(make([]byte, size), radix); err == nil {
			t.Errorf("radix %d, %d bytes", radix, size)
		}
	}
	if shown := fmt.Sprintf("%v %+v %#v %d %x", c, c, c, c, c); strings.ContainsAny(shown, "[{") {
		t.Error(shown)
	}
}

func BenchmarkFF1(b *testing.B) {
	c, err := New(make([]byte, 32), 10)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{9, 16, 40} {
		b.Run(fmt.Sprintf("%d digits", n), func(b *testing.B) {
			x := make([]uint16, n)
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Encrypt(x, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
