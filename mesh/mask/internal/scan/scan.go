// Package scan finds identifiers in free text: e-mail addresses, URLs, UUIDs,
// account numbers, telephone numbers, network addresses, dates.
//
// It belongs here when it finds something by its own syntax, wherever it
// stands. What is done with it is package mask's, what it says about a field
// package detect's.
package scan

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The kinds of identifiers, named as the classes of package mask.
const (
	Email   = "email"
	URL     = "url"
	UUID    = "uuid"
	Account = "account"
	Phone   = "phone"
	IP      = "ip"
	Date    = "date"
)

// Hit is one identifier: the bytes from Start to End.
type Hit struct {
	Start, End int
	Kind       string
	Confidence float64 // from 0 to 1, by how much its syntax proves
	What       string  // how it was recognised, without the value
}

// Text finds what there is in text, ordered by where it begins; hits may
// overlap, as an e-mail address in a URL does.
func Text(text string) []Hit {
	s := &scanner{text: text}
	before := ' '
	for i, r := range text {
		switch {
		case r == '@':
			s.email(i)
		case r == ':' && strings.HasPrefix(text[i:], "://"):
			s.url(i)
		}
		if !word(before) { // what else there is begins a word
			switch {
			case r >= '0' && r <= '9', r == '+', r == '(':
				s.number(i)
			case r == 'w' || r == 'W':
				if len(text) > i+4 && strings.EqualFold(text[i:i+4], "www.") {
					s.address(i, i+4)
				}
			}
			switch {
			case isHex(r):
				s.uuid(i)
				s.ipv6(i)
			case r == ':':
				s.ipv6(i)
			}
			if isLetter(r) {
				s.iban(i)
			}
		}
		before = r
	}
	slices.SortStableFunc(s.hits, func(a, b Hit) int { return a.Start - b.Start })
	return s.hits
}

type scanner struct {
	text string
	hits []Hit
	web  int // where the last web address ends: another one in it is part of it
}

func (s *scanner) add(start, end int, kind string, confidence float64, what string) {
	s.hits = append(s.hits, Hit{start, end, kind, confidence, what})
}

// The longest parts of an e-mail address, in characters (RFC 5321, and RFC 1035).
const (
	maxLocal = 64
	maxHost  = 253
)

// email looks around an @.
func (s *scanner) email(at int) {
	start := at
	for n := 0; n < maxLocal && start > 0; n++ {
		r, size := utf8.DecodeLastRuneInString(s.text[:start])
		if !word(r) && !strings.ContainsRune("._%+'=/-", r) {
			break
		}
		start -= size
	}
	start += len(s.text[start:at]) - len(strings.TrimLeft(s.text[start:at], ".'=/-"))
	end, label, dots := at+1, 0, 0
	for i, r := range s.text[at+1:] {
		i += at + 1
		if i-at > maxHost {
			break
		}
		if r == '.' && label > 0 {
			label, dots = 0, dots+1
			continue
		}
		if !word(r) && (r != '-' || label == 0) {
			break
		}
		label++
		if dots > 0 {
			end = i + utf8.RuneLen(r)
		}
	}
	host := strings.TrimRight(s.text[at+1:end], "-")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if start == at || !strings.Contains(host, ".") || utf8.RuneCountInString(last) < 2 || strings.IndexFunc(last, unicode.IsDigit) >= 0 {
		return
	}
	s.add(start, at+1+len(host), Email, 0.98, "the syntax of an e-mail address")
}

// url looks around a ://.
func (s *scanner) url(at int) {
	start := at
	for start > 0 && at-start < 16 && isScheme(s.text[start-1]) {
		start--
	}
	for start < at && !isLetter(rune(s.text[start])) {
		start++
	}
	if at-start >= 2 {
		s.address(start, at+3)
	}
}

// address adds the web address that begins at start and goes on from at.
func (s *scanner) address(start, at int) {
	if start < s.web {
		return
	}
	end := len(s.text)
	if n := strings.IndexFunc(s.text[at:], func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("<>\"'`{}|\\^", r) }); n >= 0 {
		end = at + n
	}
	s.web = end
	end = start + len(strings.TrimRight(s.text[start:end], ".,;:!?)]*_"))
	if end > at {
		s.add(start, end, URL, 0.98, "the syntax of a URL")
	}
}

// alone reports whether no letter or digit stands after the bytes before end.
func (s *scanner) alone(end int) bool {
	after, _ := utf8.DecodeRuneInString(s.text[end:])
	return !word(after)
}

// Alone reports whether the bytes from start to end of text are a word, or
// words, of their own.
func Alone(text string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	after, _ := utf8.DecodeRuneInString(text[end:])
	return !word(before) && !word(after)
}

func word(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func isHex(r rune) bool { return r >= '0' && r <= '9' || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F' }

func isScheme(c byte) bool {
	return isLetter(rune(c)) || c >= '0' && c <= '9' || c == '+' || c == '.' || c == '-'
}
