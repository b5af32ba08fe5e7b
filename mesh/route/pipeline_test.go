package route

import (
	"context"
	"testing"
)

// Guards against a gap at the end of a route: a chunk that is given up because the
// pipeline has ended, and the next one, for which there is room again, handed on to a
// writer that has not seen the end yet and writes it.
func TestNothingIsHandedOnBehindAGap(t *testing.T) {
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		l := &pipeline{ordered: make(chan *chunk, 1), ctx: ctx}
		if !l.hand(&chunk{}) {
			t.Fatal("there was room")
		}
		cancel()
		if l.hand(&chunk{}) {
			t.Fatal("there was no room")
		}
		<-l.ordered
		if l.hand(&chunk{}) {
			t.Fatal("a chunk is handed on behind one that was not")
		}
	}
}

// Guards against a writer that does not notice that a chunk is missing.
func TestWriterTakesChunksInOrder(t *testing.T) {
	w := &writer{route: &Route{origin: "ORDERS"}}
	if err := w.chunk(t.Context(), &chunk{number: 2}, false); err == nil {
		t.Error("the second chunk was taken for the first")
	}
}
