package mask

import (
	"bytes"
	"encoding/hex"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/mask/automaton"
)

// Form is what a token looks like.
type Form string

// The forms. A token has the number of bits given here, unless the schema
// leaves it less room.
const (
	Opaque         Form = "opaque"      // 26 letters and digits (128 bits)
	FormID         Form = "id"          // a whole number for a whole number: the token of the number as such (53 bits); else opaque
	FormAmount     Form = "amount"      // the same for a whole number; for one with a fraction another with as many places (36 bits and more); else opaque
	FormEmail      Form = "email"       // an address under example.com, .org or .net (80 bits)
	FormURL        Form = "url"         // an https URL under example.com, .org or .net (80 bits)
	FormLogin      Form = "login"       // user- and 16 letters and digits (80 bits)
	FormName       Form = "name"        // name- and 16 letters and digits (80 bits)
	FormPersonName Form = "person-name" // two pronounceable words (64 bits)
	FormPhone      Form = "phone"       // the value's country code, 000 and 9 digits (29 bits), else +999 and 11 digits (36 bits)
	FormUUID       Form = "uuid"        // a UUID of version 8 (122 bits)
	FormIP         Form = "ip"          // 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 (9 bits), 2001:db8::/32 (96 bits)
	FormAddress    Form = "address"     // a number and a pronounceable street (42 bits)
	FormCity       Form = "city"        // a pronounceable word (32 bits)
	FormIBAN       Form = "iban"        // an IBAN with valid check digits that no bank can issue (36 bits and more)
	FormCard       Form = "card"        // a card number with a valid check digit that nobody can issue (23 to 49 bits)
	FormAccount    Form = "account"     // an IBAN for an IBAN, a card number for a card number, else opaque
	FormDate       Form = "date"        // a day between 1970 and 2069 (15 bits)
	FormDateTime   Form = "date-time"   // a second of such a day, in UTC (31 bits)
	FormMoment     Form = "moment"      // a day for a day, written as YYYY-MM-DD or DD.MM.YYYY (15 bits); else date-time
	FormHex        Form = "hex"         // 32 hexadecimal digits (128 bits)
	FormHostname   Form = "hostname"    // a host under example.com, .org or .net (80 bits)
	FormTime       Form = "time"        // a time of day in UTC (16 bits)
)

// formWriter appends a token in one form, made out of keyed bits, to dst. text
// is the value that it stands for, of which only what the form's description
// names may count: an address's family, a number's country, an account's kind.
type formWriter func(dst []byte, bits *bitStream, text []byte) []byte

// form is how tokens are written, and what can be said of all of them.
type form struct {
	write formWriter
	// min and max bound a token's length, and language matches each of them whole;
	// it is nil where nothing is said.
	min, max int
	language func() *automaton.Pattern
}

func formOf(write formWriter) *form { return &form{write: write} }

// within is the form with what is said of its tokens.
func (f *form) within(least, most int, expression string) *form {
	return &form{f.write, least, most, sync.OnceValue(func() *automaton.Pattern {
		return automaton.New(regexp.MustCompile("^(?:" + expression + ")$"))
	})}
}

// What the tokens' languages are made of.
const (
	letterClass = `[0-9a-hjkmnp-tv-z]` // of alphabet
	hostClass   = `example\.(?:com|org|net)`
	wordClass   = `[BDFGHJKLMNPRSTVZ][aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz]{2}[aiou][bdfghjklmnprstvz][aiou][bdfghjklmnprstvz]`
	dayClass    = `(?:19[7-9][0-9]|20[0-6][0-9])-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])`
	ipv4Class   = `(?:192\.0\.2|198\.51\.100|203\.0\.113)\.[0-9]{1,3}`
	ipv6Class   = `2001:db8:[0-9a-f:]{1,30}`
	timeClass   = `(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z`
)

// forms write a token in each form. All of them write printable ASCII without
// quotes and backslashes, so that it is a JSON string's content as it stands.
var forms = map[Form]*form{
	Opaque:     formOf(func(dst []byte, b *bitStream, _ []byte) []byte { return b.letters(dst, 26) }).within(26, 26, letterClass+`{26}`),
	FormID:     formOf(writeID).within(1, 26, letterClass+`{26}|[1-9][0-9]{0,15}`),
	FormAmount: formOf(writeAmount).within(1, 26, letterClass+`{26}|[1-9][0-9]{0,15}(?:[.,][0-9]{1,4})?`),
	FormHex:    formOf(writeHex).within(32, 32, `[0-9a-f]{32}`),
	FormName: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return b.letters(append(dst, "name-"...), 16)
	}).within(21, 21, `name-`+letterClass+`{16}`),
	FormLogin: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return b.letters(append(dst, "user-"...), 16)
	}).within(21, 21, `user-`+letterClass+`{16}`),
	FormEmail: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return b.host(append(b.letters(dst, 16), '@'))
	}).within(28, 28, letterClass+`{16}@`+hostClass),
	FormURL: formOf(writeURL).within(36, 36, `https://`+hostClass+`/`+letterClass+`{16}`),
	FormHostname: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return b.host(append(b.letters(append(dst, 'h'), 16), '.'))
	}).within(29, 29, `h`+letterClass+`{16}\.`+hostClass),
	FormPersonName: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return b.word(append(b.word(dst), ' '))
	}).within(21, 21, wordClass+` `+wordClass),
	FormAddress: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		dst = strconv.AppendInt(dst, int64(1+b.below(998)), 10)
		return append(b.word(append(dst, ' ')), " Street"...)
	}).within(19, 21, `[1-9][0-9]{0,2} `+wordClass+` Street`),
	FormCity:    formOf(func(dst []byte, b *bitStream, _ []byte) []byte { return b.word(dst) }).within(10, 10, wordClass),
	FormPhone:   formOf(writePhone).within(14, 16, `\+[0-9]{13,15}`),
	FormIBAN:    formOf(writeIBAN),
	FormCard:    formOf(writeCard),
	FormAccount: formOf(writeAccount),
	FormUUID:    formOf(writeUUID).within(36, 36, `[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`),
	FormIP: formOf(func(dst []byte, b *bitStream, text []byte) []byte {
		if bytes.IndexByte(text, ':') >= 0 {
			if a, err := netip.ParseAddr(string(bytes.TrimSpace(text))); err == nil && a.Is6() && !a.Is4In6() {
				return writeIPv6(dst, b, nil)
			}
		}
		return writeIPv4(dst, b, nil)
	}).within(9, 39, ipv4Class+`|`+ipv6Class),
	FormDate: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return b.time().AppendFormat(dst, time.DateOnly)
	}).within(10, 10, dayClass),
	FormDateTime: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return b.time().AppendFormat(dst, time.RFC3339)
	}).within(20, 20, dayClass+`T`+timeClass),
	FormMoment: formOf(writeMoment).within(10, 20, dayClass+`(?:T`+timeClass+`)?|[0-9]{2}\.[0-9]{2}\.[0-9]{4}`),
	FormTime: formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return b.time().AppendFormat(dst, "15:04:05Z07:00")
	}).within(9, 9, timeClass),
}

// formats are the forms that the formats of JSON Schema demand.
var formats = map[string]*form{
	"date-time": forms[FormDateTime],
	"date":      forms[FormDate],
	"time":      forms[FormTime],
	"duration": formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return append(strconv.AppendInt(append(dst, 'P'), int64(1+b.below(1<<30)), 10), 'D')
	}),
	"email":         forms[FormEmail],
	"idn-email":     forms[FormEmail],
	"hostname":      forms[FormHostname],
	"idn-hostname":  forms[FormHostname],
	"ipv4":          formOf(writeIPv4).within(9, 15, ipv4Class),
	"ip-address":    formOf(writeIPv4).within(9, 15, ipv4Class),
	"ipv6":          formOf(writeIPv6).within(10, 39, ipv6Class),
	"uri":           forms[FormURL],
	"iri":           forms[FormURL],
	"uri-reference": forms[FormURL],
	"uriref":        forms[FormURL],
	"iri-reference": forms[FormURL],
	"uri-template":  forms[FormURL],
	"uuid":          forms[FormUUID],
	"regex":         forms[Opaque],
	"json-pointer": formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return b.letters(append(dst, '/'), 26)
	}),
	"relative-json-pointer": formOf(func(dst []byte, b *bitStream, _ []byte) []byte {
		return b.letters(append(dst, "0/"...), 26)
	}),
}

// Known reports whether f is a form.
func (f Form) Known() bool { _, ok := forms[f]; return ok }

// Forms lists the forms, sorted.
func Forms() []Form { return slices.Sorted(maps.Keys(forms)) }

// writeID writes a number's token for what is one written as a string, so that both
// join.
func writeID(dst []byte, b *bitStream, text []byte) []byte {
	const longest = 15 // digits of a number that every program reads exactly
	if len(text) == 0 || len(text) > longest || text[0] == '0' && len(text) > 1 || !digits(text) {
		return b.letters(dst, 26)
	}
	return strconv.AppendInt(dst, 1+int64(b.uint64()%maxSafeInteger), 10)
}

// writeAmount writes a number with as many places for one that is written as a string,
// so that whoever reads it finds one.
func writeAmount(dst []byte, b *bitStream, text []byte) []byte {
	const most = 4 // places
	point := bytes.IndexAny(text, ".,")
	if point < 0 {
		return writeID(dst, b, bytes.TrimPrefix(text, []byte("-")))
	}
	whole, places := bytes.TrimPrefix(text[:point], []byte("-")), text[point+1:]
	if len(whole) == 0 || len(whole) > maxFixedDigits || len(places) == 0 || len(places) > most || !digits(whole) || !digits(places) {
		return b.letters(dst, 26)
	}
	dst = append(strconv.AppendInt(dst, 1+int64(b.uint64()%maxAmount), 10), text[point])
	for range places {
		dst = append(dst, byte('0'+b.below(10)))
	}
	return dst
}

// maxAmount bounds the whole part of an amount's token, so that a double holds all of it.
const maxAmount = 1e11

func digits(text []byte) bool {
	return !slices.ContainsFunc(text, func(c byte) bool { return c < '0' || c > '9' })
}

// writeMoment writes a day for what is one, as it is written, and else a second.
func writeMoment(dst []byte, b *bitStream, text []byte) []byte {
	layout := time.RFC3339
	if len(text) == len(time.DateOnly) {
		switch {
		case digitsBut(text, 4, 7, '-'):
			layout = time.DateOnly
		case digitsBut(text, 2, 5, '.'):
			layout = "02.01.2006"
		}
	}
	return b.time().AppendFormat(dst, layout)
}

// digitsBut reports whether all of a text are digits, but for a separator at two places.
func digitsBut(text []byte, i, j int, separator byte) bool {
	for at, c := range text {
		if isSeparator := at == i || at == j; isSeparator && c != separator || !isSeparator && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func writeHex(dst []byte, b *bitStream, _ []byte) []byte {
	var p [16]byte
	b.fill(p[:])
	return hex.AppendEncode(dst, p[:])
}

func writeURL(dst []byte, b *bitStream, _ []byte) []byte {
	var path [16]byte
	b.letters(path[:0], 16)
	return append(append(b.host(append(dst, "https://"...)), '/'), path[:]...)
}

const hexDigits = "0123456789abcdef"

func writeUUID(dst []byte, b *bitStream, _ []byte) []byte {
	var u [16]byte
	b.fill(u[:])
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	var text [36]byte
	at := 0
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text[at] = '-'
			at++
		}
		text[at], text[at+1] = hexDigits[c>>4], hexDigits[c&15]
		at += 2
	}
	return append(dst, text[:]...)
}

func writeIPv4(dst []byte, b *bitStream, _ []byte) []byte {
	dst = append(dst, [...]string{"192.0.2.", "198.51.100.", "203.0.113."}[b.below(3)]...)
	return strconv.AppendInt(dst, int64(b.below(256)), 10)
}

func writeIPv6(dst []byte, b *bitStream, _ []byte) []byte {
	a := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	b.fill(a[4:])
	return netip.AddrFrom16(a).AppendTo(dst)
}
