package mask

import (
	"bytes"
	"hash/maphash"
)

// The bounds on what a scratch remembers: so many values, each with what became
// of it in so many bytes. Together that takes 128 KiB. Of GitHub's events, 85 %
// of the tokens are found among so many; half of it would still be 73 %.
const (
	recentValues = 1024
	recentBytes  = 106
)

// recent are values made last, each in a slot that its hash gives, where a new one
// pushes an old one out.
type recent struct {
	seed  maphash.Seed
	slots *[recentValues]remembered // nil until a value is made
}

// remembered is a text, and behind it what a field has made of it.
type remembered struct {
	hash       uint64
	event      uint64 // Scratch.event, where the whole event matters; else 0
	field      uint32 // Field.same; 0: the slot is empty
	text, made uint8  // lengths
	bytes      [recentBytes]byte
}

// find is the slot for what becomes of a text, and whether it holds just that.
func (r *recent) find(field uint32, event uint64, text []byte) (slot *remembered, hit bool) {
	if r.slots == nil {
		r.seed, r.slots = maphash.MakeSeed(), new([recentValues]remembered)
	}
	hash := maphash.Bytes(r.seed, text) + uint64(field)
	slot = &r.slots[hash%recentValues]
	hit = slot.hash == hash && slot.field == field && slot.event == event && bytes.Equal(slot.bytes[:slot.text], text)
	if !hit {
		slot.hash, slot.field = hash, 0
	}
	return slot, hit
}

// value is what became of the text.
func (m *remembered) value() []byte { return m.bytes[m.text:][:m.made] }

// set makes the slot that find gave hold what became of the text.
func (m *remembered) set(field uint32, event uint64, text, made []byte) {
	if len(text)+len(made) > recentBytes {
		return
	}
	m.field, m.event, m.text, m.made = field, event, uint8(len(text)), uint8(len(made))
	copy(m.bytes[copy(m.bytes[:], text):], made)
}
