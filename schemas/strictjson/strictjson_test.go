package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// Two parsers that read one document differently would let what was masked by
// one be read raw by the other.
func TestHostileDocumentsAreRefused(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	tests := []struct {
		name, text string
		limits     Limits
		code       string
		pointer    string
	}{
		{name: "duplicate name", text: `{"email":1,"email":2}`, code: CodeDuplicateName, pointer: "/email"},
		{name: "duplicate name, escaped", text: `{"email":1,"\u0065mail":2}`, code: CodeDuplicateName, pointer: "/email"},
		{name: "duplicate name, nested", text: `{"a":[{"b":1,"b":1}]}`, code: CodeDuplicateName, pointer: "/a/0/b"},
		{name: "duplicate empty name", text: `{"":1,"":1}`, code: CodeDuplicateName, pointer: "/"},
		{name: "duplicate surrogate pair", text: "{\"😀\":1,\"\\ud83d\\ude00\":2}", code: CodeDuplicateName, pointer: "/😀"},
		{name: "invalid UTF-8 in a value", text: "{\"a\":\"x\xffy\"}", code: CodeInvalidUTF8, pointer: "/a"},
		{name: "invalid UTF-8 in a name", text: "{\"x\xff\":1}", code: CodeInvalidUTF8},
		{name: "overlong encoding", text: "\"\xc0\xaf\"", code: CodeInvalidUTF8},
		{name: "surrogate in UTF-8", text: "\"\xed\xa0\x80\"", code: CodeInvalidUTF8},
		{name: "high surrogate alone", text: `"\ud800"`, code: CodeInvalidUTF8},
		{name: "low surrogate alone", text: `"\uDC00x"`, code: CodeInvalidUTF8},
		{name: "surrogates in the wrong order", text: `"\ude00\ud83d"`, code: CodeInvalidUTF8},
		{name: "truncated UTF-8", text: "\"\xe2\x82\"", code: CodeInvalidUTF8},
		{name: "second value", text: `{} {}`, code: CodeTrailingData},
		{name: "trailing comma after the value", text: `{},`, code: CodeTrailingData},
		{name: "trailing bracket", text: `[1]]`, code: CodeTrailingData},
		{name: "trailing garbage", text: "1 \xff", code: CodeTrailingData},
		{name: "trailing NUL", text: "{}\x00", code: CodeTrailingData},
		{name: "too deep", text: deep(101), code: CodeTooDeep},
		{name: "too deep for the limit", text: `{"a":{"b":[1]}}`, limits: Limits{MaxDepth: 2}, code: CodeTooDeep},
		{name: "very deep and unfinished", text: strings.Repeat(`{"a":`, 100_000), code: CodeTooDeep},
		{name: "too large", text: `"` + strings.Repeat("a", DefaultMaxBytes) + `"`, code: CodeTooLarge},
		{name: "too large for the limit", text: `[1,2]`, limits: Limits{MaxBytes: 4}, code: CodeTooLarge},
		{name: "nothing", text: ``, code: CodeEmpty},
		{name: "white space only", text: " \t\r\n", code: CodeEmpty},
		{name: "NaN", text: `{"a":NaN}`, code: CodeSyntax, pointer: "/a"},
		{name: "Infinity", text: `[-Infinity]`, code: CodeSyntax},
		{name: "leading zero", text: `[01]`, code: CodeSyntax},
		{name: "plus sign", text: `[+1]`, code: CodeSyntax},
		{name: "hexadecimal", text: `[0x1]`, code: CodeSyntax},
		{name: "bare fraction", text: `[.5]`, code: CodeSyntax},
		{name: "trailing comma", text: `[1,]`, code: CodeSyntax},
		{name: "comment", text: `/* */ {}`, code: CodeSyntax},
		{name: "single quotes", text: `{'a':1}`, code: CodeSyntax},
		{name: "unquoted name", text: `{a:1}`, code: CodeSyntax},
		{name: "control character", text: "\"a\nb\"", code: CodeSyntax},
		{name: "byte order mark", text: "\ufeff{}", code: CodeSyntax},
		{name: "capital literal", text: `True`, code: CodeSyntax},
		{name: "truncated object", text: `{"a":1`, code: CodeSyntax},
		{name: "truncated string", text: `"abc`, code: CodeSyntax},
		{name: "number that explodes", text: `[1e999999999]`, code: CodeNumberRange, pointer: "/0"},
		{name: "number that vanishes", text: `{"a":1e-1025}`, code: CodeNumberRange, pointer: "/a"},
		{name: "number with many digits", text: strings.Repeat("9", MaxNumberBytes+1), code: CodeNumberRange},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := []byte(test.text)
			text := bytes.Clone(before)
			_, decodeErr := Decode(text, test.limits)
			for how, err := range map[string]error{"Check": Check(text, test.limits), "Decode": decodeErr} {
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("%s: %v, want an *Error", how, err)
				}
				if e.Code != test.code {
					t.Errorf("%s: code %s (%v), want %s", how, e.Code, e, test.code)
				}
				if test.pointer != "" && e.Pointer != test.pointer {
					t.Errorf("%s: pointer %q, want %q", how, e.Pointer, test.pointer)
				}
				if e.Offset < 0 || e.Offset > int64(len(text)) {
					t.Errorf("%s: offset %d is outside of the text", how, e.Offset)
				}
				if e.Problem == "" || e.Cure == "" || len(e.Error()) > 2000 || !utf8.ValidString(e.Error()) {
					t.Errorf("%s: %q tells too little, or too much", how, e.Error())
				}
			}
			if !bytes.Equal(text, before) {
				t.Error("the text was changed")
			}
		})
	}
}

// Valid JSON would be refused, or read as something else than everybody reads.
func TestStrictDocumentsAreRead(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `null`, `true`, `false`, `0`, `-0`, `1.50`, `1E+2`, `"é"`, `""`, ` [ 1 , "a\u00e9\n😀" ] `,
		`{"a":{"b":[null,{"c":-1.5e-3}]},"d":""}`, `{"e":1,"E":2," e":3}`, strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"[" + strings.Repeat("1234567890", 100) + "]", `12345678901234567890.123456789`, `{"\u0000":"\u0000"}`,
	} {
		if err := Check([]byte(text), Limits{}); err != nil {
			t.Errorf("Check(%.40s): %v", text, err)
		}
		got, err := Decode([]byte(text), Limits{})
		if err != nil {
			t.Errorf("Decode(%.40s): %v", text, err)
			continue
		}
		if want := standard(t, []byte(text)); !reflect.DeepEqual(got, want) {
			t.Errorf("Decode(%.40s) = %#v, want %#v", text, got, want)
		}
	}
}

func standard(t testing.TB, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("encoding/json refuses %q: %v", text, err)
	}
	return value
}

// A document that the gate admits would be refused, or read differently, by
// the services that read it with encoding/json.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"\u0061":2}`, `[1e5,-0.0,"\ud83d\ude00"]`, `{"a":{"a":[{}]}}`, "\"\xff\"", `[01]`, `{} x`, ` `, `"\ud800"`, `1e99999`,
		`[[[[[[[[[[[[]]]]]]]]]]]]`, `{"a":nulL}`, `"` + "\u2028" + `"`,
	} {
		f.Add([]byte(seed))
	}
	limits := Limits{MaxBytes: 4096, MaxDepth: 10}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		err := Check(text, limits)
		value, decodeErr := Decode(text, limits)
		if (err == nil) != (decodeErr == nil) {
			t.Fatalf("Check: %v; Decode: %v", err, decodeErr)
		}
		if !bytes.Equal(text, before) {
			t.Fatal("the text was changed")
		}
		if err != nil {
			var a, b *Error
			if !errors.As(err, &a) || !errors.As(decodeErr, &b) || a.Code != b.Code || a.Code == "" || a.Cure == "" {
				t.Fatalf("Check: %#v; Decode: %#v", err, decodeErr)
			}
			return
		}
		if want := standard(t, text); !reflect.DeepEqual(value, want) {
			t.Fatalf("Decode = %#v, encoding/json %#v", value, want)
		}
	})
}

// Checking would allocate for every event that passes the gate.
func TestCheckDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector pools keep nothing")
	}
	text := []byte(`{"order":{"id":12345,"lines":[{"sku":"a","n":1},{"sku":"b","n":2.5}],"note":"caf\u00e9","paid":true,"coupon":null}}`)
	if err := Check(text, Limits{}); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _ = Check(text, Limits{}) }); n > 0 {
		t.Errorf("%v allocations a check", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	text := []byte(`{"order_id":"5f2c1c1e-7a8d-4b7e-9d6a-2f8a1f0c9b11","customer":{"id":"c-1042","email":"ada@example.com"},"lines":[{"sku":"A-1","quantity":2,"price":1999},{"sku":"B-7","quantity":1,"price":450}],"total":4448,"currency":"EUR","placed_at":"2026-03-01T10:15:00Z"}`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(text, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
