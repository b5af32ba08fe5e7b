package program

import (
	"net/netip"
	"unsafe"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// format is a format that strings are checked against.
type format struct {
	name  string
	check func([]byte) bool
}

// formats are the formats that are checked in place. Each says exactly what v5
// says: what is sure to be right is accepted (and some of what is sure to be
// wrong is refused) by looking at the bytes, and the rest is asked of v5. The
// other formats are left to v5 altogether.
var formats = func() map[string]*format {
	known := map[string]*format{}
	for name, check := range map[string]func([]byte) bool{
		"date-time":     isDateTime,
		"date":          isDate,
		"time":          isTime,
		"hostname":      isHostname,
		"email":         isEmail,
		"ip-address":    isIPv4,
		"ipv4":          isIPv4,
		"ipv6":          isIPv6,
		"uri":           isURI,
		"iri":           isURI,
		"uri-reference": isURIReference,
		"uriref":        isURIReference,
		"iri-reference": isURIReference,
		"uuid":          isUUID,
		"uri-template":  func([]byte) bool { return true }, // v5 refuses every template
	} {
		known[name] = &format{name, check}
	}
	return known
}()

// ask is v5's own verdict.
func ask(format string, text []byte) bool { return v5.Formats[format](string(text)) }

// isDate accepts yyyy-mm-dd of the Gregorian calendar.
func isDate(text []byte) bool {
	if len(text) != 10 || text[4] != '-' || text[7] != '-' {
		return false
	}
	var bad byte
	for _, i := range [...]int{0, 1, 2, 3, 5, 6, 8, 9} {
		if text[i]-'0' > 9 {
			bad = 1
		}
	}
	if bad != 0 {
		return false
	}
	two := func(i int) int { return int(text[i]-'0')*10 + int(text[i+1]-'0') }
	year, month, day := two(0)*100+two(2), two(5), two(8)
	if month < 1 || month > 12 || day < 1 {
		return false
	}
	if month == 2 && day == 29 {
		return year%4 == 0 && (year%100 != 0 || year%400 == 0)
	}
	return day <= int(daysIn[month])
}

var daysIn = [13]uint8{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// isDateTime accepts a date, T, and a time.
func isDateTime(text []byte) bool {
	if len(text) < 20 || text[10]|0x20 != 't' {
		return false
	}
	return isDate(text[:10]) && isTime(text[11:])
}

// isTime accepts hh:mm:ss[.f…](Z|±hh:mm).
func isTime(text []byte) bool {
	if len(text) < 9 || text[2] != ':' || text[5] != ':' {
		return false
	}
	hour, minute, second := twoDigits(text[0:], 23), twoDigits(text[3:], 59), twoDigits(text[6:], 60)
	if hour < 0 || minute < 0 || second < 0 {
		return false
	}
	i := 8
	if text[i] == '.' {
		i++
		first := i
		for i < len(text) && text[i]-'0' <= 9 {
			i++
		}
		if i == first || i == len(text) {
			return false
		}
	}
	minutes := hour*60 + minute
	if c := text[i]; c == 'Z' || c == 'z' {
		if len(text) != i+1 {
			return false
		}
	} else {
		if len(text) != i+6 || text[i+3] != ':' || c != '+' && c != '-' {
			return false
		}
		hours, rest := twoDigits(text[i+1:], 23), twoDigits(text[i+4:], 59)
		if hours < 0 || rest < 0 {
			return false
		}
		offset := hours*60 + rest
		if c == '+' {
			offset = -offset
		}
		if minutes += offset; minutes < 0 {
			minutes += 24 * 60
		}
	}
	// A leap second is the last one of a day of UTC.
	return second != 60 || minutes == 23*60+59
}

// twoDigits is the number that the first two bytes make, at most most; -1 if
// they make none. As v5 reads it, one digit may have a sign.
func twoDigits(text []byte, most int) int {
	tens, unit := text[0]-'0', text[1]-'0'
	if unit > 9 {
		return -1
	}
	n := int(unit)
	switch {
	case tens <= 9:
		n += int(tens) * 10
	case text[0] == '+':
	case text[0] == '-' && n == 0:
	default:
		return -1
	}
	if n > most {
		return -1
	}
	return n
}

// isUUID accepts 8-4-4-4-12 hexadecimal digits.
func isUUID(text []byte) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range text {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if traits[c]&hexDigit == 0 {
			return false
		}
	}
	return true
}

// isHostname accepts labels of letters, digits and hyphens between dots.
func isHostname(text []byte) bool {
	if n := len(text); n > 0 && text[n-1] == '.' {
		text = text[:n-1]
	}
	if len(text) == 0 || len(text) > 253 || text[0] == '-' {
		return false
	}
	label := 0
	for i, c := range text {
		switch {
		case traits[c]&inHost != 0:
			if label++; label > 63 {
				return false
			}
		case c == '.' && label > 0 && text[i-1] != '-':
			label = 0
		default:
			return false
		}
	}
	return label > 0 && text[len(text)-1] != '-'
}

// isEmail accepts plain addresses itself.
func isEmail(text []byte) bool {
	at := -1
	for i, c := range text {
		if c == '@' {
			at = i
			break
		}
		if traits[c]&inAtom == 0 && (c != '.' || i == 0 || text[i-1] == '.') {
			return ask("email", text)
		}
	}
	if at <= 0 || at > 64 || text[at-1] == '.' || len(text) > 254 || text[len(text)-1] == '.' || !isHostname(text[at+1:]) {
		return ask("email", text)
	}
	return true
}

// isIPv4 accepts four numbers up to 255, without leading zeros, itself.
func isIPv4(text []byte) bool {
	groups, digits, n := 1, 0, 0
	for _, c := range text {
		switch {
		case c-'0' <= 9 && digits < 3 && (digits == 0 || n > 0):
			digits++
			n = n*10 + int(c-'0')
		case c == '.' && digits > 0 && n <= 255:
			groups, digits, n = groups+1, 0, 0
		default:
			return ask("ipv4", text)
		}
	}
	return groups == 4 && digits > 0 && n <= 255 || ask("ipv4", text)
}

// isIPv6 accepts what package netip does, without a zone, if it has a colon.
func isIPv6(text []byte) bool {
	colon := false
	for _, c := range text {
		if c == '%' {
			return ask("ipv6", text)
		}
		colon = colon || c == ':'
	}
	if !colon {
		return false
	}
	// ParseAddr keeps nothing of a text that has no zone, but in its error,
	// which goes no further.
	_, err := netip.ParseAddr(unsafe.String(unsafe.SliceData(text), len(text))) //nolint:gosec // see above
	return err == nil
}

// isURI accepts scheme://host[:port][/…][?…][#…] of common characters itself.
func isURI(text []byte) bool { return plainURI(text) || ask("uri", text) }

// isURIReference accepts likewise what is a URI.
func isURIReference(text []byte) bool { return plainURI(text) || ask("uri-reference", text) }

func plainURI(text []byte) bool {
	i := 0
	for i < len(text) && text[i]|0x20 >= 'a' && text[i]|0x20 <= 'z' {
		i++
	}
	if i == 0 || len(text)-i < 4 || text[i] != ':' || text[i+1] != '/' || text[i+2] != '/' {
		return false
	}
	i += 3
	first := i
	for i < len(text) && traits[text[i]]&inDomain != 0 {
		i++
	}
	if i == first {
		return false
	}
	if i < len(text) && text[i] == ':' {
		i++
		for i < len(text) && text[i]-'0' <= 9 {
			i++
		}
	}
	if i < len(text) && text[i] != '/' && text[i] != '?' && text[i] != '#' {
		return false
	}
	for ; i < len(text); i++ {
		if c := text[i]; traits[c]&inPath == 0 {
			if c != '%' || len(text)-i < 3 || traits[text[i+1]]&traits[text[i+2]]&hexDigit == 0 {
				return false
			}
		}
	}
	return true
}

// traits tell what a byte may stand in.
var traits = func() (t [256]uint8) {
	set := func(chars string, trait uint8) {
		for _, c := range []byte(chars) {
			t[c] |= trait
		}
	}
	const digits, letters = "0123456789", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	set(digits+"abcdefABCDEF", hexDigit)
	set(digits+letters+"-", inHost)
	set(digits+letters+"!#$%&'*+-/=?^_`{|}~", inAtom)
	set(digits+letters+"-.", inDomain)
	set(digits+letters+"-._~!$&'()*+,;=:@/?#{}", inPath)
	return t
}()

const (
	hexDigit uint8 = 1 << iota
	inHost         // a label of a host name
	inAtom         // an atom of an address
	inDomain       // a host name
	inPath         // the path, query or fragment of a URI
)
