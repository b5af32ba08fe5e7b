package classify

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Overlay writes proposals as an overlay file, with the evidence as comments. It
// is one that ParseOverlay reads: whoever has reviewed it can use it as it is.
func Overlay(proposals []Proposal, about string) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(about) {
		fmt.Fprintf(&b, "# %s\n", strings.TrimSpace(line))
	}
	byName, elsewhere := map[string][]Proposal{}, map[string][]Proposal{}
	var names, subjects []string
	for _, p := range proposals {
		if p.Name != "" {
			if byName[p.Name] == nil {
				names = append(names, p.Name)
			}
			byName[p.Name] = append(byName[p.Name], p)
			continue
		}
		if elsewhere[p.Subject] == nil {
			subjects = append(subjects, p.Subject)
		}
		elsewhere[p.Subject] = append(elsewhere[p.Subject], p)
	}
	if len(names) > 0 {
		b.WriteString("\nproperties:\n")
	}
	for _, name := range names {
		entry(&b, "  ", name, byName[name])
	}
	if len(subjects) > 0 {
		b.WriteString("\nsubjects:\n")
	}
	for _, subject := range subjects {
		fmt.Fprintf(&b, "  %s:\n", plain(subject))
		places := map[string][]Proposal{}
		var pointers []string
		for _, p := range elsewhere[subject] {
			pointer := p.Pointer
			if pointer == "" {
				pointer = "/"
			}
			if places[pointer] == nil {
				pointers = append(pointers, pointer)
			}
			places[pointer] = append(places[pointer], p)
		}
		for _, pointer := range pointers {
			entry(&b, "    ", pointer, places[pointer])
		}
	}
	return b.Bytes()
}

// entry writes what is proposed for one name or pointer: a class for values, one
// for names, or both.
func entry(b *bytes.Buffer, indent, name string, proposals []Proposal) {
	var class, keys, content, pattern string
	for _, p := range proposals {
		what := ""
		if p.Keys {
			what, keys = "names in it: ", string(p.Class)
		} else {
			class, content, pattern = string(p.Class), cmp.Or(content, string(p.Content)), cmp.Or(pattern, p.Pattern)
		}
		fields := "1 field"
		if p.Places != 1 {
			fields = strconv.Itoa(p.Places) + " fields"
		}
		fmt.Fprintf(b, "%s# %s%.2f %s (%s, as %s)\n", indent, what, p.Confidence, comment(strings.Join(p.Evidence, "; ")), fields, comment(p.Example))
		if len(p.Others) > 0 {
			fmt.Fprintf(b, "%s#   or %s\n", indent, alternatives(p))
		}
	}
	var parts []string
	if pattern != "" {
		pattern = quoted(pattern)
	}
	for _, part := range [...][2]string{{"class", class}, {"keys", keys}, {"content", content}, {"pattern", pattern}} {
		if part[1] != "" {
			parts = append(parts, part[0]+": "+part[1])
		}
	}
	if len(parts) == 1 && class != "" {
		fmt.Fprintf(b, "%s%s: %s\n", indent, plain(name), class)
		return
	}
	fmt.Fprintf(b, "%s%s: {%s}\n", indent, plain(name), strings.Join(parts, ", "))
}

func alternatives(p Proposal) string {
	names := make([]string, len(p.Others))
	for i, class := range p.Others {
		names[i] = string(class)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

var bare = regexp.MustCompile(`^[A-Za-z/_][A-Za-z0-9_./-]*$`)

// plain is a key as YAML has it. Words that YAML reads as something else than
// text are quoted, too.
func plain(name string) string {
	switch strings.ToLower(name) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return strconv.Quote(name)
	}
	if bare.MatchString(name) {
		return name
	}
	return quoted(name)
}

// quoted is a double-quoted text of YAML, which is JSON's but for what cannot be printed.
func quoted(name string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range name {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r >= 0x7f && r < 0xa0:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// comment is a text that can't end a comment.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, text)
}
