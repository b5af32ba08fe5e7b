package detect

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// byName looks a field's name up as a whole, then its last words, then its first,
// and each of its words among those that are sensitive wherever they stand.
func (c *collector) byName(name string) {
	words := split(name)
	for _, word := range words {
		if confidence, ok := sensitive[word]; ok {
			c.add(mask.Sensitive, confidence, fmt.Sprintf("its name speaks of %s", word))
			return
		}
	}
	for n := len(words); n > 0; n-- {
		end, begin := strings.Join(words[len(words)-n:], ""), strings.Join(words[:n], "")
		c.unlike = c.unlike || names[end].class == mask.Internal && n < len(words) && !isHarmless(words, n)
		if h, ok := names[end]; ok && (h.class != mask.Internal || n == len(words) || isHarmless(words, n)) {
			if n == len(words) {
				c.add(h.class, h.confidence, fmt.Sprintf("it is called %s", name))
			} else {
				c.add(h.class, h.confidence*0.8, fmt.Sprintf("its name ends with %s", strings.Join(words[len(words)-n:], " ")))
			}
			return
		}
		if h, ok := names[begin]; ok && (h.class != mask.Internal || n == len(words)) {
			c.add(h.class, h.confidence*0.6, fmt.Sprintf("its name begins with %s", strings.Join(words[:n], " ")))
			return
		}
	}
}

// isHarmless reports whether a name that ends with n words for a state, a kind or a
// count is one of a thing, as far as the words before tell: an order's status is,
// and somebody's marital status isn't.
func isHarmless(name []string, n int) bool {
	if counting[name[len(name)-1]] {
		return true
	}
	return !slices.ContainsFunc(name[:len(name)-n], func(word string) bool { return !harmless[word] })
}

// Sensitive says which word in a field's name speaks of what the law singles out,
// and with what confidence; 0 if none does. That holds even for a field whose
// values the schema enumerates, or that is true or false.
func Sensitive(name string) (Suggestion, bool) {
	var c collector
	c.byName(name)
	if len(c.found) == 0 || c.found[0].Class != mask.Sensitive || c.found[0].Confidence < leastConfidence {
		return Suggestion{}, false
	}
	return c.found[0], true
}

// Named is what a field's name says as a whole.
func Named(name string) (Suggestion, bool) {
	h, ok := names[strings.Join(split(name), "")]
	return Suggestion{Class: h.class, Confidence: h.confidence}, ok
}

// Words are a name's words in lower case and without accents: of first_name, firstName
// and first-name alike.
func Words(name string) []string { return split(name) }

// Vocabulary reports whether a word is one that names of fields are made of here.
func Vocabulary(word string) bool {
	_, isName := names[word]
	return isName || harmless[word] || joints[word] || sensitive[word] > 0
}

// split is a name's words in lower case and without accents: of first_name, firstName,
// first-name and HTMLUrl alike.
func split(name string) []string {
	var words []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			words = append(words, plainLetters.Replace(strings.ToLower(word.String())))
			word.Reset()
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r):
			flush()
			continue
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(runes[i-1])):
			flush()
		}
		word.WriteRune(r)
	}
	flush()
	return words
}

// plainLetters writes letters with accents as those do who have none at hand: most
// programmers, for most names.
var plainLetters = strings.NewReplacer(
	"ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "å", "a", "á", "a", "à", "a", "â", "a", "ã", "a", "ą", "a", "ç", "c", "ć", "c", "č", "c",
	"é", "e", "è", "e", "ê", "e", "ë", "e", "ę", "e", "ě", "e", "í", "i", "ì", "i", "î", "i", "ï", "i", "ł", "l", "ñ", "n", "ń", "n", "ó", "o", "ò", "o", "ô", "o", "õ", "o",
	"ř", "r", "ś", "s", "š", "s", "ú", "u", "ù", "u", "û", "u", "ý", "y", "ź", "z", "ż", "z", "ž", "z",
)
