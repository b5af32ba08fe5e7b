package contract

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// conditions decides, for the marks of the overlay at p that have a condition,
// which class they give.
func (w *walker) conditions(p *place, x *expansion, in surroundings) {
	consider := func(mark *mask.Mark) {
		if mark == nil || mark.When == nil {
			return
		}
		if _, known := x.when[mark.When]; known {
			return
		}
		text, present := in.text(mark.When.At)
		switch {
		case !present:
			x.decisions = append(x.decisions, 2)
		default:
			x.decide(mark.When.Holds(text, true))
		}
		if x.when == nil {
			x.when = map[*mask.When]mask.Class{}
		}
		x.when[mark.When] = mark.Of(text, present)
	}
	consider(&p.named)
	for _, paths := range [...][]*mask.Path{p.marks.exact, p.marks.wildcard, p.marks.definitions} {
		for _, path := range paths {
			consider(path.Mark)
		}
	}
	for _, ref := range x.refs {
		for _, path := range w.overlay.Definition(ref) {
			consider(path.Mark)
		}
	}
}

// text is the value at a place: a JSON pointer into the document, or the name of
// a property of the nearest object. It is not there if it is a container.
func (in surroundings) text(at string) (text string, present bool) {
	var value any
	if strings.HasPrefix(at, "/") {
		value, present = jsonschema.Find(in.document, at)
	} else {
		value, present = in.object[at]
	}
	if !present {
		return "", false
	}
	switch value := value.(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	case bool:
		return strconv.FormatBool(value), true
	case nil:
		return "null", true
	}
	return "", false
}
