package contract

import (
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"
	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// Masking is a contract compiled for one masker: what becomes of the values of
// each place is found out once, when the first document reaches it. It leads to no
// engine: it asks the contract for one when there is something to be found out. It is
// safe for concurrent use.
type Masking struct {
	contract *Contract
	masker   *mask.Masker
	root     *program.Plan // nil where there is none

	mu    sync.RWMutex
	plans map[string]*program.Plan      // by the places' ids
	steps map[*mask.Field]*program.Step // that replace

	// needsEvent says that a technique has turned up that looks at the whole event.
	needsEvent atomic.Bool
	collection sync.Map // the same ids -> *program.Plan, to collect events
	collecting atomic.Pointer[program.Plan]

	count atomic.Int64 // of plans to collect events
	bytes atomic.Int64 // about what all plans take
	slow  atomic.Uint64
}

func newMasking(c *Contract, m *mask.Masker) *Masking {
	g := &Masking{contract: c, masker: m, plans: map[string]*program.Plan{}, steps: map[*mask.Field]*program.Step{}}
	g.bytes.Store(maskingBytes)
	if w := g.walker(); w != nil && m != nil {
		g.root = g.plan(w.root)
	}
	return g
}

// walker is the engine that finds out what is not known yet; nil if it can't be
// made now.
func (g *Masking) walker() *walker {
	w, _ := g.contract.slow().(*walker)
	return w
}

// Slow counts the documents that were left to the slow engine.
func (g *Masking) Slow() uint64 { return g.slow.Load() }

// plan is what becomes of the values at p.
func (g *Masking) plan(p *place) *program.Plan {
	g.mu.RLock()
	known := g.plans[p.id]
	g.mu.RUnlock()
	if known != nil {
		return known
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if known := g.plans[p.id]; known != nil {
		return known
	}
	at := p.address()
	plan := program.NewPlan(&source{masking: g, at: at})
	if len(g.plans) < maxPlaces {
		g.plans[p.id] = plan
		g.bytes.Add(int64(at.footprint() + planBytes))
	}
	return plan
}

// replacing is the step that has f make new values; there is one for all places.
func (g *Masking) replacing(f *mask.Field, kind program.Kind, redacts bool) *program.Step {
	g.mu.Lock()
	defer g.mu.Unlock()
	step := g.steps[f]
	if step == nil {
		step = &program.Step{Action: program.Replace, Kind: kind, Field: f, Redacts: redacts}
		if len(g.steps) < maxPlaces {
			g.steps[f] = step
			g.bytes.Add(replaceBytes)
		}
	}
	return step
}

// source tells the program what becomes of the values at a place.
type source struct {
	masking *Masking
	at      address
}

// place is the place with the engine that knows it; nil if there is none now.
func (o *source) place() (*walker, *place) {
	w := o.masking.walker()
	if w == nil {
		return nil, nil
	}
	return w, w.at(o.at)
}

// How much memory is taken, about, by a masking, by each place in it, each step into
// a container, each member that is remembered, and each place where events are
// collected.
const (
	maskingBytes   = 512
	planBytes      = 176
	stepBytes      = 224
	memberBytes    = 64
	replaceBytes   = 176
	collectorBytes = 512
)

// spot is where all values of a kind stand, whatever they are; or else the step
// that is to be taken because that can't be said.
func (o *source) spot(kind program.Kind) (s *spot, refused bool, step *program.Step) {
	w, p := o.place()
	switch {
	case w == nil:
		return nil, false, program.Unknown
	case p.conditional():
		return nil, false, program.Always(program.Refuse, kind)
	}
	s, refused = w.spotOf(p, kind)
	return s, refused, nil
}

// Step is the decision that the walker makes for each value, made for all of a
// kind. Where the walker would withhold the document, or where one must look at
// other values, the walker is left to say so.
func (o *source) Step(kind program.Kind) *program.Step {
	s, refused, step := o.spot(kind)
	if step != nil {
		return step
	}
	switch {
	case refused:
		return program.Always(program.Refuse, kind)
	case s == nil:
		o.masking.bytes.Add(stepBytes)
		return &program.Step{Action: program.Foreign, Kind: kind}
	}
	return o.masking.step(s, kind)
}

// Choose is Step for those values for which some alternatives hold.
func (o *source) Choose(kind program.Kind, holds func(*v5.Schema) (holds, known bool)) *program.Step {
	w, p := o.place()
	if w == nil {
		return program.Unknown
	}
	s, refused := w.spotBy(p, kind, holds)
	switch {
	case refused:
		return program.Always(program.Refuse, kind)
	case s == nil, kind == program.String && s.content != nil:
		return nil
	}
	return o.masking.step(s, kind)
}

// step is what becomes of the values of a kind at s.
func (g *Masking) step(s *spot, kind program.Kind) *program.Step {
	switch {
	case kind == program.Object || kind == program.Array:
		return g.enter(s, kind)
	case kind == program.String && s.content != nil:
		if s.class != "" && g.masker.Technique(s.class) == mask.Drop {
			return program.Always(program.Drop, kind)
		}
		g.bytes.Add(stepBytes)
		return &program.Step{Action: program.Foreign, Kind: kind} // the walker goes into what it holds
	case s.class != "" && !s.class.Known():
		return program.Always(program.Refuse, kind)
	case s.class == "" && s.undeclared:
		return program.Always(program.Refuse, kind)
	}
	var technique mask.Technique
	if s.class == "" {
		technique = g.masker.Default(mask.Kind(kind), s.enumerated)
	} else {
		technique = g.masker.Technique(s.class)
	}
	switch technique {
	case mask.Pass:
		return program.Always(program.Keep, kind)
	case mask.Drop:
		return program.Always(program.Drop, kind)
	case mask.Withhold:
		return program.Always(program.Refuse, kind)
	default:
	}
	f := g.field(s, mask.Kind(kind))
	if f.NeedsEvent() {
		g.needsEvent.Store(true)
	}
	return g.replacing(f, kind, redacts(technique))
}

// enter goes into the containers at s, or drops them.
func (g *Masking) enter(s *spot, kind program.Kind) *program.Step {
	if s.class != "" && g.masker.Technique(s.class) == mask.Drop {
		return program.Always(program.Drop, kind)
	}
	step := &program.Step{Action: program.Enter, Kind: kind}
	if kind == program.Object {
		step.Members = &members{masking: g, at: s.address(kind)}
	} else {
		step.Items = newItems(g.walker, g.plan, s)
	}
	g.bytes.Add(int64(stepBytes + s.address(kind).footprint() + 8*s.tuple))
	return step
}

// Rewrite has the walker mask a value of which the schemas that apply depend on
// more than its kind.
func (o *source) Rewrite(dst, text []byte, counts *program.Counts) ([]byte, bool) {
	w, p := o.place()
	if w == nil {
		return dst, false
	}
	stats := Stats(*counts)
	out, err := w.maskPart(dst, text, p, o.masking, &stats)
	*counts = program.Counts(stats)
	return out, err == nil
}

// members are the members of the objects at a spot.
type members struct {
	masking *Masking
	at      spotAddress
}

func (m *members) Member(name []byte) (program.Member, bool) {
	w := m.masking.walker()
	if w == nil {
		return program.Member{}, false
	}
	s, masker := w.spotAt(m.at), m.masking.masker
	c, ok := s.child(string(name))
	if !ok {
		return program.Member{}, false
	}
	member := program.Member{Plan: m.masking.plan(c.place), Required: s.required()[string(name)]}
	switch technique := s.nameTechnique(masker, c); {
	case technique == mask.Pass:
	case technique.Renames():
		keys, shape := s.keys, s.names(string(name))
		member.Name = func(dst, name []byte) ([]byte, bool) {
			token, err := masker.KeyToken(keys, string(name), shape)
			if err != nil {
				return dst, false
			}
			out, err := jsontext.AppendQuote(dst, token)
			return out, err == nil
		}
	default:
		return program.Member{}, false
	}
	if c.declared {
		m.masking.bytes.Add(memberBytes)
	}
	return member, true
}

// items are the items of the arrays at a spot.
type items struct {
	walker func() *walker
	plan   func(*place) *program.Plan
	at     spotAddress
	marks  marks
	tuple  []atomic.Pointer[program.Plan] // of the first items, which have places of their own
	rest   atomic.Pointer[program.Plan]   // of the others, but for those that the overlay names
}

func newItems(walker func() *walker, plan func(*place) *program.Plan, s *spot) *items {
	return &items{walker: walker, plan: plan, at: s.address(program.Array), marks: s.marks, tuple: make([]atomic.Pointer[program.Plan], s.tuple)}
}

func (i *items) Item(at int) *program.Plan {
	known := &i.rest
	switch {
	case at < len(i.tuple):
		known = &i.tuple[at]
	case !i.marks.empty() && i.marks.knows(strconv.Itoa(at)):
		known = nil
	}
	if known != nil {
		if p := known.Load(); p != nil {
			return p
		}
	}
	w := i.walker()
	if w == nil {
		return unknown
	}
	p := i.plan(w.spotAt(i.at).item(at))
	if known != nil {
		known.Store(p)
	}
	return p
}

func (i *items) Positional() bool { return len(i.tuple) > 0 }

// unknown is the plan where there is no engine to make one now.
var unknown = program.NewPlan(nowhere{})

type nowhere struct{}

func (nowhere) Step(program.Kind) *program.Step { return program.Unknown }

func (nowhere) Choose(program.Kind, func(*v5.Schema) (holds, known bool)) *program.Step {
	return program.Unknown
}

func (nowhere) Rewrite(dst, _ []byte, _ *program.Counts) ([]byte, bool) { return dst, false }
