package contract

import (
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"
	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
)

// Masking is a contract compiled for one masker: what becomes of the values of
// each place is found out once, when the first document reaches it. It is safe
// for concurrent use.
type Masking struct {
	contract *Contract
	masker   *mask.Masker
	walker   *walker // nil where there is no plan
	root     *program.Plan

	mu     sync.RWMutex
	plans  map[*place]*program.Plan
	fields map[fieldKey]*mask.Field
	steps  map[*mask.Field]*program.Step // that replace

	// needsEvent says that a technique has turned up that looks at the whole event.
	needsEvent atomic.Bool
	collection sync.Map // *place -> *program.Plan, to collect events

	count atomic.Int64 // of plans
	slow  atomic.Uint64
}

type fieldKey struct {
	class      mask.Class
	shape      *mask.Shape
	enumerated bool
	kind       mask.Kind
}

// maxFields bounds how many fields are remembered; beyond it they are made anew.
const maxFields = 1 << 14

func newMasking(c *Contract, m *mask.Masker) *Masking {
	g := &Masking{contract: c, masker: m, plans: map[*place]*program.Plan{}, fields: map[fieldKey]*mask.Field{}, steps: map[*mask.Field]*program.Step{}}
	if w, ok := c.slow().(*walker); ok && m != nil {
		g.walker = w
		g.root = g.plan(w.root)
	}
	return g
}

// Slow counts the documents that were left to the slow engine.
func (g *Masking) Slow() uint64 { return g.slow.Load() }

// plan is what becomes of the values at p.
func (g *Masking) plan(p *place) *program.Plan {
	g.mu.RLock()
	known := g.plans[p]
	g.mu.RUnlock()
	if known != nil {
		return known
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if known := g.plans[p]; known != nil {
		return known
	}
	plan := program.NewPlan(&source{masking: g, place: p})
	if len(g.plans) < maxPlaces {
		g.plans[p] = plan
		g.count.Add(1)
	}
	return plan
}

// field is what makes new values of a kind at s.
func (g *Masking) field(s *spot, kind mask.Kind) *mask.Field {
	key := fieldKey{s.class, s.shape(), s.enumerated, kind}
	g.mu.RLock()
	known := g.fields[key]
	g.mu.RUnlock()
	if known != nil {
		return known
	}
	f := g.masker.Field(key.class, key.shape, key.enumerated, kind)
	g.mu.Lock()
	defer g.mu.Unlock()
	if known := g.fields[key]; known != nil {
		return known
	}
	if len(g.fields) < maxFields {
		g.fields[key] = f
	}
	return f
}

// replacing is the step that has f make new values; there is one for all places.
func (g *Masking) replacing(f *mask.Field, kind program.Kind, redacts bool) *program.Step {
	g.mu.Lock()
	defer g.mu.Unlock()
	step := g.steps[f]
	if step == nil {
		step = &program.Step{Action: program.Replace, Kind: kind, Field: f, Redacts: redacts}
		if len(g.steps) < maxFields {
			g.steps[f] = step
		}
	}
	return step
}

// source tells the program what becomes of the values at a place.
type source struct {
	masking *Masking
	place   *place
}

// Step is the decision that the walker makes for each value, made for all of a
// kind. Where the walker would withhold the document, or where one must look at
// other values, the walker is left to say so.
func (o *source) Step(kind program.Kind) *program.Step {
	g := o.masking
	if o.place.conditional() {
		return program.Always(program.Refuse, kind)
	}
	s, refuse := g.walker.spotOf(o.place, kind)
	switch {
	case refuse:
		return program.Always(program.Refuse, kind)
	case s == nil:
		return &program.Step{Action: program.Foreign, Kind: kind}
	}
	return g.step(s, kind)
}

// Choose is Step for those values for which some alternatives hold.
func (o *source) Choose(kind program.Kind, holds func(*v5.Schema) (holds, known bool)) *program.Step {
	s, refuse := o.masking.walker.spotBy(o.place, kind, holds)
	switch {
	case refuse:
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
		step.Members = &members{masking: g, spot: s, required: s.required()}
	} else {
		step.Items = &items{masking: g, spot: s}
	}
	return step
}

// Rewrite has the walker mask a value of which the schemas that apply depend on
// more than its kind.
func (o *source) Rewrite(dst, text []byte, counts *program.Counts) ([]byte, bool) {
	stats := Stats(*counts)
	out, err := o.masking.walker.maskPart(dst, text, o.place, o.masking, &stats)
	*counts = program.Counts(stats)
	return out, err == nil
}

// members are the members of the objects at a spot.
type members struct {
	masking  *Masking
	spot     *spot
	required map[string]bool
}

func (m *members) Member(name []byte) (program.Member, bool) {
	c, ok := m.spot.child(string(name))
	if !ok {
		return program.Member{}, false
	}
	member := program.Member{Plan: m.masking.plan(c.place), Required: m.required[string(name)]}
	switch m.spot.nameTechnique(m.masking.masker, c) {
	case mask.Pass:
	case mask.Token:
		member.Name = m.rename
	default:
		return program.Member{}, false
	}
	return member, true
}

func (m *members) rename(dst, name []byte) ([]byte, bool) {
	out, err := jsontext.AppendQuote(dst, m.masking.masker.KeyToken(m.spot.keys, string(name)))
	return out, err == nil
}

// items are the items of the arrays at a spot.
type items struct {
	masking *Masking
	spot    *spot
	rest    atomic.Pointer[program.Plan] // of the items without places of their own
}

func (i *items) Item(at int) *program.Plan {
	if at < i.spot.tuple || !i.spot.marks.empty() {
		return i.masking.plan(i.spot.item(at))
	}
	if p := i.rest.Load(); p != nil {
		return p
	}
	p := i.masking.plan(i.spot.item(at))
	i.rest.Store(p)
	return p
}

func (i *items) Positional() bool { return i.spot.tuple > 0 }
