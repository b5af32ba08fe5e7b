package scan

import (
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/mask/internal/known"
)

// longest bounds how far a number with its separators may reach.
const longest = 40

// run is how far text goes on from start with characters of a set.
func (s *scanner) run(start int, set string) string {
	rest := s.text[start:min(len(s.text), start+longest)]
	if n := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune(set, r) }); n >= 0 {
		return rest[:n]
	}
	return rest
}

// number looks for what begins with a digit, a plus or a bracket.
func (s *scanner) number(start int) {
	s.card(start)
	s.phone(start)
	s.ipv4(start)
	s.date(start)
}

func (s *scanner) card(start int) {
	run := strings.TrimRight(s.run(start, "0123456789 -"), " -")
	if strings.Contains(run, "  ") || strings.Contains(run, "--") {
		return
	}
	// A number may follow on a card's; a card's has 12 digits at least.
	for end := len(run); end >= 12; end-- {
		if end < len(run) && run[end] != ' ' || run[end-1] == ' ' {
			continue
		}
		if known.Card(compact(run[:end])) && s.alone(start+end) {
			s.add(start, start+end, Account, 0.9, "a card number's length and check digit")
			return
		}
	}
}

var national = regexp.MustCompile(`^(?:(?:\(0[1-9][0-9]{1,4}\)|0[1-9][0-9]{1,4})[ ./-]{1,3}[0-9][0-9 ./-]{3,12}[0-9]|(?:\([2-9][0-9]{2}\)[ ]?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4})`)

func (s *scanner) phone(start int) {
	if before := s.text[:start]; digitBefore(before, " -./") {
		return // the middle of a longer number
	}
	run := s.run(start, "+0123456789 ()./-")
	run = run[:strings.LastIndexAny(run, "0123456789")+1]
	if run == "" || strings.LastIndexByte(run, '+') > 0 || !s.alone(start+len(run)) {
		return
	}
	digits := onlyDigits(run)
	if plus := run[0] == '+'; plus || strings.HasPrefix(digits, "00") {
		if !plus {
			digits = digits[2:]
		}
		if len(digits) >= 8 && len(digits) <= 15 && known.CallingCode(digits) != "" {
			s.add(start, start+len(run), Phone, 0.9, "a telephone number in international form, of a country that there is")
		}
		return
	}
	if end := len(national.FindString(run)); end > 0 && end == len(run) && len(digits) >= 8 && len(digits) <= 13 {
		s.add(start, start+end, Phone, 0.6, "grouped like a national telephone number")
	}
}

func (s *scanner) ipv4(start int) {
	run := strings.TrimRight(s.run(start, "0123456789."), ".")
	if strings.Count(run, ".") != 3 || digitBefore(s.text[:start], ".") {
		return
	}
	if _, err := netip.ParseAddr(run); err == nil && s.alone(start+len(run)) {
		s.add(start, start+len(run), IP, 0.9, "the syntax of an IPv4 address")
	}
}

func (s *scanner) ipv6(start int) {
	run := strings.TrimRight(s.run(start, "0123456789abcdefABCDEF:."), ".")
	if strings.HasSuffix(run, ":") && !strings.HasSuffix(run, "::") {
		run = run[:len(run)-1] // the sentence's
	}
	if len(run) < 4 || strings.Count(run, ":") < 2 || start > 0 && s.text[start-1] == ':' {
		return
	}
	if a, err := netip.ParseAddr(run); err == nil && a.Is6() && s.alone(start+len(run)) {
		s.add(start, start+len(run), IP, 0.95, "the syntax of an IPv6 address")
	}
}

func (s *scanner) uuid(start int) {
	const length = 36
	if len(s.text) < start+length || s.text[start+8] != '-' || s.text[start+13] != '-' || s.text[start+18] != '-' || s.text[start+23] != '-' || !s.alone(start+length) {
		return
	}
	for i, r := range s.text[start : start+length] {
		if !isHex(r) && (r != '-' || i != 8 && i != 13 && i != 18 && i != 23) {
			return
		}
	}
	s.add(start, start+length, UUID, 0.99, "the syntax of a UUID")
}

// iban looks for a country's two letters, and takes as many characters as its
// accounts have.
func (s *scanner) iban(start int) {
	if len(s.text) < start+15 {
		return
	}
	length := known.IBANLength(strings.ToUpper(s.text[start : start+2]))
	if length == 0 || !known.Digits(s.text[start+2:start+4]) {
		return
	}
	count := 0
	for i := start; i < min(len(s.text), start+2*length); i++ {
		c := s.text[i]
		if c == ' ' || c == '-' {
			continue
		}
		if !isLetter(rune(c)) && (c < '0' || c > '9') {
			return
		}
		if count++; count == length {
			if s.alone(i+1) && known.IBAN(strings.ToUpper(compact(s.text[start:i+1]))) {
				s.add(start, i+1, Account, 0.99, "an IBAN's length and check digits")
			}
			return
		}
	}
}

var localDate = regexp.MustCompile(`^(?:[0-3]?[0-9]\.[01]?[0-9]\.(?:19|20)[0-9]{2}|[01]?[0-9]/[0-3]?[0-9]/(?:19|20)[0-9]{2})`)

func (s *scanner) date(start int) {
	const iso = len(time.DateOnly)
	if end := start + iso; end <= len(s.text) && s.text[start+4] == '-' && s.text[start+7] == '-' {
		_, err := time.Parse(time.DateOnly, s.text[start:end])
		if err == nil && (s.alone(end) || s.text[end] == 'T' || s.text[end] == 't') {
			s.add(start, end, Date, 0.9, "a date in ISO 8601")
		}
		return
	}
	run := s.run(start, "0123456789./")
	if end := len(localDate.FindString(run)); end > 0 && s.alone(start+end) {
		s.add(start, start+end, Date, 0.7, "a date with day, month and year")
	}
}

// digitBefore reports whether one of the separators, and before it a digit,
// ends text.
func digitBefore(text, separators string) bool {
	n := len(text)
	return n > 1 && strings.IndexByte(separators, text[n-1]) >= 0 && text[n-2] >= '0' && text[n-2] <= '9'
}

var separators = strings.NewReplacer(" ", "", "-", "")

func compact(s string) string { return separators.Replace(s) }

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
