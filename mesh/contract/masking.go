package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// masking is one document on its way through one masker.
type masking struct {
	walker  *walker
	masker  *mask.Masker
	fields  *Masking
	dec     jsontext.Decoder
	buf     bytes.Buffer
	out     []byte
	stats   *Stats
	path    []step
	in      surroundings
	scratch []byte
	event   mask.Event
	effort  program.Effort
	nested  int // how many strings hold the document
	// apart says that what is redacted in one item of an array differs from what is
	// in the others, where the schema demands it; nth is the item.
	apart bool
	nth   int
	// phase says what the document is gone through for.
	phase phase
}

// phase is why a document is gone through. A technique that looks at the whole
// event makes it necessary to do so twice more.
type phase uint8

const (
	toMask        phase = iota
	toCollect           // to fill event; nothing is written
	toMaskKnowing       // to mask, with event filled
)

// errNeedsEvent says that a technique must be given the event.
var errNeedsEvent = errors.New("a technique looks at the whole event")

// step is one token of the way to a value.
type step struct {
	name  string // of a property; '*' if it is data
	real  string // the same, as it is
	index int    // of an item, if name is empty and item set
	item  bool
}

var maskings = sync.Pool{New: func() any { return new(masking) }}

func (w *walker) mask(dst, data []byte, g *Masking, stats *Stats, apart bool) ([]byte, error) {
	if g.masker == nil {
		return dst, &Withheld{
			Code: CodePolicy, Why: "there is no masking policy", Cure: "give the route a policy",
		}
	}
	value, err := strictjson.Decode(data, w.limits)
	if err != nil {
		withheld := &Withheld{Code: CodeNotJSON, Why: "the document is not strict JSON", Cure: "find out how it came into the stream: the gate refuses such documents"}
		if strict := (*strictjson.Error)(nil); errors.As(err, &strict) {
			withheld.Why += " (" + strict.Code + ")"
		}
		return dst, withheld
	}
	r := maskings.Get().(*masking)
	r.apart = apart
	out, err := r.run(w, dst, data, value, w.root, g, stats, toMask)
	if errors.Is(err, errNeedsEvent) {
		*stats = Stats{}
		r.event.Document = value
		if out, err = r.run(w, dst, data, value, w.root, g, stats, toCollect); err == nil {
			*stats = Stats{}
			out, err = r.run(w, dst, data, value, w.root, g, stats, toMaskKnowing)
		}
		r.event.Reset()
	}
	r.apart = false
	maskings.Put(r) // not reached after a panic: a state that may be broken is not used again
	return out, err
}

// maskPart is mask for a part of a document, whose place is p. It fails if the
// part is dropped, or a technique needs the whole event.
func (w *walker) maskPart(dst, data []byte, p *place, g *Masking, stats *Stats) ([]byte, error) {
	value, err := strictjson.Decode(data, w.limits)
	if err != nil {
		return dst, err
	}
	r := maskings.Get().(*masking)
	out, err := r.run(w, dst, data, value, p, g, stats, toMask)
	maskings.Put(r)
	return out, err
}

// run goes through the whole of data, which is value at p.
func (r *masking) run(w *walker, dst, data []byte, value any, p *place, g *Masking, stats *Stats, why phase) ([]byte, error) {
	r.walker, r.masker, r.fields, r.out, r.stats, r.phase = w, g.masker, g, dst, stats, why
	r.effort = program.NewEffort(program.MaxEffort(len(data)))
	r.in = surroundings{document: value, effort: &r.effort}
	r.reads(data)
	err := r.document(p, value)
	if r.effort.Over() {
		err = &Withheld{
			Code: CodeCostly, Why: "finding out which of the schema's alternatives apply takes more work than one document may",
			Cure: "tell the schema's alternatives apart by their types or by a constant property",
		}
	}
	out := r.out
	r.release()
	return out, err
}

// reads begins to read a document.
func (r *masking) reads(data []byte) {
	r.buf = *bytes.NewBuffer(data)
	r.dec.Reset(&r.buf)
}

// release lets go of the document.
func (r *masking) release() {
	r.walker, r.masker, r.fields, r.out, r.stats, r.buf, r.path, r.in = nil, nil, nil, nil, nil, bytes.Buffer{}, r.path[:0], surroundings{}
	r.nested, r.nth = 0, 0
	clear(r.scratch)
}

func (r *masking) document(p *place, value any) error {
	s := r.walker.spot(p, value, r.in)
	technique, err := r.technique(s, value)
	if err != nil {
		return err
	}
	if technique == mask.Drop {
		return r.withheld(CodeDropRequired, s.class, "the class of the whole document is dropped", "classify its fields instead")
	}
	return r.write(s, technique, value)
}

// technique decides what becomes of value. What is gone into is either that, or
// dropped as a whole.
func (r *masking) technique(s *spot, value any) (mask.Technique, error) {
	if r.phase == toCollect {
		return mask.Pass, nil // also of what is dropped or withheld in the end
	}
	if s.opens(value) {
		if s.class != "" && r.masker.Technique(s.class) == mask.Drop {
			return mask.Drop, nil
		}
		return mask.Pass, nil
	}
	if s.class == "" {
		if s.undeclared {
			return "", r.withheld(CodeUndeclared, "", "the schema neither declares nor admits this property",
				"declare and classify it in a new version of the schema, or classify it in an overlay")
		}
		kind := kindOf(value)
		t := r.masker.Default(kind, s.enumerated)
		if t == mask.Withhold {
			return "", r.withheld(CodeUnclassified, "", fmt.Sprintf("nobody classified this %s, and the policy %s withholds such", kind, r.masker.Policy()),
				"classify it, with "+classAnnotation+" in the schema or in an overlay")
		}
		return t, nil
	}
	if !s.class.Known() {
		return "", r.withheld(CodeUnknownClass, s.class, "nobody knows this class", "correct its name in the schema")
	}
	t := r.masker.Technique(s.class)
	if t == mask.Withhold {
		return "", r.withheld(CodePolicy, s.class, fmt.Sprintf("the policy %s withholds this class, or has no valid rule for it", r.masker.Policy()),
			"give the class a rule in the policy")
	}
	return t, nil
}

func kindOf(value any) mask.Kind {
	switch value.(type) {
	case string:
		return mask.String
	case json.Number:
		return mask.Number
	case bool:
		return mask.Bool
	}
	return mask.Null
}

// write writes value as the technique makes it.
func (r *masking) write(s *spot, technique mask.Technique, value any) error {
	switch value := value.(type) {
	case map[string]any:
		return r.object(s, value)
	case []any:
		return r.array(s, value)
	}
	raw, err := r.dec.ReadValue()
	if err != nil {
		return r.broken(err)
	}
	kind := kindOf(value)
	if text, ok := value.(string); ok && s.opens(value) {
		return r.content(s, text)
	}
	text := r.scratch[:0]
	switch value := value.(type) {
	case string:
		text = append(text, value...)
	case json.Number:
		text = append(text, value...)
	case bool:
		text = strconv.AppendBool(text, value)
	}
	r.scratch = text
	if r.phase == toCollect {
		if kind == mask.String || kind == mask.Number {
			r.event.Add(s.class, string(text))
		}
		return nil
	}
	if technique == mask.Pass || kind == mask.Null || kind == mask.String && len(text) == 0 {
		r.out = append(r.out, raw...)
		r.stats.Passed++
		return nil
	}
	return r.replace(s, technique, kind, text)
}

func (r *masking) replace(s *spot, technique mask.Technique, kind mask.Kind, text []byte) error {
	f := r.fields.field(s, kind)
	var event *mask.Event
	if f.NeedsEvent() {
		if r.phase != toMaskKnowing {
			return errNeedsEvent
		}
		event = &r.event
		event.Pointer = r.realPointer()
	}
	var err error
	if r.nth > 0 && technique == mask.Redact {
		r.out, err = f.AppendRedacted(r.out, r.nth)
	} else {
		r.out, err = f.Append(r.out, kind, text, event)
	}
	if err != nil {
		return r.refused(s.class, err)
	}
	if redacts(technique) {
		r.stats.Redacted++
	} else {
		r.stats.Masked++
	}
	return nil
}

// redacts tells the techniques apart whose values tell nothing of the old ones.
func redacts(t mask.Technique) bool { return t == mask.Redact || t == mask.Constant }

func (r *masking) object(s *spot, object map[string]any) error {
	if _, err := r.dec.ReadToken(); err != nil {
		return r.broken(err)
	}
	around := r.in.object
	r.in.object = object
	defer func() { r.in.object = around }()
	r.out = append(r.out, '{')
	first := true
	for r.dec.PeekKind() == '"' {
		token, err := r.dec.ReadToken()
		if err != nil {
			return r.broken(err)
		}
		wrote, err := r.member(s, token.String(), object, first)
		if err != nil {
			return err
		}
		first = first && !wrote
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return r.broken(err)
	}
	r.out = append(r.out, '}')
	return nil
}

// member writes one property, unless it is dropped.
func (r *masking) member(s *spot, name string, object map[string]any, first bool) (wrote bool, err error) {
	c, ok := s.child(name)
	shown := "*"
	if ok && c.declared {
		shown = name
	}
	r.path = append(r.path, step{name: shown, real: name})
	defer func() {
		if err == nil {
			r.path = r.path[:len(r.path)-1]
		}
	}()
	switch {
	case !ok && r.phase == toCollect:
		return false, r.dec.SkipValue()
	case !ok:
		return false, r.withheld(CodeUndeclared, "", "the schema neither declares nor admits this property",
			"declare and classify it in a new version of the schema")
	}
	value := object[name]
	inside := r.walker.spot(c.place, value, r.in)
	technique, err := r.technique(inside, value)
	if err != nil {
		return false, err
	}
	if technique == mask.Drop {
		if s.required()[name] {
			return false, r.withheld(CodeDropRequired, inside.class, "values of this class are dropped, but the schema requires the property",
				"make the property optional, or redact the class")
		}
		if err := r.dec.SkipValue(); err != nil {
			return false, r.broken(err)
		}
		r.stats.Dropped++
		return false, nil
	}
	if !first {
		r.out = append(r.out, ',')
	}
	if err := r.name(s, c, name); err != nil {
		return false, err
	}
	r.out = append(r.out, ':')
	return true, r.write(inside, technique, value)
}

// nameTechnique is what becomes of the name that leads to c: in a map it is
// data.
func (s *spot) nameTechnique(m *mask.Masker, c child) mask.Technique {
	switch {
	case c.declared:
		return mask.Pass
	case s.keys != "":
		return m.Technique(s.keys)
	case c.place.undeclared:
		return mask.Withhold
	}
	return m.DefaultKey()
}

// name writes a property's name.
func (r *masking) name(s *spot, c child, name string) error {
	if r.phase == toCollect {
		return nil
	}
	if !c.declared && s.keys != "" && !s.keys.Known() {
		return r.withheld(CodeUnknownClass, s.keys, "nobody knows the class of the names in this map", "correct it in the schema")
	}
	technique := s.nameTechnique(r.masker, c)
	switch {
	case technique == mask.Pass:
	case technique.Renames():
		token, err := r.masker.KeyToken(s.keys, name, s.names(name))
		if err != nil {
			return r.refused(s.keys, err)
		}
		name = token
		r.stats.Masked++
	default:
		return r.withheld(CodeUnclassifiedKey, s.keys, "the name of this property is data: the schema admits such names without listing them, and the policy lets none of them through",
			"classify the names, with "+keyClassAnnotation+" in the schema or keys in an overlay, as a class whose technique is token, another that renames (hash, synthetic, fpe, encrypt), or pass")
	}
	var err error
	if r.out, err = jsontext.AppendQuote(r.out, name); err != nil {
		return r.broken(err)
	}
	return nil
}

func (r *masking) array(s *spot, items []any) error {
	if _, err := r.dec.ReadToken(); err != nil {
		return r.broken(err)
	}
	r.out = append(r.out, '[')
	first := true
	around := r.nth
	defer func() { r.nth = around }()
	differ := r.apart && s.differ()
	for i, item := range items {
		if differ {
			r.nth = around + i
		}
		r.path = append(r.path, step{index: i, item: true})
		inside := r.walker.spot(s.item(i), item, r.in)
		technique, err := r.technique(inside, item)
		if err != nil {
			return err
		}
		if technique == mask.Drop {
			if s.tuple > 0 {
				return r.withheld(CodeDropRequired, inside.class, "values of this class are dropped, but the items of this array mean something by their position",
					"redact the class")
			}
			if err := r.dec.SkipValue(); err != nil {
				return r.broken(err)
			}
			r.stats.Dropped++
		} else {
			if !first {
				r.out = append(r.out, ',')
			}
			first = false
			if err := r.write(inside, technique, item); err != nil {
				return err
			}
		}
		r.path = r.path[:len(r.path)-1]
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return r.broken(err)
	}
	r.out = append(r.out, ']')
	return nil
}

// differ reports whether no two items of an array may be alike.
func (s *spot) differ() bool {
	return slices.ContainsFunc(s.nodes, func(n *node) bool { return n.schema != nil && n.schema.UniqueItems })
}

// withheld is the refusal at the current place.
func (r *masking) withheld(code string, class mask.Class, why, cure string) *Withheld {
	return &Withheld{Code: code, Pointer: r.pointer(), Class: shownClass(class), Why: why, Cure: cure}
}

// shownClass keeps what somebody wrote as a class from being a text of any length.
func shownClass(class mask.Class) string { return shorten(string(class), 40) }

func (r *masking) pointer() string { return pointer(r.path, func(s step) string { return s.name }) }

func (r *masking) realPointer() string { return pointer(r.path, func(s step) string { return s.real }) }

func pointer(path []step, name func(step) string) string {
	var b strings.Builder
	for _, s := range path {
		b.WriteByte('/')
		if s.item {
			b.WriteString(strconv.Itoa(s.index))
		} else {
			b.WriteString(jsonschema.EscapeToken(name(s)))
		}
	}
	return b.String()
}

// refused is the refusal for what a technique could not do.
func (r *masking) refused(class mask.Class, err error) *Withheld {
	w := r.withheld(CodeUnfit, class, "the value could not be masked", "give the class another technique")
	if refusal := (*mask.Refusal)(nil); errors.As(err, &refusal) {
		w.Why, w.Cure, w.cause = refusal.Why, refusal.Cure, refusal
		if refusal.Code == mask.CodeFault {
			w.Code = CodeFault
		}
	}
	return w
}

// broken is for a decoder that fails on what it has accepted before.
func (r *masking) broken(err error) *Withheld {
	return r.withheld(CodeFault, "", fmt.Sprintf("reading the document a second time failed (%T)", err), "report this as a defect, with the schema")
}
