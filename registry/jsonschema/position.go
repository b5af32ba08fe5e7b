package jsonschema

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Position is where pointer (RFC 6901) leads to in a JSON text: line and column,
// both from 1, the column in code points. For a member of an object that is where
// its name begins, which is what people look for and what an annotation underlines;
// for an item of an array, and for the root, where the value does. It is not ok
// where the pointer leads nowhere, or the text ceases to be JSON before that place.
//
// It reads the text up to there: find many places in one text with few calls.
func Position(text []byte, pointer string) (line, col int, ok bool) {
	offset, ok := offsetOf(text, pointer)
	if !ok {
		return 0, 0, false
	}
	before := text[:offset]
	return 1 + bytes.Count(before, []byte{'\n'}), 1 + utf8.RuneCount(before[1+bytes.LastIndexByte(before, '\n'):]), true
}

// offsetOf is where in text the place begins.
func offsetOf(text []byte, pointer string) (offset int, ok bool) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if pointer == "" {
		return begin(dec, text)
	}
	if pointer[0] != '/' {
		return 0, false
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		switch dec.PeekKind() {
		case '{':
			offset, ok = member(dec, UnescapeToken(token))
		case '[':
			offset, ok = element(dec, text, token)
		default:
			ok = false
		}
		if !ok {
			return 0, false
		}
	}
	return offset, true
}

// begin is where the next value begins, none of which has been read.
func begin(dec *jsontext.Decoder, text []byte) (int, bool) {
	if kind := dec.PeekKind(); kind == 0 || kind == '}' || kind == ']' {
		return 0, false
	}
	offset := int(dec.InputOffset())
	return offset + len(text[offset:]) - len(bytes.TrimLeft(text[offset:], " \t\r\n,:")), true
}

// member goes to the value of an object's member, and says where its name begins.
func member(dec *jsontext.Decoder, name string) (int, bool) {
	if _, err := dec.ReadToken(); err != nil {
		return 0, false
	}
	for dec.PeekKind() == '"' {
		raw, err := dec.ReadValue()
		if err != nil {
			return 0, false
		}
		size := len(raw)
		if plain, err := jsontext.AppendUnquote(nil, raw); err == nil && string(plain) == name {
			return int(dec.InputOffset()) - size, true
		}
		if dec.SkipValue() != nil {
			return 0, false
		}
	}
	return 0, false
}

// element goes to an array's item, and says where it begins.
func element(dec *jsontext.Decoder, text []byte, token string) (int, bool) {
	index, err := strconv.Atoi(token)
	if err != nil || index < 0 || strconv.Itoa(index) != token {
		return 0, false
	}
	if _, err := dec.ReadToken(); err != nil {
		return 0, false
	}
	for range index {
		if dec.PeekKind() == ']' || dec.SkipValue() != nil {
			return 0, false
		}
	}
	return begin(dec, text)
}

// Source is a place in the text of a schema.
type Source struct {
	Bundle *Bundle
	Name   string // the reference name of the document; empty for the bundle's own
	// Pointer is the place that Line and Column are of: the one that was asked for,
	// or, if the text does not say anything there, what it would stand in.
	Pointer      string
	Line, Column int // as Position has them
}

// Source finds a place, written as name#pointer (as [Origin] and the findings of
// package compat have it), in the texts of the bundle. It is not ok if the bundle
// holds no document that is reached under the name.
func (b *Bundle) Source(place string) (Source, bool) {
	name, pointer, _ := strings.Cut(place, "#")
	l := &Linked{}
	if l.collect(b) != nil {
		return Source{}, false
	}
	for {
		for _, p := range l.parts {
			if p.name != name {
				continue
			}
			if line, col, ok := Position(p.bundle.Document.text, pointer); ok {
				return Source{Bundle: p.bundle, Name: name, Pointer: pointer, Line: line, Column: col}, true
			}
		}
		if pointer == "" {
			return Source{}, false
		}
		pointer = pointer[:max(strings.LastIndexByte(pointer, '/'), 0)]
	}
}
