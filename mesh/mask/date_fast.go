package mask

// Dates that are numbers, as most of these are: computed in registers, to what
// makeShifted and makeTruncated make of them. They report false to leave a number
// to those; so they do with all that is going to be refused.

// fixedEpoch is epoch; n has no more places than leave room to compute with it.
func fixedEpoch(text []byte) (n fixed, scale int64, ok bool) {
	const places, year10000 = 6, 253_402_300_800
	if n, ok = parseFixed(text); !ok || n.places > places {
		return fixed{}, 0, false
	}
	size := fixed{n.v, n.places}
	if size.v < 0 {
		size.v = -size.v
	}
	scale = 1
	if size.compare(fixed{firstMillis, 0}) >= 0 {
		scale = 1000
	}
	return n, scale, size.compare(fixed{year10000 * scale, 0}) < 0
}

func (f *Field) shiftEpoch(dst, text []byte, days int) ([]byte, bool) {
	if f.limits == nil {
		return dst, false
	}
	n, scale, ok := fixedEpoch(text)
	by, fits := fixed{int64(days) * 86_400 * scale, 0}.at(n.places)
	if !ok || !fits {
		return dst, false
	}
	out, admitted, certain := f.put(dst, fixed{n.v + by, n.places})
	return out, admitted && certain
}

func (f *Field) truncateEpoch(dst, text []byte) ([]byte, bool) {
	if f.limits == nil {
		return dst, false
	}
	n, scale, ok := fixedEpoch(text)
	if !ok {
		return dst, false
	}
	second := scale * int64(powers[n.places])
	seconds := n.v / second
	if seconds*second > n.v {
		seconds--
	}
	out, admitted, certain := f.put(dst, fixed{cutTime(seconds, f.recipe.To) * scale, 0})
	return out, admitted && certain
}
