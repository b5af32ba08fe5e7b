package mask

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// grid is where a shape's numeric tokens lie, where that can be computed in
// registers: low, low+1, … as many as count, times unit/10^places. What it
// makes is what Shape.numberToken makes.
type grid struct {
	low    int64
	count  uint64
	unit   int64
	places int
}

// grid is the shape's; nil if numberToken is left to find a token, or none.
func (s *Shape) grid() *grid {
	if s.anyNumber() {
		return nil
	}
	for _, step := range s.steps() {
		low, high := s.rangeIn(step)
		count := new(big.Int).Sub(high, low)
		if count.Add(count, big.NewInt(1)); count.Cmp(big.NewInt(1<<MinTokenBits)) < 0 {
			continue // as there
		}
		// All of the grid is within the bounds. What else is demanded must hold of
		// all of it too, or numberToken would go on to the next step.
		within := (!s.Integer || step.IsInt()) && (s.MultipleOf == nil || s.MultipleOf.Sign() == 0 || s.MultipleOf.Cmp(step) == 0)
		unit, ok := fixedOf(step)
		if !within || !ok || !low.IsInt64() || !high.IsInt64() || !count.IsUint64() {
			return nil
		}
		for _, end := range [...]*big.Int{low, high} {
			if new(big.Int).Mul(end, big.NewInt(unit.v)).CmpAbs(big.NewInt(maxFixed)) > 0 {
				return nil
			}
		}
		return &grid{low: low.Int64(), count: count.Uint64(), unit: unit.v, places: unit.places}
	}
	return nil
}

// token is one of the grid's numbers.
func (g *grid) token(b *bitStream) fixed {
	var random [16]byte
	b.fill(random[:])
	at := bits.Rem64(binary.BigEndian.Uint64(random[:8]), binary.BigEndian.Uint64(random[8:]), g.count)
	return fixed{(g.low + int64(at)) * g.unit, g.places}
}

// numbers are all of the grid's numbers.
func (g *grid) numbers() Numbers {
	scale := new(big.Int).SetUint64(powers[g.places])
	unit := new(big.Rat).SetFrac(big.NewInt(g.unit), scale)
	low := new(big.Rat).SetInt64(g.low)
	length := new(big.Rat).SetInt(new(big.Int).SetUint64(g.count - 1))
	return Numbers{new(big.Rat).Mul(low, unit), new(big.Rat).Mul(new(big.Rat).Add(low, length), unit), unit}
}
