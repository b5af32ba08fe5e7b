package contract

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Place is a place in a contract's documents where values may stand, or names
// that are data: with their class, and what decided it.
type Place struct {
	// Pointer leads to it. * stands for every item of an array, and for every
	// name in a map.
	Pointer string `json:"pointer"`
	// Names says that it is about the names in a map and not about its values.
	Names bool `json:"names,omitempty"`
	// Kinds are the types that values may have there: string, number, boolean;
	// object, array and content (a string that holds something) only where the class
	// is given to them as a whole.
	Kinds      []string   `json:"kinds"`
	Class      mask.Class `json:"class,omitempty"` // empty if nobody classified it
	Rule       Rule       `json:"rule"`
	Format     string     `json:"format,omitempty"`     // that the schema gives to strings there
	Enumerated bool       `json:"enumerated,omitempty"` // the schema lists the values
	Required   bool       `json:"required,omitempty"`   // every document has a value there
	// Mandatory says that whatever the value stands in must have it, so that it
	// can't be dropped.
	Mandatory bool `json:"-"`
	// Schema is where the schema speaks of it, as NAME#POINTER; empty if it doesn't.
	Schema string `json:"schema,omitempty"`
	// Shape is what the schema demands of a value there; nil for names and containers.
	Shape *mask.Shape `json:"-"`
	// NameShapes are what the schema demands of names in a map, one for each of the
	// ways in which it admits some, nil where it demands nothing.
	NameShapes []*mask.Shape `json:"-"`
	// Condition is the overlay's for this class; empty if there is none.
	Condition string `json:"condition,omitempty"`
	// Content says what a string there holds, written as text. Pointers go on into it.
	Content mask.Content `json:"content,omitempty"`
	// Depends says that values of one type have other classes there, too, by
	// which of the schema's alternatives they are valid under.
	Depends bool `json:"depends,omitempty"`
}

// KindContent is the kind of a string that holds something.
const KindContent = "content"

// Classification is what a contract says of all of its places.
type Classification struct {
	Places []Place `json:"places"` // by pointer
	// Repeats are the places that are as one around them is, in schemas that
	// refer to themselves: pointers to pointers.
	Repeats map[string]string `json:"repeats,omitempty"`
	// Partial are places whose alternatives are too many to be looked at one by
	// one. What is below them may lack a class that isn't reported.
	Partial []string `json:"partial,omitempty"`
}

// Unclassified are the places that nobody classified and that the schema
// doesn't enumerate, booleans aside: what a policy's defaults decide.
func (c Classification) Unclassified() []Place {
	var found []Place
	for _, p := range c.Places {
		if p.Class == "" && !p.Enumerated && !slices.Equal(p.Kinds, []string{"boolean"}) {
			found = append(found, p)
		}
	}
	return found
}

// The bounds on how far a schema is looked at.
const (
	maxVariants = 128     // ways in which subschemas may apply to one type of values at one place
	maxVisits   = 200_000 // places, counted by the ways to them
)

// Classify lists the places of the contract's documents with their classes. It
// goes through the schema, and is for reports and checks: what masks a document
// decides value by value.
func (c *Contract) Classify() (Classification, error) {
	w, ok := c.slow().(*walker)
	if !ok {
		return Classification{}, &Fault{Subject: c.options.Subject, Version: c.options.Version, What: "the schema could not be linked"}
	}
	s := survey{
		walker: w, found: map[string]*Place{}, variants: map[*place][]variant{}, active: map[*place]string{},
		visited: map[visit]bool{}, partial: map[string]bool{}, repeats: map[string]string{},
	}
	none := Rule{Kind: RuleNone}
	s.place(w.root, "", "", inherited{none, none, none}, true, true)
	return s.classification(), nil
}

// survey is one walk through a schema's places.
type survey struct {
	walker   *walker
	found    map[string]*Place
	variants map[*place][]variant
	active   map[*place]string // those on the way here, with their pointers
	visited  map[visit]bool
	partial  map[string]bool
	repeats  map[string]string
}

// visit is a place by the way to it.
type visit struct {
	place    *place
	pointer  string
	required bool
	in       string
}

func (s *survey) classification() Classification {
	c := Classification{Places: []Place{}, Repeats: s.repeats}
	kinds := map[string]int{}
	for _, p := range s.found {
		slices.Sort(p.Kinds)
		c.Places = append(c.Places, *p)
		for _, kind := range p.Kinds {
			kinds[fmt.Sprintf("%s %v %s", p.Pointer, p.Names, kind)]++
		}
	}
	for i := range c.Places {
		p := &c.Places[i]
		p.Depends = p.Condition == "" && slices.ContainsFunc(p.Kinds, func(kind string) bool {
			return kinds[fmt.Sprintf("%s %v %s", p.Pointer, p.Names, kind)] > 1
		})
	}
	slices.SortFunc(c.Places, func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(strconv.FormatBool(b.Names), strconv.FormatBool(a.Names)),
			cmp.Compare(a.Class, b.Class), cmp.Compare(a.Condition, b.Condition), cmp.Compare(a.key(), b.key()))
	})
	for pointer := range s.partial {
		c.Partial = append(c.Partial, pointer)
	}
	slices.Sort(c.Partial)
	return c
}

// key tells places apart that are reported apart.
func (p *Place) key() string {
	from := "-"
	if p.Rule.From != nil {
		from = *p.Rule.From
	}
	return fmt.Sprintf("%q %v %q %v %q %q %q %v %q", p.Pointer, p.Names, p.Class, p.Rule.Kind, p.Rule.Where, from, p.Condition, p.Enumerated, p.Format)
}

func (s *survey) add(p Place, kind string) {
	key := p.key()
	known := s.found[key]
	if known == nil {
		known = &p
		s.found[key] = known
	}
	for _, shape := range p.NameShapes {
		if !slices.Contains(known.NameShapes, shape) {
			known.NameShapes = append(known.NameShapes, shape)
		}
	}
	known.Mandatory = known.Mandatory || p.Mandatory
	known.Required = known.Required && p.Required
	if !slices.Contains(known.Kinds, kind) {
		known.Kinds = append(known.Kinds, kind)
	}
}

// place looks at the values at p, which has the pointer; name is the property's.
func (s *survey) place(p *place, name, pointer string, in inherited, required, mandatory bool) {
	if above, ok := s.active[p]; ok {
		if above != pointer {
			s.repeats[pointer] = above
		}
		return
	}
	v := visit{p, pointer, required, in.text()}
	if s.visited[v] {
		return
	}
	if len(s.visited) >= maxVisits {
		s.partial[pointer] = true
		return
	}
	s.visited[v] = true
	s.active[p] = pointer
	defer delete(s.active, p)
	all := s.of(p, pointer)
	always := demanded(all)
	for _, v := range all {
		rule, keys, inside := s.walker.reason(p, v.spot, v.when, name, pointer, in)
		here := Place{
			Pointer: pointer, Class: v.spot.class, Rule: rule, Enumerated: v.spot.enumerated, Required: required, Mandatory: mandatory, Condition: v.condition,
			Schema: v.spot.written(),
		}
		switch v.kind {
		case program.Object, program.Array:
			if v.spot.class != "" && rule.From == nil {
				here.Enumerated = false
				s.add(here, kindNames[v.kind])
			}
			if v.kind == program.Array {
				s.items(v.spot, pointer, inside)
			} else {
				s.members(v.spot, pointer, keys, inside, required, always)
			}
		default:
			if v.kind == program.String && v.spot.content != nil {
				s.content(v.spot, here, inside)
				continue
			}
			here.Shape = v.spot.shape()
			if v.kind == program.String {
				here.Format = here.Shape.Format
			}
			s.add(here, kindNames[v.kind])
		}
	}
}

func (in inherited) text() string {
	var b strings.Builder
	for _, r := range [...]Rule{in.class, in.name, in.keys} {
		from := "-"
		if r.From != nil {
			from = *r.From
		}
		fmt.Fprintf(&b, "%s %s %s;", r.Kind, r.Where, from)
	}
	return b.String()
}

// demanded are the properties that every value has which is admitted in one of
// the ways.
func demanded(all []variant) map[string]bool {
	var always map[string]bool
	for _, v := range all {
		names := map[string]bool{}
		if v.kind == program.Object {
			names = v.spot.required()
		}
		if always == nil {
			always = maps.Clone(names)
			continue
		}
		maps.DeleteFunc(always, func(name string, _ bool) bool { return !names[name] })
	}
	return always
}

// members looks at the properties of an object, which has those in always
// whichever of the schema's alternatives it is valid under.
func (s *survey) members(o *spot, pointer string, keys Rule, inside inherited, required bool, always map[string]bool) {
	names := map[string]bool{}
	for _, n := range o.nodes {
		for name := range n.properties {
			names[name] = true
		}
		if n.names != nil {
			for _, value := range n.names.schema.Enum {
				if name, ok := value.(string); ok {
					names[name] = true
				}
			}
		}
	}
	for _, paths := range [...][]*mask.Path{o.marks.exact, o.marks.wildcard, o.marks.definitions} {
		for _, path := range paths {
			for _, name := range path.Tokens() {
				names[name] = true
			}
		}
	}
	for _, name := range sortedNames(names) {
		c, ok := o.child(name)
		if !ok || c.place.undeclared {
			continue
		}
		s.place(c.place, name, pointer+"/"+jsonschema.EscapeToken(name), inside, required && always[name], o.required()[name])
	}
	rest := s.rest(o)
	if len(rest) == 0 {
		return
	}
	s.add(Place{Pointer: pointer + "/*", Names: true, Class: o.keys, Rule: keys, Schema: o.written(), NameShapes: o.nameShapes()}, "string")
	for _, p := range rest {
		s.place(p, "", pointer+"/*", inside, false, false)
	}
}

// written is where the first of the subschemas is written that apply.
func (s *spot) written() string {
	if len(s.nodes) == 0 {
		return ""
	}
	return s.nodes[0].origin
}

// rest are the places that names lead to which the schema admits without
// listing them.
func (s *survey) rest(o *spot) []*place {
	var ways [][]*node
	var others []*node
	admitted := !o.closed
	for _, n := range o.nodes {
		for _, p := range n.patterns {
			ways = append(ways, []*node{p.node})
		}
		for _, other := range [...]*node{n.additional, n.unevaluated} {
			if other != nil && !never(other) {
				admitted = true
				others = append(others, other)
			}
		}
		if n.names != nil && n.names.enumerated {
			admitted = false // whatever else admits them
			ways, others = nil, nil
			break
		}
	}
	if admitted {
		ways = append(ways, others)
	}
	var rest []*place
	for _, roots := range ways {
		rest = append(rest, s.walker.places.intern(&place{
			roots:    normal(slices.Clone(roots)),
			standing: standing{marks: o.marks.step("*"), around: o.around, aroundKeys: o.keys, namedOut: o.namedOut, undeclared: o.undeclared},
		}))
	}
	return rest
}

// never reports whether a schema admits nothing.
func never(n *node) bool { return n != free && n.schema.Always != nil && !*n.schema.Always }

// items looks at the items of an array.
func (s *survey) items(o *spot, pointer string, inside inherited) {
	for i := range o.tuple {
		s.place(o.item(i), "", pointer+"/"+strconv.Itoa(i), inside, false, true)
	}
	s.place(o.item(o.tuple), "", pointer+"/*", inside, false, o.tuple > 0)
}
