package program

import (
	"bytes"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// span is a value in the document.
type span struct{ start, end int }

// maxPairs is up to how many items are compared two by two.
const maxPairs = 32

// uniqueItems is what v5 is asked where items are not easily compared.
var uniqueItems = func() *v5.Schema {
	s := blank()
	s.UniqueItems = true
	return s
}()

// unique reports whether the items from first on, of the array from start to
// pos, are all different.
func (r *run) unique(first, start int) bool {
	r.rewriting.looked = true
	items := r.items[first:]
	if len(items) <= maxPairs {
		if unique, certain := r.pairs(items); certain {
			return unique
		}
	}
	return uniqueItems.Validate(r.decode(start)) == nil
}

// pairs compares items two by two. It isn't certain where two containers of
// one kind differ in their text, because they still may be equal.
func (r *run) pairs(items []span) (unique, certain bool) {
	certain = true
	for i := range items {
		a := r.data[items[i].start:items[i].end]
		for _, other := range items[:i] {
			b := r.data[other.start:other.end]
			if bytes.Equal(a, b) {
				return false, true
			}
			if a[0] != b[0] && (a[0] == '"' || b[0] == '"' || a[0] > '9' || b[0] > '9') {
				continue // numbers may begin differently; no two others do
			}
			switch c := a[0]; {
			case c == '{' || c == '[':
				certain = false
			case c == '"':
				if r.sameString(a, b) {
					return false, true
				}
			case c <= '9' && b[0] <= '9':
				var d, o decimal
				scanNumber(a, 0, &d)
				scanNumber(b, 0, &o)
				if d.equal(&o) {
					return false, true
				}
			}
		}
	}
	return true, certain
}

// sameString compares strings whose texts differ.
func (r *run) sameString(a, b []byte) bool {
	if bytes.IndexByte(a, '\\') < 0 && bytes.IndexByte(b, '\\') < 0 {
		return false
	}
	at := len(r.text)
	r.text = unescape(r.text, a[1:len(a)-1])
	middle := len(r.text)
	r.text = unescape(r.text, b[1:len(b)-1])
	same := bytes.Equal(r.text[at:middle], r.text[middle:])
	r.text = r.text[:at]
	return same
}
