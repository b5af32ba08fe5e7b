package mask

import (
	"crypto/sha256"
	"encoding/binary"
)

// bitStream is an endless stream of keyed bytes: a digest, and what hashing it
// with a counter gives. Everything that makes a token takes its choices from it.
type bitStream struct {
	seed  [sha256.Size]byte
	block [sha256.Size]byte
	next  int    // next unused byte of block
	count uint64 // blocks made after the seed
}

func newBitStream(digest [sha256.Size]byte) *bitStream {
	return &bitStream{seed: digest, block: digest}
}

// bytes are the next n bytes, good until the next call.
func (b *bitStream) bytes(n int) []byte {
	if b.next+n <= len(b.block) {
		b.next += n
		return b.block[b.next-n : b.next]
	}
	out := make([]byte, 0, n)
	for len(out) < n {
		if b.next == len(b.block) {
			b.count++
			var input [sha256.Size + 8]byte
			copy(input[:], b.seed[:])
			binary.BigEndian.PutUint64(input[sha256.Size:], b.count)
			b.block, b.next = sha256.Sum256(input[:]), 0
		}
		taken := copy(out[len(out):n], b.block[b.next:])
		out = out[:len(out)+taken]
		b.next += taken
	}
	return out
}

func (b *bitStream) uint16() uint16 { return binary.BigEndian.Uint16(b.bytes(2)) }
func (b *bitStream) uint64() uint64 { return binary.BigEndian.Uint64(b.bytes(8)) }

// below is a number from 0 to n-1; n must be positive. Its bias is below n/2^64.
func (b *bitStream) below(n int) int {
	return int(b.uint64() % uint64(n))
}
