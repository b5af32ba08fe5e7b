package mask

import (
	"math/big"
	"math/bits"
	"strconv"
)

// fixed is the number v/10^places, exactly. Nearly all numbers in events are
// such ones, and are computed with in registers; all others are big.Rat, which
// say the same of these.
type fixed struct {
	v      int64
	places int
}

// The bounds on a fixed: the digits that are read, and the places that there may be.
const (
	maxFixedDigits = 18
	maxFixed       = 1 << 60 // so that two of them can be added
)

// powers are those of 10 that fit.
var powers = func() (p [maxFixedDigits + 1]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// parseFixed reads a number as JSON has it, without an exponent.
func parseFixed(text []byte) (n fixed, ok bool) {
	i, digits, point := 0, 0, -1
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		i++
	}
	first := i
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c-'0' <= 9:
			if digits++; digits > maxFixedDigits {
				return fixed{}, false
			}
			n.v = n.v*10 + int64(c-'0')
		case c == '.' && point < 0 && digits > 0:
			point = i
		default:
			return fixed{}, false
		}
	}
	end := len(text)
	if point >= 0 {
		if n.places = len(text) - 1 - point; n.places == 0 {
			return fixed{}, false
		}
		end = point
	}
	if digits == 0 || text[first] == '0' && end > first+1 || n.v > maxFixed {
		return fixed{}, false
	}
	if negative {
		n.v = -n.v
	}
	return n.trim(), true
}

// fixedOf is r, if it fits.
func fixedOf(r *big.Rat) (n fixed, ok bool) {
	places, exact := r.FloatPrec()
	if !exact || places > maxFixedDigits {
		return fixed{}, false
	}
	scaled := new(big.Int).Mul(r.Num(), new(big.Int).SetUint64(powers[places]))
	if scaled.Quo(scaled, r.Denom()); !scaled.IsInt64() || scaled.CmpAbs(big.NewInt(maxFixed)) > 0 {
		return fixed{}, false
	}
	return fixed{scaled.Int64(), places}, true
}

// trim is n without zeros at the end of its fraction.
func (n fixed) trim() fixed {
	for n.places > 0 && n.v%10 == 0 {
		n.v /= 10
		n.places--
	}
	return n
}

// at is n's v for another number of places, no fewer than n's.
func (n fixed) at(places int) (v int64, ok bool) {
	if places > maxFixedDigits {
		return 0, false
	}
	high, low := bits.Mul64(magnitude(n.v), powers[places-n.places])
	if high != 0 || low > maxFixed {
		return 0, false
	}
	if n.v < 0 {
		return -int64(low), true
	}
	return int64(low), true
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// compare is negative, 0 or positive as n is less than, equal to or more than m.
func (n fixed) compare(m fixed) int {
	if n.v < 0 != (m.v < 0) {
		if n.v < 0 {
			return -1
		}
		return 1
	}
	nHigh, nLow := bits.Mul64(magnitude(n.v), powers[m.places])
	mHigh, mLow := bits.Mul64(magnitude(m.v), powers[n.places])
	order := 0
	switch {
	case nHigh < mHigh || nHigh == mHigh && nLow < mLow:
		order = -1
	case nHigh != mHigh || nLow != mLow:
		order = 1
	}
	if n.v < 0 {
		return -order
	}
	return order
}

// append writes n as appendNumber writes it.
func (n fixed) append(dst []byte) []byte {
	n = n.trim()
	if n.places == 0 {
		return strconv.AppendInt(dst, n.v, 10)
	}
	if n.v < 0 {
		dst = append(dst, '-')
	}
	m := magnitude(n.v)
	dst = append(strconv.AppendUint(dst, m/powers[n.places], 10), '.')
	fraction := m % powers[n.places]
	for place := n.places - 1; place >= 0; place-- {
		dst = append(dst, byte('0'+fraction/powers[place]%10))
	}
	return dst
}

// appendRat writes n as big.Rat's RatString does: a fraction in lowest terms.
func (n fixed) appendRat(dst []byte) []byte {
	v, twos, fives := n.v, n.places, n.places
	if v == 0 {
		return append(dst, '0')
	}
	for ; twos > 0 && v%2 == 0; twos-- {
		v /= 2
	}
	for ; fives > 0 && v%5 == 0; fives-- {
		v /= 5
	}
	dst = strconv.AppendInt(dst, v, 10)
	if twos == 0 && fives == 0 {
		return dst
	}
	denominator := uint64(1) << twos
	for range fives {
		denominator *= 5
	}
	return strconv.AppendUint(append(dst, '/'), denominator, 10)
}

// limits are a Shape's demands on a number, as far as they are fixed.
type limits struct {
	integer                bool
	min, max, above, below *fixed
	of                     fixed // 0: of any
}

// limits are the shape's; nil if one of them isn't fixed.
func (s *Shape) limits() *limits {
	l := &limits{integer: s.Integer}
	for _, bound := range [...]struct {
		from *big.Rat
		to   **fixed
	}{{s.Minimum, &l.min}, {s.Maximum, &l.max}, {s.Above, &l.above}, {s.Below, &l.below}} {
		if bound.from == nil {
			continue
		}
		n, ok := fixedOf(bound.from)
		if !ok {
			return nil
		}
		*bound.to = &n
	}
	if s.MultipleOf != nil {
		var ok bool
		if l.of, ok = fixedOf(s.MultipleOf); !ok {
			return nil
		}
	}
	return l
}

// admits is Shape.admitsNumber. It isn't certain where that goes beyond what is
// computed with here.
func (l *limits) admits(n fixed) (admitted, certain bool) {
	n = n.trim()
	switch {
	case l.integer && n.places > 0,
		l.min != nil && n.compare(*l.min) < 0,
		l.max != nil && n.compare(*l.max) > 0,
		l.above != nil && n.compare(*l.above) <= 0,
		l.below != nil && n.compare(*l.below) >= 0:
		return false, true
	case l.of.v == 0:
		return true, true
	}
	places := max(n.places, l.of.places)
	v, ok := n.at(places)
	of, fits := l.of.at(places)
	if !ok || !fits {
		return false, false
	}
	return v%of == 0, true
}
