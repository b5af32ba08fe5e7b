package gate

import "hash/maphash"

// maxRecent bounds each of the two generations of message ids that a lane
// remembers: 8 MiB at most for both, the size of half a minute at 15,000 events
// a second.
const maxRecent = 1 << 18

// recent remembers message ids that were seen lately, roughly: it may take an
// id for known that is not, and it forgets. It decides which events are sent
// singly because the stream may find them to be duplicates; whether they are is
// the stream's to say.
type recent struct {
	seed      maphash.Seed
	now, then idSet
}

func newRecent() recent { return recent{seed: maphash.MakeSeed()} }

// add remembers id and reports whether it was known.
func (r *recent) add(id []byte) bool {
	hash := max(maphash.Bytes(r.seed, id), 1) // zero is an empty place
	if r.now.has(hash) || r.then.has(hash) {
		return true
	}
	if r.now.count >= maxRecent {
		r.now, r.then = r.then, r.now
		clear(r.now.places)
		r.now.count = 0
	}
	r.now.add(hash)
	return false
}

// idSet is a set of hashes, by open addressing.
type idSet struct {
	places []uint64 // a power of two of them, at most half taken
	count  int
}

func (s *idSet) has(hash uint64) bool {
	if len(s.places) == 0 {
		return false
	}
	mask := uint64(len(s.places) - 1)
	for i := hash & mask; s.places[i] != 0; i = (i + 1) & mask {
		if s.places[i] == hash {
			return true
		}
	}
	return false
}

func (s *idSet) add(hash uint64) {
	if 2*s.count >= len(s.places) {
		old := s.places
		s.places, s.count = make([]uint64, max(256, 2*len(old))), 0
		for _, h := range old {
			if h != 0 {
				s.add(h)
			}
		}
	}
	mask := uint64(len(s.places) - 1)
	i := hash & mask
	for s.places[i] != 0 {
		i = (i + 1) & mask
	}
	s.places[i] = hash
	s.count++
}
