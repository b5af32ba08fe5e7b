package program

import (
	"bytes"
	"cmp"
	"math/big"
	"math/bits"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// decimal is a number exactly: ±digits·10^exp. Numbers whose digits don't fit
// are kept as text, and computed with as big.Rat.
type decimal struct {
	digits   uint64
	exp      int
	negative bool
	long     bool   // digits don't fit; only text counts
	text     []byte // as it is written
}

// scanNumber goes through the number at i and returns the offset behind it; -1
// if there is none, or one beyond strictjson's bounds. It becomes d.
func scanNumber(data []byte, i int, d *decimal) (end int) {
	start := i
	*d = decimal{}
	if i < len(data) && data[i] == '-' {
		d.negative = true
		i++
	}
	first := i
	for i < len(data) && data[i]-'0' <= 9 {
		d.add(data[i])
		i++
	}
	if i == first || data[first] == '0' && i > first+1 {
		return -1
	}
	if i < len(data) && data[i] == '.' {
		i++
		first = i
		for i < len(data) && data[i]-'0' <= 9 {
			d.add(data[i])
			i++
		}
		if i == first {
			return -1
		}
		d.exp = first - i
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		var exp int
		if i, exp = scanExponent(data, i+1); i < 0 {
			return -1
		}
		d.exp += exp
	}
	if i-start > strictjson.MaxNumberBytes {
		return -1
	}
	d.text = data[start:i]
	return i
}

// maxHeld is the most that digits may be before another is added.
const maxHeld = (1<<64 - 1 - 9) / 10

func (d *decimal) add(c byte) {
	if d.digits > maxHeld {
		d.long = true
		return
	}
	d.digits = d.digits*10 + uint64(c-'0')
}

func scanExponent(data []byte, i int) (end, exp int) {
	negative := false
	if i < len(data) && (data[i] == '+' || data[i] == '-') {
		negative = data[i] == '-'
		i++
	}
	first := i
	for i < len(data) && data[i]-'0' <= 9 {
		if exp = exp*10 + int(data[i]-'0'); exp > strictjson.MaxExponent {
			return -1, 0
		}
		i++
	}
	if i == first {
		return -1, 0
	}
	if negative {
		exp = -exp
	}
	return i, exp
}

// parseDecimal is the number that text is; it must be one.
func parseDecimal(text string) (decimal, bool) {
	var d decimal
	end := scanNumber([]byte(text), 0, &d)
	return d, end == len(text)
}

// decimalOf is r, which must have come from a decimal.
func decimalOf(r *big.Rat) (decimal, bool) {
	n, exact := r.FloatPrec()
	if !exact {
		return decimal{}, false
	}
	return parseDecimal(r.FloatString(n))
}

// rat is the number as big.Rat.
func (d *decimal) rat() *big.Rat {
	r, _ := new(big.Rat).SetString(string(d.text))
	return r
}

// isInteger reports whether the number has no fractional part, as 1.0 has none.
func (d *decimal) isInteger() bool {
	switch {
	case d.exp >= 0:
		return true // digits that don't fit included: nothing follows the point
	case d.long:
		return d.rat().IsInt()
	case d.exp < -19:
		return d.digits == 0
	}
	return d.digits%pow10[-d.exp] == 0
}

// compare is -1, 0 or 1 as d is less than, equal to or greater than o.
func (d *decimal) compare(o *decimal) int {
	if d.long || o.long {
		return d.rat().Cmp(o.rat())
	}
	switch {
	case d.digits == 0 && o.digits == 0:
		return 0
	case d.negative != o.negative && d.negative:
		return -1 // they are not both zero
	case d.negative != o.negative:
		return 1
	}
	c := compareMagnitude(d.digits, d.exp, o.digits, o.exp)
	if d.negative {
		return -c
	}
	return c
}

// compareMagnitude compares a·10^m with b·10^n.
func compareMagnitude(a uint64, m int, b uint64, n int) int {
	if m == n {
		return cmp.Compare(a, b)
	}
	if m < n {
		return -compareMagnitude(b, n, a, m)
	}
	if a == 0 || m-n > 19 { // 10^20 is more than any b
		if a == 0 && b == 0 {
			return 0
		} else if a == 0 {
			return -1
		}
		return 1
	}
	hi, lo := bits.Mul64(a, pow10[m-n])
	switch {
	case hi > 0 || lo > b:
		return 1
	case lo < b:
		return -1
	}
	return 0
}

// multipleOf reports whether d is an integer times o, which is not zero.
func (d *decimal) multipleOf(o *decimal) bool {
	if d.long || o.long {
		return new(big.Rat).Quo(d.rat(), o.rat()).IsInt()
	}
	if d.digits == 0 {
		return true
	}
	if d.exp < o.exp {
		// o·10^shift must divide the digits, and is more than they if it doesn't fit.
		shift := o.exp - d.exp
		if shift > 19 {
			return false
		}
		hi, unit := bits.Mul64(o.digits, pow10[shift])
		return hi == 0 && d.digits%unit == 0
	}
	remainder := d.digits % o.digits
	for shift := d.exp - o.exp; shift > 0 && remainder != 0; {
		step := min(shift, 19)
		hi, lo := bits.Mul64(remainder, pow10[step]%o.digits)
		remainder = bits.Rem64(hi, lo, o.digits)
		shift -= step
	}
	return remainder == 0
}

// pow10 are the powers of ten that fit.
var pow10 = func() (t [20]uint64) {
	t[0] = 1
	for i := 1; i < len(t); i++ {
		t[i] = t[i-1] * 10
	}
	return t
}()

// equal reports whether the numbers are the same.
func (d *decimal) equal(o *decimal) bool {
	return bytes.Equal(d.text, o.text) || d.compare(o) == 0
}

// bound is r as decimal; lookForOpaque has made sure that it can be.
func bound(r *big.Rat) *decimal {
	d, _ := decimalOf(r)
	return &d
}
