package program

import (
	"testing"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// interesting are texts at the edges of formats.
var interesting = []string{
	"", "a", "2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "0000-02-29", "2024-13-01", "2024-00-01", "2024-04-31", "2024-01-00",
	"+024-01-01", "2024-1-01", "2024-01-1", "2024-01-011", "2024/01/01", "2o24-01-01",
	"2024-02-29T10:00:00Z", "2024-02-29t10:00:00z", "2024-02-29 10:00:00Z", "2024-02-29\x1410:00:00Z", "2024-02-29T10:00:00", "2024-02-29T10:00:00.Z",
	"2024-02-29T10:00:00.123+01:00", "2024-02-29T23:59:60Z", "2024-02-29T22:59:60Z", "2024-02-29T23:59:60+00:00", "2024-03-01T00:59:60+01:00",
	"10:00:00Z", "1:00:00Z", "24:00:00Z", "10:60:00Z", "10:00:61Z", "+1:-0:+9Z", "-1:00:00Z", "10:00:00+24:00", "10:00:00+00:60", "10:00:00.5", "10:00:00.",
	"23:59:60Z", "22:59:60-01:00", "00:59:60+01:00", "23:59:60-23:59", "10:00:00+1:00",
	"0b9bd1c5-3d0e-4a1c-8f6e-7c1d2e3f4a5b", "0B9BD1C5-3D0E-4A1C-8F6E-7C1D2E3F4A5B", "0b9bd1c5-3d0e-4a1c-8f6e-7c1d2e3f4a5g", "0b9bd1c53d0e4a1c8f6e7c1d2e3f4a5b",
	"localhost", "a.b", "a.b.", ".", "a..b", "-a.b", "a.-b", "a-.b", "a.b-", "a_b", "ä.b", "a.b..", "1.2",
	"a@b", "a@b.c", "a.b@c.d", ".a@b", "a.@b", "a..b@c", "a@b.", "\"a b\"@c.d", "a@[1.2.3.4]", "a@[IPv6:::1]", "a@[x]", "a b@c", "a@b@c", "@b", "a@", "a@-b", "ä@b.c", "<a@b>", "a (x) <a@b.c>", "a@1.2",
	"1.2.3.4", "01.2.3.4", "00.0.0.0", "+1.2.3.4", "-0.1.1.1", "256.1.1.1", "1.2.3", "1.2.3.4.5", "1.2.3.", "1..2.3", "1.2.3.4 ", "0.0.0.0", "1000.1.1.1",
	"::1", "::", "1::2::3", "fe80::1%eth0", "::ffff:1.2.3.4", "12345::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", ":", "::1%", "%::1",
	"https://a.b/c", "https://a.b:80/c?d=e#f", "https://a.b:x/c", "https://a:b@c/d", "https://[::1]/a", "https://[::1/a", "https://::1/a", "http://a/%zz", "http://a/%41", "http://a?%zz", "http://a#%zz",
	"http:///a", "http://", "http:", "mailto:a@b", "//a/b", "/a", "a b", "http://a b/", "http://a/b c", "1http://a", "h+t.p-1://a", "http://a/{b}", "http://a/b\\c", "\\\\a", "http://ä/ö", "http://a_b/c", "http://a/\x7f", "a:b:c", ":a", "?", "#", "http://a:/b", "http://a#b#c", "http://a%41/b", "http://a?b?c#d?e",
}

func checkFormats(t *testing.T, text string) {
	t.Helper()
	for name, format := range formats {
		if name == "uri-template" {
			continue
		}
		if got, want := format.check([]byte(text)), v5.Formats[name](text); got != want {
			t.Errorf("%q as %s: %t, v5 says %t", text, name, got, want)
		}
	}
}

// A format could accept what the reference validator refuses, or the other way.
func TestFormats(t *testing.T) {
	for _, text := range interesting {
		checkFormats(t, text)
		// Every text that is one byte off.
		for i := range text {
			checkFormats(t, text[:i]+text[i+1:])
			for _, c := range []byte("0129aZ-+.:@%/ [{\x14\xc3\"\\") {
				checkFormats(t, text[:i]+string(rune(c))+text[i+1:])
				checkFormats(t, text[:i]+string(rune(c))+text[i:])
			}
		}
	}
}

func FuzzFormats(f *testing.F) {
	for _, text := range interesting {
		f.Add(text)
	}
	f.Fuzz(checkFormats)
}
