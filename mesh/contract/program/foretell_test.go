package program

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// A name would be taken for another one because that was expected, or what ends a
// string or is cut off for a part of it.
func TestForetoldNamesAreNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SampledFrom([]string{"a", "b", "bb", "\"", "\\", "\\\"", ":", "\":", "\x00", "\x1f", "\x7f", "ä", "eightabc"})
		name := rapid.Custom(func(t *rapid.T) string {
			text := ""
			for range rapid.IntRange(0, 26).Draw(t, "letters") {
				text += letters.Draw(t, "letter")
			}
			return text[:min(len(text), rapid.IntRange(0, 30).Draw(t, "length"))]
		})
		names := rapid.SliceOfNDistinct(name, 1, 6, rapid.ID).Draw(t, "names")
		m := &members{names: newTable(names)}
		m.order = newOrder(m.names)
		before, known := rapid.IntRange(0, len(names)).Draw(t, "before"), rapid.IntRange(0, len(names)-1).Draw(t, "known")
		m.learn(before, known)
		m.learn(before, 0) // what came first stays

		written := names[known]
		switch rapid.IntRange(0, 5).Draw(t, "another") {
		case 0:
			written = name.Draw(t, "written")
		case 1, 2: // one that nearly is it
			if near := []byte(written); len(near) > 0 {
				near[rapid.IntRange(0, len(near)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
				written = string(near)
			}
		}
		text := []byte(`"` + written + `"`) // as it is, even if that is no JSON
		if rapid.Bool().Draw(t, "escaped") {
			if quoted, err := jsontext.AppendQuote(nil, written); err == nil {
				text = bytes.ReplaceAll(quoted, []byte("b"), []byte(`\u0062`))
			}
		}
		data := append([]byte("{"), text...)
		data = append(data, rapid.SampledFrom([]string{":", " :", ": ", ":\n\t", "", ",", "::"}).Draw(t, "colon")+rapid.SampledFrom([]string{"1}", `"text","a":`, ""}).Draw(t, "value")...)
		data = data[:rapid.IntRange(1, len(data)).Draw(t, "end")]
		if rapid.Bool().Draw(t, "whole") {
			data = append(data, `"and much more": "of it"}`...)
		}
		data = data[:len(data):len(data)]

		fast, slow := &run{data: data, pos: 1}, &run{data: data, pos: 1}
		want := -1
		if text, ok := slow.name(); ok {
			want = m.names.find(text)
		}
		switch got := fast.foretold(m, before); {
		case got < 0 && fast.pos != 1:
			t.Fatalf("%q: goes on to %d, where nothing is foretold", data, fast.pos)
		case got >= 0 && (got != want || got != known || fast.pos != slow.pos):
			t.Fatalf("%q among %q: foretold is %d, on to %d; it is %d, on to %d", data, names, got, fast.pos, want, slow.pos)
		}
		for other := range m.order {
			if other != before && fast.foretold(m, other) >= 0 {
				t.Fatalf("%q: foretold behind %d, where nothing was learnt", data, other)
			}
		}
	})
}

// Guards against a property that holds because nothing is foretold at all.
func TestNamesAreForetold(t *testing.T) {
	names := []string{"a", "eightabc", "seventeen letters"}
	m := &members{names: newTable(names)}
	m.order = newOrder(m.names)
	for known, name := range names {
		data := []byte(`{"` + name + `":1,"and much more": "of it"}`)
		before := len(names) - known
		if got := (&run{data: data, pos: 1}).foretold(m, before); got != -1 {
			t.Errorf("%s: %d is foretold before it is learnt", data, got)
		}
		m.learn(before, known)
		if got := (&run{data: data, pos: 1}).foretold(m, before); got != known {
			t.Errorf("%s: foretold is %d, not %d", data, got, known)
		}
	}
}

// Objects of which no name is known would be looked at for what follows.
func TestNothingIsForetoldWithoutNames(t *testing.T) {
	r := &run{data: []byte(`{"a":1}`), pos: 1}
	for _, before := range []int{-1, 0, 1} {
		if got := r.foretold(&members{}, before); got != -1 {
			t.Errorf("%d is foretold behind %d", got, before)
		}
	}
}
