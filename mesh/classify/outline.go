package classify

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/mask/detect"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// outline is what events of a type have where their schema doesn't say it: in
// objects whose names nobody lists, and in strings that hold JSON.
type outline struct {
	pointers []string // of those objects
	objects  map[string]*sketch
	strings  map[string]*sketch // by place
	declared families           // what the schema names
}

// sketch is what stood at one place.
type sketch struct {
	objects, arrays int
	members         map[string]*sketch
	crowded         bool // too many names for them to be the same in all events
	item            *sketch
	values          values
	texts           int // strings with something in them
	held            map[mask.Content]int
	inside          *sketch // what strings hold
}

// Bounds on how far what nobody describes is looked at.
const (
	maxMembers = 64
	maxLevels  = 8
)

// container is the object or array that a place of names or items is in.
func container(pointer string) string { return strings.TrimSuffix(pointer, "/*") }

// add notes an object whose names nobody lists, unless it is in another one.
func (o *outline) add(pointer string) {
	if o.inside(pointer) {
		return
	}
	if o.objects == nil {
		o.objects = map[string]*sketch{}
	}
	o.pointers = append(o.pointers, pointer)
	o.objects[pointer] = &sketch{}
}

// inside reports whether a place is inside of such an object, as far as it is a
// member that the schema doesn't name.
func (o *outline) inside(pointer string) bool {
	return slices.ContainsFunc(o.pointers, func(above string) bool { return strings.HasPrefix(pointer+"/", above+"/*/") })
}

// maps reports whether a place is of such members themselves.
func (o *outline) maps(pointer string) bool {
	return strings.HasSuffix(pointer, "/*") && o.inside(pointer)
}

// observe takes the samples of an event.
func (o *outline) observe(document any) {
	for _, pointer := range o.pointers {
		var tokens []string
		if pointer != "" {
			tokens = strings.Split(pointer[1:], "/")
		}
		o.objects[pointer].along(document, tokens)
	}
}

func (s *sketch) along(value any, tokens []string) {
	if len(tokens) == 0 {
		if object, ok := value.(map[string]any); ok {
			s.value(object, 0)
		}
		return
	}
	switch value := value.(type) {
	case map[string]any:
		if member, ok := value[jsonschema.UnescapeToken(tokens[0])]; ok {
			s.along(member, tokens[1:])
		}
	case []any:
		for i, item := range value {
			if tokens[0] == "*" || tokens[0] == fmt.Sprint(i) {
				s.along(item, tokens[1:])
			}
		}
	}
}

func (s *sketch) value(value any, level int) {
	if level > maxLevels {
		return
	}
	switch value := value.(type) {
	case map[string]any:
		s.objects++
		if s.members == nil {
			s.members = map[string]*sketch{}
		}
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if s.members[name] == nil {
				if s.crowded = s.crowded || len(s.members) == maxMembers; s.crowded {
					continue
				}
				s.members[name] = &sketch{}
			}
			s.members[name].value(value[name], level+1)
		}
	case []any:
		s.arrays++
		if s.item == nil {
			s.item = &sketch{}
		}
		for _, item := range value {
			s.item.value(item, level+1)
		}
	case string:
		s.values.of("string")
		s.values.add(value)
		s.text(value, level)
	case json.Number:
		s.values.of("number")
		s.values.add(value.String())
	case bool:
		s.values.of("boolean")
		s.values.seen++
	}
}

// text looks at whether a string holds an object or array.
func (s *sketch) text(text string, level int) {
	if text == "" {
		return
	}
	s.texts++
	content, value, ok := holds(text)
	if !ok {
		return
	}
	if s.held == nil {
		s.held, s.inside = map[mask.Content]int{}, &sketch{}
	}
	s.held[content]++
	s.inside.value(value, level+1)
}

// holds tells what a string holds, if it is an object or array.
func holds(text string) (mask.Content, any, bool) {
	content := mask.ContentBase64JSON
	if first := strings.TrimLeft(text, " \t\r\n"); first != "" && (first[0] == '{' || first[0] == '[') {
		content = mask.ContentJSON
	}
	data, _, ok := content.Decode(text)
	if !ok {
		return "", nil, false
	}
	value, err := strictjson.Decode(data, strictjson.Limits{})
	if err != nil {
		return "", nil, false
	}
	switch value.(type) {
	case map[string]any, []any:
		return content, value, true
	}
	return "", nil, false
}

// fewTexts is how many strings have to hold something for it to be proposed.
const fewTexts = 3

// content is what all strings hold that were seen; empty if they don't.
func (s *sketch) content() mask.Content {
	for content, n := range s.held {
		if n == s.texts && n >= fewTexts {
			return content
		}
	}
	return ""
}

// outlined are the groups for members that events have in common where no schema
// names them, and the proposals for strings that hold something.
func (c *Collector) outlined(who somebody) (groups []*group, held []Proposal) {
	for _, subject := range slices.Sorted(maps.Keys(c.outline)) {
		o := c.outline[subject]
		w := drawing{subject: subject, who: who, known: c.known, declared: o.declared}
		for _, pointer := range slices.Sorted(maps.Keys(o.objects)) {
			w.draw(o.objects[pointer], pointer, lastName(pointer), ofNothing)
		}
		for _, pointer := range slices.Sorted(maps.Keys(o.strings)) {
			if s := o.strings[pointer]; s.content() != "" {
				w.hold(s, pointer)
			}
		}
		groups, held = append(groups, w.groups...), append(held, w.held...)
	}
	return byName(groups), held
}

// byName puts together what is called alike, so that it is of one class.
func byName(groups []*group) []*group {
	var all []*group
	known := map[string]*group{}
	for _, g := range groups {
		first := known[g.called]
		if first == nil {
			known[g.called], all = g, append(all, g)
			continue
		}
		first.fields, first.inMap = append(first.fields, g.fields...), first.inMap || g.inMap
		for _, sample := range g.values.samples {
			first.values.add(sample)
		}
		for kind := range g.values.kinds {
			first.values.of(kind)
		}
	}
	return all
}

// drawing makes groups out of sketches of one subject.
type drawing struct {
	subject  string
	who      somebody
	known    map[string]bool
	declared families
	groups   []*group
	held     []Proposal
}

// draw makes groups for what is in s, and one for the values that it itself is of.
func (w *drawing) draw(s *sketch, pointer, called string, beside kin) {
	switch {
	case s.objects > 0 && s.arrays > 0:
		return // * would stand for names as well as for indexes
	case s.content() != "":
		w.hold(s, pointer)
		return
	case s.values.seen > 0 && s.objects+s.arrays == 0:
		f := field{subject: w.subject, pointer: pointer, kin: beside}
		w.groups = append(w.groups, &group{key: key{subject: w.subject, pointer: pointer}, called: called, fields: []field{f}, values: s.values, inMap: strings.HasSuffix(pointer, "/*")})
		return
	}
	if s.item != nil {
		w.draw(s.item, pointer+"/*", called, beside)
	}
	if s.crowded {
		return
	}
	names := map[string]bool{}
	for name := range s.members {
		names[name] = true
	}
	about := kinOf(names)
	for _, name := range slices.Sorted(maps.Keys(s.members)) {
		if !w.declared[pointer][name] && w.common(s, name) {
			w.draw(s.members[name], pointer+"/"+jsonschema.EscapeToken(name), name, about)
		}
	}
}

// hold proposes that strings hold something.
func (w *drawing) hold(s *sketch, pointer string) {
	content := s.content()
	evidence := fmt.Sprintf("%d of %d samples hold an object or array, written as %s", s.texts, s.texts, content)
	p := Proposal{
		Subject: w.subject, Pointer: pointer, Class: mask.Text, Content: content, Confidence: 0.9, Places: 1, Samples: s.texts, Example: w.subject + " " + pointer,
		Evidence: []string{evidence, "what nobody names in it is text"},
	}
	keys := p
	keys.Keys, keys.Class, keys.Content, keys.Confidence, keys.Evidence = true, mask.Name, "", caution, []string{"names that nobody lists may be data"}
	w.held = append(w.held, p, keys)
	w.draw(s.inside, pointer, lastName(pointer), ofNothing)
}

// ordinary are names as programs give them to properties.
var ordinary = regexp.MustCompile(`^[a-z_][A-Za-z_]{0,39}[0-9]?$`)

// common reports whether events have a member in common whose name is no data: it is
// called by words that schemas use, too, or it is in half of the objects, and these
// are no map, in which all values are alike.
func (w *drawing) common(s *sketch, name string) bool {
	m := s.members[name]
	n := m.objects + m.arrays + m.values.seen
	if !ordinary.MatchString(name) || w.who.in(name) || n < 2 {
		return false
	}
	if n*2 >= s.objects && n >= fewTexts && s.mixed() {
		return true
	}
	if _, isName := detect.Named(name); isName {
		return true
	}
	return !slices.ContainsFunc(detect.Words(name), func(word string) bool {
		return !w.known[word] && !w.known[strings.TrimSuffix(word, "s")] && !detect.Vocabulary(word)
	})
}

// mixed reports whether the members of an object have values of several types.
func (s *sketch) mixed() bool {
	kinds := map[string]bool{}
	for _, m := range s.members {
		if m.objects > 0 {
			kinds["object"] = true
		}
		if m.arrays > 0 {
			kinds["array"] = true
		}
		maps.Copy(kinds, m.values.kinds)
	}
	return len(kinds) > 1
}
