package program

import (
	"encoding/binary"
	"math/bits"
)

// table finds names known in advance: a hash over their length and some of
// their bytes, multiplied by a number that was searched for until (as good as)
// no two names share a slot. What a name leads to lies in the entry itself.
type table struct {
	entries []link
	slots   []int16 // index of the first entry, or -1
	factor  uint64
	shift   uint8
}

// key is a name's first, second and last eight bytes; the last overlap the
// others in names below 24 bytes, there is no second below 17, and a name below
// eight bytes is filled up with zeros. Names of up to 24 bytes are equal if
// their keys and lengths are.
type key struct{ first, second, last uint64 }

// held is how long a name may be to be told by its key and length.
const held = 24

func keyOf(text []byte) (k key) {
	n := len(text)
	switch {
	case n >= 8:
		k.first = binary.LittleEndian.Uint64(text)
		k.last = binary.LittleEndian.Uint64(text[n-8:])
		if n > 16 {
			k.second = binary.LittleEndian.Uint64(text[8:])
		}
		return k
	case cap(text) >= 8: // names lie in a document that goes on behind them
		k.first = binary.LittleEndian.Uint64(text[:8]) & (1<<(8*n) - 1)
	default:
		for i := n - 1; i >= 0; i-- {
			k.first = k.first<<8 | uint64(text[i])
		}
	}
	k.last = k.first
	return k
}

func (k *key) slot(size uint32, factor uint64, shift uint8) uint64 {
	return (k.first ^ bits.RotateLeft64(k.last, 29) ^ uint64(size)) * factor >> shift
}

// tries is how many factors are tried for one size of table.
const tries = 200

func newTable(names []string) *table {
	t := &table{entries: make([]link, len(names))}
	for i, n := range names {
		e := &t.entries[i]
		e.key, e.size, e.next = keyOf([]byte(n)), uint32(len(n)), -1
		e.literal = isLiteral(n)
		if len(n) > held {
			e.more = &more{name: n}
		}
	}
	size := bits.Len(uint(len(names)))
	best := len(names) + 1
	for extra := range 3 {
		shift := uint8(64 - size - extra)
		for try := range uint64(tries) {
			factor := (try*2 + 1) * 0x9e3779b97f4a7c15
			if n := t.collisions(factor, shift); n < best {
				best, t.factor, t.shift = n, factor, shift
			}
			if best == 0 {
				break
			}
		}
	}
	t.slots = make([]int16, 1<<(64-t.shift))
	for i := range t.slots {
		t.slots[i] = -1
	}
	for i := range t.entries {
		e := &t.entries[i]
		slot := &t.slots[e.slot(e.size, t.factor, t.shift)]
		e.next, *slot = *slot, int16(i)
	}
	return t
}

func (t *table) collisions(factor uint64, shift uint8) (n int) {
	used := make([]bool, 1<<(64-shift))
	for i := range t.entries {
		slot := t.entries[i].slot(t.entries[i].size, factor, shift)
		if used[slot] {
			n++
		}
		used[slot] = true
	}
	return n
}

// findKey is the index of the name of up to 16 bytes with key k.
func (t *table) findKey(k key, size uint32) int {
	for i := t.slots[k.slot(size, t.factor, t.shift)]; i >= 0; {
		e := &t.entries[i]
		if e.key == k && e.size == size {
			return int(i)
		}
		i = e.next
	}
	return -1
}

// find is the index of text among the names; -1 if it is none of them.
func (t *table) find(text []byte) int {
	k := keyOf(text)
	size := uint32(len(text))
	for i := t.slots[k.slot(size, t.factor, t.shift)]; i >= 0; {
		e := &t.entries[i]
		if e.key == k && e.size == size && (size <= held || e.more.name == string(text)) {
			return int(i)
		}
		i = e.next
	}
	return -1
}
