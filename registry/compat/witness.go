package compat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// maxAimed bounds the findings that a document of their own is looked for.
const maxAimed = 8

// prove looks for documents that show what the rules found, and lets a verdict
// say no more than what they show. A search that comes to the end of all cases is
// a derivation too.
func (c *check) prove(findings []Finding) Verdict {
	c.gate = newGate(c.policy, c.writers)
	c.spent = 0
	s := newSolver(c, maxSteps)
	value, status := s.search(c.refusal(), maxToil)
	if status == none && !s.partial && !c.readerDynamic && !c.writerDynamic {
		return Verdict{Result: Compatible}
	}
	var proofs []proof
	if status == found {
		proofs = append(proofs, c.proof(value, nil))
	}
	show := func(f *Finding) bool {
		for _, p := range proofs {
			if c.shows(p, *f) {
				f.Result, f.Witness = Incompatible, p.text
				return true
			}
		}
		return false
	}
	aimed := 0
	c.spent = min(c.spent, budget/2) // what is left is for all of the others together
	for i := range findings {
		f := &findings[i]
		if show(f) {
			continue
		}
		if aimed < maxAimed && (f.Result == Incompatible || len(proofs) == 0) {
			aimed++
			g := c.refusal()
			g.aimed = true
			if f.Instance != "" {
				g.aim = strings.Split(f.Instance[1:], "/")
			}
			if value, status := newSolver(c, maxSteps/maxAimed).search(g, maxToil/maxAimed); status == found {
				proofs = append(proofs, c.proof(value, f))
				if show(f) {
					continue
				}
			}
		}
		if f.Result == Incompatible {
			f.Result = Undecided
			f.Why += "; no document was found that shows it" + stopped(s.why)
		} else if len(proofs) == 0 {
			f.Why += "; no document was found that is refused" + stopped(s.why)
		}
	}
	if len(proofs) == 0 {
		return verdict(findings)
	}
	best := slices.MinFunc(proofs, func(a, b proof) int { return len(a.text) - len(b.text) })
	if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Result == Incompatible }) {
		findings = append(findings, c.refused(best))
	}
	v := verdict(findings)
	v.Witness = best.text
	return v
}

func stopped(why string) string {
	if why == "" {
		return ""
	}
	return " (the search stopped at " + why + ")"
}

// refusal is the goal of a document that the writer's schema admits and the
// reader's refuses.
func (c *check) refusal() goal {
	return goal{
		holds: []*v5.Schema{c.writer}, fails: []*v5.Schema{c.reader}, scope: []*v5.Schema{c.writer},
		closed: c.policy != Strict, kinds: anything, root: true,
	}
}

// refutes reports whether a document is admitted by the writer's schema and its
// gate, and refused by the reader's. The reference validator says so, of the
// document as it was written and read again.
func (c *check) refutes(value any) bool {
	c.toil(toilDocument)
	text, ok := write(value)
	if !ok {
		return false
	}
	value, err := strictjson.Decode(text, strictjson.Limits{})
	if err != nil {
		return false
	}
	if valid, ok := c.validates(c.writer, value); !ok || !valid {
		return false
	}
	if valid, ok := c.validates(c.reader, value); !ok || valid {
		return false
	}
	return c.gate.passes(c.writer, value)
}

// proof is a document with what the reference validator says of it.
type proof struct {
	text   []byte
	errors []*v5.ValidationError
}

// proof makes a document small and reads what is said of it. One that shows what
// about is still shows it when it is small.
func (c *check) proof(value any, about *Finding) proof {
	if about != nil && !c.shows(c.reading(value), *about) {
		about = nil
	}
	return c.reading(c.shrink(value, func(smaller any) bool {
		return c.refutes(smaller) && (about == nil || c.shows(c.reading(smaller), *about))
	}))
}

// reading is a document with what is said of it.
func (c *check) reading(value any) proof {
	text, _ := write(value)
	p := proof{text: text}
	value, err := strictjson.Decode(text, strictjson.Limits{})
	if err != nil {
		return p
	}
	defer func() { _ = recover() }() // the library's, of which refutes made sure
	var invalid *v5.ValidationError
	if errors.As(c.reader.Validate(value), &invalid) {
		queue := []*v5.ValidationError{invalid}
		for len(queue) > 0 {
			p.errors = append(p.errors, queue[0])
			queue = append(queue[1:], queue[0].Causes...)
		}
	}
	return p
}

// shows reports whether a document is refused for what a finding is about.
func (c *check) shows(p proof, f Finding) bool {
	return slices.ContainsFunc(p.errors, func(e *v5.ValidationError) bool {
		origin, _ := c.locateReader(e.AbsoluteKeywordLocation)
		at := strings.ReplaceAll(origin.String(), "/minContains", "/contains")
		return (at == f.ReaderPointer || strings.HasPrefix(at, f.ReaderPointer+"/")) && within(e.InstanceLocation, f.Instance)
	})
}

// within reports whether a place in a document is the one that a finding is about,
// or inside of it.
func within(instance, place string) bool {
	if place == "" {
		return true
	}
	have, want := strings.Split(instance, "/"), strings.Split(place, "/")
	if len(have) < len(want) {
		return false
	}
	for i, token := range want {
		if token != "*" && token != have[i] {
			return false
		}
	}
	return true
}

// refused is a finding made of what the reference validator says of a document.
func (c *check) refused(p proof) Finding {
	e := p.errors[0]
	for _, deeper := range p.errors {
		if len(deeper.Causes) == 0 {
			e = deeper
			break
		}
	}
	reader, _ := c.locateReader(e.AbsoluteKeywordLocation)
	writer, _ := c.locateWriter(c.writer.Location)
	return Finding{
		Result: Incompatible, Rule: "document-refused", ReaderPointer: reader.String(), WriterPointer: writer.String(), Instance: e.InstanceLocation,
		Why:     fmt.Sprintf("the old schema admits a document that the new one refuses: %s", e.Message),
		Cure:    "admit the witness in the new schema",
		Witness: p.text,
	}
}

// write writes a document: in one line if it is short.
func write(value any) ([]byte, bool) {
	var line, lines bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return nil, false
	}
	const short = 100
	text := bytes.TrimSpace(line.Bytes())
	if len(text) <= short {
		return text, true
	}
	if json.Indent(&lines, text, "", "  ") != nil {
		return nil, false
	}
	return lines.Bytes(), true
}

// maxShrinking bounds the attempts at a smaller document, times its size. What is
// built is small already, so little is left to do.
const maxShrinking = 6_000

// shrink makes a document smaller as long as it will still do.
func (c *check) shrink(root any, will func(any) bool) any {
	attempts := min(400, maxShrinking/(1+sizeOf(root)))
	again := true
	var visit func(v any, put func(any) any) any
	// visit makes one value of the document smaller; put is the document with another
	// value in its place.
	visit = func(v any, put func(any) any) any {
		for _, simpler := range simplerThan(v) {
			if attempts <= 0 {
				return v
			}
			attempts--
			if will(put(simpler)) {
				again = true
				return visit(simpler, put)
			}
		}
		switch whole := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(whole)) {
				in := func(part any) map[string]any {
					n := maps.Clone(whole)
					n[name] = part
					return n
				}
				whole = in(visit(whole[name], func(part any) any { return put(in(part)) }))
			}
			return whole
		case []any:
			for i := range whole {
				in := func(part any) []any {
					n := slices.Clone(whole)
					n[i] = part
					return n
				}
				whole = in(visit(whole[i], func(part any) any { return put(in(part)) }))
			}
			return whole
		}
		return v
	}
	for again && attempts > 0 {
		again = false
		root = visit(root, func(v any) any { return v })
	}
	return root
}

// simplerThan are values to try instead of v.
func simplerThan(v any) []any {
	var out []any
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 1 {
			out = append(out, map[string]any{})
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			n := maps.Clone(v)
			delete(n, name)
			out = append(out, n)
		}
	case []any:
		if len(v) > 1 {
			out = append(out, []any{}, slices.Clone(v[:len(v)/2]))
		}
		for i := range v {
			out = append(out, slices.Delete(slices.Clone(v), i, i+1))
		}
	case string:
		if runes := []rune(v); len(runes) > 8 {
			out = append(out, "a", string(runes[:len(runes)/2]), string(runes[:len(runes)-1]))
		}
	case json.Number:
		if len(v) > 1 {
			out = append(out, json.Number("0"), json.Number("1"))
		}
	}
	return out
}

// sizeOf is the number of values in a document.
func sizeOf(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, member := range v {
			n += sizeOf(member)
		}
	case []any:
		for _, item := range v {
			n += sizeOf(item)
		}
	}
	return n
}
