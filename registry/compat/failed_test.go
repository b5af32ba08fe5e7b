package compat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestOnceFailed(t *testing.T) {
	// Guards against the pairs that were once called compatible wrongly: each comes
	// with the document that shows it.
	text, err := os.ReadFile(filepath.Join("testdata", "once-failed.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Why, Policy        string
		Old, New, Document json.RawMessage
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	policies := map[string]Policy{"gated": Gated, "strict": Strict, "lenient": Lenient}
	for _, c := range cases {
		t.Run(c.Why, func(t *testing.T) {
			policy, old, next := policies[c.Policy], parse(t, c.Old), parse(t, c.New)
			writes, err := old.Compile()
			if err != nil {
				t.Fatal(err)
			}
			reads, err := next.Compile()
			if err != nil {
				t.Fatal(err)
			}
			if problem := refuted(c.Document, writes, reads, policy); problem != "" {
				t.Fatal(problem)
			}
			v := Check(next, old, policy)
			if v.Result == Compatible {
				t.Errorf("called compatible, and %s shows that it is not", c.Document)
			}
			if problem := witnessed(v, writes, reads, policy); problem != "" {
				t.Error(problem)
			}
		})
	}
}
