package mask

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Content says that a string holds something else, written as text. Its value is
// then masked as what it holds, and written again in the same way.
type Content string

// The contents.
const (
	ContentJSON       Content = "json"        // a JSON text
	ContentBase64     Content = "base64"      // a text, in base64
	ContentBase64JSON Content = "base64-json" // a JSON text, in base64
)

// Contents lists them all.
func Contents() []Content { return []Content{ContentJSON, ContentBase64, ContentBase64JSON} }

// Known reports whether c is one of Contents.
func (c Content) Known() bool { return c == ContentJSON || c.base64() }

// JSON reports whether it is a JSON text that the string holds.
func (c Content) JSON() bool { return c == ContentJSON || c == ContentBase64JSON }

func (c Content) base64() bool { return c == ContentBase64 || c == ContentBase64JSON }

// Encode writes what a string is to hold.
func (c Content) Encode(held []byte) string {
	if c.base64() {
		return base64.StdEncoding.EncodeToString(held)
	}
	return string(held)
}

// Decode gives what a string holds, and the way to write other such content in
// the same alphabet and with the same padding. It reports false if the string
// isn't written so in exactly one way (line breaks and loose bits are refused), or
// holds no text. That what it holds is JSON is for the caller to find out.
func (c Content) Decode(text string) (held []byte, encode func([]byte) []byte, ok bool) {
	if !c.base64() {
		return []byte(text), bytes.Clone, c.Known()
	}
	coding := base64.StdEncoding
	if strings.ContainsAny(text, "-_") {
		coding = base64.URLEncoding
	}
	if len(text)%4 != 0 {
		coding = coding.WithPadding(base64.NoPadding)
	} else if !strings.HasSuffix(text, "=") && strings.ContainsAny(text, "-_") {
		coding = base64.RawURLEncoding // which mostly goes without
	}
	if strings.ContainsAny(text, "\r\n") {
		return nil, nil, false
	}
	held, err := coding.Strict().DecodeString(text)
	if err != nil || !utf8.Valid(held) {
		return nil, nil, false
	}
	return held, func(made []byte) []byte { return coding.AppendEncode(nil, made) }, true
}
