package mask

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"testing"
)

// Tokens would be no HMACs, and nobody could say that nothing can be told from
// them, nor make them again with another implementation.
func TestMACIsHMAC(t *testing.T) {
	var h hasher
	for size := range sha256.BlockSize + 1 {
		key := bytes.Repeat([]byte{byte(size + 1)}, size)
		m := newMAC(key)
		for length := range 200 {
			text := bytes.Repeat([]byte{byte(length)}, length)
			reference := hmac.New(sha256.New, key)
			reference.Write(text)
			want := reference.Sum(nil)
			if got := h.sum(m, text); !bytes.Equal(got, want) {
				t.Fatalf("of %d bytes under a key of %d: %x, not %x", length, size, got, want)
			}
			if got := h.blocks(m, text); !bytes.Equal(got, want) {
				t.Fatalf("of %d bytes under a key of %d, by package sha256: %x, not %x", length, size, got, want)
			}
		}
	}
	large := make([]byte, 1<<20)
	reference := hmac.New(sha256.New, []byte("k"))
	reference.Write(large)
	if got, want := h.sum(newMAC([]byte("k")), large), reference.Sum(nil); !bytes.Equal(got, want) {
		t.Errorf("of a megabyte: %x, not %x", got, want)
	}
}
