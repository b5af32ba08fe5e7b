package mask

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/lockstep-mesh/lockstep/mesh/mask/internal/lanes"
)

// pair computes HMACs of short texts, two in the time of one: a text may wait, and is
// computed along with whichever comes next.
type pair struct {
	lanes   [2]lanes.Lane
	outer   [2]*[lanes.Words]uint32
	digests [2][sha256.Size]byte
	// The first lane's text waits; or was computed, and nobody has asked for it.
	waits, early bool
}

// ending is the least that is added to a text: a bit, and its length.
const ending = 1 + 8

// takes reports whether the text, with what is added to it, is a block.
func (p *pair) takes(text []byte) bool {
	return len(text) <= lanes.BlockSize-ending && lanes.Available()
}

// sum is the HMAC of a text that it takes. It stays as it is until the next one.
func (p *pair) sum(m *mac, text []byte) []byte {
	p.load(1, m, text)
	p.compute()
	return p.digests[1][:]
}

// wait has a text that it takes wait for the next one. None must wait already.
func (p *pair) wait(m *mac, text []byte) {
	p.load(0, m, text)
	p.waits = true
}

// waited is the HMAC of the text that waits or has waited.
func (p *pair) waited() []byte {
	if p.waits {
		p.compute()
	}
	p.early = false
	return p.digests[0][:]
}

// forget lets go of what waits.
func (p *pair) forget() {
	if p.waits {
		p.lanes[0].Block = [lanes.BlockSize]byte{}
	}
	p.waits, p.early = false, false
}

// load prepares a lane for the inner hash: the key's state, and the text as SHA-256
// pads it (FIPS 180-4, 5.1.1), behind the key's block. In the lane lies no text before.
func (p *pair) load(i int, m *mac, text []byte) {
	lane, states := &p.lanes[i], m.states()
	lane.State, p.outer[i] = states.innerWords, &states.outerWords
	n := copy(lane.Block[:], text)
	lane.Block[n] = 0x80
	binary.BigEndian.PutUint64(lane.Block[lanes.BlockSize-8:], 8*uint64(lanes.BlockSize+len(text)))
}

// compute computes what was loaded, and lets go of the texts; a lane into which nothing
// was computes something for nobody.
func (p *pair) compute() {
	for i := range p.outer {
		if p.outer[i] == nil {
			p.outer[i] = &nobody
		}
	}
	lanes.Digest(&p.lanes, &p.outer)
	for i := range p.lanes {
		p.lanes[i].Block = [lanes.BlockSize]byte{}
	}
	if p.waits {
		p.write(p.digests[0][:], &p.lanes[0])
		p.waits, p.early = false, true
	}
	p.write(p.digests[1][:], &p.lanes[1])
}

// nobody is the outer state of a lane into which nothing was ever loaded.
var nobody [lanes.Words]uint32

// write writes a state as the digest that it is.
func (p *pair) write(dst []byte, lane *lanes.Lane) {
	for i, word := range lane.State {
		binary.BigEndian.PutUint32(dst[4*i:], word)
	}
}
