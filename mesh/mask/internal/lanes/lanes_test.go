package lanes

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"testing"
)

// advanced is a state that package crypto/sha256 has read a block in.
func advanced(t testing.TB, state [Words]uint32, block []byte) (next [Words]uint32) {
	t.Helper()
	sha := sha256.New()
	marshalled, err := sha.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for i, word := range state { // it lies behind a mark of four bytes
		binary.BigEndian.PutUint32(marshalled[4+4*i:], word)
	}
	if err := sha.(encoding.BinaryUnmarshaler).UnmarshalBinary(marshalled); err != nil {
		t.Fatal(err)
	}
	sha.Write(block)
	if marshalled, err = sha.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		t.Fatal(err)
	}
	for i := range next {
		next[i] = binary.BigEndian.Uint32(marshalled[4+4*i:])
	}
	return next
}

func check(t testing.TB, lanes [2]Lane) {
	t.Helper()
	before := lanes
	Compress(&lanes)
	for i := range lanes {
		if want := advanced(t, before[i].State, before[i].Block[:]); lanes[i].State != want {
			t.Fatalf("lane %d: %08x has become %08x, not %08x, with %x", i, before[i].State, lanes[i].State, want, before[i].Block)
		}
		if lanes[i].Block != before[i].Block {
			t.Fatalf("lane %d: its block has changed", i)
		}
	}
}

// What is computed would not be SHA-256, or one lane depend on the other.
func FuzzCompress(f *testing.F) {
	if !Available() {
		f.Skip("this processor has no lanes")
	}
	const size = 4*Words + BlockSize
	for _, b := range []byte{0, 1, 0x7f, 0x80, 0xff} {
		f.Add(bytes.Repeat([]byte{b}, 2*size))
	}
	f.Add([]byte("abc"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2*size { // a short one is hashed into a long one
			for len(data) < 2*size {
				sum := sha256.Sum256(data)
				data = append(data, sum[:]...)
			}
		}
		var lanes [2]Lane
		for i := range lanes {
			own := data[i*size:]
			for word := range lanes[i].State {
				lanes[i].State[word] = binary.BigEndian.Uint32(own[4*word:])
			}
			copy(lanes[i].Block[:], own[4*Words:])
		}
		check(t, lanes)
	})
}

// Rare carries would go wrong: many states and blocks, each made of the ones before.
func TestManyBlocks(t *testing.T) {
	if !Available() {
		t.Skip("this processor has no lanes")
	}
	var lanes [2]Lane
	lanes[1].Block[0] = 1
	for range 20_000 {
		check(t, lanes)
		Compress(&lanes)
		for i := range lanes {
			for word := range Words {
				binary.BigEndian.PutUint32(lanes[i].Block[4*word:], lanes[i].State[word])
				binary.LittleEndian.PutUint32(lanes[i].Block[4*word+32:], ^lanes[1-i].State[word])
			}
		}
	}
}

func BenchmarkCompress(b *testing.B) {
	if !Available() {
		b.Skip("this processor has no lanes")
	}
	var lanes [2]Lane
	for b.Loop() {
		Compress(&lanes)
	}
}
