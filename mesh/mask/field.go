package mask

import (
	"bytes"
	"fmt"
	"hash"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Field is one place of a schema, for one kind of value there, compiled for a
// masker: everything that can be made once is. It is immutable and safe for
// concurrent use.
type Field struct {
	masker    *Masker
	class     Class
	shape     *Shape
	kind      Kind
	technique Technique
	make      maker // nil for techniques that make no value

	recipe   *recipe    // the class's rule; never nil
	macs     *macPool   // for tokens
	write    formWriter // of a token, as the rule says
	demanded formWriter // of a token, as the schema's format says; nil if it says nothing
	admitted []string   // JSON texts of the kind that the schema enumerates
	free     bool       // the schema demands nothing of a token
	grid     *grid      // where numeric tokens lie; nil: see Shape.numberToken
	limits   *limits    // on numbers; nil if Shape.admitsNumber or admitted say them
	constant []byte     // what Redact or Constant makes, as JSON
	refusal  error      // why it makes none
}

// maker makes a value: it appends to dst, as JSON, what becomes of the string
// or number text. Its error is a *Refusal.
type maker func(f *Field, s *scratch, dst []byte, text []byte, e *Event) ([]byte, error)

// Field compiles the place of values of class ("" for unclassified ones) and
// kind, of which the schema demands shape (nil demands nothing); enumerated
// says that it enumerates the values that are possible there.
func (m *Masker) Field(class Class, shape *Shape, enumerated bool, kind Kind) *Field {
	technique := m.Technique(class)
	if class == "" {
		technique = m.Default(kind, enumerated)
	}
	return m.field(technique, class, shape, kind)
}

func (m *Masker) field(technique Technique, class Class, shape *Shape, kind Kind) *Field {
	if shape == nil {
		shape = &Shape{}
	}
	f := &Field{masker: m, class: class, shape: shape, kind: kind, technique: technique, recipe: m.recipes[class], make: makerOf(technique)}
	if f.recipe == nil || f.recipe.Technique != technique && technique != Token && technique != Redact {
		f.recipe = &recipe{}
	}
	switch technique {
	case Pass, Drop, Withhold:
		return f
	default:
	}
	label := string(class)
	if class == "" {
		label = labelUnclassified
	}
	if f.macs = m.macs[label]; f.macs == nil {
		f.macs = m.newMACs(label)
	}
	f.write, f.demanded, f.admitted = forms[m.form(class)], formats[shape.Format], shape.enumerated(kind)
	f.free = shape.Format == "" && shape.anyText() && shape.anyNumber()
	if kind == Number && len(f.admitted) == 0 {
		f.grid, f.limits = shape.grid(), shape.limits()
	}
	switch technique { // what depends on nothing of the value, if there is one
	case Redact:
		f.constant, f.refusal = f.redacted()
	case Constant:
		f.constant, f.refusal = makeConstant(f, nil, nil, nil, nil)
	default:
	}
	return f
}

// Technique is what becomes of the place's values. Pass, Drop and Withhold are
// for the caller to do; Append makes the others.
func (f *Field) Technique() Technique { return f.technique }

// Class is the class of the place's values; empty if nobody classified them.
func (f *Field) Class() Class { return f.class }

// NeedsEvent reports whether the technique looks at other values of the event,
// so that Append must be given it.
func (f *Field) NeedsEvent() bool { return f.technique.NeedsEvent() }

// Append appends to dst, as JSON, what becomes of a value: of the string with
// the unescaped content text, of the number with the literal text, of true or
// false. The kind is the field's, and e may be nil unless NeedsEvent. Null and
// the empty string stay: there is nothing to hide, and a token for it would say
// that there is something. The error is a *Refusal, and what was appended must
// not be used then. Append keeps nothing of text, which must not lie in the room
// behind dst.
func (f *Field) Append(dst []byte, kind Kind, text []byte, e *Event) (out []byte, err error) {
	switch {
	case kind == Null:
		return append(dst, "null"...), nil
	case kind == String && len(text) == 0:
		return append(dst, `""`...), nil
	case kind != f.kind:
		return f.masker.field(f.technique, f.class, f.shape, kind).Append(dst, kind, text, e)
	case f.technique == Redact || f.technique == Constant:
		return append(dst, f.constant...), f.refusal
	case f.make == nil:
		return dst, &Refusal{
			Code: CodeNoTechnique, Why: fmt.Sprintf("%q makes no value", f.technique), Cure: "use a technique that does, such as token or redact, for the class",
		}
	}
	s := scratches.Get().(*scratch)
	defer func() {
		// What a defect in a technique says may quote the value.
		if fault := recover(); fault != nil {
			out, err = dst, &Refusal{Code: CodeFault, Why: fmt.Sprintf("the technique %s failed (%T)", f.technique, fault), Cure: "report this as a defect, with the schema and the policy"}
			return // the scratch may be broken, and is not used again
		}
		s.release()
	}()
	return f.make(f, s, dst, text, e)
}

// text appends a string that a technique made, if the schema admits it.
func (f *Field) text(dst, text []byte) ([]byte, error) {
	if !f.admitsText(text) {
		return dst, unfit(f.technique, String)
	}
	out, err := jsontext.AppendQuote(dst, text)
	if err != nil { // invalid UTF-8, which the document's reader refuses
		return dst, unfit(f.technique, String)
	}
	return out, nil
}

func (f *Field) admitsText(text []byte) bool {
	if len(f.admitted) > 0 {
		return slices.ContainsFunc(f.admitted, func(admitted string) bool {
			content, err := jsontext.AppendUnquote(nil, admitted)
			return err == nil && bytes.Equal(content, text)
		})
	}
	return f.shape.admits(text) && f.shape.formatAdmits(text)
}

// scratch is the room that making a value takes.
type scratch struct {
	bits bitStream
	text []byte // a value, or its canonical form
	made []byte // what becomes of it
	nums []uint16
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// keptText bounds what room is kept for values.
const keptText = 4 << 10

// release lets go of the values and gives the room back.
func (s *scratch) release() {
	clear(s.text)
	clear(s.made)
	clear(s.nums)
	if cap(s.text) > keptText || cap(s.made) > keptText || cap(s.nums) > keptText {
		s.text, s.made, s.nums = nil, nil, nil
	}
	s.text, s.made, s.nums = s.text[:0], s.made[:0], s.nums[:0]
	scratches.Put(s)
}

// digest fills bits from the keyed hash of a value's canonical form.
func (s *scratch) digest(macs *macPool, class Class, kind Kind, text []byte) {
	s.text = appendCanonical(s.text[:0], class, kind, text)
	s.digestExactly(macs, s.text)
}

// digestExactly fills bits from the keyed hash of text.
func (s *scratch) digestExactly(macs *macPool, text []byte) {
	h := macs.states.Get().(hash.Hash)
	h.Reset()
	_, _ = h.Write(text) // never fails
	h.Sum(s.bits.seed[:0])
	macs.states.Put(h)
	s.bits.block, s.bits.next, s.bits.count = s.bits.seed, 0, 0
}
