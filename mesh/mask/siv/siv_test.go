package siv

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What others encrypt by the standard could not be read, or ours by others: the
// two examples of RFC 5297, appendix A.
func TestVectors(t *testing.T) {
	for _, test := range []struct {
		key, plain, out string
		associated      []string
	}{
		{
			"fffefdfc fbfaf9f8 f7f6f5f4 f3f2f1f0 f0f1f2f3 f4f5f6f7 f8f9fafb fcfdfeff", "11223344 55667788 99aabbcc ddee",
			"85632d07 c6e8f37f 950acd32 0a2ecc93 40c02b96 90c4dc04 daef7f6a fe5c",
			[]string{"10111213 14151617 18191a1b 1c1d1e1f 20212223 24252627"},
		},
		{
			"7f7e7d7c 7b7a7978 77767574 73727170 40414243 44454647 48494a4b 4c4d4e4f",
			"74686973 20697320 736f6d65 20706c61 696e7465 78742074 6f20656e 63727970 74207573 696e6720 5349562d 414553",
			"7bdb6e3b 432667eb 06f4d14b ff2fbd0f cb900f2f ddbe4043 26601965 c889bf17 dba77ceb 094fa663 b7a3f748 ba8af829 ea64ad54 4a272e9c 485b62a3 fd5c0d",
			[]string{
				"00112233 44556677 8899aabb ccddeeff deaddada deaddada ffeeddcc bbaa9988 77665544 33221100", "10203040 50607080 90a0",
				"09f91102 9d74e35b d84156c5 635688c0",
			},
		},
	} {
		c, err := New(unhex(t, test.key))
		if err != nil {
			t.Fatal(err)
		}
		var associated [][]byte
		for _, a := range test.associated {
			associated = append(associated, unhex(t, a))
		}
		got := c.Seal(nil, unhex(t, test.plain), associated...)
		if !bytes.Equal(got, unhex(t, test.out)) {
			t.Errorf("sealed %x, want %s", got, test.out)
		}
		if plain, err := c.Open(nil, got, associated...); err != nil || !bytes.Equal(plain, unhex(t, test.plain)) {
			t.Errorf("opened %x, %v", plain, err)
		}
	}
}

// A changed ciphertext, or one of another field, would be taken for a value.
func TestOnlyWhatWasSealedOpens(t *testing.T) {
	c, err := New(bytes.Repeat([]byte{7}, 64))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, "plain")
		a := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "associated")
		sealed := c.Seal([]byte("x"), plain, a)
		if !bytes.Equal(sealed, c.Seal([]byte("x"), plain, a)) || len(sealed) != 1+len(plain)+Overhead {
			t.Fatal("not deterministic, or of another length")
		}
		opened, err := c.Open([]byte("y"), sealed[1:], a)
		if err != nil || !bytes.Equal(opened, append([]byte("y"), plain...)) {
			t.Fatalf("opened %x, %v", opened, err)
		}
		changed := bytes.Clone(sealed[1:])
		changed[rapid.IntRange(0, len(changed)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := c.Open(nil, changed, a); !errors.Is(err, ErrNotAuthentic) {
			t.Fatal("a changed one opens")
		}
		if _, err := c.Open(nil, sealed[1:], append(a, 0)); !errors.Is(err, ErrNotAuthentic) {
			t.Fatal("it opens with other data")
		}
	})
	for _, n := range []int{0, 15} {
		if _, err := c.Open(nil, make([]byte, n)); !errors.Is(err, ErrNotAuthentic) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := New(make([]byte, 33)); err == nil {
		t.Error("a key of 33 bytes is accepted")
	}
	if shown := fmt.Sprintf("%v %+v %#v %d %x", c, c, c, c, c); shown != strings.TrimSpace(strings.Repeat("siv.Cipher ", 5)) {
		t.Error(shown)
	}
}
