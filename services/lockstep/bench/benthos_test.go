package bench

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// Benthos, run alone, would be measured with other events or another schema
// than the engine.
func TestBenthosHasTheSameData(t *testing.T) {
	schema, err := wholeOrderSchema()
	if err != nil {
		t.Fatal(err)
	}
	documents, err := orderDocuments(false)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{
		"order.schema.json": append(schema, '\n'), "orders.jsonl": jsonLines(documents[:benthosEvents]),
	} {
		file := filepath.Join("..", "..", "..", "scripts", "benthos", "data", name)
		if f := flag.Lookup("update"); f.Value.String() == "true" { // the flag of the golden files
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from what is measured here (rewrite it with -update): %v", file, err)
		}
	}
}
