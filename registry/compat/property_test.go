package compat

import (
	"encoding/json"
	"flag"
	"fmt"
	"reflect"
	"testing"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
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

var pairsFlag = flag.Int("pairs", 1_000, "how many random pairs of schemas to check")

func TestNeverCompatibleWrongly(t *testing.T) {
	// Guards against the one error that must not be: data that was accepted under
	// the old schema and is refused under a new one that was called compatible.
	statistics := map[Result]int{}
	why := map[string]int{}
	documents, changed := 0, 0
	runs := *pairsFlag / 100
	if testing.Short() {
		runs = 2
	}
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
		if verdict.Result == Undecided {
			why[verdict.Findings[0].Rule]++
		}
		if problem := witnessed(verdict, writes, reads, policy); problem != "" {
			old, _ := json.Marshal(writer)
			changed, _ := json.Marshal(reader)
			t.Fatalf("%s\n%s\nold %s\nnew %s", problem, verdict, old, changed)
		}
		for _, f := range verdict.Findings {
			if f.Rule == "" || f.Rule == hush || f.Why == "" || f.Cure == "" || f.ReaderPointer == "" || f.WriterPointer == "" || f.Result == Compatible {
				t.Fatalf("incomplete finding %#v", f)
			}
		}
		if verdict.Result != Compatible {
			return
		}
		if document, doubted := doubt(r, w, policy); doubted {
			old, _ := json.Marshal(writer)
			changed, _ := json.Marshal(reader)
			t.Fatalf("called compatible under %s, and searching without the rules finds %v\nold %s\nnew %s", policy, document, old, changed)
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
	t.Logf("undecided by %v", why)
	t.Logf("verdicts %v (%d compatible with a change), %d documents written under the old schema and read under the new one", statistics, changed, documents)
}

// doubt searches for a document that refutes a verdict, without asking the rules
// that it may rest on.
func doubt(reader, writer *jsonschema.Bundle, policy Policy) (any, bool) {
	r, errR := reader.Link()
	w, errW := writer.Link()
	if errR != nil || errW != nil {
		return nil, false
	}
	c := newCheck(r.Schema, w.Schema, policy)
	c.gate = newGate(policy, c.writers)
	s := newSolver(c, 2_000)
	s.blind = true
	document, status := s.search(c.refusal(), maxToil)
	return document, status == found
}

// witnessed says what is wrong with the witnesses of a verdict; empty if nothing.
func witnessed(v Verdict, writes, reads *v5.Schema, policy Policy) string {
	if (v.Result == Incompatible) != (len(v.Witness) > 0) {
		return fmt.Sprintf("%s with witness %q", v.Result, v.Witness)
	}
	backed := false
	for _, f := range v.Findings {
		if (f.Result == Incompatible) != (len(f.Witness) > 0) {
			return fmt.Sprintf("finding %s with witness %q", f.Rule, f.Witness)
		}
		backed = backed || f.Result == Incompatible
		if problem := refuted(f.Witness, writes, reads, policy); problem != "" {
			return problem
		}
	}
	if v.Result == Incompatible && !backed {
		return "incompatible, and no finding is"
	}
	return refuted(v.Witness, writes, reads, policy)
}

func refuted(witness []byte, writes, reads *v5.Schema, policy Policy) string {
	if len(witness) == 0 {
		return ""
	}
	document, err := strictjson.Decode(witness, strictjson.Limits{})
	if err != nil {
		return err.Error()
	}
	parts, _ := reach(writes)
	switch {
	case writes.Validate(document) != nil:
		return fmt.Sprintf("the old schema refuses the witness %s", witness)
	case reads.Validate(document) == nil:
		return fmt.Sprintf("the new schema admits the witness %s", witness)
	case !passesGate(policy, writes, document) || !newGate(policy, parts).passes(writes, document):
		return fmt.Sprintf("the gate refuses the witness %s", witness)
	}
	return ""
}
