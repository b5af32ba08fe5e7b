package mask

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// Some value would make a technique panic, quote itself in a refusal, or write
// what is no JSON.
func FuzzTechniques(f *testing.F) {
	maskers := map[Technique]*Masker{}
	for technique, r := range sampleRules() {
		maskers[technique] = withRule(f, Account, technique, r)
	}
	for _, seed := range []string{
		"DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111", "1990-05-17T10:00:00Z", "-12.50", "1e400", "ada@example.org", "\xff\xfe", "2001:db8::1", "+", "００", "\"\\\u2028",
	} {
		f.Add(seed)
	}
	shapes := []*Shape{nil, {Format: "date-time"}, (&Shape{Patterns: []string{"^[a-z]{3,9}$"}, MaxLength: 8}).Compile(), {Enum: []string{`"a"`, "1", "true"}}}
	f.Fuzz(func(t *testing.T, text string) {
		kinds := []Kind{String}
		if _, ok := parseDecimal(text); ok {
			kinds = append(kinds, Number)
		}
		for technique, m := range maskers {
			for _, kind := range kinds {
				for _, s := range shapes {
					out, err := m.Field(Account, s, false, kind).Append(nil, kind, []byte(text), subject("c-1"))
					var refusal *Refusal
					if err != nil {
						if !errors.As(err, &refusal) || refusal.Code == CodeFault {
							t.Fatalf("%s of %q: %v", technique, text, err)
						}
						continue
					}
					if _, err := strictjson.Decode(out, strictjson.Limits{}); err != nil && utf8.ValidString(text) {
						t.Fatalf("%s of %q: %q: %v", technique, text, out, err)
					}
				}
			}
		}
	})
}

// What can't be told from a key file by its look would be taken for one.
func FuzzKeyFile(f *testing.F) {
	f.Add([]byte(encodeKey(testRoot())))
	f.Add(encodeRing([]rawKey{{info: KeyInfo{State: KeyActive, ID: "k"}, root: testRoot()}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := decodeRing("x", data)
		if err != nil {
			return
		}
		if ring, err := newRing("x", keys); err == nil && ring.Active().IsZero() {
			t.Fatal("a ring without an active key")
		}
	})
}
