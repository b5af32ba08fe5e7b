package program

import (
	"encoding/binary"
	"sync/atomic"
)

// Documents of one type mostly have their members in one order. So the name that
// follows another one is foretold, and only compared with what stands there. That
// takes neither a hash nor a table of slots; and what comes behind the name is read
// without waiting for where the name ends to be found out.

// order says of each known name, and at its end of an object's beginning, which known
// name follows: its index plus one, or 0 until there has been one. What came first
// stays, so that goroutines with other documents don't write here all the time.
type order []atomic.Uint32

// newOrder is the order of the names of a table; of none of them if there is none.
func newOrder(t *table) order {
	if t == nil {
		return nil
	}
	return make(order, len(t.entries)+1)
}

// learn notes that the name with an index has followed another one. One that can't be
// compared as it is isn't foretold.
func (m *members) learn(before, known int) {
	if next := &m.order[before]; m.names.entries[known].literal && next.Load() == 0 {
		next.Store(uint32(known) + 1)
	}
}

// foretold reads the member's name that is foretold to follow another one, and goes on
// to the member's value. If there is none, or it isn't what stands here, in the plainest
// way, it returns -1 and stays where it is.
func (r *run) foretold(m *members, before int) int {
	if uint(before) >= uint(len(m.order)) || r.pos >= len(r.data) {
		return -1
	}
	known := int(m.order[before].Load()) - 1
	if known < 0 {
		return -1
	}
	e, text := &m.names.entries[known], r.data[r.pos:]
	size := int(e.size)
	if len(text) < max(size, 8)+len(`"":`) || text[0] != '"' || binary.LittleEndian.Uint16(text[1+size:]) != '"'|':'<<8 {
		return -1
	}
	// Behind a name of less than eight bytes, other ones are shifted out; its first eight
	// are its last ones, too.
	shift := max(0, 64-8*size)
	first, last := binary.LittleEndian.Uint64(text[1:]), binary.LittleEndian.Uint64(text[1+max(0, size-8):])
	differs := ((first ^ e.first) | (last ^ e.last)) << shift
	if size > 16 {
		differs |= binary.LittleEndian.Uint64(text[9:]) ^ e.second
	}
	if differs != 0 {
		return -1
	}
	if r.pos += size + len(`"":`); r.pos < len(r.data) && r.data[r.pos] <= ' ' {
		r.next()
	}
	return known
}

// isLiteral reports whether a name is written in the plainest way as it is, and its key
// tells it from all others.
func isLiteral(name string) bool {
	for i := range len(name) {
		if !isPlain[name[i]] {
			return false
		}
	}
	return name != "" && len(name) <= held
}
