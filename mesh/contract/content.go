package contract

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lockstep-mesh/lockstep/mesh/contract/program"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// A string that holds something written as text ("x-lockstep-content", or content
// in an overlay) is gone into as an object is: what it holds has a place of its
// own, at which the string's pointer goes on. Nothing of it is checked before it is
// masked, so whatever isn't what it is said to be withholds the document.

// maxContents bounds how many strings may hold each other.
const maxContents = 8

// content is what the strings at a spot hold.
type content struct {
	form  mask.Content
	place *place // of what they hold
}

// contents finds out what strings hold that are at p, where s applies.
func (w *walker) contents(p *place, s *spot) *content {
	form, held := mask.Content(""), []*node(nil)
	for _, n := range s.nodes {
		switch {
		case n.content == "":
		case form != "" && form != n.content: // two schemas contradict each other
			form = unreadableContent
		default:
			form = n.content
		}
		held = append(held, n.held)
	}
	if marked := s.marks.content(); !p.opened && marked != "" {
		form = marked
	} else if form == "" {
		form = p.named.Content
	}
	if form == "" {
		return nil
	}
	if !form.JSON() {
		held = nil
	}
	return &content{form, w.places.intern(&place{
		roots: normal(held),
		standing: standing{
			marks: s.marks, around: s.around, aroundKeys: s.keys, namedOut: s.namedOut, undeclared: s.undeclared,
			opened: true, text: !form.JSON(),
		},
	})}
}

// pattern is what the overlay's pointers say that new strings match: the first of the
// most exact, for it demands nothing of documents.
func (m marks) pattern() (pattern string) {
	literal := -1
	for _, paths := range [...][]*mask.Path{m.exact, m.wildcard, m.definitions} {
		for _, path := range paths {
			if path.Mark != nil && path.Mark.Pattern != "" && path.Literal > literal {
				pattern, literal = path.Mark.Pattern, path.Literal
			}
		}
		if pattern != "" {
			break
		}
	}
	return pattern
}

// content is what the overlay's pointers say that a string holds.
func (m marks) content() mask.Content {
	var best mask.Content
	literal := -1
	for _, paths := range [...][]*mask.Path{m.exact, m.wildcard, m.definitions} {
		for _, path := range paths {
			if path.Mark == nil || path.Mark.Content == "" || path.Literal < literal {
				continue
			}
			if path.Literal == literal && best != path.Mark.Content {
				best = unreadableContent
				continue
			}
			best, literal = path.Mark.Content, path.Literal
		}
		if best != "" {
			break
		}
	}
	return best
}

// opens reports whether value, at s, is gone into: containers are, and strings that
// hold something.
func (s *spot) opens(value any) bool {
	_, ok := value.(string)
	return isContainer(value) || ok && s.content != nil
}

// open gives what a string holds: as JSON, and decoded; and the way to write other
// such content as the string's. Its error holds nothing of the string.
func (c *content) open(text string, limits strictjson.Limits) (data []byte, value any, write func([]byte) ([]byte, error), err error) {
	if !c.form.Known() {
		return nil, nil, nil, errors.New("nobody knows what such a string holds, or its schema can't be read")
	}
	held, encode, ok := c.form.Decode(text)
	if !ok {
		return nil, nil, nil, fmt.Errorf("the string is not %s of a text, written in the one way that can be kept", c.form)
	}
	if !c.form.JSON() {
		if data, err = jsontext.AppendQuote(nil, held); err != nil {
			return nil, nil, nil, errors.New("the string holds no text")
		}
		return data, string(held), func(made []byte) ([]byte, error) {
			text, err := jsontext.AppendUnquote(nil, made)
			return encode(text), err
		}, nil
	}
	if value, err = strictjson.Decode(held, limits); err != nil {
		code := ""
		if strict := (*strictjson.Error)(nil); errors.As(err, &strict) {
			code = " (" + strict.Code + ")"
		}
		return nil, nil, nil, errors.New("the string holds no strict JSON" + code)
	}
	return held, value, func(made []byte) ([]byte, error) { return encode(made), nil }, nil
}

// content masks what a string at s holds, and writes the string anew. An empty one
// holds nothing.
func (r *masking) content(s *spot, text string) error {
	if text == "" {
		r.out = append(r.out, `""`...)
		r.stats.Passed++
		return nil
	}
	if r.nested == maxContents {
		return r.withheld(CodeContent, s.class, fmt.Sprintf("more than %d strings hold each other", maxContents), "take what they hold out of the strings")
	}
	data, value, write, err := s.content.open(text, r.walker.limits)
	if err != nil {
		return r.unopened(s.class, err)
	}
	inner := maskings.Get().(*masking)
	inner.walker, inner.masker, inner.fields, inner.stats, inner.phase = r.walker, r.masker, r.fields, r.stats, r.phase
	inner.nested, inner.in, inner.event = r.nested+1, r.in, r.event
	inner.path, inner.out = append(inner.path[:0], r.path...), nil
	inner.in.object = nil
	inner.reads(data)
	err = inner.document(s.content.place, value)
	made := inner.out
	r.event, inner.event = inner.event, mask.Event{}
	inner.release()
	maskings.Put(inner)
	if err != nil || r.phase == toCollect {
		return err
	}
	if made, err = write(made); err == nil {
		r.out, err = jsontext.AppendQuote(r.out, made)
	}
	if err != nil {
		return r.broken(err)
	}
	return nil
}

// unopened is the refusal for a string that doesn't hold what it is said to.
func (r *masking) unopened(class mask.Class, err error) *Withheld {
	return r.withheld(CodeContent, class, err.Error(), "correct the publisher, or what "+contentAnnotation+" or the overlay's content says of the string; without it, its class holds for the string as it stands")
}

// content traces what a string holds. The error says why that can't be had.
func (t *tracer) content(s *spot, text string, at way, inside inherited) error {
	if t.nested == maxContents {
		return fmt.Errorf("more than %d strings hold each other", maxContents)
	}
	_, value, _, err := s.content.open(text, t.walker.limits)
	if err != nil {
		return err
	}
	t.nested++
	around := t.in.object
	t.in.object = nil
	t.value(s.content.place, value, slot{}, at, inside)
	t.in.object = around
	t.nested--
	return nil
}

// content looks at what strings hold that stand here.
func (s *survey) content(o *spot, here Place, inside inherited) {
	here.Content = o.content.form
	if !o.content.form.Known() {
		s.add(here, kindNames[program.String])
		return
	}
	if o.class != "" && here.Rule.From == nil {
		here.Enumerated = false
		s.add(here, KindContent)
	}
	s.place(o.content.place, "", here.Pointer, inside, here.Required, here.Mandatory)
}
