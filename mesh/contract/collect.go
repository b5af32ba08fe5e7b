package contract

import (
	"sync"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// Techniques that look at the whole event are given what the walker would
// collect of it, by a pass of its own over the document: its plan goes
// everywhere, also into what is going to be dropped, and notes the classified
// values that somebody looks at.

// collected is an event, and the room that collecting it takes.
type collected struct {
	event mask.Event
	room  []byte
}

var collections = sync.Pool{New: func() any { return new(collected) }}

// keptRoom bounds what room is kept for the next event.
const keptRoom = 64 << 10

// release lets go of the event's values.
func (c *collected) release() {
	c.event.Reset()
	if clear(c.room[:cap(c.room)]); cap(c.room) > keptRoom {
		c.room = nil
	}
	collections.Put(c)
}

// collect fills c with the event in data. It reports false where it can't be
// collected so.
func (g *Masking) collect(data []byte, c *collected) bool {
	if g.masker.ReadsDocument() {
		value, err := strictjson.Decode(data, g.contract.options.Limits)
		if err != nil {
			return false
		}
		c.event.Document = value
	}
	plan := g.collecting.Load()
	if plan == nil {
		w := g.walker()
		if w == nil {
			return false
		}
		plan = g.collector(w.root)
		g.collecting.Store(plan)
	}
	var ok bool
	c.room, _, ok = g.contract.program.Rewrite(c.room[:0], data, plan, nil, &c.event)
	return ok
}

// collector is the plan that collects the values at p.
func (g *Masking) collector(p *place) *program.Plan {
	if known, ok := g.collection.Load(p.id); ok {
		return known.(*program.Plan)
	}
	plan := program.NewPlan(&collector{source{masking: g, at: p.address()}})
	if g.count.Load() >= maxPlaces {
		return plan
	}
	known, loaded := g.collection.LoadOrStore(p.id, plan)
	if !loaded {
		g.count.Add(1)
		g.bytes.Add(collectorBytes)
	}
	return known.(*program.Plan)
}

// collector is a source of plans that collect.
type collector struct{ source }

func (o *collector) Step(kind program.Kind) *program.Step {
	s, refused, step := o.spot(kind)
	if step != nil {
		return step
	}
	return o.noting(s, refused, kind, &program.Step{Action: program.Foreign, Kind: kind})
}

func (o *collector) Choose(kind program.Kind, holds func(*v5.Schema) (holds, known bool)) *program.Step {
	w, p := o.place()
	if w == nil {
		return program.Unknown
	}
	s, refused := w.spotBy(p, kind, holds)
	return o.noting(s, refused, kind, nil)
}

// Rewrite gives up: the walker collects by itself.
func (o *collector) Rewrite(dst, _ []byte, _ *program.Counts) ([]byte, bool) { return dst, false }

// noting is what is done with the values of a kind at s; otherwise if there is
// no s.
func (o *collector) noting(s *spot, refused bool, kind program.Kind, otherwise *program.Step) *program.Step {
	switch {
	case refused:
		return program.Always(program.Refuse, kind)
	case s == nil, kind == program.String && s.content != nil:
		return otherwise
	case kind == program.Object:
		return &program.Step{Action: program.Enter, Kind: kind, Members: &collectedMembers{o.masking, s.address(kind)}}
	case kind == program.Array:
		return &program.Step{Action: program.Enter, Kind: kind, Items: newItems(o.masking.walker, o.masking.collector, s)}
	case (kind == program.String || kind == program.Number) && o.masking.masker.Notes(s.class):
		return &program.Step{Action: program.Note, Kind: kind, Class: s.class}
	}
	return program.Always(program.Keep, kind)
}

type collectedMembers struct {
	masking *Masking
	at      spotAddress
}

func (m *collectedMembers) Member(name []byte) (program.Member, bool) {
	w := m.masking.walker()
	if w == nil {
		return program.Member{}, false
	}
	c, ok := w.spotAt(m.at).child(string(name))
	if !ok {
		return program.Member{}, false
	}
	return program.Member{Plan: m.masking.collector(c.place)}, true
}
