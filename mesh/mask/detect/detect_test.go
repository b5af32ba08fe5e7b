package detect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/cputest"
)

// Identifiers would be missed, or found where there are none, and everything
// after them with them.
func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"write to ada.l+x@mail.example.org, please":        "email:ada.l+x@mail.example.org",
		"jörg@exämple.de!":                                 "email:jörg@exämple.de",
		"call +49 (30) 901820-0.":                          "phone:+49 (30) 901820-0",
		"0049 30 901820":                                   "phone:0049 30 901820",
		"(030) 901820":                                     "phone:(030) 901820",
		"call 415-555-0132 now":                            "phone:415-555-0132",
		"+999 12345678":                                    "",
		"IBAN DE89 3704 0044 0532 0130 00 thanks":          "account:DE89 3704 0044 0532 0130 00",
		"gb29nwbk60161331926819":                           "account:gb29nwbk60161331926819",
		"DE88370400440532013000":                           "",
		"card 4111-1111-1111-1111":                         "account:4111-1111-1111-1111",
		"4111111111111112":                                 "",
		"order 0000000000000000":                           "",
		"from 192.168.7.9 and [2001:db8::1]:80":            "ip:192.168.7.9 ip:2001:db8::1",
		"version 1.2.3.4.5, at 12:30:45, a::b":             "ip:a::b",
		"999.1.1.1":                                        "",
		"see (https://shop.example/u?x=a@b.example), ok":   "url:https://shop.example/u?x=a@b.example",
		"www.example.org.":                                 "url:www.example.org",
		"id 123E4567-e89b-12d3-a456-426614174000":          "uuid:123E4567-e89b-12d3-a456-426614174000",
		"born 1990-05-17 or 17.05.1990, not 1990-13-01":    "date:1990-05-17 date:17.05.1990",
		"nothing at all":                                   "",
		"":                                                 "",
		"a@b, @user, 12:30, 3.50 EUR, 1,000 items, 12/24":  "",
		"commit 1a410efbd13591db07496601ebc7a059dd55cfe9.": "",
	} {
		var got []string
		for _, h := range Text(text) {
			got = append(got, string(h.Class)+":"+text[h.Start:h.End])
			if h.Confidence <= 0 || h.Confidence > 1 || !h.Class.Known() {
				t.Errorf("%q: %+v", text, h)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Some text would make detection panic, or hits overlap or lie outside it.
func TestAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9a-f:@. /+()-]{0,60}`)).Draw(t, "text")
		end := 0
		for _, h := range Text(text) {
			if h.Start < end || h.End <= h.Start || h.End > len(text) {
				t.Fatalf("%+v after %d", h, end)
			}
			end = h.End
		}
		for _, s := range Field(text, text, []string{text, text}) {
			if !s.Class.Known() || s.Confidence < leastConfidence || s.Confidence > 1 || len(s.Evidence) == 0 {
				t.Fatalf("%+v", s)
			}
		}
	})
}

func many(n int, sample func(i int) string) []string {
	samples := make([]string, n)
	for i := range samples {
		samples[i] = sample(i)
	}
	return samples
}

// The wrong class would be suggested, and a person who trusts it give data away.
func TestField(t *testing.T) {
	for _, test := range []struct {
		name, format string
		samples      []string
		want         mask.Class
		least        float64
	}{
		{"email", "", nil, mask.Email, 0.8},
		{"contact", "", many(20, func(i int) string { return fmt.Sprintf("user%d@example.org", i) }), mask.Email, 0.9},
		{"x", "ipv4", nil, mask.IP, 0.9},
		{"customerEmailAddress", "", nil, mask.Email, 0.7},
		{"first_name", "", []string{"Ada", "Grace"}, mask.PersonName, 0.8},
		{"html_url", "", []string{"https://example.org/a"}, mask.URL, 0.9},
		{"avatarURL", "", nil, mask.URL, 0.6},
		{"reference", "", []string{"DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"}, mask.Account, 0.9},
		{"admitted_at", "", []string{"2024-01-01T10:00:00Z"}, mask.Date, 0.9},
		{"status", "", many(40, func(i int) string { return []string{"open", "closed"}[i%2] }), mask.Internal, 0.7},
		{"ref", "", many(40, func(i int) string { return fmt.Sprintf("ord_%08d", i) }), mask.ID, 0.5},
		{"remark", "", many(5, func(i int) string { return "please ring twice at the door" }), mask.Text, 0.6},
		{"remark", "", []string{"call +49 30 901820", "none"}, mask.Text, 0.6},
		{"api_key", "", nil, mask.Secret, 0.9},
		{"maritalStatus", "", many(40, func(i int) string { return []string{"single", "married"}[i%2] }), mask.Sensitive, 0.7},
		{"order_status", "", many(40, func(i int) string { return []string{"open", "closed"}[i%2] }), mask.Internal, 0.6},
		{"wedding_status", "", nil, "", 0},
		{"type", "", many(40, func(i int) string { return []string{"private", "Núria (private)"}[i%2] }), "", 0},
		{"action", "", many(40, func(i int) string { return fmt.Sprintf("ban:ada%d", i) }), mask.ID, 0.5},
		{"status", "", many(40, func(i int) string { return []string{"open", "someone@mail.invalid"}[i%2] }), mask.Text, 0.6},
		{"version", "", many(40, func(i int) string { return fmt.Sprintf("1.%d.0", i) }), mask.Internal, 0.6},
		{"level", "", many(40, func(i int) string { return []string{"5000", "6000"}[i%2] }), "", 0},
		{"ref", "", many(40, func(i int) string { return fmt.Sprintf("ord_%08d", i%9) }), mask.ID, 0.4},
		{"value", "", many(40, func(i int) string { return []string{"someone@mail.invalid", "on Tuesday"}[i%2] }), mask.Text, 0.6},
		{"contact", "", many(40, func(i int) string { return []string{fmt.Sprintf("someone%d@mail.invalid", i), "Ada Lovelace"}[i%2] }), mask.Text, 0.6},
		{"ref", "", many(40, func(i int) string {
			return []string{"0191d2c4-7b1a-7c3e-9f00-0000000000aa", fmt.Sprintf("ord_%08d", i)}[i%2]
		}), mask.UUID, 0.3},
		{"ts", "", many(40, func(i int) string { return fmt.Sprintf("%d", 4_000_000_000_000_000+i*37_777) }), mask.ID, 0.5},
		{"frobnication", "", []string{"a", "b"}, "", 0},
	} {
		found := Field(test.name, test.format, test.samples)
		if test.want == "" {
			if len(found) > 0 {
				t.Errorf("%s: %+v", test.name, found)
			}
			continue
		}
		if len(found) == 0 || found[0].Class != test.want || found[0].Confidence < test.least {
			t.Errorf("%s: %+v, want %s with %.2f", test.name, found, test.want, test.least)
		}
		for _, s := range found {
			for _, evidence := range s.Evidence {
				for _, sample := range test.samples {
					if len(sample) > 3 && strings.Contains(evidence, sample) {
						t.Errorf("%s: a sample is shown: %s", test.name, evidence)
					}
				}
			}
		}
	}
	for name, h := range names {
		if !h.class.Known() || h.confidence <= 0 || h.confidence >= 1 || name != strings.Join(split(name), "") {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

func BenchmarkText(b *testing.B) {
	text := strings.Repeat("Please write to ada@example.org or call +49 30 901820 about the order from 2024-05-17, thank you. ", 10)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if len(Text(text)) != 30 {
			b.Fatal(len(Text(text)))
		}
	}
}

// Somebody's text would keep a route busy for minutes.
func TestTextTakesLinearTime(t *testing.T) {
	for _, unit := range []string{"a://", "a@", "1 ", "1.", "+1", "00", "a:", "www.", "(0", "DE89 ", "0-"} {
		text := strings.Repeat(unit, 20_000)
		began := cputest.Used()
		Text(text)
		if took := cputest.Used() - began; took > 10*time.Second {
			t.Errorf("%q repeated to %d bytes took %s", unit, len(text), took)
		}
	}
}
