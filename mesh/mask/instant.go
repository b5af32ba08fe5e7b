package mask

import "time"

// instant is a date as people and programs write it: YYYY-MM-DD, and perhaps a time
// behind it, with or without seconds, a fraction and a zone. All but the day are
// parts of the text, as they stand.
type instant struct {
	year, month, day int
	mark             []byte // T, t or a space, before a time; empty if there is none
	hour             []byte // HH, of any digits
	minutes          []byte // :MM or :MM:SS, of any digits
	zone             []byte // Z, z, ±HH:MM or ±HHMM, of any digits; empty if there is none
}

// parseInstant reads a date whose day is one of the Gregorian calendar, from the
// year 0 to 9999.
func parseInstant(text []byte) (t instant, ok bool) {
	if len(text) < len(time.DateOnly) || text[4] != '-' || text[7] != '-' ||
		!(twoDigits(text) && twoDigits(text[2:]) && twoDigits(text[5:]) && twoDigits(text[8:])) {
		return instant{}, false
	}
	two := func(i int) int { return int(text[i]-'0')*10 + int(text[i+1]-'0') }
	t.year, t.month, t.day = two(0)*100+two(2), two(5), two(8)
	if t.month < 1 || t.month > 12 || t.day < 1 || t.day > daysIn(t.year, t.month) {
		return instant{}, false
	}
	if text = text[len(time.DateOnly):]; len(text) == 0 {
		return t, true
	}
	if len(text) < len("T00:00") || text[0] != 'T' && text[0] != 't' && text[0] != ' ' || !twoDigits(text[1:]) || !minutes(text[3:]) {
		return instant{}, false
	}
	t.mark, t.hour, text = text[:1], text[1:3], text[3:]
	size := len(":00")
	if minutes(text[size:]) {
		size *= 2
	}
	t.minutes, text = text[:size], text[size:]
	if len(text) > 1 && text[0] == '.' && text[1]-'0' <= 9 {
		for text = text[1:]; len(text) > 0 && text[0]-'0' <= 9; {
			text = text[1:]
		}
	}
	t.zone = text
	return t, len(text) == 0 || len(text) == 1 && text[0]|0x20 == 'z' ||
		(text[0] == '+' || text[0] == '-') && twoDigits(text[1:]) &&
			(len(text) == len("+00:00") && minutes(text[3:]) || len(text) == len("+0000") && twoDigits(text[3:]))
}

// twoDigits reports whether text begins with two digits.
func twoDigits(text []byte) bool { return len(text) >= 2 && text[0]-'0' <= 9 && text[1]-'0' <= 9 }

// minutes reports whether text begins with a colon and two digits.
func minutes(text []byte) bool { return len(text) >= 3 && text[0] == ':' && twoDigits(text[1:]) }

// daysIn is how many days a month has.
func daysIn(year, month int) int {
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return int([...]uint8{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1])
}

// appendDay writes a day of the years 0 to 9999 as YYYY-MM-DD.
func appendDay(dst []byte, year, month, day int) []byte {
	digit := func(n int) byte { return byte('0' + n%10) }
	return append(dst, digit(year/1000), digit(year/100), digit(year/10), digit(year), '-', digit(month/10), digit(month), '-', digit(day/10), digit(day))
}
