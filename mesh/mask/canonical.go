package mask

import (
	"math/big"
	"net/netip"
	"net/url"
	"strings"
)

// canonical is the form of a value that its token is made from, so that what
// people write in several ways has one token.
func canonical(class Class, v Value) string {
	if v.Kind == Number {
		return canonicalNumber(v.Text)
	}
	text := strings.TrimSpace(v.Text)
	switch class {
	case Email, Login:
		return strings.ToLower(text)
	case PersonName, Address, Name, Location:
		return strings.ToLower(strings.Join(strings.Fields(text), " "))
	case Phone:
		return canonicalPhone(text)
	case UUID:
		return strings.ToLower(strings.Trim(strings.TrimPrefix(strings.ToLower(text), "urn:uuid:"), "{}"))
	case IP:
		if a, err := netip.ParseAddr(text); err == nil {
			return a.Unmap().String()
		}
		return text
	case URL:
		return canonicalURL(text)
	case Account:
		return strings.ToUpper(strings.Map(dropSeparators, text))
	default:
		return v.Text // in what has no common form, every difference counts
	}
}

// canonicalNumber is the number's value: 1, 1.0 and 10e-1 are one number. What
// can't be read as a number (there is no such JSON) stands for itself.
func canonicalNumber(text string) string {
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" {
			return "0"
		}
		return text
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return text
	}
	return r.RatString()
}

// canonicalPhone keeps the digits, and the plus with which a number in
// international form begins; 00 means the same.
func canonicalPhone(text string) string {
	var digits strings.Builder
	for _, r := range text {
		if r >= '0' && r <= '9' {
			digits.WriteRune(r)
		}
	}
	d := digits.String()
	if strings.HasPrefix(text, "+") {
		return "+" + d
	}
	if rest, ok := strings.CutPrefix(d, "00"); ok {
		return "+" + rest
	}
	return d
}

// canonicalURL lowers the case of scheme and host, where case has no meaning.
func canonicalURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	user, host := "", rest[:end]
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		user, host = host[:i+1], host[i+1:]
	}
	return strings.ToLower(scheme) + "://" + user + strings.ToLower(host) + rest[end:]
}

func dropSeparators(r rune) rune {
	if r == ' ' || r == '-' || r == '.' {
		return -1
	}
	return r
}
