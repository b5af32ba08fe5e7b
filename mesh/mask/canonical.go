package mask

import (
	"bytes"
	"math/big"
	"net/netip"
	"net/url"
	"strconv"
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
		return string(appendPhone(nil, []byte(text)))
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
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		n, err := strconv.Atoi(text[i+1:])
		if err != nil {
			return text // an exponent of twenty digits is written in one way
		}
		mantissa, exponent = text[:i], n
	}
	digits, exponent := significant(mantissa, exponent)
	shortest := digits + "e" + strconv.Itoa(exponent)
	// Written out, a number of a few bytes may have millions of digits.
	if len(digits) > maxPlain || exponent > maxPlain || exponent < -maxPlain {
		return shortest
	}
	r, ok := new(big.Rat).SetString(shortest)
	if !ok {
		return text
	}
	return r.RatString()
}

// maxPlain bounds the digits, and the exponent, of numbers that are written out.
const maxPlain = 400

// significant are a number's digits from the first to the last that isn't 0,
// with its sign, and the exponent that belongs to them.
func significant(mantissa string, exponent int) (string, int) {
	sign := ""
	if rest, negative := strings.CutPrefix(mantissa, "-"); negative {
		sign, mantissa = "-", rest
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	shortest := strings.TrimRight(digits, "0")
	if shortest == "" {
		return "0", 0
	}
	return sign + shortest, exponent - len(fraction) + len(digits) - len(shortest)
}

// appendPhone keeps the digits, and the plus with which a number in
// international form begins; 00 means the same.
func appendPhone(dst, text []byte) []byte {
	start := len(dst)
	dst = append(dst, '+')
	for _, c := range text {
		if c >= '0' && c <= '9' {
			dst = append(dst, c)
		}
	}
	digits := dst[start+1:]
	switch {
	case len(text) > 0 && text[0] == '+':
		return dst
	case bytes.HasPrefix(digits, []byte("00")):
		return append(dst[:start+1], digits[2:]...)
	}
	return append(dst[:start], digits...)
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
