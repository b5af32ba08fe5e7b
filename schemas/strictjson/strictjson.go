// Package strictjson reads JSON the way the mesh reads it everywhere: strictly.
//
// Parsers that disagree about a document leak data: if one of them takes the
// first of two "email" members and the next one the last, what was masked is
// not what is read. So whatever two parsers could read differently is refused
// here: duplicate names (escaped or not), invalid UTF-8, unpaired surrogates,
// anything after the value, NaN and Infinity, and numbers that only some
// programs can hold. So is what is merely hostile: too many bytes, too many
// nested containers.
//
// It belongs here when it is about JSON text alone. What a document means
// (schemas, classes) doesn't.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// The limits that the zero value of Limits stands for.
const (
	DefaultMaxBytes = 1 << 20 // NATS's own default for a message
	DefaultMaxDepth = 100
)

// The bounds on a number, which no setting lifts: beyond them exact arithmetic
// on a few bytes of input takes unbounded time. They leave room for several
// times what a double can hold.
const (
	MaxNumberBytes = 1024 // characters of one number
	MaxExponent    = 1024 // of its exponent, either sign
)

// Limits bounds what is read. A zero field means its default; a negative one
// admits nothing.
type Limits struct {
	MaxBytes int // bytes of the whole text; 0 means DefaultMaxBytes
	MaxDepth int // objects and arrays inside each other; 0 means DefaultMaxDepth
}

// Resolve returns l with its defaults filled in.
func (l Limits) Resolve() Limits {
	if l.MaxBytes == 0 {
		l.MaxBytes = DefaultMaxBytes
	}
	if l.MaxDepth == 0 {
		l.MaxDepth = DefaultMaxDepth
	}
	return l
}

// Check reports whether data is exactly one strict JSON value within the
// limits: nil, or an *Error. It keeps nothing of data and doesn't allocate for
// what it accepts, beyond what it reuses between calls. Safe for concurrent use.
func Check(data []byte, l Limits) error {
	r, err := newReader(data, l)
	if err != nil {
		return err
	}
	defer r.release()
	for {
		kind := r.dec.PeekKind()
		if kind == '0' {
			if err := r.number(); err != nil {
				return err
			}
		} else if _, err := r.dec.ReadToken(); err != nil {
			return r.fail(err)
		} else if r.dec.StackDepth() > r.limits.MaxDepth {
			return r.tooDeep()
		}
		if r.dec.StackDepth() == 0 {
			return r.end()
		}
	}
}

// Decode reads data as Check does and returns its value, built of
// map[string]any, []any, json.Number (the number's exact text), string, bool
// and nil: what santhosh-tekuri/jsonschema takes. The error is an *Error.
func Decode(data []byte, l Limits) (any, error) {
	r, err := newReader(data, l)
	if err != nil {
		return nil, err
	}
	defer r.release()
	v, err := r.value()
	if err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return v, nil
}

// reader is a decoder with the text that it reads.
type reader struct {
	dec    jsontext.Decoder
	buf    bytes.Buffer
	data   []byte
	limits Limits
}

var readers = sync.Pool{New: func() any { return new(reader) }}

func newReader(data []byte, l Limits) (*reader, error) {
	l = l.Resolve()
	if len(data) > l.MaxBytes {
		return nil, &Error{
			Code: CodeTooLarge, Offset: int64(max(l.MaxBytes, 0)),
			Problem: fmt.Sprintf("the document has %d bytes, and at most %d are admitted", len(data), l.MaxBytes),
			Cure:    "send a smaller document, or split it into several events",
		}
	}
	if len(bytes.TrimLeft(data, " \t\r\n")) == 0 {
		return nil, &Error{
			Code: CodeEmpty, Problem: "there is no JSON value",
			Cure: "send one JSON document as the payload",
		}
	}
	r := readers.Get().(*reader)
	r.data, r.limits = data, l
	// A bytes.Buffer is read in place: the decoder sees data itself, uncopied,
	// and only reads it.
	r.buf = *bytes.NewBuffer(data)
	r.dec.Reset(&r.buf)
	return r, nil
}

func (r *reader) release() {
	r.data = nil
	r.buf = bytes.Buffer{}
	readers.Put(r)
}

func (r *reader) value() (any, error) {
	switch r.dec.PeekKind() {
	case '{':
		if err := r.open(); err != nil {
			return nil, err
		}
		object := map[string]any{}
		for r.dec.PeekKind() != '}' {
			name, err := r.dec.ReadToken()
			if err != nil {
				return nil, r.fail(err)
			}
			key := name.String()
			if object[key], err = r.value(); err != nil {
				return nil, err
			}
		}
		return object, r.close()
	case '[':
		if err := r.open(); err != nil {
			return nil, err
		}
		array := []any{}
		for r.dec.PeekKind() != ']' {
			item, err := r.value()
			if err != nil {
				return nil, err
			}
			array = append(array, item)
		}
		return array, r.close()
	case '0':
		raw, err := r.dec.ReadValue()
		if err != nil {
			return nil, r.fail(err)
		}
		if err := r.checkNumber(raw); err != nil {
			return nil, err
		}
		return json.Number(raw), nil
	default:
		token, err := r.dec.ReadToken()
		if err != nil {
			return nil, r.fail(err)
		}
		switch token.Kind() {
		case 't':
			return true, nil
		case 'f':
			return false, nil
		case '"':
			return token.String(), nil
		}
		return nil, nil
	}
}

func (r *reader) open() error {
	if _, err := r.dec.ReadToken(); err != nil {
		return r.fail(err)
	}
	if r.dec.StackDepth() > r.limits.MaxDepth {
		return r.tooDeep()
	}
	return nil
}

func (r *reader) close() error {
	if _, err := r.dec.ReadToken(); err != nil {
		return r.fail(err)
	}
	return nil
}

func (r *reader) number() error {
	raw, err := r.dec.ReadValue()
	if err != nil {
		return r.fail(err)
	}
	return r.checkNumber(raw)
}

// end accepts nothing but white space after the value.
func (r *reader) end() error {
	_, err := r.dec.ReadToken()
	if errors.Is(err, io.EOF) {
		return nil
	}
	offset := r.dec.InputOffset()
	rest := bytes.TrimLeft(r.data[offset:], " \t\r\n")
	if syntactic := (*jsontext.SyntacticError)(nil); err == nil || !errors.As(err, &syntactic) || len(rest) == 0 {
		offset = int64(len(r.data) - len(rest))
	} else {
		offset = syntactic.ByteOffset
	}
	return &Error{
		Code: CodeTrailingData, Offset: offset,
		Problem: "there is something after the end of the JSON value",
		Cure:    "send exactly one JSON value, and nothing but white space after it",
	}
}

func (r *reader) tooDeep() error {
	return &Error{
		Code: CodeTooDeep, Offset: r.dec.InputOffset() - 1, Pointer: shorten(string(r.dec.StackPointer())),
		Problem: fmt.Sprintf("more than %d objects and arrays stand inside each other", r.limits.MaxDepth),
		Cure:    "flatten the document",
	}
}

// checkNumber refuses what exact arithmetic could not hold in bounded time.
func (r *reader) checkNumber(raw []byte) error {
	if len(raw) <= 4 || numberInBounds(raw) {
		return nil
	}
	return &Error{
		Code: CodeNumberRange, Offset: r.dec.InputOffset() - int64(len(raw)), Pointer: shorten(string(r.dec.StackPointer())),
		Problem: fmt.Sprintf("a number has more than %d characters, or an exponent beyond ±%d", MaxNumberBytes, MaxExponent),
		Cure:    "send such a number as a string",
	}
}

func numberInBounds(raw []byte) bool {
	if len(raw) > MaxNumberBytes {
		return false
	}
	i := bytes.IndexAny(raw, "eE")
	if i < 0 {
		return true
	}
	exponent := 0
	for _, c := range bytes.TrimLeft(raw[i+1:], "+-") {
		if exponent = exponent*10 + int(c-'0'); exponent > MaxExponent {
			return false
		}
	}
	return true
}

// fail turns a decoder's error into ours.
func (r *reader) fail(err error) error {
	e := &Error{
		Code: CodeSyntax, Offset: r.dec.InputOffset(), Pointer: shorten(string(r.dec.StackPointer())),
		Problem: err.Error(), Cure: "send JSON as RFC 8259 defines it; encode it with a library",
		cause: err,
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		e.Offset, e.Pointer = syntactic.ByteOffset, shorten(string(syntactic.JSONPointer))
		if syntactic.Err != nil {
			e.Problem = syntactic.Err.Error()
		}
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		e.Code = CodeDuplicateName
		e.Problem = "a name appears twice in one object (an escaped name equals its plain form)"
		e.Cure = "send each name once"
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		e.Offset = int64(len(r.data))
		e.Problem = "the text ends before the JSON value does"
		e.Cure = "send the whole document"
	case r.invalidUTF8At(e.Offset):
		e.Code = CodeInvalidUTF8
		e.Problem = "a string holds bytes that are not UTF-8, or half of a surrogate pair"
		e.Cure = "encode strings as UTF-8; send binary data as base64"
	}
	return e
}

// invalidUTF8At tells whether the text at offset, where the decoder stopped,
// is no UTF-8, or an escape that no UTF-8 could stand for.
func (r *reader) invalidUTF8At(offset int64) bool {
	if offset < 0 || offset >= int64(len(r.data)) {
		return false
	}
	rest := r.data[offset:]
	if c, size := utf8.DecodeRune(rest); c == utf8.RuneError && size == 1 {
		return true
	}
	return loneSurrogate(rest)
}

// loneSurrogate tells whether text begins with a \u escape of a surrogate.
func loneSurrogate(text []byte) bool {
	return len(text) >= 6 && text[0] == '\\' && text[1] == 'u' &&
		(text[2] == 'd' || text[2] == 'D') && strings.IndexByte("89abcdefABCDEF", text[3]) >= 0
}
