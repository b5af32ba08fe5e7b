package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// Traced is what masking makes of one value of a document, or of one name in a
// map. It holds the value itself: it is for people who may see it.
type Traced struct {
	Pointer string // of the value as it is in the document
	// Shown is the same with * for names in maps, which are data.
	Shown string
	// Place is the same with * for indexes, too: a Place's pointer.
	Place     string
	Names     bool // it is the name that Pointer ends in
	Kind      mask.Kind
	Container bool   // an object or array, which goes as a whole or is empty
	Text      string // a string's content, a number's literal, true, false, null; empty for a container
	Class     mask.Class
	Rule      Rule
	Technique mask.Technique
	Masked    []byte    // as JSON; nil if nothing crosses
	Withheld  *Withheld // why the event can't cross with this value; nil if it can
}

// Trace tells what masking by m makes of each value of a document, one by one,
// with the rules that decided it. It is slow, and for people who try a policy;
// the masked document as a whole is Mask's. The error is a *SyntaxError for what
// is no strict JSON, or a *Withheld for what takes too much work.
func (c *Contract) Trace(data []byte, m *mask.Masker) (traced []Traced, err error) {
	defer func() {
		if r := recover(); r != nil {
			traced, err = nil, &Fault{Subject: c.options.Subject, Version: c.options.Version, What: fmt.Sprintf("tracing broke down (%T)", r)}
		}
	}()
	w, ok := c.slow().(*walker)
	if !ok {
		return nil, &Fault{Subject: c.options.Subject, Version: c.options.Version, What: "the schema could not be linked"}
	}
	value, err := strictjson.Decode(data, c.options.Limits)
	if err != nil {
		return nil, err
	}
	effort := program.NewEffort(program.MaxEffort(len(data)))
	none := Rule{Kind: RuleNone}
	t := tracer{walker: w, masking: masking{walker: w, masker: m}, in: surroundings{document: value, effort: &effort}}
	t.event.Document = value
	if m == nil {
		t.masking.phase = toCollect // which asks for no technique
	}
	t.value(w.root, value, slot{}, way{}, inherited{none, none, none})
	if effort.Over() {
		return nil, &Withheld{
			Code: CodeCostly, Why: "finding out which of the schema's alternatives apply takes more work than one document may",
			Cure: "tell the schema's alternatives apart by their types or by a constant property",
		}
	}
	for i := range t.traced {
		if m != nil {
			t.make(&t.traced[i])
		}
	}
	for _, one := range t.traced {
		traced = append(traced, one.Traced)
	}
	return traced, nil
}

// tracer goes through one document twice: to find classes, and to make values.
type tracer struct {
	walker  *walker
	masking masking // decides on techniques
	in      surroundings
	event   mask.Event
	traced  []tracing
	nested  int // how many strings hold what is traced
}

type tracing struct {
	Traced
	field *mask.Field
}

// slot is what a value stands in.
type slot struct {
	name     string // the property's, if schema or overlay know it
	required bool   // there must be a value
}

// way is how one got to a value.
type way struct{ pointer, shown, place string }

func (w way) to(token string, data bool) way {
	token = "/" + jsonschema.EscapeToken(token)
	if data {
		return way{w.pointer + token, w.shown + "/*", w.place + "/*"}
	}
	return way{w.pointer + token, w.shown + token, w.place + token}
}

// item is the way to the item at i, which has a place of its own or not.
func (w way) item(i int, alone bool) way {
	next := w.to(strconv.Itoa(i), false)
	if !alone {
		next.place = w.place + "/*"
	}
	return next
}

func (t *tracer) value(p *place, value any, of slot, at way, in inherited) {
	s, when := t.spot(p, value)
	rule, keys, inside := t.walker.reason(p, s, when, of.name, at.place, in)
	one := tracing{Traced: Traced{Pointer: at.pointer, Shown: at.shown, Place: at.place, Kind: kindOf(value), Class: s.class, Rule: rule, Container: isContainer(value)}}
	technique, err := t.masking.technique(s, value)
	one.Technique = technique
	if errors.As(err, &one.Withheld) {
		one.Technique, one.Withheld.Pointer = mask.Withhold, at.place
	}
	if technique == mask.Drop && (of.required || at.pointer == "") {
		one.Withheld = &Withheld{
			Code: CodeDropRequired, Pointer: at.place, Class: string(s.class), Why: "values of this class are dropped, but the schema requires it here",
			Cure: "redact the class, or make the property optional",
		}
	}
	switch value := value.(type) {
	case map[string]any:
		if technique == mask.Drop || len(value) == 0 {
			one.Masked = []byte("{}")
			t.traced = append(t.traced, one)
			return
		}
		t.members(s, value, at, keys, inside)
		return
	case []any:
		if technique == mask.Drop || len(value) == 0 {
			one.Masked = []byte("[]")
			t.traced = append(t.traced, one)
			return
		}
		for i, item := range value {
			t.value(s.item(i), item, slot{required: s.tuple > 0}, at.item(i, i < s.tuple), inside)
		}
		return
	case string:
		one.Text = value
		if s.opens(value) && value != "" && technique != mask.Drop {
			err := t.content(s, value, at, inside)
			if err == nil {
				return
			}
			one.Technique, one.Withheld = mask.Withhold, t.masking.unopened(s.class, err)
			one.Withheld.Pointer = at.place
		}
	case json.Number:
		one.Text = value.String()
	case bool:
		one.Text = strconv.FormatBool(value)
	default:
		one.Text = "null"
	}
	if one.Kind == mask.String || one.Kind == mask.Number {
		t.event.Add(s.class, one.Text)
	}
	if one.Withheld == nil && t.masking.masker != nil {
		one.field = t.masking.masker.Field(s.class, s.shape(), s.enumerated, one.Kind)
	}
	t.traced = append(t.traced, one)
}

func (t *tracer) members(s *spot, object map[string]any, at way, keys Rule, inside inherited) {
	around := t.in.object
	for _, name := range sortedNames(object) {
		c, ok := s.child(name)
		next := at.to(name, !ok || !c.declared)
		if !ok {
			refused := t.masking.withheld(CodeUndeclared, "", "the schema neither declares nor admits this property", "declare and classify it in a new version of the schema")
			refused.Pointer = next.place
			t.traced = append(t.traced, tracing{Traced: Traced{
				Pointer: next.pointer, Shown: next.shown, Place: next.place, Names: true, Kind: mask.String, Text: name, Rule: Rule{Kind: RuleNone}, Technique: mask.Withhold,
				Withheld: refused,
			}})
			continue
		}
		if !c.declared {
			t.name(s, c, name, next, keys)
		}
		t.in.object = object
		of := slot{required: s.required()[name]}
		if c.declared {
			of.name = name
		}
		t.value(c.place, object[name], of, next, inside)
	}
	t.in.object = around
}

// name traces a name that is data.
func (t *tracer) name(s *spot, c child, name string, at way, keys Rule) {
	one := tracing{Traced: Traced{
		Pointer: at.pointer, Shown: at.shown, Place: at.place, Names: true, Kind: mask.String, Text: name, Class: s.keys, Rule: keys,
	}}
	if t.masking.masker != nil {
		one.Technique = s.nameTechnique(t.masking.masker, c)
	}
	var masked string
	switch {
	case t.masking.masker == nil:
	case s.keys != "" && !s.keys.Known():
		one.Withheld = t.masking.withheld(CodeUnknownClass, s.keys, "nobody knows the class of the names in this map", "correct it in the schema")
	case one.Technique == mask.Pass:
		masked = name
	case one.Technique.Renames():
		token, err := t.masking.masker.KeyToken(s.keys, name, s.names(name))
		if masked = token; err != nil {
			one.Withheld = t.masking.refused(s.keys, err)
		}
	default:
		one.Withheld = t.masking.withheld(CodeUnclassifiedKey, s.keys, "the name of this property is data, and the policy lets none of them through",
			"classify the names, as a class whose technique is token, another that renames (hash, synthetic, fpe, encrypt), or pass")
	}
	if one.Withheld != nil {
		one.Technique = mask.Withhold
		one.Withheld.Pointer = at.place
	} else if text, err := json.Marshal(masked); err == nil {
		one.Masked = text
	}
	t.traced = append(t.traced, one)
}

// make makes what stands in a value's place.
func (t *tracer) make(one *tracing) {
	switch {
	case one.Withheld != nil || one.Technique == mask.Drop:
		one.Masked = nil
		return
	case one.Names || one.Container:
		return
	case one.Technique == mask.Pass:
		text := []byte(one.Text)
		if one.Kind == mask.String {
			text, _ = json.Marshal(one.Text) //nolint:errchkjson // a string can always be written
		}
		one.Masked = text
		return
	}
	t.event.Pointer = one.Pointer
	made, err := one.field.Append(nil, one.Kind, []byte(one.Text), &t.event)
	if err != nil {
		one.Withheld = t.masking.refused(one.Class, err)
		one.Withheld.Pointer = one.Place
		return
	}
	one.Masked = made
}

// spot is the walker's, with what the overlay's conditions said.
func (t *tracer) spot(p *place, value any) (*spot, map[*mask.When]mask.Class) {
	x := expansion{value: value, effort: t.in.effort}
	for _, n := range p.roots {
		x.apply(n)
	}
	for _, n := range p.maybe {
		if x.decide(x.holds(n)) {
			x.apply(n)
		}
	}
	t.walker.conditions(p, &x, t.in)
	return t.walker.settled(p, &x), x.when
}
