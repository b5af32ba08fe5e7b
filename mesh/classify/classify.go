// Package classify proposes classes for fields that nobody has classified, from
// their names, the formats that schemas give them, and samples of events; and
// writes them as an overlay for a person to review.
//
// It belongs here when it guesses about a whole set of schemas. What a single
// field seems to hold is package detect's, and what crosses is decided by what
// people have written down, never here.
package classify

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/mask/detect"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// maxSamples bounds how many values of one field are kept to look at.
const maxSamples = 500

// stride leads through all slots for samples in another order.
const stride = 7919

// Proposal is a class for all unclassified fields of one name, or for those at
// one place where there is no name.
type Proposal struct {
	// Name is the fields': of the property, or of the nearest one around an item.
	// It is empty where there is none; then Subject and Pointer say where it is.
	Name    string `json:"name,omitempty"`
	Subject string `json:"subject,omitempty"`
	Pointer string `json:"pointer,omitempty"`
	// Keys says that it is about the names in maps that are called so.
	Keys       bool       `json:"keys,omitempty"`
	Class      mask.Class `json:"class"`
	Confidence float64    `json:"confidence"` // from 0 to 1
	Evidence   []string   `json:"evidence"`   // why, in sentences that hold no value
	// Others are further classes that something speaks for.
	Others  []mask.Class `json:"others,omitempty"`
	Places  int          `json:"places"`  // how many fields it would classify
	Example string       `json:"example"` // one of them: event type and pointer
	Samples int          `json:"samples"` // how many values were looked at
}

// Collector gathers unclassified fields and samples of their values. It is not
// safe for concurrent use.
type Collector struct {
	groups map[key]*group
	events int
	types  int
	others int // values of fields that are classified
}

// key is what fields have in common that get one class.
type key struct {
	name             string
	keys             bool
	subject, pointer string
}

type group struct {
	key     key
	places  int
	example string
	formats map[string]int
	kinds   map[string]bool
	samples []string
	seen    int
}

// New is an empty collector.
func New() *Collector { return &Collector{groups: map[key]*group{}} }

// Schema notes the unclassified fields of a contract.
func (c *Collector) Schema(of *contract.Contract) error {
	found, err := of.Classify()
	if err != nil {
		return fmt.Errorf("list the fields of %s: %w", of.Subject(), err)
	}
	c.types++
	for _, p := range found.Unclassified() {
		g := c.group(of.Subject(), p.Pointer, p.Names)
		g.places++
		if g.example == "" {
			g.example = of.Subject() + " " + p.Pointer
		}
		if p.Format != "" {
			g.formats[p.Format]++
		}
		for _, kind := range p.Kinds {
			g.kinds[kind] = true
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
	for _, one := range traced {
		switch {
		case one.Class != "":
			c.others++
			continue
		case one.Container, one.Kind != mask.String && one.Kind != mask.Number:
			continue
		}
		g := c.groups[c.key(of.Subject(), one.Place, one.Names)]
		if g == nil {
			continue // enumerated
		}
		// Of more than are kept, later ones take the place of earlier ones, ever more
		// seldom, so that no part of the events counts for all.
		if g.seen++; len(g.samples) < maxSamples {
			g.samples = append(g.samples, one.Text)
		} else if g.seen%(g.seen/maxSamples+1) == 0 {
			g.samples[g.seen*stride%maxSamples] = one.Text
		}
	}
	return nil
}

// Events is how many events were looked at.
func (c *Collector) Events() int { return c.events }

// Types is how many schemas were looked at.
func (c *Collector) Types() int { return c.types }

func (c *Collector) group(subject, pointer string, names bool) *group {
	k := c.key(subject, pointer, names)
	g := c.groups[k]
	if g == nil {
		g = &group{key: k, formats: map[string]int{}, kinds: map[string]bool{}}
		c.groups[k] = g
	}
	return g
}

// key is the group of a field: by the nearest name around it, as an overlay's
// "properties" see it.
func (c *Collector) key(subject, pointer string, names bool) key {
	tokens := strings.Split(pointer, "/")
	for _, token := range slices.Backward(tokens[min(1, len(tokens)):]) {
		if _, err := strconv.Atoi(token); token != "*" && err != nil {
			return key{name: jsonschema.UnescapeToken(token), keys: names}
		}
	}
	if names {
		pointer = strings.TrimSuffix(pointer, "/*")
	}
	return key{subject: subject, pointer: pointer, keys: names}
}

// Proposals has one for each group of unclassified fields, by name.
func (c *Collector) Proposals() []Proposal {
	var all []Proposal
	for _, g := range c.groups {
		all = append(all, g.propose())
	}
	slices.SortFunc(all, func(a, b Proposal) int {
		return strings.Compare(a.sort(), b.sort())
	})
	return all
}

func (p Proposal) sort() string {
	return fmt.Sprintf("%v\x00%s\x00%s\x00%s\x00%v", p.Name == "", p.Name, p.Subject, p.Pointer, p.Keys)
}

// The confidence in a class that nothing but caution speaks for.
const caution = 0.1

// repeated is the confidence in a class for which only repetition speaks.
const repeated = 0.4

// certain is the confidence from which a more protective class than the likeliest
// is not taken instead.
const certain = 0.6

func (g *group) propose() Proposal {
	p := Proposal{
		Name: g.key.name, Subject: g.key.subject, Pointer: g.key.pointer, Keys: g.key.keys, Places: g.places, Example: g.example, Samples: len(g.samples),
	}
	format := ""
	for f, n := range g.formats {
		if n*2 > g.places {
			format = f
		}
	}
	name := g.key.name
	if g.key.keys {
		name = "" // it is the map's, and says nothing about the names in it
	}
	found := detect.Field(name, format, g.samples)
	switch {
	case len(found) > 0:
		best := found[0]
		for _, other := range found[1:] {
			p.Others = append(p.Others, other.Class)
			// What is uncertain errs on the side of protection.
			if best.Confidence < certain && other.Confidence*2 >= best.Confidence && mask.MoreProtective(best.Class, other.Class) == other.Class {
				best = other
			}
		}
		p.Others = slices.DeleteFunc(p.Others, func(class mask.Class) bool { return class == best.Class })
		p.Class, p.Confidence, p.Evidence = best.Class, best.Confidence, best.Evidence
		if p.Class == mask.Internal && p.Confidence <= repeated && g.kinds["string"] {
			p.Class, p.Others = mask.Name, append(p.Others, mask.Internal)
			p.Evidence = append(p.Evidence, "but it may as well be a name that tells whose it is")
		}
	case g.key.keys:
		p.Class, p.Confidence, p.Evidence = mask.Name, caution, []string{"nothing tells what the names are"}
	case g.kinds["string"]:
		p.Class, p.Confidence, p.Evidence = mask.Text, caution, []string{"nothing tells what it holds, and text may hold anything"}
	default:
		p.Class, p.Confidence, p.Evidence = mask.ID, caution, []string{"nothing tells what the numbers are"}
		if counts(g.samples) {
			p.Class, p.Confidence, p.Evidence = mask.Internal, 0.4, []string{fmt.Sprintf("%d samples are small whole numbers: it may count something", len(g.samples))}
		}
	}
	return p
}

// counts reports whether samples look like counters or sizes.
func counts(samples []string) bool {
	const small = 5 // digits
	return len(samples) > 0 && !slices.ContainsFunc(samples, func(s string) bool {
		return len(s) > small || strings.Trim(s, "0123456789") != ""
	})
}
