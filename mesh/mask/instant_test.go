package mask

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"
)

// instants are the dates that can be read, and their parts.
var instants = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:([Tt ])([0-9]{2})(:[0-9]{2}(?::[0-9]{2})?)(?:\.[0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?$`)

// Dates would be cut or moved that are none, or others than they say, because the
// quick way to read them takes other ones than package time and the grammar do.
func FuzzInstants(f *testing.F) {
	for _, text := range []string{
		"", "2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "0000-02-29", "0001-01-01", "9999-12-31", "2024-13-01", "2024-00-10", "2024-01-00", "2024-04-31",
		"2024-01-31T", "2024-01-31T10", "2024-01-31T10:11", "2024-01-31t99:99:99", "2024-01-31 10:11:12.5", "2024-01-31 10:11.5Z", "2024-01-31T10:11:12.", "2024-01-31T10:11:1",
		"2024-01-31T10:11:12+01:00", "2024-01-31T10:11-0100", "2024-01-31T10:11:12+1:00", "2024-01-31T10:11:12.000z", "2024-01-31T10:11:12zz", "2024-01-31T10:11:12Z\n",
		"2024-01-31_10:11", "02024-01-31", "２024-01-31", "2024-01-31+01:00", "2024-01-3", "2024/01/31", "2024-01-31T10:11:12:13", "2024-01-31T10:11:12+01:000",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := parseInstant([]byte(text))
		parts := instants.FindSubmatch([]byte(text))
		var day time.Time
		err := error(nil)
		if parts != nil {
			day, err = time.Parse(time.DateOnly, string(parts[1]))
		}
		if want := parts != nil && err == nil; ok != want {
			t.Fatalf("%q is a date: %t", text, ok)
		}
		if got, want := (&Shape{Format: "date"}).formatAdmits([]byte(text)), v5.Formats["date"](text); got != want {
			t.Fatalf("%q is of the format date: %t", text, got)
		}
		if !ok {
			return
		}
		if got.year != day.Year() || got.month != int(day.Month()) || got.day != day.Day() {
			t.Fatalf("%q is %d-%d-%d", text, got.year, got.month, got.day)
		}
		for i, part := range [][]byte{got.mark, got.hour, got.minutes, got.zone} {
			if !bytes.Equal(part, parts[i+2]) {
				t.Fatalf("part %d of %q is %q, not %q", i, text, part, parts[i+2])
			}
		}
		if written := string(appendDay(nil, got.year, got.month, got.day)); written != text[:len(time.DateOnly)] || written != day.Format(time.DateOnly) {
			t.Fatalf("%q is written %s", text, written)
		}
	})
}

// A date would be read as another day, or refused: all there are.
func TestEveryDayIsRead(t *testing.T) {
	for day := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() <= 9999; day = day.AddDate(0, 0, 1) {
		text := day.AppendFormat(nil, time.DateOnly)
		got, ok := parseInstant(text)
		if !ok || got.year != day.Year() || got.month != int(day.Month()) || got.day != day.Day() || !bytes.Equal(appendDay(nil, got.year, got.month, got.day), text) {
			t.Fatalf("%s is %+v (%t)", text, got, ok)
		}
	}
}

// Dates that are numbers would be moved or cut otherwise than documented.
func TestQuickEpochsEqualExactOnes(t *testing.T) {
	var maskers []*Masker
	for _, to := range []string{"year", "month", "day", "hour"} {
		maskers = append(maskers, withRule(t, Date, Truncate, Rule{To: to}))
	}
	maskers = append(maskers, withRule(t, Date, DateShift, Rule{Days: 30, By: ID}), withRule(t, Date, DateShift, Rule{Days: maxShift, By: ID}))
	quicker := 0
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(maskers).Draw(t, "masker")
		shape := drawShape(t)
		text := []byte(rapid.OneOf(
			rapid.StringMatching(`-?[1-9][0-9]{8,14}(\.[0-9]{1,7})?`), rapid.Custom(func(t *rapid.T) string { return number(t, "n") }),
			rapid.SampledFrom([]string{"0", "-1", "99999999999", "100000000000", "253402300799", "253402300799999", "253402300800000", "-253402300800000", "1.5e9", "1700000000.999999"}),
		).Draw(t, "text"))
		e := subject(rapid.SampledFrom([]string{"c-1", "c-2"}).Draw(t, "subject"))
		quick, exact := m.Field(Date, shape, false, Number), m.field(m.Technique(Date), Date, shape, Number)
		exact.limits = nil
		got, gotErr := quick.Append(nil, Number, text, e)
		want, wantErr := exact.Append(nil, Number, text, e)
		if (gotErr == nil) != (wantErr == nil) || gotErr == nil && !bytes.Equal(got, want) {
			t.Fatalf("%s of %s under %+v: %s (%v), not %s (%v)", quick.technique, text, shape, got, gotErr, want, wantErr)
		}
		if _, ok := quick.truncateEpoch(nil, text); ok {
			quicker++
		}
	})
	if quicker == 0 {
		t.Error("no date has been quick")
	}
}

// A date would be moved by another subject's days, because a scratch takes it for
// the one before.
func TestSubjectsInTurns(t *testing.T) {
	short, long := withRule(t, Date, DateShift, Rule{Days: 5, By: ID}), withRule(t, Date, DateShift, Rule{Days: 3000, By: ID})
	rapid.Check(t, func(t *rapid.T) {
		for _, m := range []*Masker{short, long} {
			f := m.Field(Date, nil, false, String)
			for range rapid.IntRange(1, 20).Draw(t, "dates") {
				e := subject(rapid.SampledFrom([]string{"a", "b", "a ", "", "A"}).Draw(t, "subject"))
				text := []byte(rapid.SampledFrom([]string{"2024-01-31", "1990-02-28T10:00:00Z"}).Draw(t, "date"))
				s := m.Scratch()
				got, err := f.Make(s, nil, String, text, e)
				s.Release()
				want, wantErr := f.apply(&Scratch{masker: m}, nil, text, e)
				if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
					t.Fatalf("%s becomes %s (%v), not %s (%v)", text, got, err, want, wantErr)
				}
			}
		}
	})
}
