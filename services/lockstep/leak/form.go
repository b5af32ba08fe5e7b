package leak

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf16"
)

// Form is a way in which a value can be written.
type Form string

// The forms.
const (
	Plain   Form = "plain"
	JSON    Form = "json"    // with JSON's escapes, in the ways that encoders use them
	Percent Form = "percent" // percent-encoded, as paths, queries and strict encoders do
	Base64  Form = "base64"  // at each of the three alignments, in both alphabets
	Escaped Form = "escaped" // each character as a \u escape
	Hex     Form = "hex"     // its bytes in hexadecimal
	Case    Form = "case"    // in lower case, in upper case, and with the case of each letter reversed
)

// written is a value in one form.
type written struct {
	text string
	form Form
}

// forms are the ways in which value can be written, each text once.
func forms(value string) []written {
	all := []written{{value, Plain}}
	add := func(form Form, texts ...string) {
		for _, text := range texts {
			known := len(text) < window
			for _, w := range all {
				known = known || w.text == text
			}
			if !known {
				all = append(all, written{text, form})
			}
		}
	}
	add(JSON, jsonForms(value)...)
	add(Percent, percentForms(value)...)
	add(Base64, base64Forms(value)...)
	add(Escaped, escaped(value, `\u%04x`), escaped(value, `\u%04X`))
	add(Hex, hex.EncodeToString([]byte(value)), strings.ToUpper(hex.EncodeToString([]byte(value))))
	add(Case, strings.ToLower(value), strings.ToUpper(value), strings.Map(swapCase, value))
	return all
}

// jsonForms are the insides of value's JSON strings: escaped as little as may
// be, as encoding/json does it by default, with slashes escaped, and in ASCII.
func jsonForms(value string) []string {
	quoted, err := json.Marshal(value)
	if err != nil { // a string always encodes
		return nil
	}
	html := string(quoted[1 : len(quoted)-1])
	least := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&", `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(html)
	lower, upper := ascii(least, `\u%04x`), ascii(least, `\u%04X`)
	return []string{
		least, html, strings.ReplaceAll(least, "/", `\/`),
		lower, upper, strings.ReplaceAll(lower, "/", `\/`), ascii(html, `\u%04x`),
	}
}

// ascii writes all but ASCII as UTF-16 escapes.
func ascii(text, format string) string {
	var b strings.Builder
	for _, c := range text {
		if c < 0x80 {
			b.WriteRune(c)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, c) {
			fmt.Fprintf(&b, format, unit)
		}
	}
	return b.String()
}

// escaped writes every character as UTF-16 escapes.
func escaped(text, format string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		fmt.Fprintf(&b, format, unit)
	}
	return b.String()
}

func swapCase(r rune) rune {
	if lower := unicode.ToLower(r); lower != r {
		return lower
	}
	return unicode.ToUpper(r)
}

// percentForms are value as a query has it, with spaces in both ways; as a
// path has it; and with everything escaped but what never need be; each with
// upper-case and lower-case digits.
func percentForms(value string) []string {
	query := url.QueryEscape(value)
	all := []string{query, strings.ReplaceAll(query, "+", "%20"), url.PathEscape(value), (&url.URL{Path: value}).EscapedPath()}
	for _, text := range all[:len(all):len(all)] {
		all = append(all, lowerDigits(text))
	}
	return all
}

func lowerDigits(text string) string {
	b := []byte(text)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(string(b[i+1:i+3])))
			i += 2
		}
	}
	return string(b)
}

// base64Forms are the characters that value alone decides when it is encoded
// with 0, 1 or 2 bytes (modulo 3) before it.
func base64Forms(value string) []string {
	var all []string
	for before := range 3 {
		padded := make([]byte, before, before+len(value)+3)
		padded = append(padded, value...)
		padded = append(padded, 0, 0) // so that its last character is not decided by what follows
		first, last := (8*before+5)/6, 8*(before+len(value))/6
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			all = append(all, encoding.EncodeToString(padded)[first:last])
		}
	}
	return all
}
