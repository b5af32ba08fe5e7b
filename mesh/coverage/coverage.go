// Package coverage tells what a masking policy makes of every field that a
// contract's events can have, before there is an event: which class each has and
// by which rule, by which technique it crosses, and what would be withheld.
//
// It belongs here when it is a report about contract and policy together. What
// masks events is package contract's, and never asks this one.
package coverage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// Field is a place in events with what becomes of the values there.
type Field struct {
	contract.Place
	Technique mask.Technique `json:"technique"`
	// Options are the technique's, as the policy gives them.
	Options map[string]any `json:"options,omitempty"`
	// With is the object or array that is dropped as a whole, and the field with it.
	With string `json:"with,omitempty"`
	// Withheld says why an event with a value there doesn't cross; nil if it does.
	Withheld *contract.Withheld `json:"withheld,omitempty"`
}

// Report is what a policy makes of one contract's events.
type Report struct {
	Fields []Field // by pointer
	// Classified and Unclassified count fields, names in maps included; Enumerated
	// and Boolean those of the unclassified ones that the schema enumerates, or
	// that are true or false, which cross by the policy's defaults.
	Classified, Unclassified, Enumerated, Boolean int
	// Partial are places whose alternatives were too many to be looked at.
	Partial []string
	Repeats map[string]string
}

// Of reports on what m makes of c's events.
func Of(c *contract.Contract, m *mask.Masker) (Report, error) {
	found, err := c.Classify()
	if err != nil {
		return Report{}, fmt.Errorf("list the fields of %s: %w", c.Subject(), err)
	}
	r := Report{Partial: found.Partial, Repeats: found.Repeats, Fields: []Field{}}
	var dropped []string
	for _, p := range found.Places {
		if !container(p) {
			continue
		}
		if m.Technique(p.Class) != mask.Drop {
			continue
		}
		f := field(p, m)
		r.Fields = append(r.Fields, f)
		if f.Withheld == nil && !p.Depends && p.Condition == "" {
			dropped = append(dropped, p.Pointer)
		}
	}
	for _, p := range found.Places {
		if container(p) {
			continue
		}
		f := field(p, m)
		if i := slices.IndexFunc(dropped, func(d string) bool { return strings.HasPrefix(p.Pointer, d+"/") }); i >= 0 {
			f.Technique, f.Withheld, f.Options, f.With = mask.Drop, nil, nil, dropped[i]
		}
		r.Fields = append(r.Fields, f)
		switch {
		case p.Class != "":
			r.Classified++
		case p.Enumerated:
			r.Enumerated++
		case slices.Equal(p.Kinds, []string{"boolean"}):
			r.Boolean++
		default:
			r.Unclassified++
		}
	}
	slices.SortStableFunc(r.Fields, func(a, b Field) int { return strings.Compare(a.Pointer, b.Pointer) })
	return r, nil
}

func container(p contract.Place) bool {
	return !slices.ContainsFunc(p.Kinds, func(kind string) bool { return kind != "object" && kind != "array" && kind != contract.KindContent })
}

// Withheld are the fields with which an event doesn't cross.
func (r Report) Withheld() []Field {
	var withheld []Field
	for _, f := range r.Fields {
		if f.Withheld != nil {
			withheld = append(withheld, f)
		}
	}
	return withheld
}

// Always reports whether no event crosses, whatever is in it.
func (r Report) Always() bool {
	return slices.ContainsFunc(r.Withheld(), func(f Field) bool { return f.Required && !f.Depends && f.Condition == "" })
}

// field decides what becomes of the values at p, as package contract does for each.
func field(p contract.Place, m *mask.Masker) Field {
	f := Field{Place: p}
	withhold := func(code, why, cure string) Field {
		f.Technique = mask.Withhold
		f.Withheld = &contract.Withheld{Code: code, Pointer: p.Pointer, Class: string(p.Class), Why: why, Cure: cure}
		return f
	}
	switch {
	case p.Content != "" && !p.Content.Known():
		return withhold(contract.CodeContent, "nobody knows what such a string holds, or its schema can't be read", "correct x-lockstep-content, or its contentSchema")
	case p.Class != "" && !p.Class.Known():
		return withhold(contract.CodeUnknownClass, fmt.Sprintf("nobody knows the class %q", p.Class), "correct its name")
	case p.Names && p.Class == "":
		if f.Technique = m.DefaultKey(); f.Technique == mask.Withhold {
			return withhold(contract.CodeUnclassifiedKey, "the names in this map are data that nobody classified, and the policy withholds such",
				"classify the names, with x-lockstep-key-class in the schema or keys in an overlay")
		}
		return f
	case p.Class == "":
		f.Technique = unclassified(p, m)
		if f.Technique == mask.Withhold {
			return withhold(contract.CodeUnclassified, "nobody classified it, and the policy withholds such",
				"classify it, with x-lockstep-class in the schema or in an overlay")
		}
	default:
		f.Technique = m.Technique(p.Class)
		if rule, ok := m.Rule(p.Class); ok {
			f.Options = Options(rule)
		}
	}
	switch {
	case f.Technique == mask.Withhold:
		return withhold(contract.CodePolicy, "the policy withholds this class, or has no valid rule for it", "give the class a rule in the policy")
	case p.Names && f.Technique != mask.Pass && !f.Technique.Renames():
		return withhold(contract.CodeUnclassifiedKey, fmt.Sprintf("names in a map can be passed or given others, and not treated by %s", f.Technique),
			"classify the names as a class whose technique is token, another that renames (hash, synthetic, fpe, encrypt), or pass")
	case p.Names && f.Technique.Renames():
		if refused := unfitNames(p, m); refused != nil {
			return withhold(contract.CodeUnfit, refused.Why, refused.Cure)
		}
	case f.Technique == mask.Drop && p.Mandatory:
		return withhold(contract.CodeDropRequired, "values of this class are dropped, but the schema requires one here", "make the property optional, or redact the class")
	case p.Names:
	default:
		if refused := unfit(p, m, f.Technique); refused != nil {
			return withhold(contract.CodeUnfit, refused.Why, refused.Cure)
		}
	}
	return f
}

// unclassified is what the policy's defaults say: of several kinds of values, what
// is said of the one that crosses least.
func unclassified(p contract.Place, m *mask.Masker) mask.Technique {
	order := []mask.Technique{mask.Pass, mask.Token, mask.Redact, mask.Drop, mask.Withhold}
	worst := mask.Pass
	for _, kind := range kinds(p) {
		if t := m.Default(kind, p.Enumerated); slices.Index(order, t) > slices.Index(order, worst) {
			worst = t
		}
	}
	return worst
}

func kinds(p contract.Place) []mask.Kind {
	var found []mask.Kind
	for _, kind := range [...]mask.Kind{mask.Bool, mask.Number, mask.String} {
		if slices.Contains(p.Kinds, kind.String()) {
			found = append(found, kind)
		}
	}
	return found
}

// unfitNames says why there may be no token for a name in a map.
func unfitNames(p contract.Place, m *mask.Masker) *mask.Refusal {
	for _, shape := range p.NameShapes {
		var refused *mask.Refusal
		if _, err := m.KeyToken(p.Class, "x", shape); errors.As(err, &refused) {
			return refused
		}
	}
	return nil
}

// unfit says why a technique that looks at nothing of a value but which it is can make
// none for p.
func unfit(p contract.Place, m *mask.Masker, technique mask.Technique) *mask.Refusal {
	if technique != mask.Redact && technique != mask.Constant && technique != mask.Token {
		return nil
	}
	for _, kind := range kinds(p) {
		if refused := unfitKind(p, m, kind); refused != nil {
			return refused
		}
	}
	return nil
}

// unfitKind is unfit for values of a kind. A pattern may leave room for some tokens
// and not for others: it is reported where several find none.
func unfitKind(p contract.Place, m *mask.Masker, kind mask.Kind) (refused *mask.Refusal) {
	texts := map[mask.Kind][]string{mask.Bool: {"true"}, mask.Number: {"1", "2", "3"}, mask.String: {"x", "y", "z"}}[kind]
	for _, text := range texts {
		if _, err := m.Field(p.Class, p.Shape, p.Enumerated, kind).Append(nil, kind, []byte(text), nil); !errors.As(err, &refused) {
			return nil
		}
	}
	return refused
}

// Options are what a rule says beside its technique, by the policy's own words.
func Options(rule mask.Rule) map[string]any {
	text, err := json.Marshal(rule)
	if err != nil {
		return nil // a rule is texts and numbers
	}
	options := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&options) != nil {
		return nil
	}
	delete(options, "technique")
	if len(options) == 0 {
		return nil
	}
	return options
}

// Added are the unclassified places of a newer version that the older one lacks:
// fields that keep their events from crossing until somebody classifies them.
func Added(older, newer contract.Classification) []contract.Place {
	known := map[string]bool{}
	for _, p := range older.Places {
		known[fmt.Sprint(p.Pointer, p.Names)] = true
	}
	return slices.DeleteFunc(newer.Unclassified(), func(p contract.Place) bool { return known[fmt.Sprint(p.Pointer, p.Names)] })
}
