// Package fpe is format-preserving encryption: FF1 of NIST SP 800-38G, revision
// 1 (second draft), a bijection over the strings of one length over an
// alphabet, under an AES key.
//
// It belongs here when it is about the cipher itself. Which values it is used
// for, and what their alphabet is, is package mask's.
package fpe

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"math/bits"
	"sync"
)

// MinDomain is the least number of strings that FF1 may be used over: with
// fewer, their encryption can be tabulated.
const MinDomain = 1_000_000

// The limits of the cipher.
const (
	MaxRadix  = 1 << 16
	MaxLength = 4096 // numerals; the standard allows 2^32, and nothing needs as many
	maxTweak  = 1 << 16
	rounds    = 10
)

// Error says why something can't be encrypted. It holds none of it.
type Error struct{ Why, Cure string }

// Error says why and how to mend it, in one line.
func (e *Error) Error() string { return "fpe: " + e.Why + "; " + e.Cure }

// Cipher is FF1 under one key, over one radix. It is immutable and safe for
// concurrent use.
type Cipher struct {
	block cipher.Block
	radix uint64
	least int       // numerals, see MinLength
	rooms sync.Pool // of *room
}

// room is what one encryption computes in; it is kept because what AES is
// given through an interface would be allocated each time.
type room struct {
	prefix, state, block [16]byte
	prefixed             [2]int // the lengths of what prefix is for, and of its tweak
	q                    []byte
}

// New makes a cipher for numerals from 0 to radix-1 under an AES key of 16, 24
// or 32 bytes, which it copies. The error is an *Error.
func New(key []byte, radix int) (*Cipher, error) {
	if radix < 2 || radix > MaxRadix {
		return nil, &Error{fmt.Sprintf("an alphabet of %d characters", radix), fmt.Sprintf("use 2 to %d", MaxRadix)}
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, &Error{fmt.Sprintf("a key of %d bytes", len(key)), "use 16, 24 or 32"}
	}
	n, size := 1, uint64(radix)
	for size < MinDomain || n < 2 {
		n++
		size *= uint64(radix)
	}
	return &Cipher{block: block, radix: uint64(radix), least: n, rooms: sync.Pool{New: func() any { return new(room) }}}, nil
}

// Format says nothing of the key, whatever the verb.
func (c *Cipher) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("fpe.Cipher(FF1, radix %d)", c.radix))
}

// MinLength is the least number of numerals that can be encrypted.
func (c *Cipher) MinLength() int { return c.least }

// Encrypt encrypts numerals in place. Equal numerals under an equal tweak
// become equal ones, and others others. The error is an *Error, and numerals
// are as they were.
func (c *Cipher) Encrypt(numerals []uint16, tweak []byte) error {
	return c.crypt(numerals, tweak, false)
}

// Decrypt undoes Encrypt.
func (c *Cipher) Decrypt(numerals []uint16, tweak []byte) error {
	return c.crypt(numerals, tweak, true)
}

func (c *Cipher) crypt(x []uint16, tweak []byte, decrypt bool) error {
	if len(x) < c.least {
		return &Error{
			fmt.Sprintf("%d characters of %d are fewer than %d possible values", len(x), c.radix, MinDomain),
			"use a longer value, a larger alphabet or another technique",
		}
	}
	if len(x) > MaxLength || len(tweak) > maxTweak {
		return &Error{fmt.Sprintf("%d characters, a tweak of %d bytes", len(x), len(tweak)), fmt.Sprintf("use at most %d and %d", MaxLength, maxTweak)}
	}
	for _, n := range x {
		if uint64(n) >= c.radix {
			return &Error{"a numeral outside the alphabet", "give numerals below the radix"}
		}
	}
	u := len(x) / 2
	v := len(x) - u
	r := c.rooms.Get().(*room)
	if lengths := [2]int{len(x), len(tweak)}; r.prefixed != lengths {
		c.prefix(r, len(x), u, len(tweak))
		r.prefixed = lengths
	}
	if high, ok := power(c.radix, v); ok {
		c.small(r, x, u, high, tweak, decrypt)
	} else {
		c.large(r, x, u, tweak, decrypt)
	}
	clear(r.q)
	r.state, r.block = [16]byte{}, [16]byte{}
	c.rooms.Put(r)
	return nil
}

// prefix is the CBC-MAC over the block P, with which every round begins.
func (c *Cipher) prefix(r *room, n, u, t int) {
	r.block = [16]byte{1, 2, 1, byte(c.radix >> 16), byte(c.radix >> 8), byte(c.radix), rounds, byte(u)}
	binary.BigEndian.PutUint32(r.block[8:], uint32(n))
	binary.BigEndian.PutUint32(r.block[12:], uint32(t))
	c.block.Encrypt(r.prefix[:], r.block[:])
}

// power is radix^n, if that is below 2^64.
func power(radix uint64, n int) (uint64, bool) {
	result := uint64(1)
	for range n {
		high, low := bits.Mul64(result, radix)
		if high != 0 {
			return 0, false
		}
		result = low
	}
	return result, true
}

// small does the rounds in machine words; high is radix^v, v the longer half's length.
func (c *Cipher) small(r *room, x []uint16, u int, high uint64, tweak []byte, decrypt bool) {
	b := (bits.Len64(high-1) + 7) / 8
	d := 4*((b+3)/4) + 4
	modulus := [2]uint64{high, high} // of odd rounds (length v), of even ones (length u)
	if 2*u < len(x) {
		modulus[0] = high / c.radix
	}
	left, right := c.number(x[:u]), c.number(x[u:])
	var q []byte
	if len(tweak) > 0 {
		q = r.message(tweak, b)
	}
	for i := range rounds {
		round := i
		if decrypt {
			round = rounds - 1 - i
		}
		m := modulus[round%2]
		in := right
		if decrypt {
			in = left
		}
		if len(tweak) > 0 {
			q[len(q)-b-1] = byte(round)
			for j := range b {
				q[len(q)-1-j] = byte(in >> (8 * j))
			}
			c.mac(r)
		} else {
			c.macOne(r, b, uint64(round), in)
		}
		y := r.state[:]
		var hi, lo uint64
		if d == 8 {
			lo = binary.BigEndian.Uint64(y[:8])
		} else {
			hi, lo = uint64(binary.BigEndian.Uint32(y[:4])), binary.BigEndian.Uint64(y[4:12])
		}
		add := lo % m
		if hi > 0 {
			add = bits.Rem64(hi, lo, m)
		}
		if decrypt {
			left, right = sub(right, add, m), left
		} else {
			left, right = right, plus(left, add, m)
		}
	}
	c.write(x[:u], left)
	c.write(x[u:], right)
}

// plus and sub are for numbers below m, which may need all 64 bits.
func plus(a, b, m uint64) uint64 {
	if sum, carry := bits.Add64(a, b, 0); carry == 0 && sum < m {
		return sum
	}
	return a - (m - b)
}

func sub(a, b, m uint64) uint64 {
	if a >= b {
		return a - b
	}
	return a + (m - b)
}

// message is Q without the round and the number: the tweak, padded so that the
// whole is a multiple of the block.
func (r *room) message(tweak []byte, b int) []byte {
	size := (len(tweak) + 1 + b + 15) / 16 * 16
	if cap(r.q) < size {
		r.q = make([]byte, size)
	}
	r.q = r.q[:size]
	clear(r.q)
	copy(r.q, tweak)
	return r.q
}

// mac goes on from the prefix with a CBC-MAC over q, into the state.
func (c *Cipher) mac(r *room) {
	r.state = r.prefix
	for q := r.q; len(q) > 0; q = q[16:] {
		subtle.XORBytes(r.state[:], r.state[:], q[:16])
		c.block.Encrypt(r.state[:], r.state[:])
	}
}

// macOne is mac over the one block that q is without a tweak: zeros, the round, and a
// number of b bytes, at most eight.
func (c *Cipher) macOne(r *room, b int, round, in uint64) {
	high := round
	if b < 8 {
		high, in = 0, in|round<<(8*b)
	}
	binary.BigEndian.PutUint64(r.state[:8], binary.BigEndian.Uint64(r.prefix[:8])^high)
	binary.BigEndian.PutUint64(r.state[8:], binary.BigEndian.Uint64(r.prefix[8:])^in)
	c.block.Encrypt(r.state[:], r.state[:])
}

func (c *Cipher) number(x []uint16) (n uint64) {
	for _, numeral := range x {
		n = n*c.radix + uint64(numeral)
	}
	return n
}

func (c *Cipher) write(x []uint16, n uint64) {
	for i := len(x) - 1; i >= 0; i-- {
		x[i] = uint16(n % c.radix)
		n /= c.radix
	}
}

// large does the rounds in big integers.
func (c *Cipher) large(r *room, x []uint16, u int, tweak []byte, decrypt bool) {
	radix := new(big.Int).SetUint64(c.radix)
	v := len(x) - u
	modulus := [2]*big.Int{
		new(big.Int).Exp(radix, big.NewInt(int64(u)), nil),
		new(big.Int).Exp(radix, big.NewInt(int64(v)), nil),
	}
	b := (new(big.Int).Sub(modulus[1], big.NewInt(1)).BitLen() + 7) / 8
	d := 4*((b+3)/4) + 4
	left, right := c.bigNumber(x[:u], radix), c.bigNumber(x[u:], radix)
	q := r.message(tweak, b)
	stream := make([]byte, (d+15)/16*16)
	y := new(big.Int)
	for i := range rounds {
		round := i
		if decrypt {
			round = rounds - 1 - i
		}
		in := right
		if decrypt {
			in = left
		}
		q[len(q)-b-1] = byte(round)
		in.FillBytes(q[len(q)-b:])
		c.mac(r)
		copy(stream, r.state[:])
		for j := 16; j < len(stream); j += 16 {
			r.block = r.state
			counter := binary.BigEndian.Uint64(r.block[8:]) ^ uint64(j)/16
			binary.BigEndian.PutUint64(r.block[8:], counter)
			c.block.Encrypt(stream[j:j+16], r.block[:])
		}
		y.SetBytes(stream[:d])
		m := modulus[round%2]
		if decrypt {
			next := new(big.Int).Sub(right, y)
			left, right = next.Mod(next, m), left
		} else {
			next := new(big.Int).Add(left, y)
			left, right = right, next.Mod(next, m)
		}
	}
	c.writeBig(x[:u], left, radix)
	c.writeBig(x[u:], right, radix)
}

func (c *Cipher) bigNumber(x []uint16, radix *big.Int) *big.Int {
	n, digit := new(big.Int), new(big.Int)
	for _, numeral := range x {
		n.Mul(n, radix).Add(n, digit.SetUint64(uint64(numeral)))
	}
	return n
}

func (c *Cipher) writeBig(x []uint16, n, radix *big.Int) {
	rest, digit := new(big.Int).Set(n), new(big.Int)
	for i := len(x) - 1; i >= 0; i-- {
		rest.DivMod(rest, radix, digit)
		x[i] = uint16(digit.Uint64())
	}
}
