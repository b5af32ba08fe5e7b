package mask

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// bitStream is an endless stream of keyed bytes: a digest, and what hashing it
// with a counter gives. Everything that makes a token takes its choices from it.
type bitStream struct {
	seed  [sha256.Size]byte // once there are blocks after it; before, block is the seed
	block [sha256.Size]byte
	next  int    // next unused byte of block
	count uint64 // blocks made after the seed
}

func newBitStream(digest [sha256.Size]byte) *bitStream {
	return &bitStream{block: digest}
}

// fill fills p with the next bytes.
func (b *bitStream) fill(p []byte) {
	for len(p) > 0 {
		if b.next == len(b.block) {
			if b.count++; b.count == 1 {
				b.seed = b.block
			}
			var input [sha256.Size + 8]byte
			copy(input[:], b.seed[:])
			binary.BigEndian.PutUint64(input[sha256.Size:], b.count)
			b.block, b.next = sha256.Sum256(input[:]), 0
		}
		taken := copy(p, b.block[b.next:])
		p = p[taken:]
		b.next += taken
	}
}

func (b *bitStream) uint16() uint16 {
	if at := b.next; at <= len(b.block)-2 {
		b.next += 2
		return binary.BigEndian.Uint16(b.block[at:])
	}
	var p [2]byte
	b.fill(p[:])
	return binary.BigEndian.Uint16(p[:])
}

func (b *bitStream) uint64() uint64 {
	if at := b.next; at <= len(b.block)-8 {
		b.next += 8
		return binary.BigEndian.Uint64(b.block[at:])
	}
	var p [8]byte
	b.fill(p[:])
	return binary.BigEndian.Uint64(p[:])
}

// below is a number from 0 to n-1; n must be positive. Its bias is below n/2^64.
func (b *bitStream) below(n int) int {
	return int(b.uint64() % uint64(n))
}

// digits appends n decimal digits, at most 19.
func (b *bitStream) digits(dst []byte, n int) []byte {
	start := len(dst)
	v := b.uint64()
	for range n {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= start; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

// alphabet is base32's, without letters that are easily taken for digits.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// letters appends n letters and digits of 5 bits each, at most 48.
func (b *bitStream) letters(dst []byte, n int) []byte {
	var bits [30]byte
	b.fill(bits[:(n*5+7)/8])
	var text [48]byte
	for at := 0; at < n; at += 8 { // eight letters are five bytes
		five := uint64(binary.BigEndian.Uint32(bits[at/8*5:]))<<8 | uint64(bits[at/8*5+4])
		for i := range 8 {
			text[at+i] = alphabet[five>>(35-5*i)&31]
		}
	}
	return append(dst, text[:n]...)
}

// host appends a host of the domains that are reserved for examples (RFC 2606).
func (b *bitStream) host(dst []byte) []byte {
	return append(dst, [...]string{"example.com", "example.org", "example.net"}[b.below(3)]...)
}

// time is a second of the hundred years from 1970.
func (b *bitStream) time() time.Time {
	const century = 36525 * 24 * 60 * 60
	return time.Unix(int64(b.uint64()%century), 0).UTC()
}

// word appends a capitalised, pronounceable word of ten letters: 16 bits for each five
// (consonant, vowel, consonant, vowel, consonant), the encoding known as proquints.
func (b *bitStream) word(dst []byte) []byte {
	const consonants, vowels = "bdfghjklmnprstvz", "aiou"
	var word [10]byte
	for half := 0; half < len(word); half += 5 {
		n := b.uint16()
		word[half], word[half+1], word[half+2] = consonants[n>>12], vowels[n>>10&3], consonants[n>>6&15]
		word[half+3], word[half+4] = vowels[n>>4&3], consonants[n&15]
	}
	word[0] -= 'a' - 'A'
	return append(dst, word[:]...)
}
