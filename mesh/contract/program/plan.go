package program

import (
	"sync/atomic"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// Action is what becomes of a value while it is rewritten.
type Action uint8

const (
	// Refuse gives the whole document up: a slower engine decides.
	Refuse Action = iota
	// Keep leaves a value that is no container as it is.
	Keep
	// Replace puts what a field makes in place of a value that is no container.
	Replace
	// Drop removes the value with its name.
	Drop
	// Enter goes into an object or array.
	Enter
	// Note leaves a text or number as it is, and adds it to the event.
	Note
	// Foreign asks the plan's source once more when it is known which alternatives
	// hold for the value, and leaves the value to it where that doesn't suffice.
	Foreign
)

// Kind is what a value is, as far as plans differ.
type Kind uint8

// The kinds of values; the first four are those of package mask.
const (
	Null   = Kind(mask.Null)
	Bool   = Kind(mask.Bool)
	Number = Kind(mask.Number)
	String = Kind(mask.String)
	Array  = String + 1
	Object = String + 2

	kindsOfPlans = Object + 1 // also: there is no value
)

// Step is what becomes of values of one kind at one place, or at several. It must
// not be copied.
type Step struct {
	Action Action
	Kind   Kind
	// Redacts tells apart what counts as redacted from what counts as masked.
	Redacts bool
	Field   *mask.Field // of Replace
	surety  surety      // of Replace
	Class   mask.Class  // of Note
	Members Members     // of Enter into objects
	Items   Items       // of Enter into arrays

	known   atomic.Pointer[knownMembers]
	choices choices // of Foreign
}

// Always is the step that refuses, keeps or drops all values of a kind.
func Always(a Action, k Kind) *Step { return &always[a][k] }

var always = func() *[Drop + 1][kindsOfPlans]Step {
	var steps [Drop + 1][kindsOfPlans]Step
	for a := range steps {
		for k := range steps[a] {
			steps[a][k].Action, steps[a][k].Kind = Action(a), Kind(k)
		}
	}
	return &steps
}()

// Source knows what becomes of the values at one place. Its methods are called
// by several goroutines at once, and must say the same each time.
type Source interface {
	// Step is what becomes of values of a kind, given that the document is valid.
	Step(Kind) *Step
	// Choose is what becomes of those values of a Foreign kind for which just so many
	// of the schemas hold that apply under a condition; nil if it depends on
	// more, such as on schemas that aren't known.
	Choose(kind Kind, holds func(*v5.Schema) (holds, known bool)) *Step
	// Rewrite appends to dst what becomes of the value that is the whole of text,
	// and counts. It reports false to give the document up.
	Rewrite(dst, text []byte, counts *Counts) ([]byte, bool)
}

// Members knows the members of the objects at one place.
type Members interface {
	// Member is what becomes of the member called name; false gives the document
	// up. It keeps nothing of name.
	Member(name []byte) (Member, bool)
}

// Items knows the items of the arrays at one place.
type Items interface {
	// Item is what becomes of the item at index i.
	Item(i int) *Plan
	// Positional reports whether items mean something by their position, so that
	// none of them can be dropped.
	Positional() bool
}

// Member is what becomes of a member.
type Member struct {
	Plan     *Plan
	Required bool                                  // it can't be dropped
	Name     func(dst, name []byte) ([]byte, bool) // appends another name, as JSON; nil: it stays
}

// Counts is what rewriting did to the values of a document.
type Counts struct {
	Masked, Redacted, Dropped, Passed int
}

// Plan is what becomes of the values at one place. What its source says is
// remembered. It is safe for concurrent use, and must not be copied.
type Plan struct {
	source Source
	steps  [kindsOfPlans]atomic.Pointer[Step]
}

// NewPlan is a plan that asks source.
func NewPlan(source Source) *Plan { return &Plan{source: source} }

func (p *Plan) step(k Kind) *Step {
	if s := p.steps[k].Load(); s != nil {
		return s
	}
	s := p.source.Step(k)
	if s == Unknown {
		return s
	}
	if !p.steps[k].CompareAndSwap(nil, s) {
		return p.steps[k].Load()
	}
	return s
}

// Unknown is the answer of a source that can't tell now: it gives the document up, and
// is not remembered.
var Unknown = &Step{Action: Refuse}

// knownMembers are the members that a group of the program knows by index, as far
// as they have been met.
type knownMembers struct {
	group *members
	// steps are what becomes of most of a member's values, where nothing else need be
	// known of it: its name stays, and the value does.
	steps   []atomic.Pointer[Step]
	members []atomic.Pointer[Member]
}

// remembered are the members that m knows by index.
func (s *Step) remembered(m *members) *knownMembers {
	table := s.known.Load()
	if table == nil || table.group != m {
		table = &knownMembers{group: m}
		if m.names != nil {
			n := len(m.names.entries)
			table.steps, table.members = make([]atomic.Pointer[Step], n), make([]atomic.Pointer[Member], n)
		}
		s.known.Store(table) // one place has one group, but for a few under alternatives
	}
	return table
}

// note remembers what becomes of values of the member with an index; of another
// kind than null, if there are such.
func (t *knownMembers) note(known int, m *Member, s *Step, k Kind) {
	if m.Name != nil || s.Kind != k || s.Action != Keep && s.Action != Replace && s.Action != Enter {
		return
	}
	if old := t.steps[known].Load(); old == nil || old.Kind == Null && k != Null {
		t.steps[known].Store(s)
	}
}

// member asks what becomes of a member; nil to give the document up.
func (s *Step) member(remembered *knownMembers, n *memberName, data []byte) *Member {
	text := n.text
	if text == nil {
		text = data[n.start+1 : n.end-1]
	}
	member, ok := s.Members.Member(text)
	if !ok {
		return nil
	}
	if n.known >= 0 {
		remembered.members[n.known].Store(&member)
	}
	return &member
}

// kindOf is the kind of a value by its first byte; kindsOfPlans if there is none.
var kindOf = func() (t [256]Kind) {
	for i := range t {
		t[i] = kindsOfPlans
	}
	for _, c := range "-0123456789" {
		t[c] = Number
	}
	t['"'], t['{'], t['['], t['t'], t['f'], t['n'] = String, Object, Array, Bool, Bool, Null
	return t
}()
