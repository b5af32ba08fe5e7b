package mask

import (
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"time"
	"unicode/utf8"
)

// maxShift is how many days a date may be moved at most: ten years.
const maxShift = 3650

// precisions are what truncate may keep.
var precisions = map[string]struct{}{"year": {}, "month": {}, "day": {}, "hour": {}, "network": {}}

// instant is a date as people and programs write it.
var instant = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:([Tt ])([0-9]{2})(:[0-9]{2}(?::[0-9]{2})?)((?:\.[0-9]+)?)([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?$`)

func noDate(t Technique) error {
	return &Refusal{
		Code: CodeUnsuitable, Why: string(t) + " found no date: neither one that begins with YYYY-MM-DD nor a number of seconds or milliseconds since 1970",
		Cure: "give such values a class of their own, with another technique",
	}
}

// parseDate reads the day with which a date begins, and gives the rest of it.
func parseDate(text []byte) (day time.Time, parts [][]byte, ok bool) {
	parts = instant.FindSubmatch(text)
	if parts == nil {
		return time.Time{}, nil, false
	}
	day, err := time.Parse(time.DateOnly, string(parts[1]))
	return day, parts, err == nil
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
	s.text = append(s.text[:0], canonical(r.By, Value{Kind: String, Text: subject})...)
	s.digestExactly(r.subjects, s.text)
	days := 1 + s.bits.below(r.Days)
	if s.bits.below(2) == 1 {
		days = -days
	}
	if f.kind == Number {
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
	day, _, ok := parseDate(text)
	if !ok || f.kind != String {
		return dst, noDate(DateShift)
	}
	if day = day.AddDate(0, 0, days); day.Year() < 1 || day.Year() > 9999 {
		return dst, unfit(DateShift, f.kind)
	}
	s.made = append(day.AppendFormat(s.made[:0], time.DateOnly), text[len(time.DateOnly):]...)
	return f.text(dst, s.made)
}

// makeTruncated keeps the beginning of a text, or what the rule's precision
// says of a date or an address.
func makeTruncated(f *Field, s *Scratch, dst, text []byte, _ *Event) ([]byte, error) {
	switch to := f.recipe.To; {
	case to == "network":
		return f.network(s, dst, text)
	case to != "" && f.kind == Number:
		n, scale, ok := epoch(text)
		if !ok {
			return dst, noDate(Truncate)
		}
		seconds := floor(new(big.Rat).Quo(n, big.NewRat(scale, 1))).Int64()
		cut := cutTime(time.Unix(seconds, 0).UTC(), to).Unix() * scale
		if !f.admitsNumber(big.NewRat(cut, 1)) {
			return dst, unfit(Truncate, f.kind)
		}
		return appendNumber(dst, big.NewRat(cut, 1)), nil
	case to != "":
		day, parts, ok := parseDate(text)
		if !ok || f.kind != String {
			return dst, noDate(Truncate)
		}
		s.made = cutTime(day, to).AppendFormat(s.made[:0], time.DateOnly)
		if len(parts[2]) > 0 {
			hour := "00"
			if to == "hour" {
				hour = string(parts[3])
			}
			s.made = append(append(s.made, parts[2]...), hour...)
			s.made = append(append(s.made, ":00:00"[:len(parts[4])]...), parts[6]...)
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

// cutTime is the beginning of the year, month, day or hour that t lies in.
func cutTime(t time.Time, to string) time.Time {
	switch to {
	case "year":
		return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	case "month":
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	case "day":
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	return t.Truncate(time.Hour)
}

// network keeps the first 24 bits of an IPv4 and the first 48 of an IPv6 address.
func (f *Field) network(s *Scratch, dst, text []byte) ([]byte, error) {
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
