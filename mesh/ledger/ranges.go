package ledger

import "sort"

// ranges is a set of sequences, kept as the ranges they form, so that a million
// neighbours cost as much as one.
type ranges struct {
	spans []span // ascending, neither overlapping nor touching
}

type span struct{ from, to uint64 }

// at is the index of the first span that ends at sequence or later.
func (r *ranges) at(sequence uint64) int {
	return sort.Search(len(r.spans), func(i int) bool { return r.spans[i].to >= sequence })
}

func (r *ranges) has(sequence uint64) bool {
	i := r.at(sequence)
	return i < len(r.spans) && r.spans[i].from <= sequence
}

func (r *ranges) add(sequence uint64) {
	i := r.at(sequence)
	if i < len(r.spans) && r.spans[i].from <= sequence {
		return
	}
	before := i > 0 && r.spans[i-1].to+1 == sequence
	after := i < len(r.spans) && r.spans[i].from == sequence+1
	switch {
	case before && after:
		r.spans[i-1].to = r.spans[i].to
		r.spans = append(r.spans[:i], r.spans[i+1:]...)
	case before:
		r.spans[i-1].to = sequence
	case after:
		r.spans[i].from = sequence
	default:
		r.spans = append(r.spans, span{})
		copy(r.spans[i+1:], r.spans[i:])
		r.spans[i] = span{sequence, sequence}
	}
}

// remove takes sequence out of the set, and reports whether it was in it.
func (r *ranges) remove(sequence uint64) bool {
	i := r.at(sequence)
	if i == len(r.spans) || r.spans[i].from > sequence {
		return false
	}
	s := r.spans[i]
	switch {
	case s.from == s.to:
		r.spans = append(r.spans[:i], r.spans[i+1:]...)
	case s.from == sequence:
		r.spans[i].from++
	case s.to == sequence:
		r.spans[i].to--
	default:
		r.spans = append(r.spans, span{})
		copy(r.spans[i+1:], r.spans[i:])
		r.spans[i].to, r.spans[i+1].from = sequence-1, sequence+1
	}
	return true
}
