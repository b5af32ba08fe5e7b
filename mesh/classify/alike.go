package classify

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// alike proposes for strings that no schema demands anything of the pattern that a
// schema demands where the same values stand, so that equal values have equal tokens.
func alike(all []*judged) {
	for _, j := range all {
		if j.group.key.keys || passes(j.class) || redacts(j.class) || !j.group.values.kinds["string"] {
			continue
		}
		free := slices.DeleteFunc(slices.Clone(j.group.fields), func(f field) bool { return !f.free() })
		if len(free) == 0 || len(free) > maxApart {
			continue
		}
		if pattern := j.pattern(j); pattern != "" {
			for _, f := range free {
				if !slices.ContainsFunc(j.apart, func(a apart) bool { return slices.ContainsFunc(a.fields, f.same) }) {
					j.apart = append(j.apart, apart{fields: []field{f}, class: j.class, pattern: pattern, evidence: "elsewhere the schema demands this pattern of what is called so"})
				}
			}
			continue
		}
		for _, other := range all {
			if len(free) < len(j.group.fields) || other == j || other.class != j.class || other.group.key.keys || common(j.distinct, other.distinct, 2) == 0 {
				continue
			}
			if pattern := other.pattern(j); pattern != "" {
				j.like = pattern
				j.evidence = append(slices.Clip(j.evidence), fmt.Sprintf("the schema demands this pattern of %s, where the same values stand", other.where()))
				break
			}
		}
	}
}

// pattern is the one that schemas demand of fields of the group, if they demand no other,
// and all samples of a group match it.
func (j *judged) pattern(of *judged) (pattern string) {
	for _, f := range j.group.fields {
		switch {
		case len(f.shapes) == 0 || len(f.shapes) == 1 && len(f.shapes[0].Patterns) == 0:
			continue
		case len(f.shapes) != 1 || len(f.shapes[0].Patterns) != 1 || pattern != "" && f.shapes[0].Patterns[0] != pattern || f.tight(j.class):
			return ""
		}
		pattern = f.shapes[0].Patterns[0]
	}
	re, err := regexp.Compile(pattern)
	if pattern == "" || err != nil || len(of.group.values.samples) == 0 || !of.group.values.all(re.MatchString) {
		return ""
	}
	return pattern
}

// free reports whether schemas demand nothing of strings at a field.
func (f field) free() bool {
	return f.format == "" && !slices.ContainsFunc(f.shapes, func(s *mask.Shape) bool {
		return s != nil && (len(s.Patterns) > 0 || s.MinLength > 0 || s.MaxLength > 0 || s.Format != "" || len(s.Enum) > 0)
	})
}
