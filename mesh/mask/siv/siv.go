// Package siv is AES-SIV (RFC 5297): deterministic authenticated encryption.
// Equal plaintexts under equal associated data have equal ciphertexts; nothing
// else of them can be told without the key, but their length.
//
// It belongs here when it is about the cipher itself. Which values are
// encrypted, and how they are written, is package mask's.
package siv

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
)

// Overhead is how much longer a ciphertext is than its plaintext, in bytes.
const Overhead = aes.BlockSize

// ErrNotAuthentic is the error for what wasn't encrypted under this key with
// this associated data.
var ErrNotAuthentic = errors.New("siv: not encrypted under this key with this associated data")

// Cipher is AES-SIV under one key. It is immutable and safe for concurrent use.
type Cipher struct {
	mac, ctr cipher.Block
	k1, k2   [16]byte // CMAC's subkeys
}

// New makes a cipher under a key of 32, 48 or 64 bytes, which it copies.
func New(key []byte) (*Cipher, error) {
	switch len(key) {
	case 32, 48, 64:
	default:
		return nil, fmt.Errorf("siv: a key has 32, 48 or 64 bytes, not %d", len(key))
	}
	mac, err := aes.NewCipher(key[:len(key)/2])
	if err != nil {
		return nil, fmt.Errorf("siv: %w", err)
	}
	ctr, err := aes.NewCipher(key[len(key)/2:])
	if err != nil {
		return nil, fmt.Errorf("siv: %w", err)
	}
	c := &Cipher{mac: mac, ctr: ctr}
	mac.Encrypt(c.k1[:], c.k1[:])
	double(&c.k1)
	c.k2 = c.k1
	double(&c.k2)
	return c, nil
}

// Format says nothing of the key, whatever the verb.
func (c *Cipher) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "siv.Cipher") }

// Seal appends to dst the encryption of plaintext, bound to the associated
// data: at most 126 strings, whose order and bounds count.
func (c *Cipher) Seal(dst, plaintext []byte, associated ...[]byte) []byte {
	v := c.s2v(plaintext, associated)
	start := len(dst)
	dst = append(append(dst, v[:]...), plaintext...)
	c.xor(dst[start+Overhead:], v)
	return dst
}

// Open appends to dst what Seal encrypted; the error is ErrNotAuthentic.
func (c *Cipher) Open(dst, ciphertext []byte, associated ...[]byte) ([]byte, error) {
	if len(ciphertext) < Overhead {
		return nil, ErrNotAuthentic
	}
	v := [16]byte(ciphertext)
	start := len(dst)
	dst = append(dst, ciphertext[Overhead:]...)
	c.xor(dst[start:], v)
	if found := c.s2v(dst[start:], associated); subtle.ConstantTimeCompare(found[:], v[:]) != 1 {
		clear(dst[start:])
		return nil, ErrNotAuthentic
	}
	return dst, nil
}

func (c *Cipher) xor(data []byte, v [16]byte) {
	v[8] &= 0x7f
	v[12] &= 0x7f
	cipher.NewCTR(c.ctr, v[:]).XORKeyStream(data, data)
}

// s2v is the pseudorandom function over a vector of strings.
func (c *Cipher) s2v(plaintext []byte, associated [][]byte) [16]byte {
	var zero [16]byte
	d := c.cmac(zero[:], nil)
	for _, a := range associated {
		double(&d)
		m := c.cmac(a, nil)
		subtle.XORBytes(d[:], d[:], m[:])
	}
	if len(plaintext) >= 16 {
		return c.cmac(plaintext, &d)
	}
	double(&d)
	var padded [16]byte
	copy(padded[:], plaintext)
	padded[len(plaintext)] = 0x80
	subtle.XORBytes(d[:], d[:], padded[:])
	return c.cmac(d[:], nil)
}

// cmac is AES-CMAC (RFC 4493) of m, into whose last 16 bytes end is xored if
// it isn't nil; m has as many then.
func (c *Cipher) cmac(m []byte, end *[16]byte) (state [16]byte) {
	full := max(0, (len(m)-1)/16) // blocks before the last one
	at := len(m) - 16             // where end begins
	block := func(i int) (b [16]byte, n int) {
		n = copy(b[:], m[16*i:])
		for j := range n {
			if k := 16*i + j - at; end != nil && k >= 0 {
				b[j] ^= end[k]
			}
		}
		return b, n
	}
	for i := range full {
		b, _ := block(i)
		subtle.XORBytes(state[:], state[:], b[:])
		c.mac.Encrypt(state[:], state[:])
	}
	last, n := block(full)
	key := &c.k1
	if n < 16 {
		last[n] ^= 0x80
		key = &c.k2
	}
	subtle.XORBytes(state[:], state[:], last[:])
	subtle.XORBytes(state[:], state[:], key[:])
	c.mac.Encrypt(state[:], state[:])
	return state
}

// double multiplies by x in GF(2^128).
func double(b *[16]byte) {
	carry := b[0] >> 7
	for i := range 15 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[15] = b[15]<<1 ^ carry*0x87
}
