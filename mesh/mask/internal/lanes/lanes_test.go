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

func check(t testing.TB, lanes [2]Lane, outer [2][Words]uint32) {
	t.Helper()
	before := lanes
	Digest(&lanes, &[2]*[Words]uint32{&outer[0], &outer[1]})
	for i := range lanes {
		inner := advanced(t, before[i].State, before[i].Block[:])
		var block [BlockSize]byte
		for word := range inner {
			binary.BigEndian.PutUint32(block[4*word:], inner[word])
		}
		block[4*Words] = 0x80
		binary.BigEndian.PutUint64(block[BlockSize-8:], 8*(BlockSize+4*Words))
		if want := advanced(t, outer[i], block[:]); lanes[i].State != want {
			t.Fatalf("lane %d: %08x, then %08x, has become %08x, not %08x, with %x", i, before[i].State, outer[i], lanes[i].State, want, before[i].Block)
		}
		if lanes[i].Block != before[i].Block {
			t.Fatalf("lane %d: its block has changed", i)
		}
	}
}

// What is computed would not be SHA-256, or one lane depend on the other.
func FuzzDigest(f *testing.F) {
	if !Available() {
		f.Skip("this processor has no lanes")
	}
	const size = 2*4*Words + BlockSize
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
		var outer [2][Words]uint32
		for i := range lanes {
			own := data[i*size:]
			for word := range Words {
				lanes[i].State[word] = binary.BigEndian.Uint32(own[4*word:])
				outer[i][word] = binary.BigEndian.Uint32(own[4*(Words+word):])
			}
			copy(lanes[i].Block[:], own[2*4*Words:])
		}
		check(t, lanes, outer)
	})
}

// Rare carries would go wrong: many states and blocks, each made of the ones before.
func TestManyBlocks(t *testing.T) {
	if !Available() {
		t.Skip("this processor has no lanes")
	}
	var lanes [2]Lane
	var outer [2][Words]uint32
	lanes[1].Block[0] = 1
	for range 20_000 {
		check(t, lanes, outer)
		Digest(&lanes, &[2]*[Words]uint32{&outer[0], &outer[1]})
		for i := range lanes {
			for word := range Words {
				binary.BigEndian.PutUint32(lanes[i].Block[4*word:], lanes[i].State[word])
				binary.LittleEndian.PutUint32(lanes[i].Block[4*word+32:], ^lanes[1-i].State[word])
				outer[i][word] ^= lanes[1-i].State[word]
			}
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	if !Available() {
		b.Skip("this processor has no lanes")
	}
	var lanes [2]Lane
	var outer [Words]uint32
	for b.Loop() {
		Digest(&lanes, &[2]*[Words]uint32{&outer, &outer})
	}
}
