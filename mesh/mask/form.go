package mask

import (
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Form is what a token looks like.
type Form string

// The forms. A token has the number of bits given here, unless the schema
// leaves it less room.
const (
	Opaque         Form = "opaque"      // 26 letters and digits (128 bits)
	FormEmail      Form = "email"       // an address under example.com, .org or .net (80 bits)
	FormURL        Form = "url"         // an https URL under example.com, .org or .net (80 bits)
	FormLogin      Form = "login"       // user- and 16 letters and digits (80 bits)
	FormName       Form = "name"        // name- and 16 letters and digits (80 bits)
	FormPersonName Form = "person-name" // two pronounceable words (64 bits)
	FormPhone      Form = "phone"       // +999 and 11 digits: a country code that nobody has (36 bits)
	FormUUID       Form = "uuid"        // a UUID of version 8 (122 bits)
	FormIP         Form = "ip"          // 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 (9 bits), 2001:db8::/32 (96 bits)
	FormAddress    Form = "address"     // a number and a pronounceable street (42 bits)
	FormDate       Form = "date"        // a day between 1970 and 2069 (15 bits)
	FormDateTime   Form = "date-time"   // a second of such a day, in UTC (31 bits)
	FormHex        Form = "hex"         // 32 hexadecimal digits (128 bits)
	FormHostname   Form = "hostname"    // a host under example.com, .org or .net (80 bits)
	FormTime       Form = "time"        // a time of day in UTC (16 bits)
)

// forms write a token in each form out of keyed bits. v is the value that it
// stands for, of which only an address's family counts.
var forms = map[Form]func(bits *bitStream, v Value) string{
	Opaque:   func(b *bitStream, _ Value) string { return b.letters(26) },
	FormHex:  func(b *bitStream, _ Value) string { return hex.EncodeToString(b.bytes(16)) },
	FormName: func(b *bitStream, _ Value) string { return "name-" + b.letters(16) },
	FormLogin: func(b *bitStream, _ Value) string {
		return "user-" + b.letters(16)
	},
	FormEmail: func(b *bitStream, _ Value) string {
		local := b.letters(16)
		return local + "@" + b.host()
	},
	FormURL: func(b *bitStream, _ Value) string {
		path := b.letters(16)
		return "https://" + b.host() + "/" + path
	},
	FormHostname: func(b *bitStream, _ Value) string {
		label := b.letters(16)
		return "h" + label + "." + b.host()
	},
	FormPersonName: func(b *bitStream, _ Value) string { return b.word(2) + " " + b.word(2) },
	FormAddress: func(b *bitStream, _ Value) string {
		return fmt.Sprintf("%d %s Street", 1+b.below(998), b.word(2))
	},
	FormPhone: func(b *bitStream, _ Value) string {
		return fmt.Sprintf("+999%011d", b.uint64()%100_000_000_000)
	},
	FormUUID: func(b *bitStream, _ Value) string {
		u := b.bytes(16)
		u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
		var room [36]byte
		out := hex.AppendEncode(room[:0], u[:4])
		for i := 4; i < 10; i += 2 {
			out = hex.AppendEncode(append(out, '-'), u[i:i+2])
		}
		return string(hex.AppendEncode(append(out, '-'), u[10:]))
	},
	FormIP: func(b *bitStream, v Value) string {
		if a, err := netip.ParseAddr(v.Text); err == nil && a.Is6() && !a.Is4In6() {
			return ipv6(b)
		}
		return ipv4(b)
	},
	FormDate: func(b *bitStream, _ Value) string { return b.time().Format(time.DateOnly) },
	FormDateTime: func(b *bitStream, _ Value) string {
		return b.time().Format(time.RFC3339)
	},
	FormTime: func(b *bitStream, _ Value) string { return b.time().Format("15:04:05Z07:00") },
}

// formats are the values that the formats of JSON Schema demand.
var formats = map[string]func(bits *bitStream, v Value) string{
	"date-time":             forms[FormDateTime],
	"date":                  forms[FormDate],
	"time":                  forms[FormTime],
	"duration":              func(b *bitStream, _ Value) string { return fmt.Sprintf("P%dD", 1+b.below(1<<30)) },
	"email":                 forms[FormEmail],
	"idn-email":             forms[FormEmail],
	"hostname":              forms[FormHostname],
	"idn-hostname":          forms[FormHostname],
	"ipv4":                  func(b *bitStream, _ Value) string { return ipv4(b) },
	"ip-address":            func(b *bitStream, _ Value) string { return ipv4(b) },
	"ipv6":                  func(b *bitStream, _ Value) string { return ipv6(b) },
	"uri":                   forms[FormURL],
	"iri":                   forms[FormURL],
	"uri-reference":         forms[FormURL],
	"uriref":                forms[FormURL],
	"iri-reference":         forms[FormURL],
	"uri-template":          forms[FormURL],
	"uuid":                  forms[FormUUID],
	"regex":                 func(b *bitStream, _ Value) string { return b.letters(26) },
	"json-pointer":          func(b *bitStream, _ Value) string { return "/" + b.letters(26) },
	"relative-json-pointer": func(b *bitStream, _ Value) string { return "0/" + b.letters(26) },
}

// Known reports whether f is a form.
func (f Form) Known() bool { _, ok := forms[f]; return ok }

// Forms lists the forms, sorted.
func Forms() []Form { return slices.Sorted(maps.Keys(forms)) }

func ipv4(b *bitStream) string {
	nets := [...]string{"192.0.2.", "198.51.100.", "203.0.113."}
	return fmt.Sprintf("%s%d", nets[b.below(len(nets))], b.below(256))
}

func ipv6(b *bitStream) string {
	a := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	copy(a[4:], b.bytes(12))
	return netip.AddrFrom16(a).String()
}

// alphabet is base32 without letters that are easily taken for digits.
var alphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// letters are n letters and digits of 5 bits each.
func (b *bitStream) letters(n int) string {
	var room [64]byte
	return string(alphabet.AppendEncode(room[:0], b.bytes((n*5+7)/8))[:n])
}

func (b *bitStream) host() string {
	return [...]string{"example.com", "example.org", "example.net"}[b.below(3)]
}

// time is a second of the hundred years from 1970.
func (b *bitStream) time() time.Time {
	const century = 36525 * 24 * 60 * 60
	return time.Unix(int64(b.uint64()%century), 0).UTC()
}

// word is a capitalised, pronounceable word: 16 bits for each five letters
// (consonant, vowel, consonant, vowel, consonant), the encoding known as proquints.
func (b *bitStream) word(fives int) string {
	const consonants, vowels = "bdfghjklmnprstvz", "aiou"
	var w strings.Builder
	for range fives {
		n := int(b.uint16())
		for i, shift := range [...]int{12, 10, 6, 4, 0} {
			if i%2 == 0 {
				w.WriteByte(consonants[n>>shift&15])
			} else {
				w.WriteByte(vowels[n>>shift&3])
			}
		}
	}
	s := w.String()
	return strings.ToUpper(s[:1]) + s[1:]
}
