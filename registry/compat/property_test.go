package compat

import (
	"encoding/json"
	"reflect"
	"testing"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

// bundle parses a generated schema, or reports that it is not one.
func bundle(s any) (*jsonschema.Bundle, *v5.Schema, bool) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, nil, false
	}
	document, err := jsonschema.Parse(text)
	if err != nil {
		return nil, nil, false
	}
	b := &jsonschema.Bundle{Document: document}
	compiled, err := b.Compile()
	return b, compiled, err == nil
}

func TestNeverCompatibleWrongly(t *testing.T) {
	// Guards against the one error that must not be: data that was accepted under
	// the old schema and is refused under a new one that was called compatible.
	statistics := map[Result]int{}
	documents, changed := 0, 0
	const runs = 20
	property := func(t *rapid.T) {
		writer := object_{}
		fill(t, writer, 2, between(t, 1, 4, "keywords"))
		writer["definitions"] = object_{"d": schema(t, 1), "e": schema(t, 1)}
		reader := mutate(t, writer)
		writer["$schema"] = oneOfThese(t, drafts, "draft")
		reader["$schema"] = writer["$schema"]
		if between(t, 0, 9, "redraft") == 0 {
			reader["$schema"] = oneOfThese(t, drafts, "new draft")
		}
		policy := oneOfThese(t, []Policy{Gated, Strict, Lenient}, "policy")

		w, writes, ok := bundle(writer)
		if !ok {
			t.Skip("no schema")
		}
		r, reads, ok := bundle(reader)
		if !ok {
			t.Skip("no schema")
		}
		verdict := Check(r, w, policy)
		statistics[verdict.Result]++
		if verdict.Result == Compatible && !reflect.DeepEqual(reader, writer) {
			changed++
		}
		if (verdict.Result == Compatible) != (len(verdict.Findings) == 0) {
			t.Fatalf("%s with %d findings", verdict.Result, len(verdict.Findings))
		}
		for _, f := range verdict.Findings {
			if f.Rule == "" || f.Rule == hush || f.Why == "" || f.Cure == "" || f.ReaderPointer == "" || f.WriterPointer == "" || f.Result == Compatible {
				t.Fatalf("incomplete finding %#v", f)
			}
		}
		if verdict.Result != Compatible {
			return
		}
		for range 40 {
			var document any
			if between(t, 0, 3, "from") == 0 {
				document = likely(t, reader, reader, 4)
			} else {
				document = likely(t, writer, writer, 4)
			}
			if writes.Validate(document) != nil || !passesGate(policy, writes, document) {
				continue
			}
			documents++
			if err := reads.Validate(document); err != nil {
				text, _ := json.Marshal(document)
				old, _ := json.Marshal(writer)
				changed, _ := json.Marshal(reader)
				t.Fatalf("called compatible under %s:\nold %s\nnew %s\nand yet the old schema admits and the new one refuses\n%s\n%v", policy, old, changed, text, err)
			}
		}
	}
	// One run of rapid's is a hundred pairs.
	for range runs {
		rapid.Check(t, property)
	}
	t.Logf("verdicts %v (%d compatible with a change), %d documents written under the old schema and read under the new one", statistics, changed, documents)
}
