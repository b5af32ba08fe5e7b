package mask

import (
	"bytes"
	"math/big"
	"slices"
	"strings"
)

// numeric reads a number, or a text that is one as a whole, with its decimals.
func (f *Field) numeric(text []byte) (n *big.Rat, decimals int, err error) {
	n, ok := parseDecimal(string(text))
	if !ok || f.kind != Number && f.kind != String {
		return nil, 0, &Refusal{
			Code: CodeUnsuitable, Why: string(f.technique) + " is for numbers, and for texts that hold nothing but one of at most 40 digits",
			Cure: "give such values a class of their own, with another technique",
		}
	}
	if _, fraction, ok := strings.Cut(string(text), "."); ok {
		decimals = len(fraction)
	}
	if f.kind == Number || bytes.ContainsAny(text, "eE") {
		decimals, _ = n.FloatPrec() // exact: it was a decimal number
	}
	return n, decimals, nil
}

// number appends a number that a technique made, if the schema admits it; of a
// text with as many decimals.
func (f *Field) number(dst []byte, n *big.Rat, decimals int) ([]byte, bool) {
	if f.kind == Number {
		return appendNumber(dst, n), f.admitsNumber(n)
	}
	text := []byte(n.FloatString(decimals))
	if !f.admitsText(text) {
		return dst, false
	}
	return append(append(append(dst, '"'), text...), '"'), true
}

func (f *Field) admitsNumber(n *big.Rat) bool {
	if len(f.admitted) > 0 {
		return slices.ContainsFunc(f.admitted, func(text string) bool {
			admitted, ok := new(big.Rat).SetString(text)
			return ok && admitted.Cmp(n) == 0
		})
	}
	return f.shape.admitsNumber(n)
}

// makeBucket gives the lower bound of the interval that the number lies in, or
// where the schema doesn't admit that, its upper bound or its middle.
func makeBucket(f *Field, _ *Scratch, dst, text []byte, _ *Event) ([]byte, error) {
	if out, ok := f.bucket(dst, text); ok {
		return out, nil
	}
	n, decimals, err := f.numeric(text)
	if err != nil {
		return dst, err
	}
	size := f.recipe.number
	if size == nil {
		return dst, unfit(Bucket, f.kind)
	}
	low := new(big.Rat).SetInt(floor(new(big.Rat).Quo(n, size)))
	low.Mul(low, size)
	high := new(big.Rat).Add(low, size)
	middle := new(big.Rat).Add(low, high)
	middle.Quo(middle, big.NewRat(2, 1))
	for _, candidate := range []*big.Rat{low, high, middle} {
		if _, exact := candidate.FloatPrec(); !exact {
			continue
		}
		if out, ok := f.number(dst, candidate, decimals); ok {
			return out, nil
		}
	}
	return dst, unfit(Bucket, f.kind)
}

// makeNoisy moves the number by at least one unit of its last decimal (or of
// the schema's steps) and at most the percentage, up or down as the keyed hash
// of the number has it. A number whose percentage is less than a unit moves by one.
func makeNoisy(f *Field, s *Scratch, dst, text []byte, _ *Event) ([]byte, error) {
	if f.recipe.exact == nil {
		return dst, unfit(Noise, f.kind)
	}
	if out, ok := f.noisy(s, dst, text); ok {
		return out, nil
	}
	n, decimals, err := f.numeric(text)
	if err != nil {
		return dst, err
	}
	s.digestExactly(f.recipe.exact, []byte(n.RatString()))
	unit := f.shape.MultipleOf
	if unit == nil || unit.Sign() <= 0 || f.kind == String {
		places, _ := n.FloatPrec()
		if f.kind == String {
			places = decimals
		}
		unit = new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil))
	}
	most := new(big.Rat).Mul(new(big.Rat).Abs(n), f.recipe.number)
	most.Quo(most, new(big.Rat).Mul(unit, big.NewRat(100, 1)))
	units := floor(most)
	if units.Sign() == 0 {
		units.SetInt64(1)
	}
	var random [24]byte
	s.bits.fill(random[:])
	step := new(big.Int).SetBytes(random[:])
	step.Mod(step, units).Add(step, big.NewInt(1))
	if s.bits.below(2) == 1 {
		step.Neg(step)
	}
	for _, k := range []*big.Int{step, new(big.Int).Neg(step), big.NewInt(1), big.NewInt(-1)} {
		moved := new(big.Rat).Mul(new(big.Rat).SetInt(k), unit)
		if out, ok := f.number(dst, moved.Add(moved, n), decimals); ok {
			return out, nil
		}
	}
	return dst, unfit(Noise, f.kind)
}

// makeConstant gives the rule's value.
func makeConstant(f *Field, _ *Scratch, dst, _ []byte, _ *Event) ([]byte, error) {
	value := string(f.recipe.Value)
	switch f.kind {
	case Number:
		n, ok := parseDecimal(value)
		if ok && f.admitsNumber(n) {
			return append(dst, value...), nil
		}
	case Bool:
		if (value == "true" || value == "false") && (len(f.admitted) == 0 || slices.Contains(f.admitted, value)) {
			return append(dst, value...), nil
		}
	default:
		return f.text(dst, []byte(value))
	}
	return dst, &Refusal{
		Code: CodeUnfit, Why: "the rule's constant is no " + f.kind.String() + " that the schema admits there", Cure: "give the rule such a value, or the field another class",
	}
}
