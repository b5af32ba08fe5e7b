package coverage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// Missing are the fields of a subject's schema that neither it nor the overlay nor
// the tags that it is registered with, which may be nil, classify. Booleans and what the schema enumerates need no
// class, and definitions that schemas share have theirs asked for where they are
// used: they have none missing.
func Missing(subject string, b *jsonschema.Bundle, overlay *mask.Overlay, tags map[string][]string) ([]contract.Place, error) {
	if !isEvents(subject) {
		return nil, nil
	}
	c, err := contract.CompileTagged(b, contract.Options{Subject: subject, Overlay: overlay}, tags)
	if err != nil {
		return nil, err
	}
	found, err := c.Classify()
	if err != nil {
		return nil, err
	}
	if len(found.Partial) > 0 {
		return nil, fmt.Errorf("the schema has more alternatives below %q than can be looked at: whether all is classified can't be told; "+
			"give the object around them a class, or fewer alternatives", found.Partial[0])
	}
	return found.Unclassified(), nil
}

// isEvents tells the schemas of events from those that others refer to.
func isEvents(subject string) bool {
	s, err := wire.ParseSubject(subject)
	return err == nil && s.Entity != wire.SharedEntity
}

// Requirement is what the mesh asks of a domain's schemas.
type Requirement struct {
	Overlay *mask.Overlay // may be nil
}

// Rule is the registry's condition that schemas of those domains classify all
// fields of their events for which required reports true.
func Rule(required func(domain string) (Requirement, bool)) registry.Condition {
	return func(subject string, b *jsonschema.Bundle, m *registry.Metadata) error {
		domain, _, _ := strings.Cut(subject, ".")
		r, ok := required(domain)
		if !ok {
			return nil
		}
		missing, err := Missing(subject, b, r.Overlay, m.TagsByPath())
		if err != nil {
			return &registry.Error{
				Code: registry.CodeNotClassified, Message: "whether the schema of " + subject + " classifies all fields, as the domain requires, can't be found out", Cause: err,
			}
		}
		if len(missing) == 0 {
			return nil
		}
		cure := "give each an x-lockstep-class (names in a map an x-lockstep-key-class on the object), or a class in the domain's overlay"
		if slices.ContainsFunc(missing, func(p contract.Place) bool { return p.Pointer == "" }) {
			cure += `; say "type": "object" if events are objects`
		}
		return &registry.Error{
			Code: registry.CodeNotClassified, Message: fmt.Sprintf("the domain %s requires that every field has a masking class, and the schema of %s lacks them for %s", domain, subject, Names(missing)),
			Cure: cure,
		}
	}
}

// named is how many places a sentence names.
const named = 10

// Names lists places in a sentence: the first few, and how many more there are.
func Names(places []contract.Place) string {
	var names []string
	seen := map[string]bool{}
	for _, p := range places {
		name := p.Pointer
		if name == "" {
			name = "the whole event"
		}
		if p.Names {
			name += " (names)"
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	if more := len(names) - named; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:named], ", "), more)
	}
	return strings.Join(names, ", ")
}
