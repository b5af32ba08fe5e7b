package contract

import (
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// CompileTagged is Compile for a schema that is registered with tags for places
// in it, as Confluent's metadata have them: from a path to its tags.
//
//	"**.ssn": ["PII"]            every property called ssn
//	"$.customer.*": ["PII"]      the properties of customer
//	"lines.price": ["AMOUNT"]    of each item of the array lines; so does lines[*].price
//
// In a path, * stands for any text without a dot, ** for any text, ? for one
// character; the leading $. and the indexes of arrays may be left out. A tag
// stands for a class (see mask.TagClass), and counts like one that the schema
// itself gives to the place: the more protective of both holds, and what an
// overlay says of the place by its pointer comes first. In schemas that refer to
// themselves, places are found as deep as Classify lists them; below that, what
// has only a tag is unclassified.
func CompileTagged(b *jsonschema.Bundle, o Options, tags map[string][]string) (*Contract, error) {
	c, err := Compile(b, o)
	if err != nil || len(tags) == 0 {
		return c, err
	}
	found, err := c.Classify()
	if err != nil {
		return nil, err
	}
	marks := tagged(found, tags)
	if len(marks) == 0 {
		return c, nil
	}
	o.Overlay = o.Overlay.With(o.Subject, marks)
	return Compile(b, o)
}

// tagged are the marks that tags give to places, and to the objects and arrays
// around them.
func tagged(found Classification, tags map[string][]string) []mask.Placed {
	own := map[string]mask.Class{} // what the schema says
	decided := map[string]bool{}   // by an overlay's pointer
	pointers := map[string]bool{}
	for _, p := range found.Places {
		for at := p.Pointer; at != ""; at = at[:strings.LastIndexByte(at, '/')] {
			pointers[at] = true
		}
		switch {
		case p.Names || p.Rule.From != nil:
		case p.Rule.Kind == RuleSubject || p.Rule.Kind == RuleDefinition:
			decided[p.Pointer] = true
		case p.Rule.Kind == RuleSchema:
			own[p.Pointer] = mask.MoreProtective(own[p.Pointer], p.Class)
		}
	}
	var marks []mask.Placed
	for _, pointer := range slices.Sorted(maps.Keys(pointers)) {
		// A pointer that ends with * is of an array's items, or of values in a map: the
		// path that ends before it means the whole.
		if decided[pointer] || strings.HasSuffix(pointer, "/*") {
			continue
		}
		for _, pattern := range slices.Sorted(maps.Keys(tags)) {
			if !pathMatches(pattern, pointer) {
				continue
			}
			class := own[pointer]
			for _, tag := range tags[pattern] {
				class = mask.MoreProtective(class, mask.TagClass(tag))
			}
			if class != "" {
				marks = append(marks, mask.Placed{Pointer: pointer, Class: class, Entry: "metadata.tags " + pattern})
			}
		}
	}
	return marks
}

// pathMatches reports whether a path of metadata means the place of a pointer.
func pathMatches(pattern, pointer string) bool {
	var full, bare strings.Builder
	full.WriteByte('$')
	bare.WriteByte('$')
	for token := range strings.SplitSeq(pointer[1:], "/") {
		if token == "*" {
			full.WriteString("[*]")
			continue
		}
		name := "." + jsonschema.UnescapeToken(token)
		full.WriteString(name)
		bare.WriteString(name)
	}
	for _, path := range [...]string{full.String(), bare.String()} {
		if globbed(pattern, path) || globbed(pattern, strings.TrimPrefix(path, "$.")) {
			return true
		}
	}
	return false
}

// globbed reports whether text is of a pattern in which ** stands for any text, *
// for any without a dot, ? for one character. It takes at most len(pattern) times
// len(text) steps.
func globbed(pattern, text string) bool {
	reached := make([]bool, len(text)+1) // the prefixes of text that the pattern so far matches
	reached[0] = true
	for i := 0; i < len(pattern); i++ {
		switch {
		case strings.HasPrefix(pattern[i:], "**"):
			i++
			for j := range len(text) {
				reached[j+1] = reached[j+1] || reached[j]
			}
		case pattern[i] == '*':
			for j := range len(text) {
				reached[j+1] = reached[j+1] || reached[j] && text[j] != '.'
			}
		default:
			for j := len(text); j > 0; j-- {
				reached[j] = reached[j-1] && (pattern[i] == text[j-1] || pattern[i] == '?')
			}
			reached[0] = false
		}
	}
	return reached[len(text)]
}
