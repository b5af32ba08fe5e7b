package mask

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"hash"

	"github.com/lockstep-mesh/lockstep/mesh/mask/internal/lanes"
)

// mac is HMAC-SHA256 (RFC 2104) under one key, and immutable: the two states that
// SHA-256 is in once it has read the key's blocks, as it marshals them. They are
// as good as the key, and so in a closure, out of reach of printing by reflection.
//
// A token's value is mostly shorter than a block, so that its HMAC is two
// compressions. Package crypto/hmac spends as much again around them: it copies
// states, and has each of the two messages padded byte by byte. A hasher sets
// the state, hands over whole blocks, and reads the state that comes of them.
type mac struct{ states func() *states }

// states are a mac's, as package crypto/sha256 marshals them, and in words.
type states struct {
	inner, outer           []byte
	innerWords, outerWords [lanes.Words]uint32
}

// digester is a SHA-256 that can be set to a state, and asked for it.
type digester interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

func newDigester() digester {
	sha, ok := sha256.New().(digester)
	if !ok { // package crypto/sha256 promises it
		panic("mask: SHA-256 doesn't tell its state") //nolint:forbidigo // a defect of the build
	}
	return sha
}

// newMAC prepares a key, which is at most a block long.
func newMAC(key []byte) *mac {
	if len(key) > sha256.BlockSize {
		panic("mask: a key longer than a block") //nolint:forbidigo // keys are derived, and have 32 bytes
	}
	after := func(mark byte) []byte {
		var block [sha256.BlockSize]byte
		copy(block[:], key)
		for i := range block {
			block[i] ^= mark
		}
		sha := newDigester()
		sha.Write(block[:]) // never fails
		state, err := sha.AppendBinary(nil)
		if err != nil || len(state) < stateEnd {
			panic("mask: SHA-256 doesn't tell its state") //nolint:forbidigo // a defect of the build
		}
		return state
	}
	s := &states{inner: after(0x36), outer: after(0x5c)}
	for i := range s.innerWords {
		s.innerWords[i] = binary.BigEndian.Uint32(s.inner[stateStart+4*i:])
		s.outerWords[i] = binary.BigEndian.Uint32(s.outer[stateStart+4*i:])
	}
	return &mac{func() *states { return s }}
}

// The digest lies in a marshalled state behind a mark of four bytes.
const (
	stateStart = 4
	stateEnd   = stateStart + sha256.Size
)

// hasher computes HMACs. It is for one goroutine at a time.
type hasher struct {
	sha     digester
	message []byte                 // a text as SHA-256 pads it
	outer   [sha256.BlockSize]byte // the inner digest as SHA-256 pads it
	state   []byte
	pair    pair
}

var errState = errors.New("mask: SHA-256 doesn't take its own state")

// sum is the HMAC of text, which stays as it is until the next one. It panics
// only with errState.
func (h *hasher) sum(m *mac, text []byte) []byte {
	if h.pair.takes(text) {
		return h.pair.sum(m, text)
	}
	return h.blocks(m, text)
}

// blocks is sum by package crypto/sha256, for texts of any length.
func (h *hasher) blocks(m *mac, text []byte) []byte {
	if h.sha == nil {
		h.sha = newDigester()
		h.outer[sha256.Size] = 0x80
		binary.BigEndian.PutUint64(h.outer[sha256.BlockSize-8:], 8*(sha256.BlockSize+sha256.Size))
	}
	// A text is followed by a bit, by zeros, and by the number of bits so far, the
	// key's block included, so that whole blocks come of it (FIPS 180-4, 5.1.1).
	var zeros [sha256.BlockSize]byte
	message := append(append(h.message[:0], text...), 0x80)
	message = append(message, zeros[:(sha256.BlockSize-8-len(message))&(sha256.BlockSize-1)]...)
	h.message = binary.BigEndian.AppendUint64(message, 8*uint64(sha256.BlockSize+len(text)))
	states := m.states()
	copy(h.outer[:sha256.Size], h.compress(states.inner, h.message))
	return h.compress(states.outer, h.outer[:])
}

// compress is the digest behind whole blocks, read in a state.
func (h *hasher) compress(state, blocks []byte) []byte {
	err := h.sha.UnmarshalBinary(state)
	h.sha.Write(blocks) // never fails
	var failed error
	if h.state, failed = h.sha.AppendBinary(h.state[:0]); err != nil || failed != nil {
		panic(errState) //nolint:forbidigo // what it takes is what it gave, and a wrong token is worse
	}
	return h.state[stateStart:stateEnd]
}
