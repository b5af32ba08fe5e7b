package classify

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/mask/detect"
)

// somebody are what samples tell about people: words of their names, and what else
// stands for them; and words of whatever else is protected and may be a name.
type somebody struct {
	words, values map[string]bool
	protected     map[string]*judged // where it is, if in one group alone
}

func personal(all []*judged) somebody {
	who := somebody{map[string]bool{}, map[string]bool{}, map[string]*judged{}}
	named := func(value string) {
		for _, word := range nameWords(value) {
			who.words[word] = true
		}
	}
	for _, j := range all {
		for _, a := range j.apart {
			for _, f := range a.fields {
				if a.class != mask.PersonName || f.own == nil {
					continue
				}
				for _, sample := range f.own.samples {
					named(sample)
				}
			}
		}
		switch j.class {
		case mask.PersonName:
			for value := range j.distinct {
				named(value)
			}
			fallthrough
		case mask.Login, mask.Email, mask.Phone, mask.Account, mask.ID, mask.UUID:
			for value := range j.distinct {
				who.values[strings.ToLower(value)] = true
			}
		case mask.Name, mask.Text:
			for value := range j.distinct {
				who.protect(value, j)
			}
		default:
		}
	}
	return who
}

// protect notes the words of a text that is short enough to be a name.
func (who somebody) protect(text string, in *judged) {
	const most = 3
	if len(strings.Fields(text)) <= most && !detect.State(text) {
		for _, word := range nameWords(text) {
			if other, known := who.protected[word]; known && other != in {
				who.protected[word] = nil
			} else {
				who.protected[word] = in
			}
		}
	}
}

// nameWords are the words of a text that are long enough to be told from others.
func nameWords(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.DeleteFunc(words, func(word string) bool { return len(word) < 4 })
}

// in reports whether a text tells of somebody.
func (who somebody) in(text string) bool {
	return who.values[strings.ToLower(text)] || slices.ContainsFunc(nameWords(text), func(word string) bool { return who.words[word] })
}

// near reports whether a text tells of somebody, or holds what is protected in another
// group than its own; of nothing protected, if its group is nil. States and kinds do so
// by chance alone.
func (who somebody) near(text string, group *judged) bool {
	const least = 5
	elsewhere := func(word string) bool {
		in, known := who.protected[word]
		return known && group != nil && in != group
	}
	if who.in(text) {
		return true
	}
	if detect.State(text) {
		return false
	}
	for _, word := range nameWords(text) {
		if elsewhere(word) {
			return true
		}
		for n := least; n < len(word); n++ {
			for i := 0; i+n <= len(word); i++ {
				if part := word[i : i+n]; who.words[part] || elsewhere(part) {
					return true
				}
			}
		}
	}
	return false
}

// doubt takes a class that passes from fields whose samples tell of somebody.
func (j *judged) doubt(who somebody) {
	if !passes(j.class) && !slices.ContainsFunc(j.apart, func(a apart) bool { return passes(a.class) }) {
		return
	}
	n := who.among(&j.group.values, j)
	j.apart = slices.DeleteFunc(j.apart, func(a apart) bool {
		return passes(a.class) && (a.own == nil && n > 0 || a.own != nil && who.among(a.own, nil) > 0)
	})
	if n > 0 && passes(j.class) {
		j.instead(mask.Name, fmt.Sprintf("but %d of %d samples are, or hold, what elsewhere is somebody's name or identifier", n, len(j.group.values.samples)))
	}
}

// among counts the samples that tell of somebody.
func (who somebody) among(v *values, group *judged) (n int) {
	for _, sample := range v.samples {
		if who.near(sample, group) {
			n++
		}
	}
	return n
}
