package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redpanda-data/benthos/v4/public/service"
)

// A configuration that lets everything through, or masks nothing, would make
// benthos faster than it is.
func TestProcessorsDoTheirWork(t *testing.T) {
	schema := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(schema, orderSchema, 0o600); err != nil {
		t.Fatal(err)
	}
	validate, err := build(schemaProcessor(schema))
	if err != nil {
		t.Fatal(err)
	}
	defer validate.Close(context.Background())
	mask, err := build(mappingProcessor())
	if err != nil {
		t.Fatal(err)
	}
	defer mask.Close(context.Background())
	process := func(p *service.OwnedProcessor, data []byte) ([]byte, error) {
		batch, err := p.Process(context.Background(), service.NewMessage(data))
		if err != nil {
			return nil, err
		}
		if err := batch[0].GetError(); err != nil {
			return nil, err
		}
		return batch[0].AsBytes()
	}
	for _, document := range bytes.Split(bytes.TrimSpace(orders), []byte("\n")) {
		if _, err := process(validate, document); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		masked, err := process(mask, document)
		if err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		var before, after struct {
			ID       string `json:"order_id"`
			Customer map[string]string
		}
		if json.Unmarshal(document, &before) != nil || json.Unmarshal(masked, &after) != nil || len(after.Customer) != len(before.Customer) {
			t.Fatalf("%s\nbecomes\n%s", document, masked)
		}
		for _, raw := range []string{before.ID, before.Customer["name"], before.Customer["email"]} {
			if strings.Contains(string(masked), raw) {
				t.Errorf("%q is left in %s", raw, masked)
			}
		}
	}
	if _, err := process(validate, []byte(`{"order_id":"x"}`)); err == nil {
		t.Error("an invalid event is let through")
	}
}
