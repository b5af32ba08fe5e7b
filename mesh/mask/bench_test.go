package mask

import "testing"

// What each technique costs for one value, in a field compiled once: the table
// in ARCHITECTURE.md is made from it.
func BenchmarkTechniques(b *testing.B) {
	scrubbing := tokens()
	scrubbing.Classes["text"] = Rule{Technique: Scrub}
	for _, bench := range []struct {
		name  string
		m     *Masker
		class Class
		v     Value
		s     *Shape
	}{
		{"token/email", masker(b, tokens()), Email, str("ada.lovelace@example.org"), nil},
		{"token/login", masker(b, tokens()), Login, str("octocat"), nil},
		{"token/person-name", masker(b, tokens()), PersonName, str("Ada Lovelace"), nil},
		{"token/address", masker(b, tokens()), Address, str("12 Main Street, Springfield"), nil},
		{"token/phone", masker(b, tokens()), Phone, str("+49 30 901820"), nil},
		{"token/uuid", masker(b, tokens()), UUID, str("123e4567-e89b-12d3-a456-426614174000"), nil},
		{"token/url", masker(b, tokens()), URL, str("https://shop.example/u/4711"), nil},
		{"token/ip", masker(b, tokens()), IP, str("192.168.7.9"), nil},
		{"token/iban", masker(b, tokens()), Account, str("DE89370400440532013000"), nil},
		{"token/card", masker(b, tokens()), Account, str("4111 1111 1111 1111"), nil},
		{"token/id", masker(b, tokens()), ID, str("cus_0123456789"), nil},
		{"token/number", masker(b, tokens()), ID, num("4711"), nil},
		{"token/pattern", masker(b, tokens()), ID, str("cus_0123456789"), (&Shape{Patterns: []string{`^cus_[0-9a-z]{10}$`}}).Compile()},
		{"redact", withRule(b, Sensitive, Redact, Rule{}), Sensitive, str("anything"), nil},
		{"constant", withRule(b, Sensitive, Constant, Rule{Value: "unknown"}), Sensitive, str("anything"), nil},
		{"hash", withRule(b, ID, Hash, Rule{}), ID, str("cus_0123456789"), nil},
		{"fpe/16 digits", withRule(b, Account, FPE, Rule{}), Account, str("4111 1111 1111 1111"), nil},
		{"fpe/number", withRule(b, ID, FPE, Rule{}), ID, num("12345678"), nil},
		{"encrypt", withRule(b, Email, Encrypt, Rule{}), Email, str("ada.lovelace@example.org"), nil},
		{"synthetic/person-name", withRule(b, PersonName, Synthetic, Rule{}), PersonName, str("Ada Lovelace"), nil},
		{"date-shift", withRule(b, Date, DateShift, Rule{Days: 30, By: ID}), Date, str("1990-05-17"), nil},
		{"truncate/month", withRule(b, Date, Truncate, Rule{To: "month"}), Date, str("1990-05-17"), nil},
		{"bucket", withRule(b, Amount, Bucket, Rule{Size: "10"}), Amount, num("129.95"), nil},
		{"noise", withRule(b, Amount, Noise, Rule{Percent: "5"}), Amount, num("129.95"), nil},
		{"cel", withRule(b, Internal, CEL, Rule{Expression: `event.id == "x" ? value : token(value)`}), Internal, str("some value"), nil},
		{"scrub/100 B", masker(b, scrubbing), Text, str("Please write to ada@example.org or call +49 30 901820 about the order cus_0123456789, thank you! Ada"), nil},
	} {
		b.Run(bench.name, func(b *testing.B) {
			f := bench.m.Field(bench.class, bench.s, false, bench.v.Kind)
			e := subject("cus_0123456789")
			e.Add(PersonName, "Ada Lovelace")
			text := []byte(bench.v.Text)
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = f.Append(dst[:0], bench.v.Kind, text, e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A value's masking would begin to allocate, and the quick engine slow down.
func TestTokensDontAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has pools lose what is put into them")
	}
	m := masker(t, tokens())
	dst := make([]byte, 0, 256)
	for class, value := range map[Class]string{
		Email: "Ada@example.org", Login: "octocat", PersonName: "Ada Lovelace", ID: "cus_0123456789", Name: "Hello-World", Location: "Berlin", Address: "1 Main Street",
	} {
		f, text := m.Field(class, nil, false, String), []byte(value)
		if n := testing.AllocsPerRun(200, func() {
			if _, err := f.Append(dst, String, text, nil); err != nil {
				t.Fatal(err)
			}
		}); n > 0.5 { // a garbage collection may empty a pool
			t.Errorf("%s: %.1f allocations", class, n)
		}
	}
}
