package schematest

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Encodings are the ways in which a text may stand among other data without
// being seen at once: as it is, in JSON's escapes, percent-encoded, in base64
// at each of its three alignments, and in hexadecimal.
func Encodings(text string) []string {
	quoted, _ := json.Marshal(text) // strings always encode
	var escaped, percent strings.Builder
	for _, r := range text {
		if r > 0xffff {
			r -= 0x10000
			fmt.Fprintf(&escaped, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		} else {
			fmt.Fprintf(&escaped, `\u%04x`, r)
		}
	}
	for i := range len(text) {
		fmt.Fprintf(&percent, "%%%02X", text[i])
	}
	forms := []string{
		text, strings.Trim(string(quoted), `"`), escaped.String(), percent.String(),
		url.QueryEscape(text), url.PathEscape(text), hex.EncodeToString([]byte(text)),
	}
	for pad := range 3 {
		// What the neighbours contribute to a group of four is cut off.
		encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, pad), text...))
		first, last := (pad*8+5)/6, len(encoded)
		if (pad+len(text))%3 != 0 {
			last--
		}
		if first < last {
			forms = append(forms, encoded[first:last], strings.NewReplacer("+", "-", "/", "_").Replace(encoded[first:last]))
		}
	}
	slices.Sort(forms)
	return slices.Compact(forms)
}

// Find returns those encodings of text that stand in data, whatever their case.
// Encodings of fewer than four bytes are not looked for: they stand everywhere.
func Find(lowered, text string) []string {
	var found []string
	for _, form := range Encodings(text) {
		if len(form) >= 4 && strings.Contains(lowered, strings.ToLower(form)) {
			found = append(found, form)
		}
	}
	return found
}
