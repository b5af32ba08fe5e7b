package sample

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// formats are texts by format.
var formats = map[string][]string{
	"date-time": {"2024-05-06T07:08:09Z"}, "date": {"2024-05-06"}, "time": {"07:08:09Z"}, "duration": {"P1D"},
	"email": {"ada@example.com"}, "idn-email": {"ada@example.com"}, "hostname": {"www.example.com"}, "idn-hostname": {"www.example.com"},
	"ipv4": {"192.0.2.1"}, "ip-address": {"192.0.2.1"}, "ipv6": {"2001:db8::1"}, "uri": {"https://example.com/a"}, "iri": {"https://example.com/a"},
	"uri-reference": {"/a/b"}, "iri-reference": {"/a/b"}, "uriref": {"/a/b"}, "uri-template": {"https://example.com/{id}"},
	"uuid": {"0b9bd1c5-3d0e-4a1c-8f6e-7c1d2e3f4a5b"}, "json-pointer": {"/a/b"}, "relative-json-pointer": {"1/a"}, "regex": {"^[a-z]+$"},
	"period": {"2024-05-06T07:08:09Z/P1D"},
}

// names are texts by a word in the name of the property; the first that is in it
// counts, so longer words stand before shorter ones.
var names = []struct{ word, text string }{
	{"email", "ada@example.com"},
	{"mail", "ada@example.com"},
	{"first_name", "Ada"},
	{"given_name", "Ada"},
	{"last_name", "Lovelace"},
	{"family_name", "Lovelace"},
	{"surname", "Lovelace"},
	{"username", "ada"},
	{"login", "ada"},
	{"full_name", "Ada Lovelace"},
	{"phone", "+442079460000"},
	{"mobile", "+442079460000"},
	{"street", "1 Example Street"},
	{"city", "London"},
	{"town", "London"},
	{"postal", "EC1A 1BB"},
	{"postcode", "EC1A 1BB"},
	{"zip", "10115"},
	{"country", "GB"},
	{"currency", "EUR"},
	{"language", "en"},
	{"locale", "en-GB"},
	{"url", "https://example.com/a"},
	{"href", "https://example.com/a"},
	{"_at", "2024-05-06T07:08:09Z"},
	{"timestamp", "2024-05-06T07:08:09Z"},
	{"date", "2024-05-06"},
	{"iban", "GB82WEST12345698765432"},
	{"card", "4111111111111111"},
	{"sha", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
	{"uuid", "0b9bd1c5-3d0e-4a1c-8f6e-7c1d2e3f4a5b"},
	{"color", "00ff00"},
	{"version", "1.0.0"},
	{"branch", "main"},
	{"description", "A sample"},
	{"title", "A sample"},
	{"comment", "A comment"},
	{"message", "A message"},
	{"reason", "A reason"},
	{"note", "A note"},
	{"name", "Ada Lovelace"},
}

// texts are strings to try, the most telling first.
func (m *maker) texts(all []*v5.Schema, name string) []string {
	var out []string
	low, high := 0, -1
	for _, s := range all {
		if s.Format != "" {
			out = append(out, formats[s.Format]...)
		}
		low = max(low, s.MinLength)
		if s.MaxLength >= 0 && (high < 0 || s.MaxLength < high) {
			high = s.MaxLength
		}
	}
	lower := strings.ToLower(name)
	for _, n := range names {
		if strings.Contains(lower, n.word) {
			out = append(out, n.text)
			break
		}
	}
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, name)
	if plain == "" {
		plain = "text"
	}
	out = append(out, plain, "A", "a", "1", "text", "abc", "ABC", "AB-1", "a1", "")
	const longest = 1 << 16
	for i, text := range out {
		runes := []rune(text)
		if n := len(runes); n < low && low <= longest {
			out[i] = text + strings.Repeat("x", low-n)
		} else if high >= 0 && n > high {
			out[i] = string(runes[:high])
		}
	}
	return out
}

// numbers are numbers to try, the most telling first.
func (m *maker) numbers(all []*v5.Schema, name string, whole bool) []json.Number {
	m.made++
	var out []json.Number
	lower := strings.ToLower(name)
	switch {
	case lower == "id" || strings.HasSuffix(lower, "_id") || strings.HasSuffix(name, "Id"):
		out = append(out, integer(int64(1000+m.made)))
	case strings.Contains(lower, "price") || strings.Contains(lower, "amount") || strings.Contains(lower, "total"):
		if !whole {
			out = append(out, "19.95")
		}
		out = append(out, "1995")
	case strings.Contains(lower, "year"):
		out = append(out, "2024")
	case strings.Contains(lower, "port"):
		out = append(out, "8080")
	}
	out = append(out, "1", "2", "10", "0", "100", "0.5", "-1")
	// Around each bound, and at the multiples nearest to it.
	one := big.NewRat(1, 1)
	step := one
	for _, s := range all {
		if s.MultipleOf != nil && s.MultipleOf.Sign() > 0 {
			step = s.MultipleOf
			out = append(out, decimals(step, new(big.Rat).Add(step, step))...)
		}
	}
	for _, s := range all {
		for _, bound := range []*big.Rat{s.Minimum, s.ExclusiveMinimum, s.Maximum, s.ExclusiveMaximum} {
			if bound == nil {
				continue
			}
			steps := new(big.Rat).Quo(bound, step)
			below := new(big.Rat).SetInt(new(big.Int).Div(steps.Num(), steps.Denom()))
			for _, n := range []int64{0, 1, -1, 2} {
				at := new(big.Rat).Mul(new(big.Rat).Add(below, big.NewRat(n, 1)), step)
				out = append(out, decimals(at)...)
			}
			out = append(out, decimals(bound, new(big.Rat).Add(bound, big.NewRat(1, 2)), new(big.Rat).Sub(bound, big.NewRat(1, 2)))...)
		}
	}
	var low, high *big.Rat
	for _, s := range all {
		for _, b := range []*big.Rat{s.Minimum, s.ExclusiveMinimum} {
			if b != nil && (low == nil || b.Cmp(low) > 0) {
				low = b
			}
		}
		for _, b := range []*big.Rat{s.Maximum, s.ExclusiveMaximum} {
			if b != nil && (high == nil || b.Cmp(high) < 0) {
				high = b
			}
		}
	}
	if low != nil && high != nil {
		middle := new(big.Rat).Add(low, high)
		out = append(out, decimals(middle.Quo(middle, big.NewRat(2, 1)))...)
	}
	if whole {
		out = slices.DeleteFunc(out, func(n json.Number) bool { return strings.ContainsAny(string(n), ".eE") })
	}
	return slices.Compact(out)
}

// decimals writes numbers that have a short decimal form, and leaves out others.
func decimals(numbers ...*big.Rat) []json.Number {
	const digits = 300
	var out []json.Number
	for _, r := range numbers {
		if r.IsInt() {
			if text := r.Num().String(); len(text) <= digits {
				out = append(out, json.Number(text))
			}
			continue
		}
		if places, exact := r.FloatPrec(); exact && places <= digits && r.Num().BitLen() < 4*digits {
			out = append(out, json.Number(r.FloatString(places)))
		}
	}
	return out
}
