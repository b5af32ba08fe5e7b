package mask

import (
	"bytes"
	"fmt"
	"math/big"
	"net/netip"
	"time"
	"unicode/utf8"
)

// maxShift is how many days a date may be moved at most: ten years.
const maxShift = 3650

// precisions are what truncate may keep.
var precisions = map[string]struct{}{"year": {}, "month": {}, "day": {}, "hour": {}, "network": {}}

func noDate(t Technique) error {
	return &Refusal{
		Code: CodeUnsuitable, Why: string(t) + " found no date: neither one that begins with YYYY-MM-DD nor a number of seconds or milliseconds since 1970",
		Cure: "give such values a class of their own, with another technique",
	}
}

// Epochs: a number below is one of seconds, from there on one of milliseconds
// (seconds until the year 5138, milliseconds from 1973).
const firstMillis = 100_000_000_000

// epoch reads a date given as a number; scale is its units a second.
func epoch(text []byte) (n *big.Rat, scale int64, ok bool) {
	n, ok = parseDecimal(string(text))
	if !ok {
		return nil, 0, false
	}
	scale = 1
	if new(big.Rat).Abs(n).Cmp(big.NewRat(firstMillis, 1)) >= 0 {
		scale = 1000
	}
	return n, scale, new(big.Rat).Abs(n).Cmp(big.NewRat(253_402_300_800*scale, 1)) < 0 // the year 10000
}

// makeShifted moves a date by whole days, as many as the subject's keyed hash
// says and never none, so that the subject's dates keep their order, whatever
// their format.
func makeShifted(f *Field, s *Scratch, dst, text []byte, e *Event) ([]byte, error) {
	r := f.recipe
	if r.subjects == nil {
		return dst, unfit(DateShift, f.kind)
	}
	subject, ok := e.First(r.By)
	if !ok {
		return dst, &Refusal{
			Code: CodeNoSubject, Why: fmt.Sprintf("the event has no value of class %s that says whom the date is about", r.By),
			Cure: "classify that value, or give the rule another class in by",
		}
	}
	days := s.shift(r, subject)
	if f.kind == Number {
		if out, ok := f.shiftEpoch(dst, text, days); ok {
			return out, nil
		}
		n, scale, ok := epoch(text)
		if !ok {
			return dst, noDate(DateShift)
		}
		n.Add(n, big.NewRat(int64(days)*86_400*scale, 1))
		if !f.admitsNumber(n) {
			return dst, unfit(DateShift, f.kind)
		}
		return appendNumber(dst, n), nil
	}
	t, ok := parseInstant(text)
	if !ok || f.kind != String {
		return dst, noDate(DateShift)
	}
	year, month, day := time.Date(t.year, time.Month(t.month), t.day+days, 0, 0, 0, 0, time.UTC).Date()
	if year < 1 || year > 9999 {
		return dst, unfit(DateShift, f.kind)
	}
	s.made = append(appendDay(s.made[:0], year, int(month), day), text[len(time.DateOnly):]...)
	return f.text(dst, s.made)
}

// shift is by how many days the subject's dates are moved.
func (s *Scratch) shift(r *recipe, subject string) (days int) {
	last := &s.subject
	if last.mac != r.subjects || string(last.text) != subject {
		last.mac, last.text = nil, append(last.text[:0], subject...)
		s.digest(r.subjects, r.By, String, last.text)
		last.mac, last.bits = r.subjects, s.bits
	}
	bits := last.bits
	days = 1 + bits.below(r.Days)
	if bits.below(2) == 1 {
		days = -days
	}
	return days
}

// makeTruncated keeps the beginning of a text, or what the rule's precision
// says of a date or an address.
func makeTruncated(f *Field, s *Scratch, dst, text []byte, _ *Event) ([]byte, error) {
	switch to := f.recipe.To; {
	case to == "network":
		return f.network(s, dst, text)
	case to != "" && f.kind == Number:
		if out, ok := f.truncateEpoch(dst, text); ok {
			return out, nil
		}
		n, scale, ok := epoch(text)
		if !ok {
			return dst, noDate(Truncate)
		}
		seconds := floor(new(big.Rat).Quo(n, big.NewRat(scale, 1))).Int64()
		cut := big.NewRat(cutTime(seconds, to)*scale, 1)
		if !f.admitsNumber(cut) {
			return dst, unfit(Truncate, f.kind)
		}
		return appendNumber(dst, cut), nil
	case to != "":
		t, ok := parseInstant(text)
		if !ok || f.kind != String {
			return dst, noDate(Truncate)
		}
		switch to {
		case "year":
			t.month, t.day = 1, 1
		case "month":
			t.day = 1
		}
		s.made = appendDay(s.made[:0], t.year, t.month, t.day)
		if len(t.mark) > 0 {
			if s.made = append(s.made, t.mark...); to == "hour" {
				s.made = append(s.made, t.hour...)
			} else {
				s.made = append(s.made, "00"...)
			}
			s.made = append(append(s.made, ":00:00"[:len(t.minutes)]...), t.zone...)
		}
		return f.text(dst, s.made)
	case f.kind != String || f.recipe.Length == 0:
		return dst, &Refusal{
			Code: CodeUnsuitable, Why: fmt.Sprintf("truncate keeps the first characters of a text, and this is a %s", f.kind), Cure: "use bucket for numbers, or to for dates",
		}
	}
	// A text that is no longer than what is kept would be shown whole: of such
	// a one, all but the last character is kept.
	kept := min(f.recipe.Length, characters(text)-1)
	end := 0
	for range kept {
		_, size := utf8.DecodeRune(text[end:])
		end += size
	}
	return f.text(dst, text[:end])
}

// cutTime is the beginning of the year, month, day or hour that a second since 1970
// lies in, as such a second.
func cutTime(seconds int64, to string) int64 {
	t := time.Unix(seconds, 0).UTC()
	switch to {
	case "year":
		t = time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	case "month":
		t = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	case "day":
		t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	default:
		t = t.Truncate(time.Hour)
	}
	return t.Unix()
}

// network keeps the first 24 bits of an IPv4 and the first 48 of an IPv6 address.
func (f *Field) network(s *Scratch, dst, text []byte) ([]byte, error) {
	if f.kind == String && plainIPv4(text) {
		s.made = append(append(s.made[:0], text[:bytes.LastIndexByte(text, '.')+1]...), '0')
		return f.text(dst, s.made)
	}
	address, err := netip.ParseAddr(string(text))
	if err != nil || f.kind != String {
		return dst, &Refusal{Code: CodeUnsuitable, Why: "truncate to network found no IP address", Cure: "give such values a class of their own, with another technique"}
	}
	length := 24
	if address.Is6() && !address.Is4In6() {
		length = 48
	}
	prefix, err := address.Unmap().WithZone("").Prefix(length)
	if err != nil {
		return dst, unfit(Truncate, f.kind)
	}
	s.made = prefix.Addr().AppendTo(s.made[:0])
	return f.text(dst, s.made)
}
