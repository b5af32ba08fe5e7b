package classify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/mask/detect"
)

// The confidence in a class that nothing but caution speaks for.
const caution = 0.1

// repeated is the confidence in a class for which only repetition speaks.
const repeated = 0.4

// certain is the confidence from which a more protective class than the likeliest
// is not taken instead.
const certain = 0.6

// judged is a group with the class that is proposed for it.
type judged struct {
	group      *group
	class      mask.Class
	confidence float64
	evidence   []string
	others     []mask.Class
	distinct   map[string]bool // of the samples, those that are long enough to tell something
	apart      []apart         // fields that get another class
	like       string          // a pattern for tokens; empty if there is none
}

// apart are fields of a group that differ from the others.
type apart struct {
	fields   []field
	class    mask.Class
	evidence string
	pattern  string  // for tokens; empty if there is none
	own      *values // samples of these fields alone; nil if there are none
}

// maxApart bounds how many fields of one name are listed apart.
const maxApart = 20

func judge(g *group, known func(string) bool) *judged {
	j := &judged{group: g, distinct: map[string]bool{}}
	for _, sample := range g.values.samples {
		if len(sample) >= 4 {
			j.distinct[sample] = true
		}
	}
	found := detect.Field(g.called, g.format(), g.values.samples)
	unsure := len(found) == 0 || found[0].Confidence < certain && !g.values.kinds["string"] && epochs(g.values.samples)
	if unsure {
		j.cautious()
	} else {
		j.likeliest(found)
	}
	j.unseen()
	j.kin()
	j.own(known)
	if g.key.keys && redacts(j.class) {
		j.instead(mask.Name, "but names can't be redacted")
	}
	return j
}

// format is the one that the schema gives to most of the fields.
func (g *group) format() string {
	formats := map[string]int{}
	for _, f := range g.fields {
		formats[f.format]++
	}
	for format, n := range formats {
		if n*2 > len(g.fields) {
			return format
		}
	}
	return ""
}

func (j *judged) likeliest(found []detect.Suggestion) {
	best := found[0]
	for _, other := range found[1:] {
		j.others = append(j.others, other.Class)
		// What is uncertain errs on the side of protection.
		if best.Confidence < certain && other.Confidence*2 >= best.Confidence && mask.MoreProtective(best.Class, other.Class) == other.Class {
			best = other
		}
	}
	j.others = append(j.others, found[0].Class)
	j.class, j.confidence, j.evidence = best.Class, best.Confidence, best.Evidence
	if j.class == mask.Internal && (j.confidence <= repeated || j.group.inMap) && j.group.values.kinds["string"] {
		j.instead(mask.Name, "but it may as well be a name that tells whose it is")
	}
}

// unseen takes a class that passes from fields of which there is no sample, and whose
// name alone says little.
func (j *judged) unseen() {
	if !passes(j.class) || len(j.group.values.samples) > 0 || j.confidence >= certain {
		return
	}
	switch kinds := j.group.values.kinds; {
	case kinds["string"]:
		j.instead(mask.Name, "but no sample says so")
	case kinds["number"]:
		j.instead(mask.Amount, "but no sample says so")
	}
}

// instead takes another class because of what somebody may have missed.
func (j *judged) instead(class mask.Class, evidence string) {
	j.others = append(j.others, j.class)
	j.class, j.evidence = class, append(slices.Clip(j.evidence), evidence)
}

// cautious is for what nothing tells anything of.
func (j *judged) cautious() {
	g := j.group
	say := func(class mask.Class, confidence float64, evidence string) {
		j.class, j.confidence, j.evidence = class, confidence, []string{evidence}
	}
	switch {
	case g.key.keys:
		say(mask.Name, caution, "nothing tells what the names are")
	case g.values.kinds["string"]:
		say(mask.Text, caution, "nothing tells what it holds, and text may hold anything")
	case epochs(g.values.samples):
		say(mask.Date, repeated, fmt.Sprintf("%d samples are numbers of seconds, or of parts of one, since 1970", len(g.values.samples)))
	case long(g.values.samples):
		say(mask.ID, repeated, fmt.Sprintf("most of %d samples are whole numbers of six digits and more: it may be an identifier", len(g.values.samples)))
	case g.values.kinds["number"]:
		say(mask.Amount, caution, "nothing tells what the numbers are: they may tell something about somebody")
	default:
		say(mask.Internal, caution, "it is true or false")
	}
}

// epochs reports whether all samples are times of this century, as programs count.
func epochs(samples []string) bool {
	return len(samples) > 0 && !slices.ContainsFunc(samples, func(s string) bool {
		n, err := strconv.ParseInt(s, 10, 64)
		for n > 1e10 {
			n /= 1000
		}
		year := time.Unix(n, 0).UTC().Year()
		return err != nil || year < 2001 || year > 2060
	})
}

// long reports whether most samples are long whole numbers.
func long(samples []string) bool {
	n := 0
	for _, s := range samples {
		if len(s) >= 6 && strings.Trim(s, "0123456789") == "" {
			n++
		}
	}
	return n*4 > len(samples)*3
}

// kin takes into account what stands beside the fields.
func (j *judged) kin() {
	const sure = 0.8
	var meant []field
	var class mask.Class
	var evidence string
	for _, f := range j.group.fields {
		if c, why := f.kin.says(j.group.called); c != "" && !j.group.key.keys && (class == "" || c == class) {
			meant, class, evidence = append(meant, f), c, why
		}
	}
	switch {
	case class == "" || j.class == class || j.confidence >= sure && !passes(j.class):
		return
	case len(meant) == len(j.group.fields):
	case !passes(j.class) && (len(meant)*2 < len(j.group.fields) || mask.MoreProtective(j.class, class) == j.class): // most are none, or what is said is less
		if len(meant) <= maxApart {
			j.apart = append(j.apart, apart{fields: meant, class: class, evidence: evidence})
		}
		return
	case passes(j.class) && mask.MoreProtective(j.class, class) == class:
		var rest []field
		for _, f := range j.group.fields {
			if c, _ := f.kin.says(j.group.called); c != class {
				rest = append(rest, f)
			}
		}
		if len(rest) <= maxApart {
			j.apart = append(j.apart, apart{fields: rest, class: j.class, evidence: strings.Join(j.evidence, "; ")})
		}
	}
	j.instead(class, evidence)
	j.confidence = max(j.confidence, sure)
}

// own takes into account what stands beside single fields, and their own samples.
func (j *judged) own(known func(string) bool) {
	if j.group.key.keys {
		return
	}
	for _, f := range j.group.fields {
		class, evidence := f.kin.own(j.group.called, f.own, known)
		if class == "" || class == j.class || len(j.apart) == maxApart || slices.ContainsFunc(j.apart, func(a apart) bool { return slices.ContainsFunc(a.fields, f.same) }) {
			continue
		}
		j.apart = append(j.apart, apart{fields: []field{f}, class: class, evidence: evidence, own: f.own})
	}
}

// same reports whether two fields are one.
func (f field) same(other field) bool {
	return f.subject == other.subject && f.pointer == other.pointer
}

// redacts reports whether a class is one of which policies mostly leave nothing, so
// that names in maps can't have it.
func redacts(class mask.Class) bool {
	return class == mask.Text || class == mask.Sensitive || class == mask.Secret
}

// passes reports whether a class is one that policies let through.
func passes(class mask.Class) bool { return class == mask.Internal || class == mask.Public }

// join gives one class to fields that hold the same values, so that what was equal
// is equal where it was masked: that of those about which most is known.
func join(all []*judged) {
	byConfidence := slices.Clone(all)
	slices.SortStableFunc(byConfidence, func(a, b *judged) int {
		switch {
		case a.confidence > b.confidence:
			return -1
		case a.confidence < b.confidence:
			return 1
		}
		return 0
	})
	for i, a := range byConfidence {
		enough := 3
		if a.confidence < repeated {
			enough = 2
		}
		if len(a.distinct) < enough || a.confidence >= certain && passes(a.class) {
			continue
		}
		for _, b := range byConfidence[:i] {
			if a.class == b.class || b.confidence <= a.confidence || passes(b.class) || redacts(b.class) || a.class == mask.Secret || a.class == mask.Sensitive {
				continue
			}
			part := 2 // half of the values may be others
			if a.confidence >= certain {
				part = 5
			}
			if shared := common(a.distinct, b.distinct, part); shared > 0 {
				a.instead(b.class, fmt.Sprintf("%d of %d different samples stand in %s as well, and equal values are to stay equal", shared, len(a.distinct), b.where()))
				a.confidence = max(a.confidence, repeated)
				break
			}
		}
	}
}

// common counts what a has in common with b, if that is all of it but a part.
func common(a, b map[string]bool, part int) int {
	shared, others := 0, 0
	for value := range a {
		if b[value] {
			shared++
		} else if others++; others*part > len(a) {
			return 0
		}
	}
	return shared
}

// where is a field of the group.
func (j *judged) where() string {
	if j.group.key.name != "" {
		return j.group.key.name
	}
	return j.group.fields[0].pointer
}
