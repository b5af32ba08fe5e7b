package mask

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lockstep-mesh/lockstep/mesh/mask/automaton"
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

	recipe     *recipe  // the class's rule; never nil
	mac        *mac     // for tokens
	form       *form    // of a token, as the rule says
	demanded   *form    // of a token, as the schema's format says; nil if it says nothing
	admitted   []string // JSON texts of the kind that the schema enumerates
	free       bool     // the schema demands nothing of a token
	fits       bool     // the schema admits every token of the form
	invention  *form    // of what Synthetic invents; nil if it makes tokens
	invents    bool     // the schema admits all that is invented
	id         uint32   // tells it from the masker's other fields; 0: it isn't among them
	needsEvent bool
	later      *form   // what writes values that can wait; nil if they can't: see MakeLater
	grid       *grid   // where numeric tokens lie; nil: see Shape.numberToken
	limits     *limits // on numbers; nil if Shape.admitsNumber or admitted say them
	constant   []byte  // what Redact or Constant makes, as JSON
	refusal    error   // why it makes none
}

// maker makes a value: it appends to dst, as JSON, what becomes of the string
// or number text. Its error is a *Refusal.
type maker func(f *Field, s *Scratch, dst []byte, text []byte, e *Event) ([]byte, error)

// Field compiles the place of values of class ("" for unclassified ones) and
// kind, of which the schema demands shape (nil demands nothing); enumerated
// says that it enumerates the values that are possible there.
func (m *Masker) Field(class Class, shape *Shape, enumerated bool, kind Kind) *Field {
	technique := m.Technique(class)
	if class == "" {
		technique = m.Default(kind, enumerated)
	}
	if shape == nil {
		shape = &Shape{}
	}
	return m.fields.of(fmt.Sprintf("%q %q %d %s", technique, class, kind, shape.demands()), func() *Field {
		return m.field(technique, class, shape, kind)
	})
}

// fields are a masker's, each sort of them once: what is used for all of them
// stays in the processor's cache.
type fields struct {
	mu    sync.Mutex
	known map[string]*Field
}

// maxFields bounds how many are kept; what further ones make isn't remembered.
const maxFields = 1 << 14

// of is the field of a sort.
func (o *fields) of(sort string, made func() *Field) *Field {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f, known := o.known[sort]; known {
		return f
	}
	f := made()
	if len(o.known) < maxFields {
		o.known[sort] = f
		f.id = uint32(len(o.known))
	}
	return f
}

// coordinate is what a number is that says where somebody is, if the schema says
// nothing of it: a token lies on a map, too, wherever that is.
var coordinate = (&Shape{Minimum: big.NewRat(-90, 1), Maximum: big.NewRat(90, 1)}).Compile()

func (m *Masker) field(technique Technique, class Class, shape *Shape, kind Kind) *Field {
	if shape == nil {
		shape = &Shape{}
	}
	if technique == Token && kind == String && shape.like != nil {
		shape = shape.like
	}
	if technique == Token && class == Location && kind == Number && !shape.Integer && shape.anyNumber() && len(shape.Enum) == 0 {
		shape = coordinate
	}
	f := &Field{masker: m, class: class, shape: shape, kind: kind, technique: technique, recipe: m.recipes[class], make: makerOf(technique), needsEvent: technique.NeedsEvent()}
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
	if f.mac = m.macs[label]; f.mac == nil {
		f.mac = m.newMAC("token", label)
	}
	f.form, f.demanded, f.admitted = forms[m.form(class)], formats[shape.Format], shape.enumerated(kind)
	if f.demanded != nil {
		f.form = f.demanded
	}
	f.fits = shape.admitsForm(f.form)
	if technique == Synthetic && kind == String && len(f.admitted) == 0 {
		if f.invention = m.inventionFor(class, shape.Format); f.invention != nil {
			f.invents = shape.admitsForm(f.invention)
		}
	}
	f.free = shape.Format == "" && shape.anyText() && shape.anyNumber()
	f.later = f.writesLater()
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
func (f *Field) NeedsEvent() bool { return f.needsEvent }

// Texts is what can be said of all texts that a Field makes.
type Texts struct {
	Min, Max int                // bounds on the length
	Language *automaton.Pattern // matches each of them; nil if nothing is said
	Format   string             // the schema's, if they are of it
}

// Texts describes the texts that f makes of whatever text; false if it is for no
// texts.
func (f *Field) Texts() (t Texts, ok bool) {
	var made *form
	switch {
	case f.kind != String || f.make == nil:
		return Texts{}, false
	case len(f.admitted) > 0:
	case f.technique == Token && f.fits:
		made = f.form
	case f.technique == Synthetic && f.invents:
		made = f.invention
	}
	if made == nil || made.language == nil {
		return Texts{Max: math.MaxInt}, true
	}
	t = Texts{Min: made.min, Max: made.max, Language: made.language()}
	if f.demanded != nil {
		t.Format = f.shape.Format
	}
	return t, true
}

// Numbers is what can be said of all numbers that a Field makes.
type Numbers struct {
	Low, High *big.Rat // the least and the most
	Step      *big.Rat // each is some steps above the least
}

// Numbers describes the numbers that f makes of whatever number; false if nothing
// can be said beforehand.
func (f *Field) Numbers() (n Numbers, ok bool) {
	switch {
	case f.technique != Token || f.kind != Number || len(f.admitted) > 0:
		return Numbers{}, false
	case f.free:
		return Numbers{big.NewRat(1, 1), big.NewRat(maxSafeInteger, 1), big.NewRat(1, 1)}, true
	case f.grid != nil:
		return f.grid.numbers(), true
	}
	return Numbers{}, false
}

// Append appends to dst, as JSON, what becomes of a value: of the string with
// the unescaped content text, of the number with the literal text, of true or
// false. The kind is the field's, and e may be nil unless NeedsEvent. Null and
// the empty string stay: there is nothing to hide, and a token for it would say
// that there is something. The error is a *Refusal, and what was appended must
// not be used then. Append keeps nothing of text, which must not lie in the room
// behind dst.
func (f *Field) Append(dst []byte, kind Kind, text []byte, e *Event) ([]byte, error) {
	if out, done, err := f.without(dst, kind, text, e); done {
		return out, err
	}
	s := f.masker.Scratch()
	defer s.Release()
	return f.apply(s, dst, text, e)
}

// Make is Append in a scratch of the field's masker, which remembers the value
// and what became of it.
func (f *Field) Make(s *Scratch, dst []byte, kind Kind, text []byte, e *Event) ([]byte, error) {
	return f.made(s, dst, kind, text, e, false)
}

// made is Make, or MakeLater.
func (f *Field) made(s *Scratch, dst []byte, kind Kind, text []byte, e *Event, later bool) ([]byte, error) {
	if out, done, err := f.without(dst, kind, text, e); done {
		return out, err
	}
	var slot *remembered
	event := uint64(0)
	if f.id != 0 && len(text) < recentBytes && s.recent.worth(f.id) {
		if f.needsEvent {
			event = s.event
		}
		var hit bool
		slot, hit = s.recent.find(f.id, event, text)
		if s.recent.learn(f.id, hit); hit {
			return append(dst, slot.value()...), nil
		}
	}
	// What is remembered is wanted soon, and so doesn't wait.
	if later && f.later != nil && slot == nil && s.waiting.field == nil {
		if out, ok := f.wait(s, dst, text); ok {
			return out, nil
		}
	}
	out, err := f.apply(s, dst, text, e)
	if err != nil {
		return out, err
	}
	if slot != nil {
		slot.set(f.id, event, text, out[len(dst):])
	}
	if s.hasher.pair.early {
		out = s.Settle(out)
	}
	return out, nil
}

// without makes what needs no scratch.
func (f *Field) without(dst []byte, kind Kind, text []byte, e *Event) (out []byte, done bool, err error) {
	switch {
	case kind == Null:
		return append(dst, "null"...), true, nil
	case kind == String && len(text) == 0:
		return append(dst, `""`...), true, nil
	case kind != f.kind:
		out, err = f.masker.field(f.technique, f.class, f.shape, kind).Append(dst, kind, text, e)
		return out, true, err
	case f.technique == Redact || f.technique == Constant:
		return append(dst, f.constant...), true, f.refusal
	case f.make == nil:
		return dst, true, &Refusal{
			Code: CodeNoTechnique, Why: fmt.Sprintf("%q makes no value", f.technique), Cure: "use a technique that does, such as token or redact, for the class",
		}
	}
	return dst, false, nil
}

// apply has the technique make a value.
func (f *Field) apply(s *Scratch, dst, text []byte, e *Event) (out []byte, err error) {
	s.broken = true
	defer func() {
		// What a defect in a technique says may quote the value.
		if fault := recover(); fault != nil {
			out, err = dst, &Refusal{Code: CodeFault, Why: fmt.Sprintf("the technique %s failed (%T)", f.technique, fault), Cure: "report this as a defect, with the schema and the policy"}
			return // the scratch may be broken, and is not used again
		}
		s.broken = false
	}()
	return f.make(f, s, dst, text, e)
}

// text appends a string that a technique made, if the schema admits it.
func (f *Field) text(dst, text []byte) ([]byte, error) {
	if !f.admitsText(text) {
		return dst, unfit(f.technique, String)
	}
	out, err := appendQuoted(dst, text)
	if err != nil { // invalid UTF-8, which the document's reader refuses
		return dst, unfit(f.technique, String)
	}
	return out, nil
}

// appendQuoted is jsontext.AppendQuote, and quick for what needs no escapes.
func appendQuoted(dst, text []byte) ([]byte, error) {
	var other uint8
	for _, c := range text {
		other |= needsEscape[c]
	}
	if other != 0 {
		return jsontext.AppendQuote(dst, text)
	}
	return append(append(append(dst, '"'), text...), '"'), nil
}

// needsEscape are 1 for all but printable ASCII without quotes and backslashes.
var needsEscape = func() (t [256]uint8) {
	for c := range t {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			t[c] = 1
		}
	}
	return t
}()

func (f *Field) admitsText(text []byte) bool {
	if len(f.admitted) > 0 {
		return slices.ContainsFunc(f.admitted, func(admitted string) bool {
			content, err := jsontext.AppendUnquote(nil, admitted)
			return err == nil && bytes.Equal(content, text)
		})
	}
	return f.shape.admits(text) && f.shape.formatAdmits(text)
}
