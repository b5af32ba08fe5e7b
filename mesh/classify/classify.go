// Package classify proposes classes for fields that nobody has classified, from
// their names, the formats that schemas give them, what stands beside them, and
// samples of events; and writes them as an overlay for a person to review.
//
// It belongs here when it guesses about a whole set of schemas. What a single
// field seems to hold is package detect's, and what crosses is decided by what
// people have written down, never here.
package classify

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/mask/detect"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// maxSamples bounds how many values of one field are kept to look at.
const maxSamples = 500

// stride leads through all slots for samples in another order.
const stride = 7919

// Proposal is a class for all unclassified fields of one name, or for those at
// one place: where there is no name, or where fields of one name differ.
type Proposal struct {
	// Name is the fields': of the property, or of the nearest one around an item.
	// It is empty where it is about a place; then Subject and Pointer say which.
	Name    string `json:"name,omitempty"`
	Subject string `json:"subject,omitempty"`
	Pointer string `json:"pointer,omitempty"`
	// Keys says that it is about the names in maps that are called so.
	Keys  bool       `json:"keys,omitempty"`
	Class mask.Class `json:"class"`
	// Content is what the strings there hold, written as text.
	Content mask.Content `json:"content,omitempty"`
	// Pattern is what tokens there are to match, so that they are those of other places.
	Pattern    string   `json:"pattern,omitempty"`
	Confidence float64  `json:"confidence"` // from 0 to 1
	Evidence   []string `json:"evidence"`   // why, in sentences that hold no value
	// Others are further classes that something speaks for.
	Others  []mask.Class `json:"others,omitempty"`
	Places  int          `json:"places"`  // how many fields it would classify
	Example string       `json:"example"` // one of them: event type and pointer
	Samples int          `json:"samples"` // how many values were looked at
}

// Collector gathers unclassified fields and samples of their values. It is not
// safe for concurrent use.
type Collector struct {
	groups  map[key]*group
	outline map[string]*outline // by subject
	places  map[string][]contract.Place
	// enumerated are the fields whose values schemas enumerate, by the group that they
	// would be in.
	enumerated map[key][]field
	known      map[string]bool    // words in the names of properties
	own        map[string]*values // by subject and pointer
	events     int
	types      int
}

// key is what fields have in common that get one class.
type key struct {
	name             string
	keys             bool
	subject, pointer string
}

// group are the fields that get one class.
type group struct {
	key    key
	called string // the name that is looked at
	fields []field
	values values
	inMap  bool // they are values in maps whose names nobody lists, or may be
	// enumerated are fields of the same name that need no class, because the schema
	// enumerates their values.
	enumerated []field
}

// field is one place.
type field struct {
	subject, pointer string
	kin              kin
	format           string
	kinds            []string
	shapes           []*mask.Shape
	own              *values // samples of what stands there alone; nil if nobody looks at them
}

// values are samples of what stood somewhere.
type values struct {
	samples []string
	seen    int
	kinds   map[string]bool
	by      map[string]map[string]int // how often which stood beside which product's code
}

// add takes a value as a sample. Of more than are kept, later ones take the place of
// earlier ones, ever more seldom, so that no part of the events counts for all.
func (v *values) add(text string) {
	if v.seen++; len(v.samples) < maxSamples {
		v.samples = append(v.samples, text)
	} else if v.seen%(v.seen/maxSamples+1) == 0 {
		v.samples[v.seen*stride%maxSamples] = text
	}
}

func (v *values) of(kind string) {
	if v.kinds == nil {
		v.kinds = map[string]bool{}
	}
	v.kinds[kind] = true
}

// beside notes that a text stood beside a product's code.
func (v *values) beside(code, text string) {
	if v.by == nil {
		v.by = map[string]map[string]int{}
	}
	if v.by[code] == nil {
		if len(v.by) == maxSamples {
			return
		}
		v.by[code] = map[string]int{}
	}
	if len(v.by[code]) < 2 || v.by[code][text] > 0 {
		v.by[code][text]++
	}
}

// New is an empty collector.
func New() *Collector {
	return &Collector{groups: map[key]*group{}, enumerated: map[key][]field{}, outline: map[string]*outline{}, places: map[string][]contract.Place{}, known: map[string]bool{}, own: map[string]*values{}}
}

// Schema notes the unclassified fields of a contract.
func (c *Collector) Schema(of *contract.Contract) error {
	found, err := of.Classify()
	if err != nil {
		return fmt.Errorf("list the fields of %s: %w", of.Subject(), err)
	}
	c.types++
	beside := siblings(found.Places)
	open := &outline{strings: map[string]*sketch{}, declared: beside}
	c.outline[of.Subject()], c.places[of.Subject()] = open, found.Places
	for _, p := range found.Places {
		for _, word := range detect.Words(lastName(p.Pointer)) {
			c.known[word] = true
		}
		if p.Class == "" && p.Names {
			open.add(strings.TrimSuffix(p.Pointer, "/*"))
		}
	}
	for _, p := range found.Places {
		if p.Class != "" {
			continue
		}
		if _, sensitive := detect.Sensitive(lastName(p.Pointer)); listed(p) && !sensitive {
			if p.Enumerated && !p.Names && lastName(p.Pointer) != "" {
				k := key{name: lastName(p.Pointer)}
				c.enumerated[k] = append(c.enumerated[k], field{subject: of.Subject(), pointer: p.Pointer})
			}
			continue
		}
		g := c.group(of.Subject(), p.Pointer, p.Names)
		f := field{subject: of.Subject(), pointer: p.Pointer, kin: beside.of(p.Pointer), format: p.Format, kinds: p.Kinds, shapes: p.NameShapes}
		if p.Shape != nil {
			f.shapes = []*mask.Shape{p.Shape}
		}
		if !p.Names && strings.HasSuffix(p.Pointer, "/"+jsonschema.EscapeToken(g.called)) && f.kin.wants(g.called) {
			f.own = &values{}
			c.own[of.Subject()+" "+p.Pointer] = f.own
		}
		g.fields = append(g.fields, f)
		g.inMap = g.inMap || !p.Names && open.maps(p.Pointer)
		for _, kind := range p.Kinds {
			g.values.of(kind)
		}
		if slices.Contains(p.Kinds, "string") && !p.Names && !listed(p) && p.Content == "" && !open.inside(p.Pointer) {
			open.strings[p.Pointer] = &sketch{}
		}
	}
	return nil
}

// Event takes the values of an event's unclassified fields as samples. The
// error is of an event that can't be read under the contract.
func (c *Collector) Event(of *contract.Contract, data []byte) error {
	if err := of.Validate(data); err != nil {
		var invalid *contract.Invalid
		if errors.As(err, &invalid) { // without what it found: that is a value
			return fmt.Errorf("the event is not valid under %s: %s at %q", of.Subject(), invalid.Violations[0].Keyword, invalid.Violations[0].Pointer)
		}
		return err
	}
	traced, err := of.Trace(data, nil)
	if err != nil {
		return err
	}
	c.events++
	codes := map[string]string{} // of products, by the object that they stand in
	for _, one := range traced {
		if at := strings.LastIndexByte(one.Pointer, '/'); at >= 0 && !one.Names && !one.Container && detect.Product(jsonschema.UnescapeToken(one.Pointer[at+1:])) {
			codes[one.Pointer[:at]] = one.Text
		}
	}
	open := c.outline[of.Subject()]
	for _, one := range traced {
		if one.Class != "" || one.Container || one.Kind != mask.String && one.Kind != mask.Number {
			continue
		}
		if g := c.groups[c.key(of.Subject(), one.Place, one.Names)]; g != nil { // else the schema lists the values
			g.values.add(one.Text)
		}
		if own := c.own[of.Subject()+" "+one.Place]; own != nil && !one.Names {
			own.add(one.Text)
			own.beside(codes[one.Pointer[:strings.LastIndexByte(one.Pointer, '/')]], one.Text)
		}
		if open != nil && !one.Names && one.Kind == mask.String {
			if s := open.strings[one.Place]; s != nil {
				s.text(one.Text, 0)
			}
		}
	}
	if open != nil && len(open.objects) > 0 {
		document, err := strictjson.Decode(data, strictjson.Limits{})
		if err != nil {
			return err // it was valid a moment ago
		}
		open.observe(document)
	}
	return nil
}

// names reports whether a text is made of words that name fields.
func (c *Collector) names(text string) bool {
	const many = 5
	words := detect.Words(text)
	return len(words) > 0 && len(words) <= many && !slices.ContainsFunc(words, func(word string) bool {
		return !c.known[word] && !c.known[strings.TrimSuffix(word, "s")] && !detect.Vocabulary(word)
	})
}

// Events is how many events were looked at.
func (c *Collector) Events() int { return c.events }

// Types is how many schemas were looked at.
func (c *Collector) Types() int { return c.types }

func (c *Collector) group(subject, pointer string, names bool) *group {
	k := c.key(subject, pointer, names)
	g := c.groups[k]
	if g == nil {
		g = &group{key: k, called: k.name}
		if names {
			g.called = "" // it is the map's, and says nothing about the names in it
		}
		c.groups[k] = g
	}
	return g
}

// key is the group of a field: by the nearest name around it, as an overlay's
// "properties" see it.
func (c *Collector) key(subject, pointer string, names bool) key {
	if name := lastName(pointer); name != "" {
		return key{name: name, keys: names}
	}
	if names {
		pointer = strings.TrimSuffix(pointer, "/*")
	}
	return key{subject: subject, pointer: pointer, keys: names}
}

// lastName is the nearest name around a place; empty if there is none.
func lastName(pointer string) string {
	tokens := strings.Split(pointer, "/")
	for _, token := range slices.Backward(tokens[min(1, len(tokens)):]) {
		if _, err := strconv.Atoi(token); token != "*" && err != nil {
			return jsonschema.UnescapeToken(token)
		}
	}
	return ""
}

// Proposals has one for each group of unclassified fields, by name, and those for
// single places.
func (c *Collector) Proposals() []Proposal {
	var all []*judged
	for _, k := range slices.SortedFunc(maps.Keys(c.groups), func(a, b key) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) {
		c.groups[k].enumerated = c.enumerated[k]
		all = append(all, judge(c.groups[k], c.names))
	}
	join(all)
	who := personal(all)
	outlined, proposals := c.outlined(who)
	for _, g := range outlined {
		all = append(all, judge(g, c.names))
	}
	join(all)
	for _, j := range all {
		j.doubt(who)
	}
	alike(all)
	for _, j := range all {
		proposals = append(proposals, j.proposals()...)
	}
	proposals = append(proposals, c.declared(proposals)...)
	slices.SortStableFunc(proposals, func(a, b Proposal) int { return strings.Compare(a.sort(), b.sort()) })
	return proposals
}

func (p Proposal) sort() string {
	return fmt.Sprintf("%v\x00%s\x00%s\x00%s\x00%v", p.Name == "", p.Name, p.Subject, p.Pointer, p.Keys)
}
