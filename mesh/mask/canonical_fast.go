package mask

import (
	"bytes"
	"encoding/binary"
	"unicode"
	"unicode/utf8"
)

// What most values are is brought to its canonical form without allocating:
// canonical says what that is, and has the rest.

// appendCanonical appends canonical(class, …) to dst.
func appendCanonical(dst []byte, class Class, kind Kind, text []byte) []byte {
	var out []byte
	ok := false
	switch {
	case kind == Number:
		out, ok = appendNumeric(dst, text)
	case class == Email || class == Login:
		out, ok = appendFolded(dst, trimmed(text), false)
	case class == PersonName || class == Address || class == Name || class == Location:
		out, ok = appendFolded(dst, trimmed(text), true)
	case class == UUID:
		if plainUUID(text) {
			return append(dst, text...)
		}
	case class == Phone:
		return appendPhone(dst, trimmed(text))
	case class == URL:
		out, ok = appendURL(dst, trimmed(text))
	case class == Account:
		out, ok = appendAccount(dst, trimmed(text))
	case class == IP:
		if text := trimmed(text); plainIPv4(text) {
			return append(dst, text...)
		}
	default:
		return append(dst, text...)
	}
	if ok {
		return out
	}
	return append(dst, canonical(class, Value{Kind: kind, Text: string(text)})...)
}

// trimmed is bytes.TrimSpace, and quick where there is none to trim.
func trimmed(text []byte) []byte {
	if n := len(text); n > 0 && text[0]-'!' <= '~'-'!' && text[n-1]-'!' <= '~'-'!' {
		return text
	}
	return bytes.TrimSpace(text)
}

// appendNumeric does what has no exponent and few digits.
func appendNumeric(dst, text []byte) ([]byte, bool) {
	if !bytes.ContainsAny(text, ".eE") && string(text) != "-0" {
		return append(dst, text...), true
	}
	n, ok := parseFixed(text)
	if !ok {
		return dst, false
	}
	return n.appendRat(dst), true
}

// appendFolded does all UTF-8: in lower case, and with one space between words
// if asked for. text neither begins nor ends with space.
func appendFolded(dst, text []byte, words bool) ([]byte, bool) {
	start, i := len(dst), 0
	dst = append(dst, text...)
	out := dst[start:] // most of it is done in place
	for ; i+8 <= len(out); i += 8 {
		low, ok := foldEight(binary.LittleEndian.Uint64(out[i:]))
		if !ok || words && i > 0 && out[i] == ' ' && out[i-1] == ' ' {
			break
		}
		binary.LittleEndian.PutUint64(out[i:], low)
	}
	for ; i < len(out); i++ {
		c := folded[out[i]]
		if c == 0 || c == ' ' && words && i > 0 && out[i-1] == ' ' {
			break
		}
		out[i] = c
	}
	dst = dst[:start+i]
	for i < len(text) {
		c := text[i]
		if c < utf8.RuneSelf && c > ' ' {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return dst, false
		}
		i += size
		switch {
		case !words || !unicode.IsSpace(r):
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		case dst[len(dst)-1] != ' ': // there is one before: text begins with no space
			dst = append(dst, ' ')
		}
	}
	return dst, true
}

// foldEight is eight characters in lower case; false if one of them is not printable
// ASCII, or two that follow one another are spaces.
func foldEight(w uint64) (low uint64, ok bool) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	if w&highs != 0 {
		return 0, false
	}
	// All bytes are below 0x80, so that nothing carries into the next one: a byte's
	// highest bit says whether the sum has come so far.
	notSpace := (w ^ ones*' ') + ones*0x7f
	spaces := ^notSpace & highs
	printable := (w + ones*(0x80-' ')) & highs
	upper := (w + ones*(0x80-'A')) &^ (w + ones*(0x80-'Z'-1)) & highs
	return w | upper>>2, printable == highs && spaces&(spaces<<8) == 0
}

// folded are the characters from space on, of ASCII, in lower case.
var folded = func() (t [256]byte) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = byte(unicode.ToLower(c))
	}
	return t
}()

// plainUUID reports whether text is a UUID's 36 characters in lower case, or
// looks like one.
func plainUUID(text []byte) bool {
	if len(text) != 36 {
		return false
	}
	var other uint8
	for _, c := range text {
		other |= notUUID[c]
	}
	return other == 0
}

// plainIPv4 reports whether text is four numbers up to 255 without leading zeros,
// between dots.
func plainIPv4(text []byte) bool {
	groups, digits, n := 1, 0, 0
	for _, c := range text {
		switch {
		case c-'0' <= 9 && (digits == 0 || n > 0): // no number goes on behind a leading 0
			digits++
			if n = n*10 + int(c-'0'); n > 255 {
				return false
			}
		case c == '.' && digits > 0:
			groups, digits, n = groups+1, 0, 0
		default:
			return false
		}
	}
	return groups == 4 && digits > 0
}

// notUUID are 1 for all but a UUID's characters in lower case.
var notUUID = func() (t [256]uint8) {
	for c := range t {
		t[c] = 1
	}
	for _, c := range "0123456789abcdef-" {
		t[c] = 0
	}
	return t
}()

// appendURL does scheme://host[:port] with whatever follows, as long as that
// has nothing that package url may object to: escapes, control characters.
func appendURL(dst, text []byte) ([]byte, bool) {
	i := 0
	for i < len(text) && (text[i]|0x20-'a' < 26 || i > 0 && (text[i]-'0' <= 9 || text[i] == '+' || text[i] == '-' || text[i] == '.')) {
		i++
	}
	if i == 0 || !bytes.HasPrefix(text[i:], []byte("://")) {
		return dst, false
	}
	first := i + 3
	for i = first; i < len(text) && (text[i]|0x20-'a' < 26 || text[i]-'0' <= 9 || text[i] == '-' || text[i] == '.'); {
		i++
	}
	if i == first {
		return dst, false
	}
	if i < len(text) && text[i] == ':' {
		for i++; i < len(text) && text[i]-'0' <= 9; {
			i++
		}
	}
	if i < len(text) && text[i] != '/' && text[i] != '?' && text[i] != '#' {
		return dst, false
	}
	for _, c := range text[i:] {
		if c < ' ' || c == 0x7f || c == '%' {
			return dst, false
		}
	}
	for _, c := range text[:i] {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return append(dst, text[i:]...), true
}

// appendAccount does ASCII: in upper case, and without separators.
func appendAccount(dst, text []byte) ([]byte, bool) {
	for _, c := range text {
		switch {
		case c >= utf8.RuneSelf:
			return dst, false
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		case c == ' ' || c == '-' || c == '.':
			continue
		}
		dst = append(dst, c)
	}
	return dst, true
}
