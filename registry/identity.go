package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// identity is what makes two schemas the same: their type, text but for white
// space, references, metadata and rules. It has the form of a UUID (RFC 9562,
// version 8: its bits are a digest's).
func identity(s Schema) string {
	var compact bytes.Buffer
	compact.Grow(len(s.Text))
	if json.Compact(&compact, []byte(s.Text)) != nil {
		compact.Reset()
		compact.WriteString(s.Text)
	}
	references := slices.Clone(s.References)
	slices.SortFunc(references, func(a, b Reference) int { return strings.Compare(a.Name, b.Name) })
	h := sha256.New()
	var size [20]byte
	write := func(part []byte) {
		h.Write(append(strconv.AppendInt(size[:0], int64(len(part)), 10), ':'))
		h.Write(part)
	}
	write([]byte(s.Type))
	write(compact.Bytes())
	for _, name := range names(references) {
		write([]byte(name))
	}
	// Their absence adds nothing, so that a schema without them has the identity
	// that it had before there were any.
	if !s.Metadata.empty() {
		writePart(h, "metadata", s.Metadata)
	}
	if !s.Rules.empty() {
		writePart(h, "ruleSet", s.Rules)
	}
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	text := hex.EncodeToString(u)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

func names(references []Reference) []string {
	out := make([]string, 0, 3*len(references))
	for _, r := range references {
		out = append(out, r.Name, r.Subject, fmt.Sprint(r.Version))
	}
	return out
}

// writePart writes a value in its one form: encoding/json sorts the keys of maps.
func writePart(h interface{ Write([]byte) (int, error) }, name string, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		data = []byte(err.Error()) // maps and slices of strings can be marshalled
	}
	fmt.Fprintf(h, "%s:%d:%s", name, len(data), data)
}

// normalize is a schema's text with its keys in order and without white space,
// its numbers as they were written; a text that is no JSON stays as it is.
func normalize(text string) string {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil || decoder.More() {
		return text
	}
	out, err := compactText(value)
	if err != nil {
		return text
	}
	return out
}

// compactText writes a decoded JSON value.
func compactText(value any) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	return string(bytes.TrimRight(out.Bytes(), "\n")), nil
}
