package mesh

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"pgregory.net/rapid"
)

// pattern draws a subject pattern of the shape that filters have.
func pattern(t *rapid.T, label string) string {
	tokens := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "*"}), 1, 4).Draw(t, label)
	if rapid.Bool().Draw(t, label+" full") {
		tokens = append(tokens, ">")
	}
	return strings.Join(tokens, ".")
}

// Guards against filters that the server sees otherwise than we do: its own
// judgement is the oracle.
func TestOverlapAgreesWithServer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := pattern(t, "a"), pattern(t, "b")
		if got, want := overlap(a, b), server.SubjectsCollide(a, b); got != want {
			t.Fatalf("overlap(%q, %q) is %v, the server says %v", a, b, got, want)
		}
	})
}

// Guards against dropping a filter whose events no other one selects.
func TestCoversIsContainment(t *testing.T) {
	matches := func(filter, subject string) bool {
		f, s := strings.Split(filter, "."), strings.Split(subject, ".")
		for i, token := range f {
			if token == ">" {
				return i < len(s)
			}
			if i >= len(s) || token != "*" && token != s[i] {
				return false
			}
		}
		return len(f) == len(s)
	}
	rapid.Check(t, func(t *rapid.T) {
		wide, narrow := pattern(t, "wide"), pattern(t, "narrow")
		subject := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 6).Draw(t, "subject"), ".")
		if covers(wide, narrow) && matches(narrow, subject) && !matches(wide, subject) {
			t.Fatalf("%q is said to cover %q, but not %q", wide, narrow, subject)
		}
		if !covers(wide, wide) {
			t.Fatalf("%q does not cover itself", wide)
		}
	})
}

// Guards against selecting other events than the patterns say, or filters that
// JetStream refuses.
func TestStoredFiltersSelectWhatTypesSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "*"})
		types := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			p := "orders." + name.Draw(t, "entity")
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				return p
			case 1:
				return p + ".>"
			default:
				return p + "." + name.Draw(t, "action")
			}
		}), 1, 4).Draw(t, "types")
		filters, problems := storedFilters("orders", types)
		for i, f := range filters {
			for _, g := range filters[i+1:] {
				if len(problems) == 0 && server.SubjectsCollide(f, g) {
					t.Fatalf("%q: filters %q and %q overlap", types, f, g)
				}
			}
		}
		rest := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 4).Draw(t, "event")
		event := "orders." + strings.Join(rest, ".")
		want, got := false, false
		for _, p := range types {
			// Key tokens follow an action: an event of four tokens has the type of its first three.
			eventType := "orders." + strings.Join(rest[:min(len(rest), 2)], ".")
			want = want || p == eventType || covers(p, eventType)
		}
		for _, f := range filters {
			got = got || covers(f, "evt.production."+event)
		}
		if want != got {
			t.Fatalf("%q: event %s is selected: %v, want %v, by %q", types, event, got, want, filters)
		}
	})
}

// Guards against an attribute that does not come back as it was sent, or that
// breaks a header.
func TestPercentEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		e := percentEncode(s)
		for i := range len(e) {
			if e[i] <= ' ' || e[i] > '~' {
				t.Fatalf("%q is encoded as %q", s, e)
			}
		}
		if d := percentDecode(e); d != s {
			t.Fatalf("%q comes back as %q", s, d)
		}
	})
	for in, want := range map[string]string{"50%": "50%", "a%zz": "a%zz", "%ff": "%ff", "a%20b": "a b"} {
		if got := percentDecode(in); got != want {
			t.Errorf("percentDecode(%q) = %q, want %q", in, got, want)
		}
	}
}

// Guards against waits that overflow, shrink, or exceed their bound.
func TestRetryWaits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Retry{
			Initial: time.Duration(rapid.Int64Range(1, 1<<40).Draw(t, "initial")),
			Max:     time.Duration(rapid.Int64Range(1, 1<<62).Draw(t, "max")),
		}
		last := r.bound(0)
		for attempts := range 100 {
			b := r.bound(attempts)
			if b > r.Max || b < min(last, r.Max) || b <= 0 {
				t.Fatalf("%+v: the bound after %d attempts is %v, before it was %v", r, attempts, b, last)
			}
			if w := r.wait(attempts); w < 0 || w >= b {
				t.Fatalf("wait %v, bound %v", w, b)
			}
			last = b
		}
	})
}

// Guards against passwords in logs and errors.
func TestRedacted(t *testing.T) {
	for in, want := range map[string]string{
		"nats://h:1":                   "nats://h:1",
		"nats://u:p@h:1,h2,tls://t@h3": "nats://xxxxx@h:1,h2,tls://xxxxx@h3",
		"u:p@w@h":                      "xxxxx@h",
		"nats://u:p@[::1":              "nats://xxxxx@[::1",
	} {
		if got := redacted(in); got != want {
			t.Errorf("redacted(%q) = %q, want %q", in, got, want)
		}
	}
}

// Guards against text that breaks a header or is cut inside a character.
func FuzzHeaderLine(f *testing.F) {
	f.Add("a\r\nb")
	f.Add(strings.Repeat("é", 600))
	f.Add("\xff\x00")
	f.Fuzz(func(t *testing.T, s string) {
		h := headerLine(s)
		if strings.ContainsAny(h, "\r\n\x00") || len(h) > maxErrorHeader+len("…") || strings.ToValidUTF8(h, "") != h {
			t.Errorf("headerLine(%q) = %q", s, h)
		}
	})
}
