package shop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Fault is one way in which an event can be wrong.
type Fault struct {
	Name string
	// Pointer and Keyword are where the event breaks its schema and what it
	// breaks; both are empty where it isn't even JSON that can be told apart
	// (Malformed), or where there is no such type.
	Pointer, Keyword string
	// Malformed says that the bytes are refused before any schema is asked.
	Malformed bool

	spoil func(e *Event)
}

// Faults are all ways in which Spoil can break an event of any type.
func Faults() []Fault { return append([]Fault(nil), faults...) }

// Spoil makes a wrong event out of a right one: its type, key and time stay,
// its bytes do not, and its identity says what was done to it.
func Spoil(e Event, f Fault) Event {
	f.spoil(&e)
	e.ID = "spoiled-" + f.Name + "-" + e.ID
	return e
}

// idOf is the property that holds the key of an event.
func idOf(e *Event) string {
	_, rest, _ := strings.Cut(e.Type, ".")
	entity, _, _ := strings.Cut(rest, ".")
	return entity + "_id"
}

// timeOf is the property that holds the time of an event.
func timeOf(e *Event) string { return e.Type[strings.LastIndexByte(e.Type, '.')+1:] + "_at" }

var faults = []Fault{
	{Name: "missing", Pointer: "", Keyword: "required", spoil: func(e *Event) {
		remake(e, func(m map[string]json.RawMessage) { delete(m, timeOf(e)) })
	}},
	{Name: "undeclared", Pointer: "/debug", Keyword: "undeclared", spoil: func(e *Event) {
		remake(e, func(m map[string]json.RawMessage) { m["debug"] = json.RawMessage(`{"trace":"raw request: …"}`) })
	}},
	{Name: "wrong-type", Pointer: "/{time}", Keyword: "type", spoil: func(e *Event) {
		remake(e, func(m map[string]json.RawMessage) { m[timeOf(e)] = json.RawMessage(`1772438400`) })
	}},
	{Name: "wrong-time", Pointer: "/{time}", Keyword: "pattern", spoil: func(e *Event) {
		remake(e, func(m map[string]json.RawMessage) { m[timeOf(e)] = json.RawMessage(`"yesterday, at noon"`) })
	}},
	{Name: "wrong-key", Pointer: "/{id}", Keyword: "pattern", spoil: func(e *Event) {
		remake(e, func(m map[string]json.RawMessage) { m[idOf(e)] = json.RawMessage(`"42"`) })
	}},
	{Name: "not-an-object", Pointer: "", Keyword: "type", spoil: func(e *Event) {
		e.raw = append(append([]byte("["), e.Data()...), ']')
	}},
	{Name: "truncated", Malformed: true, spoil: func(e *Event) {
		data := e.Data()
		e.raw = data[:len(data)/2]
	}},
	{Name: "twice", Malformed: true, spoil: func(e *Event) {
		e.raw = append(fmt.Appendf(nil, "{%q:%q,", idOf(e), "00000000-0000-4000-8000-000000000000"), e.Data()[1:]...)
	}},
	{Name: "trailing", Malformed: true, spoil: func(e *Event) {
		e.raw = append(e.Data(), "{}"...)
	}},
	{Name: "not-utf8", Malformed: true, spoil: func(e *Event) {
		e.raw = bytes.Replace(e.Data(), []byte(`":"`), []byte("\":\"\xff"), 1)
	}},
	{Name: "nan", Malformed: true, spoil: func(e *Event) {
		e.raw = append(fmt.Appendf(nil, "{%q:NaN,", timeOf(e)), e.Data()[1:]...)
	}},
	{Name: "unknown-type", spoil: func(e *Event) {
		e.raw = e.Data()
		e.Type = e.Type[:strings.LastIndexByte(e.Type, '.')+1] + "teleported"
	}},
}

// PointerIn is the fault's Pointer within a given event.
func (f Fault) PointerIn(e Event) string {
	return strings.NewReplacer("{time}", timeOf(&e), "{id}", idOf(&e)).Replace(f.Pointer)
}

// remake changes an event's properties.
func remake(e *Event, change func(map[string]json.RawMessage)) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(e.Data(), &m); err != nil {
		panic(fmt.Sprintf("shop: %s is no object: %v", e.Type, err)) //nolint:forbidigo // its payload is a struct of this package
	}
	change(m)
	e.raw, _ = json.Marshal(m) // raw messages that have just been parsed
}
