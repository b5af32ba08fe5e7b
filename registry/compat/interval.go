package compat

import (
	"math/big"
	"slices"
)

// span is an interval of numbers; a nil bound is infinity.
type span struct {
	low, high         *big.Rat
	lowOpen, highOpen bool
}

func (s span) empty() bool {
	if s.low == nil || s.high == nil {
		return false
	}
	order := s.low.Cmp(s.high)
	return order > 0 || order == 0 && (s.lowOpen || s.highOpen)
}

// interval is where the numbers of w lie.
func interval(w *world) span {
	var out span
	for _, s := range w.all {
		out.raise(s.Minimum, false)
		out.raise(s.ExclusiveMinimum, true)
		out.lower(s.Maximum, false)
		out.lower(s.ExclusiveMaximum, true)
	}
	if integral(w) {
		out.roundInward()
	}
	return out
}

func (s *span) raise(bound *big.Rat, open bool) {
	if bound == nil {
		return
	}
	if s.low == nil || bound.Cmp(s.low) > 0 || bound.Cmp(s.low) == 0 && open {
		s.low, s.lowOpen = bound, open
	}
}

func (s *span) lower(bound *big.Rat, open bool) {
	if bound == nil {
		return
	}
	if s.high == nil || bound.Cmp(s.high) < 0 || bound.Cmp(s.high) == 0 && open {
		s.high, s.highOpen = bound, open
	}
}

// roundInward moves the bounds to the integers within.
func (s *span) roundInward() {
	one := big.NewInt(1)
	if s.low != nil {
		floor := new(big.Int).Div(s.low.Num(), s.low.Denom()) // Euclidean: floor for a positive denominator
		if !s.low.IsInt() || s.lowOpen {
			floor.Add(floor, one)
		}
		s.low, s.lowOpen = new(big.Rat).SetInt(floor), false
	}
	if s.high != nil {
		floor := new(big.Int).Div(s.high.Num(), s.high.Denom())
		if s.high.IsInt() && s.highOpen {
			floor.Sub(floor, one)
		}
		s.high, s.highOpen = new(big.Rat).SetInt(floor), false
	}
}

// integral reports whether all numbers of w are integers.
func integral(w *world) bool {
	for _, s := range w.all {
		if slices.Contains(s.Types, "integer") && !slices.Contains(s.Types, "number") {
			return true
		}
		if s.MultipleOf != nil && s.MultipleOf.IsInt() {
			return true
		}
	}
	return false
}
