package mask

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lockstep-mesh/lockstep/mesh/mask/internal/known"
	"github.com/lockstep-mesh/lockstep/mesh/mask/internal/scan"
)

// The lengths of known values, in characters: shorter ones are in every text,
// and those that aren't long count only where they are words of their own.
const (
	minKnown  = 3
	longKnown = 7
)

// fieldsInText are what makes, of an identifier in a text, what a field of its
// class would be; there are none for classes whose values are taken out.
func (m *Masker) fieldsInText() map[Class]*Field {
	fields := map[Class]*Field{}
	for class, rule := range m.rules {
		switch rule.Technique {
		case Token, FPE, Hash, Encrypt, Synthetic, Truncate, Constant:
			fields[class] = m.field(rule.Technique, class, nil, String)
		default:
		}
	}
	return fields
}

// span is a part of a text that is to be replaced.
type span struct {
	start, end int
	class      Class
	value      string // as it stands in its own field, or in the text
}

// makeScrubbed replaces in a text what is recognised in it, and what the event
// says elsewhere. What becomes of it is what becomes of a field of that class;
// where that is nothing, "[redacted]". A result that the schema doesn't admit is
// redacted as a whole, and so is a number.
func makeScrubbed(f *Field, s *Scratch, dst, text []byte, e *Event) ([]byte, error) {
	if f.kind != String || f.masker.inText == nil || !utf8.Valid(text) {
		return f.redactInstead(dst)
	}
	content := string(text)
	spans := f.masker.known(content, e)
	for _, hit := range scan.Text(content) {
		if class := Class(hit.Kind); f.masker.Technique(class) != Pass {
			spans = append(spans, span{hit.Start, hit.End, class, content[hit.Start:hit.End]})
		}
	}
	// Of what overlaps, the first and longest decides what stands there.
	slices.SortStableFunc(spans, func(a, b span) int { return cmp.Or(a.start-b.start, b.end-a.end) })
	made, at := s.made[:0], 0
	for i := 0; i < len(spans); {
		end := spans[i].end
		next := i + 1
		for next < len(spans) && spans[next].start < end {
			end = max(end, spans[next].end)
			next++
		}
		made = append(made, content[at:spans[i].start]...)
		made = f.masker.inPlaceOf(made, spans[i])
		at, i = end, next
	}
	made = append(made, content[at:]...)
	s.made = made
	if !f.admitsText(s.made) {
		return f.redactInstead(dst)
	}
	return jsontext.AppendQuote(dst, s.made)
}

func (f *Field) redactInstead(dst []byte) ([]byte, error) {
	constant, err := f.redacted()
	return append(dst, constant...), err
}

func (m *Masker) inPlaceOf(dst []byte, s span) []byte {
	if f := m.inText[s.class]; f != nil {
		if quoted, err := f.Append(nil, String, []byte(s.value), nil); err == nil {
			if out, err := jsontext.AppendUnquote(dst, quoted); err == nil {
				return out
			}
		}
	}
	return append(dst, redactedText...)
}

// known finds the event's classified values in a text, in any case.
func (m *Masker) known(text string, e *Event) []span {
	if e == nil || len(e.values) == 0 {
		return nil
	}
	var spans []span
	folded, offsets := fold(text)
	seen := map[knownValue]bool{}
	for class, value := range e.Known() {
		value := knownValue{class, value}
		if seen[value] {
			continue
		}
		seen[value] = true
		switch m.Technique(class) {
		case Pass, Scrub: // may be seen; is such a text itself
			continue
		default:
		}
		parts := []string{value.text}
		if class == PersonName || class == Address {
			parts = append(parts, strings.FieldsFunc(value.text, func(r rune) bool { return r == ' ' || r == ',' || r == '-' })...)
		}
		for i, part := range parts {
			part = strings.TrimSpace(part)
			length := utf8.RuneCountInString(part)
			if length < minKnown || known.Digits(part) && length <= minKnown {
				continue
			}
			needle, _ := fold(part)
			for from := 0; ; {
				found := strings.Index(folded[from:], needle)
				if found < 0 {
					break
				}
				start, end := offsets[from+found], offsets[from+found+len(needle)]
				if i == 0 && length >= longKnown || scan.Alone(text, start, end) {
					spans = append(spans, span{start, end, class, part})
				}
				from += found + len(needle)
			}
		}
	}
	return spans
}

// fold is text in lower case, and for each of its bytes, and its end, where in
// text the character stands that it comes from.
func fold(text string) (folded string, offsets []int) {
	var b strings.Builder
	for i, r := range text {
		n, _ := b.WriteRune(unicode.ToLower(r))
		for range n {
			offsets = append(offsets, i)
		}
	}
	return b.String(), append(offsets, len(text))
}
