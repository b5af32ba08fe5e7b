package mask

import (
	"bytes"
	"hash/maphash"
)

// The bounds on what a scratch remembers: so many values, each with what became
// of it in so many bytes. Together that takes 160 KiB.
const (
	recentValues = 1024
	recentBytes  = 130
)

// recent are values made last. A value has one of two slots, and pushes the one
// out of it that was wanted longer ago.
type recent struct {
	seed  maphash.Seed
	slots *[recentValues]remembered // nil until a value is made
	turn  uint64                    // counts how often a value was looked for
}

// remembered is a text, and behind it what a field has made of it.
type remembered struct {
	hash       uint64
	turn       uint64 // when it was wanted last
	event      uint64 // Scratch.event, where the whole event matters; else 0
	field      uint32 // Field.id; 0: the slot is empty
	text, made uint8  // lengths
	bytes      [recentBytes]byte
}

// find is the slot for what becomes of a text, and whether it holds just that.
func (r *recent) find(field uint32, event uint64, text []byte) (slot *remembered, hit bool) {
	if r.slots == nil {
		r.seed, r.slots = maphash.MakeSeed(), new([recentValues]remembered)
	}
	hash := maphash.Bytes(r.seed, text) + uint64(field)
	r.turn++
	slot, other := &r.slots[hash%recentValues], &r.slots[hash%recentValues^1]
	if hit = slot.holds(hash, field, event, text); !hit {
		if hit = other.holds(hash, field, event, text); hit || other.turn < slot.turn {
			slot = other
		}
	}
	if slot.turn = r.turn; !hit {
		slot.hash, slot.field = hash, 0
	}
	return slot, hit
}

func (m *remembered) holds(hash uint64, field uint32, event uint64, text []byte) bool {
	return m.hash == hash && m.field == field && m.event == event && bytes.Equal(m.bytes[:m.text], text)
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
