package mask

import "iter"

// Event is the event that a value stands in, for techniques that look at more
// than the value (see Field.NeedsEvent). Whoever walks through the document
// fills it before it masks the first value: Document, and with Add every
// classified value in the document's order. Techniques only read it. The zero
// Event is an empty one; one Event must not be used by two goroutines at once.
type Event struct {
	Document any    // the whole event, decoded: map[string]any, []any, string, json.Number, bool, nil
	Pointer  string // where in it the value stands, as a JSON pointer; empty if the caller doesn't know

	values []knownValue
}

// knownValue is one classified value of an event.
type knownValue struct {
	class Class
	text  string
}

// Add notes a classified value: a string's content, or a number's literal.
// Empty texts and values without a class are not noted.
func (e *Event) Add(class Class, text string) {
	if class != "" && text != "" {
		e.values = append(e.values, knownValue{class, text})
	}
}

// First is the first value of class in the event. It is false for a nil Event.
func (e *Event) First(class Class) (text string, ok bool) {
	if e == nil {
		return "", false
	}
	for _, v := range e.values {
		if v.class == class {
			return v.text, true
		}
	}
	return "", false
}

// Known are the event's classified values in the order in which they were
// added; none for a nil Event.
func (e *Event) Known() iter.Seq2[Class, string] {
	return func(yield func(Class, string) bool) {
		if e == nil {
			return
		}
		for _, v := range e.values {
			if !yield(v.class, v.text) {
				return
			}
		}
	}
}

// Reset empties the event for use with another one, and lets go of its values.
func (e *Event) Reset() {
	clear(e.values)
	*e = Event{values: e.values[:0]}
}
