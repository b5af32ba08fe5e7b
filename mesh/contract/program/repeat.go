package program

import (
	"bytes"
	"hash/maphash"
)

// Events say the same several times: who sent it, who owns what it is about, and
// the addresses of both. What a field has made of a text is copied from where it
// was written first.

// repeats remembers, for one document, where what was written in place of a text.
// A new text pushes another one out.
type repeats struct {
	seed    maphash.Seed
	session uint64 // tells the entries of this document from old ones
	entries *[256]written
}

// written is a text, and what became of it.
type written struct {
	session    uint64
	field      int
	start, end int // of the text in the old document
	from, to   int // of what became of it in the new one
}

// begin forgets everything.
func (m *repeats) begin() {
	if m.entries == nil {
		m.seed, m.entries = maphash.MakeSeed(), new([256]written)
	}
	m.session++
}

// find is the entry for what a field makes of a text; again says that it holds
// just that.
func (m *repeats) find(data, text []byte, field int) (e *written, again bool) {
	e = &m.entries[(maphash.Bytes(m.seed, text)+uint64(field))%uint64(len(m.entries))]
	return e, e.session == m.session && e.field == field && bytes.Equal(data[e.start:e.end], text)
}
