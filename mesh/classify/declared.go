package classify

import (
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/mask/detect"
)

// declared says the classes of places that a schema names where other names may stand,
// too: a class for whatever stands there counts for them as well, and comes before
// that for their name.
func (c *Collector) declared(proposals []Proposal) []Proposal {
	said, names := map[string]bool{}, map[string]Proposal{}
	for _, p := range proposals {
		switch {
		case p.Keys:
		case p.Name != "":
			names[p.Name] = p
		default:
			said[p.Subject+" "+p.Pointer] = true
		}
	}
	var all []Proposal
	for _, p := range proposals {
		above, anyName := strings.CutSuffix(p.Pointer, "/*")
		if p.Name != "" || p.Keys || !anyName {
			continue
		}
		for _, place := range c.places[p.Subject] {
			rest, inside := strings.CutPrefix(place.Pointer, above+"/")
			if !inside || place.Names || strings.HasPrefix(rest, "*") || said[p.Subject+" "+place.Pointer] || !simple(place) {
				continue
			}
			own := unplaced(place, names)
			if own.Class == "" || own.Class == p.Class {
				continue
			}
			said[p.Subject+" "+place.Pointer] = true
			own.Name, own.Subject, own.Pointer, own.Places, own.Example = "", p.Subject, place.Pointer, 1, p.Subject+" "+place.Pointer
			own.Evidence = append(slices.Clip(own.Evidence), "said of its place, because other names may stand beside it")
			all = append(all, own)
		}
	}
	return all
}

// simple reports whether there are strings, numbers or booleans at a place.
func simple(p contract.Place) bool {
	return slices.ContainsFunc(p.Kinds, func(kind string) bool { return kind == "string" || kind == "number" || kind == "boolean" })
}

// unplaced is what is proposed for a place if nobody says anything of places.
func unplaced(p contract.Place, names map[string]Proposal) Proposal {
	name := lastName(p.Pointer)
	if p.Class != "" {
		return Proposal{Class: p.Class, Confidence: 1, Evidence: []string{"the schema says so"}}
	}
	if _, sensitive := detect.Sensitive(name); listed(p) && !sensitive {
		return Proposal{Class: mask.Internal, Confidence: certain, Evidence: []string{"the schema lists the values there, or they are true and false"}}
	}
	return names[name]
}

// listed reports whether a place needs no class: its schema lists the values, or they
// are true and false.
func listed(p contract.Place) bool {
	return p.Enumerated || slices.Equal(p.Kinds, []string{"boolean"})
}
