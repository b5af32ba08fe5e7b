package compat

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
)

// samples are texts of the formats that the library checks, and a few that are of
// none.
var samples = map[string][]string{
	"date-time":             {"2020-01-02T03:04:05Z"},
	"date":                  {"2020-01-02"},
	"time":                  {"03:04:05Z"},
	"duration":              {"P1D"},
	"period":                {"2020-01-02T03:04:05Z/P1D"},
	"hostname":              {"example.com", "a"},
	"email":                 {"a@example.com", "a@b"},
	"ip-address":            {"192.0.2.1"},
	"ipv4":                  {"192.0.2.1"},
	"ipv6":                  {"2001:db8::1", "::"},
	"uri":                   {"https://example.com/", "a:"},
	"iri":                   {"https://example.com/", "a:"},
	"uri-reference":         {"/a", ""},
	"uriref":                {"/a", ""},
	"iri-reference":         {"/a", ""},
	"regex":                 {"^a$", ""},
	"json-pointer":          {"/a", ""},
	"relative-json-pointer": {"0", "1/a"},
	"uuid":                  {"6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
}

// plain are the texts that are tried first.
var plain = []string{"a", "", "b", "x", "extra", "1", "abc", "x-1", " ", "(", "%", "ä"}

// longest bounds the strings that are made.
const longest = 20_000

// wanted is what a string has to be.
type wanted struct {
	low, high      int
	match, noMatch []*regexp.Regexp
	of, notOf      []*v5.Schema // formats and contents
	avoid          []string
}

func (w *wanted) fits(text string) bool {
	n := utf8.RuneCountInString(text)
	if n < w.low || w.high >= 0 && n > w.high || slices.Contains(w.avoid, text) {
		return false
	}
	for _, p := range w.match {
		if !p.MatchString(text) {
			return false
		}
	}
	for _, p := range w.noMatch {
		if p.MatchString(text) {
			return false
		}
	}
	for _, s := range w.of {
		if !encoded(s, text) {
			return false
		}
	}
	for _, s := range w.notOf {
		if encoded(s, text) {
			return false
		}
	}
	return true
}

// encoded reports whether a text is of a schema's format and content, as far as
// that can be asked by itself.
func encoded(s *v5.Schema, text string) bool {
	if assertedFormat(s) && !v5.Formats[s.Format](text) {
		return false
	}
	if !assertedContent(s) {
		return true
	}
	content := []byte(text)
	if decode, ok := v5.Decoders[s.ContentEncoding]; ok {
		decoded, err := decode(text)
		if err != nil {
			return false
		}
		content = decoded
	}
	if check, ok := v5.MediaTypes[s.ContentMediaType]; ok {
		return check(content) == nil
	}
	return true
}

// wants gathers what a branch asks of a string.
func (s *solver) wants(b *branch) *wanted {
	w := &wanted{}
	w.low, w.high = counts(b, func(schema *v5.Schema) (int, int) { return schema.MinLength, schema.MaxLength })
	for _, schema := range b.all {
		if schema.Pattern != nil {
			w.match = append(w.match, schema.Pattern)
		}
		if assertedFormat(schema) || assertedContent(schema) {
			w.of = append(w.of, schema)
		}
	}
	for _, f := range b.facts {
		switch f.op { //nolint:exhaustive // others are not about strings
		case opMatch:
			w.match = append(w.match, f.pattern)
		case opNoMatch:
			w.noMatch = append(w.noMatch, f.pattern)
		case opNoFormat:
			w.notOf = append(w.notOf, f.schema)
		case opNotIn:
			w.avoid = append(w.avoid, textsOf(f.values)...)
		}
	}
	w.avoid = append(w.avoid, textsOf(b.goal.avoid)...)
	return w
}

func textsOf(values []any) []string {
	var out []string
	for _, v := range values {
		if text, ok := v.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// text finds a string for a branch: a usual one if there is, and otherwise by going
// through the strings that the patterns leave.
func (s *solver) text(b *branch) (any, status) {
	w := s.wants(b)
	if w.high >= 0 && w.low > w.high {
		return nil, none
	}
	if contradicts(w) {
		return nil, none
	}
	if w.low > longest {
		return nil, s.giveUp("minLength")
	}
	for _, text := range s.usual(w) {
		s.spent += costValue
		if w.fits(text) {
			return text, found
		}
	}
	l := language{low: w.low, high: w.high}
	add := func(m machine, accept bool) { l.machines, l.accept = append(l.machines, m), append(l.accept, accept) }
	exact := true
	for i, p := range slices.Concat(w.match, w.noMatch) {
		if e := newExpression(p.String()); e != nil {
			add(e, i < len(w.match))
		} else {
			exact = false
		}
	}
	if len(w.avoid) > 0 {
		add(newListing(w.avoid), false)
	}
	again := 1
	if len(w.of)+len(w.notOf) > 0 || !exact {
		again, exact = 8, false
	}
	text, ok := "", false
	empty := true
	whole := l.strings(again, func() bool {
		s.spent += costTransition * len(l.machines)
		s.toil(toilStep * len(l.machines))
		return s.spent <= maxWork
	}, func(candidate string) bool {
		empty = false
		if ok = w.fits(candidate); ok {
			text = candidate
		}
		return !ok
	})
	switch {
	case ok:
		return text, found
	case whole && (exact || empty):
		return nil, none
	case len(w.of)+len(w.notOf) > 0:
		return nil, s.giveUp("format")
	}
	return nil, s.giveUp("pattern")
}

// contradicts reports whether a string would have to be and not to be of the same
// format.
func contradicts(w *wanted) bool {
	return slices.ContainsFunc(w.notOf, func(no *v5.Schema) bool {
		return !assertedContent(no) && slices.ContainsFunc(w.of, func(yes *v5.Schema) bool {
			return assertedFormat(yes) && yes.Format == no.Format
		})
	})
}

// usual are strings to try before any others.
func (s *solver) usual(w *wanted) []string {
	var out []string
	for _, schema := range w.of {
		out = append(out, samples[schema.Format]...)
	}
	out = append(out, plain...)
	for _, n := range [...]int{w.low, w.high} {
		if n > 1 && n <= longest {
			out = append(out, strings.Repeat("a", n))
		}
	}
	for _, schema := range w.of {
		for _, sample := range samples[schema.Format] {
			if missing := w.low - utf8.RuneCountInString(sample); missing > 0 {
				pad := strings.Repeat("a", missing)
				out = append(out, sample+pad, pad+sample)
			}
		}
	}
	if slices.ContainsFunc(w.of, assertedContent) {
		out = append(out, "{}", "e30=", "YQ==")
	}
	if len(w.of) == 0 && len(w.match) > 0 {
		for _, format := range [...]string{"date", "date-time", "uri", "email", "uuid", "ipv4", "hostname"} {
			out = append(out, samples[format][0])
		}
	}
	return out
}
