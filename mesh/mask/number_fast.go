package mask

import (
	"encoding/binary"
	"math/bits"
)

// Buckets and noise for the numbers that most are: computed in registers, to
// what makeBucket and makeNoisy make of them. They report false to leave a
// number to those; so they do with all that is going to be refused.

// put appends n if the schema admits it. It isn't certain where that can't be
// told here.
func (f *Field) put(dst []byte, n fixed) (out []byte, admitted, certain bool) {
	if admitted, certain = f.limits.admits(n); admitted && certain {
		dst = n.append(dst)
	}
	return dst, admitted, certain
}

func (f *Field) bucket(dst, text []byte) ([]byte, bool) {
	size := f.recipe.fixed
	if f.limits == nil || size == nil || size.v <= 0 {
		return dst, false
	}
	n, ok := parseFixed(text)
	places := max(n.places, size.places) + 1 // so that there is a half of the size
	v, fits := n.at(places)
	width, both := size.at(places)
	if !ok || !fits || !both {
		return dst, false
	}
	low := v - v%width
	if low > v {
		low -= width
	}
	for _, candidate := range [...]int64{low, low + width, low + width/2} {
		out, admitted, certain := f.put(dst, fixed{candidate, places}.trim())
		if admitted || !certain {
			return out, certain
		}
	}
	return dst, false
}

func (f *Field) noisy(s *Scratch, dst, text []byte) ([]byte, bool) {
	percent := f.recipe.fixed
	if f.limits == nil || percent == nil || percent.v < 0 {
		return dst, false
	}
	n, ok := parseFixed(text)
	if !ok {
		return dst, false
	}
	step := fixed{1, n.places}
	if f.limits.of.v > 0 {
		step = f.limits.of
	}
	places := max(n.places, step.places)
	v, fits := n.at(places)
	unit, both := step.at(places)
	// most = |v| · percent / (unit · 100), of which percent is percent.v / 10^percent.places.
	shareHigh, share := bits.Mul64(magnitude(v), uint64(percent.v))
	scaleHigh, scale := bits.Mul64(uint64(unit)*100, powers[percent.places])
	if !fits || !both || unit > maxFixed/100 || scaleHigh != 0 || shareHigh >= scale {
		return dst, false
	}
	units, _ := bits.Div64(shareHigh, share, scale)
	units = max(units, 1)
	if high, low := bits.Mul64(units, uint64(unit)); high != 0 || low > maxFixed {
		return dst, false
	}
	s.text = n.appendRat(s.text[:0])
	s.digestExactly(f.recipe.exact, s.text)
	var random [24]byte
	s.bits.fill(random[:])
	k := uint64(0)
	for i := 0; i < len(random); i += 8 {
		k = bits.Rem64(k, binary.BigEndian.Uint64(random[i:]), units)
	}
	moved := int64(k+1) * unit
	if s.bits.below(2) == 1 {
		moved = -moved
	}
	for _, by := range [...]int64{moved, -moved, unit, -unit} {
		out, admitted, certain := f.put(dst, fixed{v + by, places}.trim())
		if admitted || !certain {
			return out, certain
		}
	}
	return dst, false
}
