package mask

import (
	"bytes"
	"hash/maphash"
)

// The bounds on what a scratch remembers: so many values, each with what became
// of it in so many bytes. Together that takes 162 KiB.
const (
	recentValues = 1024
	recentBytes  = 138
)

// recent are values made last. A value has one of two slots, and pushes the one
// out of it that was wanted longer ago.
//
// To look a value up in vain takes a quarter of the time that a token takes, and
// pushes out what others want. So the values of fields that rarely come again (ids,
// what people write) are mostly not looked up.
type recent struct {
	seed     maphash.Seed
	patience []int16 // of each Field.id: how often it may yet miss; below 0, how many values go by unseen
	*remembering
}

// Patience: a hit is worth as many misses as it saves, a field that has none left goes
// by for a while, and then is tried again, with values that follow one another,
// because what comes again often does so within an event.
const (
	firstPatience = 64
	mostPatience  = 256
	hitPatience   = 8
	goneBy        = 1024
)

// worth reports whether the next value of the field is to be looked up.
func (r *recent) worth(field uint32) bool {
	for int(field) >= len(r.patience) {
		r.patience = append(r.patience, firstPatience)
	}
	left := &r.patience[field]
	if *left > 0 {
		return true
	}
	if *left++; *left > 0 {
		*left = firstPatience
	}
	return false
}

// learn notes whether a value of the field was found.
func (r *recent) learn(field uint32, hit bool) {
	left := &r.patience[field]
	if hit {
		*left = min(*left+hitPatience, mostPatience)
	} else if *left--; *left == 0 {
		*left = -goneBy
	}
}

// remembering is what remembering values takes; nil until one is made.
type remembering struct {
	hashes [recentValues]uint64    // of what is in the slots
	second [recentValues / 2]uint8 // of each two slots, the one wanted last
	slots  [recentValues]remembered
}

// remembered is a text, and behind it what a field has made of it.
type remembered struct {
	event      uint64 // Scratch.event, where the whole event matters; else 0
	field      uint32 // Field.id; 0: the slot is empty
	text, made uint8  // lengths
	bytes      [recentBytes]byte
}

// find is the slot for what becomes of a text, and whether it holds just that.
func (r *recent) find(field uint32, event uint64, text []byte) (slot *remembered, hit bool) {
	if r.remembering == nil {
		r.seed, r.remembering = maphash.MakeSeed(), new(remembering)
	}
	hash := maphash.Bytes(r.seed, text) + uint64(field)
	set := hash % (recentValues / 2)
	for second := range uint8(2) {
		at := 2*set + uint64(second)
		if slot = &r.slots[at]; r.hashes[at] == hash && slot.field == field && slot.event == event && bytes.Equal(slot.bytes[:slot.text], text) {
			r.second[set] = second
			return slot, true
		}
	}
	r.second[set] ^= 1
	at := 2*set + uint64(r.second[set])
	slot = &r.slots[at]
	r.hashes[at], slot.field = hash, 0
	return slot, false
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
