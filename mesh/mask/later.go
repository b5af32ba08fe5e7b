package mask

import "github.com/lockstep-mesh/lockstep/mesh/mask/internal/lanes"

// A processor computes two HMACs in the time of one. So a value of which it is known
// how long it can become, and that it can't be refused, may wait for what is made
// next: the document has room for it already, which is closed up to its length.

// waiting is such a value.
type waiting struct {
	field *Field // nil: there is none
	at    int    // where in the document its room begins, behind the quote
	text  []byte
}

// room is what stands in a document where a value is going to be: what no JSON may
// have, so that a document with such room left would be valid nowhere.
var room [lanes.BlockSize]byte

// writesLater is what writes the field's values, if they can wait; else nil.
func (f *Field) writesLater() *form {
	var writes *form
	switch {
	case !lanes.Available() || f.kind != String || len(f.admitted) > 0:
	case f.technique == Token && f.fits:
		writes = f.form
	case f.technique == Synthetic && f.invents:
		writes = f.invention
	}
	if writes == nil || writes.language == nil || writes.max > len(room) {
		return nil
	}
	return writes
}

// MakeLater is Make, but what it appends may be only room for the value, where the
// field's values rarely come again. While another one is made in the scratch, which
// must be for the same document, or by Settle, the value gets there, and what was
// appended behind it moves up: see Closed.
func (f *Field) MakeLater(s *Scratch, dst []byte, kind Kind, text []byte, e *Event) ([]byte, error) {
	return f.made(s, dst, kind, text, e, true)
}

// Settle is the document with the value that waited.
func (s *Scratch) Settle(document []byte) []byte {
	if s.waiting.field == nil {
		return document
	}
	s.broken = true // in case that it breaks down
	w := s.waiting
	s.take(s.hasher.pair.waited())
	end := w.at + w.field.later.max
	made := w.field.later.write(document[w.at:w.at:end], &s.bits, w.text)
	unused := end - w.at - len(made)
	if unused < 0 {
		panic("mask: a value is longer than its form says") //nolint:forbidigo // a defect, and there is no room for it
	}
	if unused > 0 {
		copy(document[end-unused:], document[end:])
		document = document[:len(document)-unused]
		s.closed += unused
	}
	s.waiting = waiting{text: w.text}
	s.broken = false
	return document
}

// Closed is by how much the ends of documents have moved up so far.
func (s *Scratch) Closed() int { return s.closed }

// Forget gives the document up: what waits for it isn't made.
func (s *Scratch) Forget() {
	if s.waiting.field != nil {
		s.waiting = waiting{text: emptied(s.waiting.text)}
		s.hasher.pair.forget()
	}
}

// wait appends room for what becomes of the text. It reports false if that can't wait.
func (f *Field) wait(s *Scratch, dst, text []byte) ([]byte, bool) {
	s.broken = true // in case that it breaks down: then the document is lost, as in Settle
	s.text = appendCanonical(s.text[:0], f.class, f.kind, text)
	s.broken = false
	if !s.hasher.pair.takes(s.text) {
		return dst, false
	}
	s.hasher.pair.wait(f.mac, s.text)
	s.waiting = waiting{field: f, at: len(dst) + 1, text: append(s.waiting.text[:0], text...)}
	return append(append(append(dst, '"'), room[:f.later.max]...), '"'), true
}
