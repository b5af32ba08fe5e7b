package contract

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// walker is the engine that decodes a document, has jsonschema v5 validate it,
// and goes through it with the schema to find what is closed and what is
// classified. It remembers what it finds out about places; documents take no
// part in that.
type walker struct {
	linked  *jsonschema.Linked
	graph   *graph
	overlay *mask.Overlay
	open    bool
	limits  strictjson.Limits
	places  places
	root    *place
}

func newWalker(linked *jsonschema.Linked, o Options) *walker {
	w := &walker{
		linked: linked, graph: newGraph(linked), overlay: o.Overlay, open: o.Open, limits: o.Limits,
		places: places{known: map[string]*place{}},
	}
	exact, wildcard := o.Overlay.Subject(o.Subject)
	w.root = w.places.intern(&place{roots: []*node{w.graph.root}, standing: standing{marks: marks{exact: exact, wildcard: wildcard}}})
	return w
}

func (w *walker) known(name string) bool { return w.graph.names[name] }

func (w *walker) validate(data []byte, verdict program.Verdict) (findings, error) {
	value, err := strictjson.Decode(data, w.limits)
	if err != nil {
		return findings{}, err
	}
	var found findings
	explained := program.NewEffort(maxExplained)
	switch {
	case verdict == program.Costly:
		return findings{costly: true}, nil
	case verdict == program.Undecided: // it is valid under the schema
	case explained.Affords(w.linked.Schema, value):
		if err := w.linked.Schema.Validate(value); err != nil {
			var invalid *v5.ValidationError
			if !errors.As(err, &invalid) {
				return findings{}, err // a schema that loops: no verdict
			}
			return w.explain(invalid, value), nil
		}
	default:
		if found = w.reasons(value, len(data)); len(found.violations) > 0 {
			return found, nil
		}
	}
	if !w.open {
		effort := program.NewEffort(program.MaxEffort(len(data)))
		w.undeclared(w.root, value, "", surroundings{effort: &effort}, &found)
		sortViolations(found.violations)
		found.costly = effort.Over() && len(found.violations) == 0
	}
	if len(found.violations) == 0 && explained.Over() && verdict == program.Invalid && !found.costly {
		found = findings{violations: []Violation{unexplained(value)}, more: true}
	}
	return found, nil
}

// undeclared collects the properties that value has and the schema neither
// declares nor admits, until there are enough.
func (w *walker) undeclared(p *place, value any, pointer string, in surroundings, found *findings) {
	if len(p.roots)+len(p.maybe) == 0 {
		return // nothing is said of this place, nor of any below
	}
	if found.more = found.more || len(found.violations) > MaxViolations || in.effort.Over(); found.more {
		return
	}
	switch value := value.(type) {
	case map[string]any:
		s := w.spot(p, value, in)
		for _, name := range sortedNames(value) {
			member := value[name]
			c, ok := s.child(name)
			at := func() string { return pointer + "/" + jsonschema.EscapeToken(name) }
			switch {
			case !ok:
				found.violations = append(found.violations, Violation{
					Pointer: at(), Keyword: KeywordUndeclared, SchemaPointer: s.origin(),
					Expected: s.admittedNames(), Found: "a property called " + show(name),
				})
				if len(found.violations) > MaxViolations {
					found.more = true
					return
				}
			case isContainer(member):
				w.undeclared(c.place, member, at(), in, found)
			}
		}
	case []any:
		s := w.spot(p, value, in)
		for i, item := range value {
			if isContainer(item) && !found.more {
				w.undeclared(s.item(i), item, pointer+"/"+strconv.Itoa(i), in, found)
			}
		}
	}
}

func isContainer(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// origin is where the first of the subschemas that name properties is written.
func (s *spot) origin() string {
	for _, n := range s.nodes {
		if n.closes {
			return n.origin
		}
	}
	return "#"
}

// admittedNames tells which properties there may be.
func (s *spot) admittedNames() string {
	names := map[string]bool{}
	for _, n := range s.nodes {
		for name := range n.properties {
			names[name] = true
		}
	}
	if len(names) == 0 {
		return "a name that matches one of the schema's patterns"
	}
	return "one of the declared properties " + shorten(strings.Join(slices.Sorted(maps.Keys(names)), ", "), 200)
}

// sortViolations orders by place (items by number), keyword, schema pointer.
func sortViolations(violations []Violation) {
	slices.SortFunc(violations, func(a, b Violation) int {
		return cmp.Or(comparePointers(a.Pointer, b.Pointer), cmp.Compare(a.Keyword, b.Keyword),
			cmp.Compare(a.SchemaPointer, b.SchemaPointer), cmp.Compare(a.Expected, b.Expected))
	})
}

func comparePointers(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "/"), strings.Split(b, "/"), func(a, b string) int {
		n, errA := strconv.Atoi(a)
		m, errB := strconv.Atoi(b)
		if errA == nil && errB == nil {
			return cmp.Or(cmp.Compare(n, m), cmp.Compare(a, b))
		}
		return cmp.Compare(a, b)
	})
}

func compareStrings(a, b string) int { return cmp.Compare(a, b) }

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// sanitize replaces by '*' the names in pointer that known doesn't know.
// Indexes of arrays in value stay.
func sanitize(value any, pointer string, known func(string) bool) string {
	if pointer == "" {
		return ""
	}
	var b strings.Builder
	for token := range strings.SplitSeq(pointer[1:], "/") {
		name := jsonschema.UnescapeToken(token)
		b.WriteByte('/')
		switch container := value.(type) {
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(container) {
				b.WriteByte('*')
				return b.String()
			}
			b.WriteString(token)
			value = container[i]
		case map[string]any:
			if known(name) {
				b.WriteString(token)
			} else {
				b.WriteByte('*')
			}
			value = container[name]
		default:
			b.WriteByte('*')
			return b.String()
		}
	}
	return b.String()
}
