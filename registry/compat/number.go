package compat

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
)

var one = big.NewRat(1, 1)

const (
	maxBits      = 4096  // of a number that is looked at
	maxMultiples = 4_000 // multiples that are tried
)

// number finds a number for a branch: exactly, where multiples are asked for,
// and otherwise among decimals near the bounds.
func (s *solver) number(b *branch) (any, status) {
	in := interval(&world{all: b.all})
	var multiples, not []*big.Rat
	var avoid []*big.Rat
	avoidAll := func(values []any) {
		for _, v := range values {
			if n, ok := v.(json.Number); ok {
				if r, ok := rational(n); ok {
					avoid = append(avoid, r)
				}
			}
		}
	}
	if integral(&world{all: b.all}) {
		multiples = append(multiples, one)
	}
	for _, schema := range b.all {
		if schema.MultipleOf != nil {
			multiples = append(multiples, schema.MultipleOf)
		}
	}
	for _, f := range b.facts {
		switch f.op { //nolint:exhaustive // others are not about numbers
		case opBelow:
			in.lower(f.number, !f.inclusive)
		case opAbove:
			in.raise(f.number, !f.inclusive)
		case opNotMultiple:
			not = append(not, f.number)
		case opNotIn:
			avoidAll(f.values)
		}
	}
	avoidAll(b.goal.avoid)
	if in.empty() {
		return nil, none
	}
	for _, r := range slices.Concat(multiples, not, avoid, []*big.Rat{in.low, in.high}) {
		if r != nil && (r.Num().BitLen() > maxBits || r.Denom().BitLen() > maxBits || r.Sign() == 0 && slices.Contains(multiples, r)) {
			return nil, s.giveUp("multipleOf")
		}
	}
	fits := func(r *big.Rat) bool {
		if !in.holds(r) {
			return false
		}
		for _, m := range not {
			if m.Sign() != 0 && new(big.Rat).Quo(r, m).IsInt() {
				return false
			}
		}
		return !slices.ContainsFunc(avoid, func(a *big.Rat) bool { return a.Cmp(r) == 0 })
	}
	if len(multiples) > 0 {
		return s.multiple(multiples, not, len(avoid), in, fits)
	}
	for _, r := range near(in, not) {
		if fits(r) {
			if n, ok := decimalNumber(r); ok {
				return n, found
			}
		}
	}
	if in.low != nil && in.high != nil && in.low.Cmp(in.high) == 0 {
		return nil, none
	}
	return nil, s.giveUp("multipleOf")
}

// multiple finds a number among the multiples of all of a few numbers. Which of
// them are multiples of another number repeats, so looking at one period, and one
// more for each value to avoid, is looking at all.
func (s *solver) multiple(multiples, not []*big.Rat, avoided int, in span, fits func(*big.Rat) bool) (any, status) {
	m := multiples[0]
	for _, next := range multiples[1:] {
		m = leastCommon(m, next)
	}
	period := big.NewInt(1)
	for _, n := range not {
		if n.Sign() == 0 {
			continue
		}
		repeats := new(big.Rat).Quo(m, n).Denom()
		gcd := new(big.Int).GCD(nil, nil, period, repeats)
		period.Mul(period, new(big.Int).Quo(repeats, gcd))
	}
	tries, exact := maxMultiples, false
	if period.IsInt64() && period.Int64() < maxMultiples {
		if all := (avoided+1)*int(period.Int64()) + 1; all <= maxMultiples {
			tries, exact = all, true
		}
	}
	start, direction := big.NewInt(0), int64(1)
	switch {
	case in.low != nil && in.low.Sign() > 0:
		start = new(big.Int).Div(new(big.Rat).Quo(in.low, m).Num(), new(big.Rat).Quo(in.low, m).Denom())
	case in.high != nil && in.high.Sign() < 0:
		q := new(big.Rat).Quo(in.high, m)
		start = new(big.Int).Add(new(big.Int).Div(q.Num(), q.Denom()), big.NewInt(1))
		direction = -1
	}
	try := func(k *big.Int) (any, bool) {
		r := new(big.Rat).Mul(new(big.Rat).SetInt(k), m)
		s.spent += costValue / 4
		if !fits(r) {
			return nil, false
		}
		n, ok := decimalNumber(r)
		return n, ok
	}
	both := start.Sign() == 0 && direction == 1
	for i := range int64(tries) + 3 {
		k := new(big.Int).Add(start, big.NewInt(direction*i))
		if v, ok := try(k); ok {
			return v, found
		}
		if both && i > 0 {
			if v, ok := try(new(big.Int).Neg(k)); ok {
				return v, found
			}
		}
	}
	if exact {
		return nil, none
	}
	return nil, s.giveUp("multipleOf")
}

func leastCommon(a, b *big.Rat) *big.Rat {
	x, y := new(big.Int).Mul(a.Num(), b.Denom()), new(big.Int).Mul(b.Num(), a.Denom())
	gcd := new(big.Int).GCD(nil, nil, x, y)
	lcm := new(big.Int).Mul(x, new(big.Int).Quo(y, gcd))
	return new(big.Rat).SetFrac(lcm, new(big.Int).Mul(a.Denom(), b.Denom()))
}

// near are decimals to try, the simple ones first.
func near(in span, not []*big.Rat) []*big.Rat {
	var out []*big.Rat
	for _, n := range []int64{0, 1, -1, 2, -2} {
		out = append(out, big.NewRat(n, 1))
	}
	for _, bound := range [...]*big.Rat{in.low, in.high} {
		if bound == nil {
			continue
		}
		for _, by := range []*big.Rat{new(big.Rat), one, big.NewRat(-1, 1), big.NewRat(1, 2), big.NewRat(-1, 2), big.NewRat(1, 10), big.NewRat(-1, 10), big.NewRat(1, 1000), big.NewRat(-1, 1000)} {
			out = append(out, new(big.Rat).Add(bound, by))
		}
	}
	if in.low != nil && in.high != nil {
		width := new(big.Rat).Sub(in.high, in.low)
		for _, part := range []*big.Rat{big.NewRat(1, 2), big.NewRat(1, 4), big.NewRat(1, 10), big.NewRat(3, 10), big.NewRat(7, 10), big.NewRat(1, 100), big.NewRat(37, 1000)} {
			out = append(out, new(big.Rat).Add(in.low, new(big.Rat).Mul(width, part)))
		}
	}
	whole := slices.Clone(out)
	for _, by := range append([]*big.Rat{one}, not...) {
		for _, part := range []*big.Rat{big.NewRat(1, 2), big.NewRat(1, 10), big.NewRat(3, 10), big.NewRat(7, 1000)} {
			for _, r := range whole {
				out = append(out, new(big.Rat).Add(r, new(big.Rat).Mul(by, part)))
			}
		}
	}
	for i := range int64(70) {
		out = append(out, big.NewRat(i, 1), big.NewRat(-i, 1))
	}
	return out
}

func (s span) holds(r *big.Rat) bool {
	if s.low != nil {
		if order := r.Cmp(s.low); order < 0 || order == 0 && s.lowOpen {
			return false
		}
	}
	if s.high != nil {
		if order := r.Cmp(s.high); order > 0 || order == 0 && s.highOpen {
			return false
		}
	}
	return true
}

// rational reads a number unless it is enormous.
func rational(n json.Number) (*big.Rat, bool) {
	const longest = 300
	text := n.String()
	if i := strings.IndexAny(text, "eE"); len(text) > longest || i >= 0 && len(text)-i > 5 {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// decimalNumber writes a number as JSON does; it reports false if it has no end.
func decimalNumber(r *big.Rat) (json.Number, bool) {
	if r.Num().BitLen() > maxBits || r.Denom().BitLen() > maxBits {
		return "", false
	}
	if r.IsInt() {
		return json.Number(r.Num().String()), true
	}
	digits, exact := r.FloatPrec()
	if !exact {
		return "", false
	}
	return json.Number(r.FloatString(digits)), true
}

// equalValues reports whether two JSON values are equal, as 1.0 and 1 are.
func equalValues(a, b any) bool {
	if valueKind(a) != valueKind(b) {
		return false
	}
	var x, y strings.Builder
	writeValue(&x, a)
	writeValue(&y, b)
	return x.String() == y.String()
}
