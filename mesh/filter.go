package mesh

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// storedFilters turns patterns of event types of one domain into filters on
// stored subjects, none of which overlaps another: JetStream refuses those.
// It returns what is wrong with the patterns, all of it.
func storedFilters(domain string, types []string) (filters, problems []string) {
	if len(types) == 0 {
		return []string{wire.StoredSubject("*", domain+".>")}, nil
	}
	for _, t := range types {
		f, problem := storedFilter(domain, t)
		if problem != "" {
			problems = append(problems, problem)
		}
		filters = append(filters, f...)
	}
	filters = maximal(filters)
	for i, a := range filters {
		for _, b := range filters[i+1:] {
			if overlap(a, b) {
				problems = append(problems, fmt.Sprintf("some event types fall under both %q and %q, which one consumer cannot have: make two subscriptions, or one with a wider pattern", typePattern(a), typePattern(b)))
			}
		}
	}
	return filters, problems
}

// storedFilter turns one pattern into filters. Key tokens may follow an action,
// and only an action.
func storedFilter(domain, pattern string) ([]string, string) {
	tokens := strings.Split(pattern, ".")
	for i, token := range tokens {
		last := i == len(tokens)-1
		if !wire.ValidToken(token) && (i == 0 || token != "*") && (i == 0 || !last || token != ">") {
			return nil, fmt.Sprintf("type %q: token %d (%q) is neither a name nor, after the domain, '*', or '>' at the end", pattern, i+1, token)
		}
	}
	switch {
	case len(tokens) < 2 || len(tokens) > 3:
		return nil, fmt.Sprintf("type %q has %d tokens: a type is <domain>.<entity>.<action> or <domain>.<entity>", pattern, len(tokens))
	case tokens[0] != domain:
		return nil, fmt.Sprintf("type %q is not of domain %q: a subscription reads one domain", pattern, domain)
	}
	entity := wire.StoredSubject("*", tokens[0]+"."+tokens[1])
	if len(tokens) == 2 {
		return []string{entity}, ""
	}
	if action := tokens[2]; action != "*" && action != ">" {
		return []string{entity + "." + action, entity + "." + action + ".>"}, ""
	}
	return []string{entity + ".>"}, ""
}

// maximal leaves out every filter that another one covers.
func maximal(filters []string) []string {
	slices.Sort(filters)
	filters = slices.Compact(filters)
	var kept []string
	for _, f := range filters {
		if !slices.ContainsFunc(filters, func(g string) bool { return g != f && covers(g, f) }) {
			kept = append(kept, f)
		}
	}
	return kept
}

// covers reports whether every subject that narrow matches, wide matches too.
func covers(wide, narrow string) bool {
	w, n := strings.Split(wide, "."), strings.Split(narrow, ".")
	for i, token := range w {
		switch {
		case i >= len(n):
			return false
		case token == ">":
			return true
		case n[i] == ">", token != "*" && token != n[i]:
			return false
		}
	}
	return len(w) == len(n)
}

// overlap reports whether some subject is matched by both.
func overlap(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		switch {
		case x[i] == ">" || y[i] == ">":
			return true
		case x[i] != "*" && y[i] != "*" && x[i] != y[i]:
			return false
		}
	}
	return len(x) == len(y)
}

// typePattern is the pattern of types behind a filter, for messages.
func typePattern(filter string) string {
	_, pattern, _ := wire.ParseStored(filter)
	return pattern
}
