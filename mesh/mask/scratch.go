package mask

import (
	"fmt"
	"io"
)

// Scratch is the room that it takes to make the values of a document, one after
// the other. It remembers those made last, because events say the same again
// and again: who sent them, who owns what they are about, the addresses of both.
// It belongs to one masker, and to one goroutine at a time.
type Scratch struct {
	masker *Masker
	bits   bitStream
	text   []byte // a value, or its canonical form
	made   []byte // what becomes of it
	nums   []uint16
	hasher hasher
	recent recent
	// subject is whom the last shifted date was about: mostly the next one is, too.
	subject struct {
		mac  *mac // nil: there is none
		text []byte
		bits bitStream
	}
	waiting waiting
	closed  int    // see Closed
	event   uint64 // tells the events apart that the scratch was used for
	broken  bool
}

// Scratch lends a scratch for a document; Release gives it back.
func (m *Masker) Scratch() *Scratch {
	s, ok := m.scratches.Get().(*Scratch)
	if !ok {
		s = &Scratch{masker: m}
	}
	s.event++
	return s
}

// keptText bounds what room is kept for values.
const keptText = 4 << 10

// Release gives the scratch back. It goes on to hold what it remembers, which
// goes when its masker does.
func (s *Scratch) Release() {
	if s.broken {
		return
	}
	s.Forget()
	s.waiting.text = emptied(s.waiting.text)
	if cap(s.subject.text) > keptText {
		s.subject.mac, s.subject.text = nil, nil
	}
	s.text, s.made, s.nums, s.hasher.message = emptied(s.text), emptied(s.made), emptied(s.nums), emptied(s.hasher.message)
	s.masker.scratches.Put(s)
}

// Format says nothing of what the scratch holds, whatever the verb.
func (s *Scratch) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "mask.Scratch") }

// emptied is the room without what lies in it; none if it is large.
func emptied[T byte | uint16](room []T) []T {
	if cap(room) > keptText {
		return nil
	}
	clear(room[:cap(room)])
	return room[:0]
}

// digest fills bits from the keyed hash of a value's canonical form.
func (s *Scratch) digest(m *mac, class Class, kind Kind, text []byte) {
	s.text = appendCanonical(s.text[:0], class, kind, text)
	s.digestExactly(m, s.text)
}

// digestExactly fills bits from the keyed hash of text.
func (s *Scratch) digestExactly(m *mac, text []byte) {
	s.take(s.hasher.sum(m, text))
}

// take fills bits from a keyed hash.
func (s *Scratch) take(digest []byte) {
	copy(s.bits.block[:], digest)
	s.bits.next, s.bits.count = 0, 0
}
