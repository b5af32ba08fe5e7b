package program

import "math/bits"

// op works out a unit from others of the same value.
type op struct {
	code    opcode
	present int    // opDependent: index of the property; opSealed: of the seal
	seals   uint64 // the seals in whose scope the op stands
	unit    set
	a, b, c set
}

type opcode uint8

const (
	opAny       opcode = iota // one of a must hold
	opOne                     // exactly one of a must hold
	opNot                     // a must fail
	opIf                      // if a holds, b must; else c
	opDependent               // if the property is present, a must hold
	opSealed                  // each property must be evaluated: see unevaluated
)

// resolve works out ops. Of an object, seen tells which properties it has.
func resolve(ops []op, fail set, seen []uint64, pending []unevaluated) set {
	for i := range ops {
		o := &ops[i]
		holds := false
		switch o.code {
		case opAny:
			holds = o.a&^fail != 0
		case opOne:
			holds = bits.OnesCount64(uint64(o.a&^fail)) == 1
		case opNot:
			holds = o.a&fail != 0
		case opIf:
			if o.a&fail == 0 {
				holds = o.b&fail == 0
			} else {
				holds = o.c&fail == 0
			}
		case opDependent:
			holds = o.a&fail == 0 || seen[o.present>>6]>>(o.present&63)&1 == 0
		case opSealed:
			holds = o.evaluated(ops[:i], fail, seen, pending)
		}
		if !holds {
			fail |= o.unit
		}
	}
	return fail
}

// applied are the units that an op applies to the value, given which failed.
func (o *op) applied(fail set, seen []uint64) set {
	switch o.code {
	case opAny, opOne:
		return o.a &^ fail
	case opIf:
		if o.a&fail == 0 {
			return o.a | o.b
		}
		return o.c
	case opDependent:
		if seen[o.present>>6]>>(o.present&63)&1 != 0 {
			return o.a
		}
	case opNot, opSealed:
	}
	return 0
}

// unevaluated is a property that a schema with "unevaluatedProperties": false
// (a seal) has left to its branches: one of the units that evaluate the
// property must turn out to be applied by it.
type unevaluated struct {
	seal int
	by   set
}

// evaluated reports whether the pending properties of a seal are evaluated.
// All ops by which units apply because of it come before its own.
func (o *op) evaluated(before []op, fail set, seen []uint64, pending []unevaluated) bool {
	applied, known := set(0), false
	for _, p := range pending {
		if p.seal != o.present {
			continue
		}
		if !known {
			known = true
			for i := len(before) - 1; i >= 0; i-- {
				b := &before[i]
				if b.seals>>o.present&1 != 0 || b.unit&applied != 0 {
					applied |= b.applied(fail, seen)
				}
			}
		}
		if p.by&applied == 0 {
			return false
		}
	}
	return true
}
