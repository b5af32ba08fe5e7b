package program

import (
	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/mask/automaton"
)

// set is a set of units: unit i is bit i.
type set uint64

// dead is set in a result when the document is lost, whatever follows.
const dead set = 1 << 63

// maxUnits is how many units a group may have.
const maxUnits = 63

func unit(i int) set { return 1 << i }

// kind is what a value is. True and false are kinds, so that a constant among
// them is told by its kind.
type kind uint8

const (
	kindNull kind = iota
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindArray
	kindObject
	kinds
)

// group is what values at a place are validated with. Programs are many, so
// what most values need comes first and lies together.
type group struct {
	roots   set   // units 0…, the group's answer to the value around
	busy    uint8 // kinds, a bit for each, with ops or opaque checks
	refused uint8 // kinds that fail, where there is but one unit
	single  bool  // there is but one unit
	whole   bool  // there are too many units: each root is for v5
	// doubt says that a container here may have undeclared properties that
	// the program can't see, because v5 went through it (closed programs only).
	doubt bool

	text    []textual // checks of strings
	number  []numeric // checks of numbers
	integer set       // units that want a number to be an integer
	object  *members
	array   *items

	*uncommon
}

// uncommon is what few values need. Groups of one unit may have none.
type uncommon struct {
	fail    [kinds]set     // units that don't admit a kind
	ops     [kinds][]op    // in the order in which they are to be worked out
	opaque  []opaque       // checks that v5 makes on the decoded value
	schemas [][]*v5.Schema // of the roots, where the group is whole

	branches  []branch
	branching set // the branches' units
}

// failing are the units that don't admit a kind.
func (g *group) failing(k kind) set {
	if g.single {
		return set(g.refused >> k & 1)
	}
	return g.fail[k]
}

// link leads from a value to one inside of it. It is also the entry of a table,
// so that a name that was found leads on from where it was found.
type link struct {
	key
	size    uint32
	next    int16  // another entry in the same slot, or -1
	fatal   bool   // each root of to has an owner among this group's roots
	literal bool   // of a table's entry: see isLiteral
	to      *group // nil: anything is valid
	// all are the units that fail with one of to's roots, and those that look
	// for to ("contains"). Where more gives no owners, there is but one root.
	all  set
	more *more
}

// more is what few links need.
type more struct {
	fail    set           // units that fail because there is such a member or item
	owners  []set         // for each of several roots, the units that fail with it
	pending []unevaluated // what the name leaves open to seals
	// admit are the units that admit the name, and all that apply only if one
	// of those does; conditional says that these are not all closers.
	admit       set
	conditional bool
	name        string // a longer one than the key holds
}

// raise turns roots of the group that l leads to into the units around that
// they belong to.
func (l *link) raise(roots set) set {
	if l.more != nil && l.more.owners != nil {
		return raise(roots, l.more.owners)
	}
	if roots&1 != 0 {
		return l.all
	}
	return 0
}

// members is what objects are validated with.
type members struct {
	names     *table // the links to known names; nil if there are none
	order     order  // of these names; empty if there are none
	words     int    // of the set of known names that an object has
	required  []presence
	counts    []count
	dependent []dependence

	rest     []link // names that are not known, by which patterns match them
	patterns []*automaton.Pattern
	text     *group // for propertyNames: what names that are not known must be
	textOf   []set  // owners of its roots

	// Closed programs only: closers close the place to names that nobody admits.
	closers set
}

// presence wants known names to be there: those of mask in one word.
type presence struct {
	unit set
	word int
	mask uint64
}

// dependence wants one known name to be there if another is.
type dependence struct {
	unit       set
	when, then int
}

// count bounds the number of members or items.
type count struct {
	unit     set
	min, max int // max -1: no bound
}

// items is what arrays are validated with.
type items struct {
	tuple    []item
	rest     item
	counts   []count
	contains []contains
	unique   set
}

type item struct {
	link
	found []set // for each contains, the root of to that tells whether the item counts
}

type contains struct {
	unit     set
	min, max int // -1: no bound
}

// opaque is a check that v5 makes, for some kinds.
type opaque struct {
	unit   set
	kinds  uint8 // a bit for each
	schema *v5.Schema
}

// numeric bounds numbers.
type numeric struct {
	unit                       set
	min, above, max, below, of *decimal
	enum                       []decimal // nil: any
}

// textual checks strings.
type textual struct {
	unit     set
	min, max int // code points; -1: no bound
	enum     *table
	pattern  *automaton.Pattern
	format   *format
	needs    bool // looks at the text itself
}
