package detect

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/mask/internal/scan"
)

// Suggestion is a class that a field may have, for a person to decide on.
type Suggestion struct {
	Class      mask.Class `json:"class"`
	Confidence float64    `json:"confidence"` // from 0 to 1
	// Evidence says why, in sentences that hold counts and names, and no value.
	Evidence []string `json:"evidence"`
}

// The least confidence with which a class is suggested, and the number of
// samples from which repetition says something.
const (
	leastConfidence = 0.25
	fewSamples      = 8
)

// namedConfidence is that from which a name says what a field is, whatever words stand
// there.
const namedConfidence = 0.4

// Field suggests classes for a field by its name, by the format that its schema
// gives it ("" for none), and by samples of its values: strings' contents,
// numbers' literals. The most likely comes first, of two alike the more
// protective one. It is empty if nothing speaks for any class.
func Field(name, format string, samples []string) []Suggestion {
	if evidence, ok := ofProcess(name, format, samples); ok {
		return []Suggestion{{Class: mask.Internal, Confidence: 0.7, Evidence: []string{evidence}}}
	}
	if ofProduct(name, samples) {
		return []Suggestion{{Class: mask.Internal, Confidence: 0.7, Evidence: []string{"its name says that it is a product's code"}}}
	}
	if ofCount(name, samples) {
		return []Suggestion{{Class: mask.Internal, Confidence: 0.7, Evidence: []string{"its name says that it counts or orders things, and all samples are numbers"}}}
	}
	var c collector
	c.byName(name)
	protected := c.unlike || slices.ContainsFunc(c.found, func(s Suggestion) bool { return s.Class != mask.Internal && s.Confidence >= namedConfidence })
	if class, ok := formats[format]; ok {
		c.add(class, 0.9, fmt.Sprintf("the schema gives it the format %s", format))
	}
	c.byContent(samples)
	if !protected {
		c.byWords(samples)
	}
	if !c.states && !areCodes(samples) {
		// Whatever its name promises, it isn't just a state or a kind.
		c.found = slices.DeleteFunc(c.found, func(s Suggestion) bool { return s.Class == mask.Internal })
	}
	found := slices.DeleteFunc(c.found, func(s Suggestion) bool { return s.Confidence < leastConfidence })
	slices.SortStableFunc(found, func(a, b Suggestion) int {
		if order := cmp.Compare(b.Confidence, a.Confidence); order != 0 {
			return order
		}
		if mask.MoreProtective(a.Class, b.Class) == a.Class {
			return -1
		}
		return 1
	})
	return found
}

type collector struct {
	found  []Suggestion
	states bool // all samples are words for states and kinds
	unlike bool // its name is like that of a state or kind, but of no thing
}

// add counts another piece of evidence for a class: independent ones add up as
// odds do.
func (c *collector) add(class mask.Class, confidence float64, evidence string) {
	i := slices.IndexFunc(c.found, func(s Suggestion) bool { return s.Class == class })
	if i < 0 {
		c.found = append(c.found, Suggestion{Class: class})
		i = len(c.found) - 1
	}
	s := &c.found[i]
	s.Confidence = math.Round((1-(1-s.Confidence)*(1-confidence))*1000) / 1000
	s.Evidence = append(s.Evidence, evidence)
}

// byContent looks at what the samples are as a whole, and at what is in them.
func (c *collector) byContent(samples []string) {
	whole, inside := map[scan.Hit]int{}, map[string]int{}
	distinct, words, texts, opaque, codes, numbers := map[string]int{}, 0, 0, 0, 0, 0
	total, isHit := 0, 0
	for _, sample := range samples {
		sample = strings.TrimSpace(sample)
		if sample == "" {
			continue
		}
		total++
		distinct[sample]++
		isWhole, isInside := map[scan.Hit]bool{}, map[string]bool{}
		for _, h := range scan.Text(sample) {
			switch {
			case h.Start == 0 && h.End == len(sample), h.Kind == scan.Date && h.Start == 0 && timeFollows(sample[h.End:]):
				isWhole[scan.Hit{Kind: h.Kind, Confidence: h.Confidence, What: h.What}] = true
			default:
				isInside[h.Kind] = true
			}
		}
		for h := range isWhole {
			whole[h]++
		}
		if len(isWhole) > 0 {
			isHit++
		}
		if len(isWhole) == 0 {
			for kind := range isInside {
				inside[kind]++
			}
		}
		n := len(strings.Fields(sample))
		words += n
		if n >= 4 {
			texts++
		}
		if n == 1 && looksOpaque(sample) {
			opaque++
			if len(isWhole) == 0 {
				codes++
			}
		}
		if strings.Trim(sample, "0123456789.,+-") == "" {
			numbers++
		}
	}
	if total == 0 {
		return
	}
	if numbers == total {
		// One of ten long numbers has the check digit of a card by chance.
		maps.DeleteFunc(whole, func(h scan.Hit, n int) bool { return h.Kind == scan.Account && n*2 < total })
		if len(whole) == 0 {
			isHit = 0
		}
	}
	for _, h := range slices.SortedFunc(keys(whole), func(a, b scan.Hit) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.What, b.What))
	}) {
		n := whole[h]
		c.add(mask.Class(h.Kind), h.Confidence*float64(n)/float64(total), fmt.Sprintf("%d of %d samples have %s", n, total, h.What))
	}
	for _, kind := range slices.Sorted(keys(inside)) {
		n := inside[kind]
		c.add(mask.Text, 0.4+0.5*float64(n)/float64(total), fmt.Sprintf("%d of %d samples hold something that looks like %s, among other text", n, total, kind))
	}
	if texts*3 >= total {
		c.add(mask.Text, 0.6, fmt.Sprintf("%d of %d samples have four words or more", texts, total))
	}
	if isHit > 0 && isHit*10 < total*9 && codes*4 < (total-isHit)*3 {
		c.add(mask.Text, 0.7, fmt.Sprintf("%d of %d samples have the form of an identifier and the others haven't: anything may stand there", isHit, total))
	}
	if total < fewSamples || len(whole) > 0 || texts > 0 {
		return
	}
	few := len(distinct)*4 <= total && words <= 2*total
	switch {
	case opaque*4 >= total*3 && len(distinct)*10 >= total*9:
		c.add(mask.ID, 0.5, fmt.Sprintf("%d of %d samples are single words with digits, and %d differ: it may be an identifier", opaque, total, len(distinct)))
	case opaque*4 >= total*3 && len(distinct) >= fewSamples/2:
		c.add(mask.ID, 0.4, fmt.Sprintf("%d of %d samples are single words with digits, and %d different ones recur: it may be an identifier of something", opaque, total, len(distinct)))
	case few && numbers == 0:
		c.add(mask.Internal, 0.4, fmt.Sprintf("%d samples have only %d different values: it may be a state or a kind", total, len(distinct)))
	}
}

// areCodes reports whether samples may be states or kinds: all are codes, none has an
// identifier in it, and they recur, unless they are numbers.
func areCodes(samples []string) bool {
	distinct, numbers := map[string]bool{}, 0
	for _, sample := range samples {
		if !isCode(sample) || slices.ContainsFunc(scan.Text(sample), func(h scan.Hit) bool { return h.Kind != scan.Date }) {
			return false
		}
		if strings.Trim(sample, "0123456789.") == "" {
			numbers++
		}
		distinct[sample] = true
	}
	return len(samples) < fewSamples || numbers == len(samples) || len(distinct)*2 <= len(samples)
}

// isCode reports whether a text is such as programs use for states and kinds,
// versions and languages: a word without spaces and accents. Names of people may
// be such, too.
func isCode(text string) bool {
	const long = 64
	return len(text) <= long && strings.IndexFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-.:/+&", r)
	}) < 0
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// timeFollows reports whether rest, after a date, is a time of day.
func timeFollows(rest string) bool {
	return len(rest) > 3 && len(rest) < 36 && strings.ContainsAny(rest[:1], "Tt ") && strings.Trim(rest[1:], "0123456789:.+-Zz") == ""
}

// looksOpaque reports whether a word has digits, and is longer than a quantity.
func looksOpaque(word string) bool {
	return len(word) >= 6 && strings.IndexFunc(word, unicode.IsDigit) >= 0
}

// formats are the formats of JSON Schema that name a kind of data.
var formats = map[string]mask.Class{
	"email": mask.Email, "idn-email": mask.Email, "ipv4": mask.IP, "ipv6": mask.IP, "ip-address": mask.IP, "uri": mask.URL, "iri": mask.URL,
	"uri-reference": mask.URL, "iri-reference": mask.URL, "uri-template": mask.URL, "uuid": mask.UUID, "date": mask.Date, "date-time": mask.Date,
	"hostname": mask.Name, "idn-hostname": mask.Name,
}
