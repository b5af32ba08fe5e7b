// Package leak searches for values where they must not be.
//
// It finds many thousands of values at once, as they are and as they look
// inside JSON, inside URLs and inside base64, at a rate of hundreds of
// megabytes a second, in memory and in files. Which values must not be where
// is the caller's to know.
package leak

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

// MinLength is the length in bytes of the shortest value that can be searched
// for: what is shorter stands in any large store by chance.
const MinLength = 8

// Finding is one value in one place.
type Finding struct {
	Value  string `json:"value"`
	Form   Form   `json:"form"`   // how it is written there
	Place  string `json:"place"`  // as the caller named it
	Offset int64  `json:"offset"` // bytes from the place's beginning
}

// String is for people.
func (f Finding) String() string {
	return fmt.Sprintf("%q (%s) in %s at byte %d", f.Value, f.Form, f.Place, f.Offset)
}

// Searcher searches for a set of values. It is immutable, and safe for
// concurrent use.
//
// It looks at every 8 bytes of the text, at each offset: a bitmap says whether
// they may belong to a pattern, which nearly always they do not. For each
// pattern that piece of it is looked for which the fewest other patterns have.
type Searcher struct {
	patterns []pattern
	longest  int
	shift    uint             // of a piece's hash, to get its bit's number
	bits     []uint64         // by hash of the piece
	first    map[uint64]int32 // piece to the first pattern with it
	next     []int32          // pattern to the next one with the same piece; -1 ends
}

// pattern is one value in one form.
type pattern struct {
	text  string
	value string
	form  Form
	piece int // offset in text of the 8 bytes by which it is found
}

// window is the size of the pieces.
const window = MinLength

// Compile prepares to search for values in every form. Equal values count
// once. A value shorter than MinLength is an error.
func Compile(values []string) (*Searcher, error) {
	sorted := slices.Compact(slices.Sorted(slices.Values(values)))
	s := &Searcher{}
	for _, v := range sorted {
		if len(v) < MinLength {
			return nil, fmt.Errorf("a value of %d bytes cannot be searched for: it would be found by chance (leave out values of fewer than %d)", len(v), MinLength)
		}
		for _, f := range forms(v) {
			s.patterns = append(s.patterns, pattern{text: f.text, value: v, form: f.form})
			s.longest = max(s.longest, len(f.text))
		}
	}
	s.index()
	return s, nil
}

func load(text string, at int) uint64 {
	return binary.LittleEndian.Uint64([]byte(text[at : at+window]))
}

// scatter spreads the bits of a piece over its product's upper ones.
func scatter(piece uint64) uint64 { return piece * 0x9e3779b97f4a7c15 }

// index chooses each pattern's piece and builds the tables.
func (s *Searcher) index() {
	// Counting by hash is exact enough to tell rare pieces from frequent ones.
	const counters = 20
	counts := make([]uint16, 1<<counters)
	at := func(piece uint64) *uint16 { return &counts[scatter(piece)>>(64-counters)] }
	for _, p := range s.patterns {
		for i := 0; i+window <= len(p.text); i++ {
			if c := at(load(p.text, i)); *c < 1<<16-1 {
				*c++
			}
		}
	}
	// 64 bits of the map for each pattern make one false alarm in 64 bytes.
	size := max(10, bits.Len(uint(len(s.patterns)))+6)
	s.shift = uint(64 - size)
	s.bits = make([]uint64, 1<<(size-6))
	s.first = make(map[uint64]int32, len(s.patterns))
	s.next = make([]int32, len(s.patterns))
	for n := range s.patterns {
		p := &s.patterns[n]
		for i := 1; i+window <= len(p.text); i++ {
			if *at(load(p.text, i)) < *at(load(p.text, p.piece)) {
				p.piece = i
			}
		}
		piece := load(p.text, p.piece)
		h := scatter(piece) >> s.shift
		s.bits[h>>6] |= 1 << (h & 63)
		s.next[n] = -1
		if other, ok := s.first[piece]; ok {
			s.next[n] = other
		}
		s.first[piece] = int32(n)
	}
}

// Match is one pattern in one text.
type Match struct {
	Value      string
	Form       Form
	Begin, End int // text[Begin:End] is the pattern
}

// Find calls found for every pattern in data, in the order of the places at
// which they are recognised. It does not keep data.
func (s *Searcher) Find(data []byte, found func(Match)) {
	if len(s.patterns) == 0 {
		return
	}
	table, shift := s.bits, s.shift&63
	for i := 0; i+window <= len(data); i++ {
		piece := binary.LittleEndian.Uint64(data[i:])
		h := scatter(piece) >> shift
		if table[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		n, ok := s.first[piece]
		if !ok {
			continue
		}
		for ; n >= 0; n = s.next[n] {
			p := &s.patterns[n]
			begin, end := i-p.piece, i-p.piece+len(p.text)
			if begin >= 0 && end <= len(data) && string(data[begin:end]) == p.text {
				found(Match{Value: p.value, Form: p.form, Begin: begin, End: end})
			}
		}
	}
}

// Bytes searches data; place names it in findings.
func (s *Searcher) Bytes(data []byte, place string, report *Report) {
	report.searched(int64(len(data)))
	s.Find(data, func(m Match) {
		report.add(Finding{Value: m.Value, Form: m.Form, Place: place, Offset: int64(m.Begin)})
	})
}

// block is how much of a stream is searched at a time.
const block = 1 << 20

// Read searches everything that r has left; place names it in findings. An
// error is r's own.
func (s *Searcher) Read(r io.Reader, place string, report *Report) error {
	overlap := max(0, s.longest-1)
	buffer := make([]byte, overlap+block)
	kept := 0        // bytes of the last round, which may begin a value that ends in this one
	var before int64 // bytes before the buffer's beginning
	for {
		n, err := io.ReadFull(r, buffer[kept:])
		data := buffer[:kept+n]
		report.searched(int64(n))
		s.Find(data, func(m Match) {
			if m.End > kept { // otherwise it was found in the last round
				report.add(Finding{Value: m.Value, Form: m.Form, Place: place, Offset: before + int64(m.Begin)})
			}
		})
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
		kept = min(overlap, len(data))
		before += int64(len(data) - kept)
		copy(buffer, data[len(data)-kept:])
	}
}
